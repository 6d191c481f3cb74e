using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>The directives of one PFS (mirroring-and-operations 5.6 to 5.8).</summary>
sealed partial class CleanupRun(PfsPath pfs, string directory, bool force, int verbose)
{
    bool _snapshotsDisabled;
    int _exit;

    internal int Run()
    {
        foreach (CleanupDirective directive in CleanupPolicy.Parse(Configuration()))
        {
            Console.Write(string.Create(CultureInfo.InvariantCulture, $"{directive.Name,20} - "));
            switch (directive.Name)
            {
                case "snapshots": Snapshots(directive); break;
                case "prune": Timed(directive, Prune); break;
                case "rebalance": Timed(directive, d => Child(d, "rebalance", ".rebalance.cycle", "rebalance")); break;
                case "reblock": Timed(directive, d => Reblock(d, "reblock", 100, 95)); break;
                case "recopy": Timed(directive, d => Reblock(d, "recopy", 100, 100)); break;
                case "dedup": Console.WriteLine("not available"); break;
                default: Console.WriteLine($"unknown directive {directive.Name}"); break;
            }
        }
        return _exit;
    }

    string Configuration()
    {
        if (pfs.Client.ReadConfig(pfs.PfsId) is { } text) return text;
        text = CleanupPolicy.Defaults(pfs.MountPoint);
        pfs.Client.WriteConfig(pfs.PfsId, text);
        return text;
    }

    // ------------------------------------------------------------------ periods

    string PeriodFile(string name) => Path.Combine(directory, $".{name}.period");

    bool IsDue(CleanupDirective directive, DateTimeOffset now)
    {
        string file = PeriodFile(directive.Name);
        if (force || !File.Exists(file)) return true;
        string text = File.ReadAllText(file).Trim();
        bool known = text.StartsWith("0x", StringComparison.Ordinal) && uint.TryParse(text.AsSpan(2),
            NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _);
        if (!known) return true;
        uint seconds = uint.Parse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        DateTime last = DateTimeOffset.FromUnixTimeSeconds(seconds).ToLocalTime().DateTime;
        return CleanupPolicy.IsDue(directive.Period, last, now.ToLocalTime().DateTime);
    }

    void SavePeriod(string name, DateTimeOffset started)
    {
        string file = PeriodFile(name);
        File.WriteAllText(file + ".new", string.Create(CultureInfo.InvariantCulture,
            $"0x{(uint)started.ToUnixTimeSeconds():x8}\n"));
        File.Move(file + ".new", file, overwrite: true);
    }

    void Timed(CleanupDirective directive, Func<CleanupDirective, bool> run)
    {
        DateTimeOffset now = DateTimeOffset.Now;
        if (directive.Period == 0)
        {
            Console.WriteLine("disabled");
            return;
        }
        if (!IsDue(directive, now))
        {
            Console.WriteLine("skip");
            return;
        }
        Console.Write("run");
        bool good = run(directive);
        Console.WriteLine();
        if (good) SavePeriod(directive.Name, now);
        else _exit = CommandLine.Failed;
    }

    void Tell(string line)
    {
        if (verbose > 0) Console.Write($"\n{"",22} {line}");
        else Console.Write(".");
        if (verbose > 1) Console.WriteLine();
    }

    // ------------------------------------------------------------------ snapshots

    void Snapshots(CleanupDirective directive)
    {
        DateTimeOffset now = DateTimeOffset.Now;
        if (directive.Period == 0)
        {
            bool any = directive.Second > 0
                && (SnapshotLink.In(directory).Any() || pfs.Client.Snapshots(pfs.PfsId).Length > 0);
            _snapshotsDisabled = !any;
            Console.Write(any ? "only removing old snapshots" : "disabled");
            if (any) Expire(directive, now);
            Console.WriteLine();
            return;
        }
        Timed(directive, d =>
        {
            Expire(d, now);
            Tell("snapshot");
            SnapshotCommands.Make(pfs, null, SnapshotCommands.LinkAt(directory), null);
            return true;
        });
    }

    [GeneratedRegex("^[^-.]*[-.]([0-9]{8})(?:-([0-9]{4}))?")]
    private static partial Regex DatedName();

    void Expire(CleanupDirective directive, DateTimeOffset now)
    {
        if (directive.Second == 0) return;
        foreach (FileSystemInfo entry in new DirectoryInfo(directory).EnumerateFileSystemInfos().ToList())
        {
            if (entry.LinkTarget is null) continue;
            bool ours = directive.IsAny || entry.Name.StartsWith("snap-", StringComparison.Ordinal);
            if (!ours || Date(entry.Name) is not { } date) continue;
            if ((now.LocalDateTime - date).TotalSeconds <= directive.Second) continue;
            Tell($"expire {entry.FullName}");
            File.Delete(entry.FullName);
        }
        foreach (SnapshotItem item in pfs.Client.Snapshots(pfs.PfsId))
        {
            double age = (now - DateTimeOffset.UnixEpoch.AddTicks(item.TimeMicros * 10)).TotalSeconds;
            if (age <= directive.Second && CommonOptions.ParseTid(item.Tid) != 0) continue;
            Tell($"expire {item.Tid}");
            pfs.Client.RemoveSnapshot(pfs.PfsId, item.Tid);
        }
    }

    static DateTime? Date(string name)
    {
        Match match = DatedName().Match(name);
        if (!match.Success) return null;
        string text = match.Groups[1].Value + (match.Groups[2].Success ? match.Groups[2].Value : "0000");
        return DateTime.TryParseExact(text, "yyyyMMddHHmm", CultureInfo.InvariantCulture, DateTimeStyles.None,
            out DateTime date) ? date : null;
    }

    // ------------------------------------------------------------------ prune and the others

    bool Prune(CleanupDirective directive)
    {
        string place = !_snapshotsDisabled && SnapshotLink.In(directory).Any() ? directory : pfs.Path;
        Tell(_snapshotsDisabled ? $"prune-everything {place}" : $"prune {place}");
        var run = new PruneRun(place, _snapshotsDisabled)
        {
            CycleFile = directive.Second > 0 ? Path.Combine(directory, ".prune.cycle") : null,
            Limit = directive.Second, Output = verbose > 1 ? Console.Out : TextWriter.Null,
        };
        return run.Run(CancellationToken.None) == 0;
    }

    /// <summary>B-Tree, inodes and directories, then data: each with its own cycle file.</summary>
    bool Reblock(CleanupDirective directive, string cycle, int fill, int dataFill)
    {
        bool good = true;
        foreach ((string verb, int number, int percent) in ((string, int, int)[])
            [("reblock-btree", 1, fill), ("reblock-inodes", 2, fill), ("reblock-dirs", 4, fill),
                ("reblock-data", 3, dataFill)])
        {
            string file = string.Create(CultureInfo.InvariantCulture, $".{cycle}-{number}.cycle");
            good &= Child(directive, verb, file, verb, percent.ToString(CultureInfo.InvariantCulture));
        }
        return good;
    }

    /// <summary>Runs another verb of this program; true if it succeeded.</summary>
    bool Child(CleanupDirective directive, string verb, string cycleFile, string told, string? percent = null)
    {
        Tell($"{told} {pfs.Path}{(percent is null ? "" : " " + percent)}");
        if (!Program.HasVerb(verb))
        {
            Console.Write(" not available");
            return true;
        }
        string program = Environment.ProcessPath ?? throw new IOException("the path of this program is not known");
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = verbose < 2 };
        if (directive.Second > 0)
        {
            foreach (string word in (string[])["-c", Path.Combine(directory, cycleFile), "-t",
                directive.Second.ToString(CultureInfo.InvariantCulture)]) start.ArgumentList.Add(word);
        }
        start.ArgumentList.Add(verb);
        start.ArgumentList.Add(pfs.Path);
        if (percent is not null) start.ArgumentList.Add(percent);
        using Process? process = Process.Start(start);
        if (process is null) return false;
        if (verbose < 2) process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
