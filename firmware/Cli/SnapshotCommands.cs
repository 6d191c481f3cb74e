using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text.RegularExpressions;
using NasCore.Primitives;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>
/// snap, snaplo, snapq, snapshot, snapls, snaprm (mirroring-and-operations 5.3). Errors end with 2.
/// Differs: the PFSs of a mount are reached through one mount point here, so a link into another PFS than the root
/// carries its id (`@@0x...:00001`), and a link beside a directory is `dir/@@0x...` for every directory.
/// </summary>
static partial class SnapshotCommands
{
    /// <summary>Exit code of this family.</summary>
    internal const int Failed = 2;

    static readonly Argument<string> s_path = new("path")
    {
        Description = "A directory, for a link snap-YYYYMMDD-HHMM in it, or the link to be made.",
    };
    static readonly Argument<string> s_dir = new("dir") { Description = "A directory of the PFS." };
    static readonly Argument<string?> s_note = new("note")
    {
        Description = "A note of at most 63 bytes.", Arity = ArgumentArity.ZeroOrOne,
    };
    static readonly Argument<string[]> s_words = new("fs dir note")
    {
        Description = "[fs] dir-or-format [note]: the directory for the link, or the link's name, a strftime format.",
        Arity = new ArgumentArity(1, 3),
    };
    static readonly Argument<string[]> s_paths = new("paths")
    {
        Description = "PFSs; without any, that of the current directory.", Arity = ArgumentArity.ZeroOrMore,
    };
    static readonly Argument<string[]> s_what = new("what")
    {
        Description = "Softlinks; or TIDs; or a directory of the PFS and TIDs.", Arity = ArgumentArity.OneOrMore,
    };

    internal static Command[] Create() =>
    [
        With("snap", "Make a snapshot and its softlink, which names the mount point.", p => Snap(p, local: false),
            s_path, s_note),
        With("snaplo", "The same; the link names the directory that holds it.", p => Snap(p, local: true), s_path,
            s_note),
        With("snapq", "Make a snapshot without a softlink and print its path.", SnapQuietly, s_dir, s_note),
        With("snapshot", "Make a snapshot, its softlink in a directory, and print the link.", Snapshot, s_words),
        With("snapls", "List snapshots.", List, s_paths),
        With("snaprm", "Remove snapshots; their history goes with the next prune.", Remove, s_what),
    ];

    /// <summary>A verb whose errors end with 2.</summary>
    internal static Command With(string name, string description, Func<ParseResult, int> run,
        params Argument[] arguments)
    {
        var command = new Command(name, description);
        foreach (Argument argument in arguments) command.Add(argument);
        command.SetAction(parsed => Guarded(() => run(parsed)));
        return command;
    }

    internal static int Guarded(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (Exception e) when (CommandLine.IsExpected(e))
        {
            CommandLine.Complain(e.Message);
            return Failed;
        }
    }

    // ------------------------------------------------------------------ making

    static int Snap(ParseResult parsed, bool local)
    {
        string path = parsed.GetRequiredValue(s_path);
        string link = Directory.Exists(path)
            ? Path.Combine(path, StrFTime.Format(StrFTime.SnapshotName, DateTimeOffset.Now)) : path;
        if (!IsFree(link)) throw new UsageException($"{link}: exists and is no softlink");
        string dir = Path.GetDirectoryName(link) is { Length: > 0 } parent ? parent : ".";
        using PfsPath pfs = PfsPath.Open(dir);
        string tid = pfs.Client.AddSnapshot(pfs.PfsId, null, parsed.GetValue(s_note));
        MakeLink(link, local ? LocalTarget(dir, tid) : MountTarget(pfs, tid));
        return 0;
    }

    static int SnapQuietly(ParseResult parsed)
    {
        string dir = parsed.GetRequiredValue(s_dir);
        using PfsPath pfs = PfsPath.Open(dir);
        Console.WriteLine(LocalTarget(dir, pfs.Client.AddSnapshot(pfs.PfsId, null, parsed.GetValue(s_note))));
        return 0;
    }

    static int Snapshot(ParseResult parsed)
    {
        string[] words = parsed.GetRequiredValue(s_words);
        // `dir note` or `fs dir`: the second is a place if it looks like one.
        bool hasFs = words.Length == 3
            || (words.Length == 2 && (words[1].Contains('/', StringComparison.Ordinal) || Directory.Exists(words[1])));
        string place = words[hasFs ? 1 : 0];
        string? note = words.Length > (hasFs ? 2 : 1) ? words[^1] : null;
        Console.WriteLine(Make(hasFs ? words[0] : null, place, note));
        return 0;
    }

    static string Make(string? fs, string place, string? note)
    {
        string link = LinkAt(place);
        string dir = Path.GetDirectoryName(link) is { Length: > 0 } parent ? parent : ".";
        using PfsPath pfs = PfsPath.Open(fs ?? dir);
        return Make(pfs, fs, link, note);
    }

    /// <summary>The link that `snapshot` makes in a directory, or by a strftime format.</summary>
    internal static string LinkAt(string place)
    {
        string format = Directory.Exists(place) ? Path.Combine(place, StrFTime.SnapshotName) : place;
        string link = StrFTime.Format(format, DateTimeOffset.Now);
        return IsFree(link) ? link : throw new UsageException($"{link}: exists and is no softlink");
    }

    /// <summary>`hammer snapshot`: registers the present state and makes its softlink.</summary>
    /// <param name="pfs">The PFS.</param>
    /// <param name="fs">The directory that the link shall name; null: the mount point.</param>
    /// <param name="link">The softlink; its path is the answer.</param>
    /// <param name="note">For the record.</param>
    internal static string Make(PfsPath pfs, string? fs, string link, string? note)
    {
        string tid = pfs.Client.SnapshotTid(pfs.PfsId);
        try
        {
            pfs.Client.AddSnapshot(pfs.PfsId, tid, note);
        }
        catch (ControlException e) when (e.Errno == Errno.Exist)
        {
            // Nothing has changed since the last one: it has a record.
        }
        MakeLink(link, fs is null ? MountTarget(pfs, tid) : fs.TrimEnd('/') + "/@@" + tid);
        return link;
    }

    static string LocalTarget(string dir, string tid) => dir.TrimEnd('/') + "/@@" + tid;

    static string MountTarget(PfsPath pfs, string tid)
    {
        string root = pfs.MountPoint.TrimEnd('/') + "/@@" + tid;
        return pfs.PfsId == 0 ? root
            : root + string.Create(CultureInfo.InvariantCulture, $":{pfs.PfsId:d5}");
    }

    static bool IsFree(string link) => new FileInfo(link).LinkTarget is not null || !PfsPath.Exists(link);

    // An existing link of that name is replaced.
    static void MakeLink(string link, string target)
    {
        if (new FileInfo(link).LinkTarget is not null) File.Delete(link);
        File.CreateSymbolicLink(link, target);
    }

    // ------------------------------------------------------------------ listing

    static int List(ParseResult parsed)
    {
        string[] paths = parsed.GetValue(s_paths) is { Length: > 0 } given ? given : ["."];
        foreach (string path in paths)
        {
            using PfsPath pfs = PfsPath.Open(path);
            Console.Write($"Snapshots on {path}\tPFS#{pfs.PfsId}\nTransaction ID\t\tTimestamp\t\tNote\n");
            foreach (SnapshotItem item in pfs.Client.Snapshots(pfs.PfsId))
            {
                DateTimeOffset time = DateTimeOffset.UnixEpoch.AddTicks(Math.Max(0, item.TimeMicros) * 10)
                    .ToLocalTime();
                string label = item.Label.Length > 0 ? item.Label : "-";
                Console.Write($"{item.Tid}\t{StrFTime.Format("%Y-%m-%d %H:%M:%S %Z", time)}\t{label}\n");
            }
        }
        return 0;
    }

    // ------------------------------------------------------------------ removing

    [GeneratedRegex("@@(0x[0-9a-fA-F]{1,16})(?::[0-9]{5})?$")]
    internal static partial Regex TargetTid();

    [GeneratedRegex("^(?:0[xX])?[0-9a-fA-F]{1,16}$")]
    private static partial Regex PlainTid();

    static int Remove(ParseResult parsed)
    {
        string[] words = parsed.GetRequiredValue(s_what);
        string? fs = null;
        bool links = false, tids = false;
        foreach (string word in words)
        {
            if (new FileInfo(word).LinkTarget is { } target && TargetTid().IsMatch(target))
            {
                links = true;
                if (tids || fs is not null) throw new UsageException("softlinks and TIDs cannot be mixed");
                RemoveLink(word, target);
            }
            else if (Directory.Exists(word))
            {
                if (links || tids) throw new UsageException($"{word}: a directory must come before its TIDs");
                fs = word;
            }
            else if (PlainTid().IsMatch(word))
            {
                if (links) throw new UsageException("softlinks and TIDs cannot be mixed");
                tids = true;
                string digits = word.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? word[2..] : word;
                RemoveTid(fs ?? ".", Tid.Format(Hex(digits)));
            }
            else
            {
                throw new UsageException($"{word}: not a snapshot's softlink, directory or TID");
            }
        }
        return fs is not null && !tids ? throw new UsageException($"{fs}: TIDs are missing") : 0;
    }

    static ulong Hex(string digits) =>
        ulong.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    static void RemoveLink(string link, string target)
    {
        string dir = Path.GetDirectoryName(link) is { Length: > 0 } parent ? parent : ".";
        string place = Path.Combine(dir, target);
        // The state may be gone; its record is in the PFS of the directory before the @@.
        RemoveTid(PlaceOf(place), TargetTid().Match(target).Groups[1].Value);
        File.Delete(link);
    }

    /// <summary>What names the PFS of a snapshot link's target: itself, or what it lies in.</summary>
    internal static string PlaceOf(string target)
    {
        if (Directory.Exists(target)) return target;
        string stem = target[..target.LastIndexOf("@@", StringComparison.Ordinal)];
        return stem.Length == 0 ? "." : stem;
    }

    static void RemoveTid(string fs, string tid)
    {
        using PfsPath pfs = PfsPath.Open(fs);
        try
        {
            pfs.Client.RemoveSnapshot(pfs.PfsId, tid);
        }
        catch (ControlException e) when (e.Errno == Errno.NoEnt)
        {
            CommandLine.Complain($"{tid}: PFS#{pfs.PfsId} has no such snapshot");
        }
    }
}
