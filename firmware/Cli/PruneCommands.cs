using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>
/// prune and prune-everything (mirroring-and-operations 6.1). The work is asked for in pieces of 40 ms, so a
/// time limit and an interrupt take effect at once and the rest can be done later.
/// </summary>
static class PruneCommands
{
    static readonly Argument<string> s_path = new("path")
    {
        Description = "A directory of the PFS, or one that holds snapshot softlinks of it.",
    };
    static readonly Option<string?> s_cycle = new("-c")
    {
        Description = "Cycle file: go on from there; save the place when stopped.",
    };
    static readonly Option<int> s_limit = new("-t") { Description = "Stop after so many seconds." };

    internal static Command[] Create() => [With("prune", "Remove history that no snapshot shows.", false),
        With("prune-everything", "Remove all history and all snapshots.", true)];

    static Command With(string name, string description, bool everything)
    {
        var command = new Command(name, description) { s_path, s_cycle, s_limit };
        command.SetAction(parsed =>
        {
            using var stop = new CancellationTokenSource();
            using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
            {
                context.Cancel = true;
                stop.Cancel();
            });
            var run = new PruneRun(parsed.GetRequiredValue(s_path), everything)
            {
                CycleFile = parsed.GetValue(s_cycle), Limit = parsed.GetValue(s_limit), Output = Console.Out,
            };
            return run.Run(stop.Token);
        });
        return command;
    }
}

/// <summary>One prune of one PFS, through the control socket.</summary>
sealed class PruneRun(string path, bool everything)
{
    internal string? CycleFile { get; init; }
    /// <summary>Seconds; 0 is unlimited.</summary>
    internal long Limit { get; init; }
    internal TextWriter Output { get; init; } = TextWriter.Null;

    long _scanned, _records, _entries, _bytes, _damaged;

    /// <summary>0 also when interrupted, 2 if it failed.</summary>
    internal int Run(CancellationToken stop)
    {
        var links = new List<PruneMoment>();
        using PfsPath pfs = everything ? PfsPath.Open(path) : Open(links);
        var request = new PruneRequest { Everything = everything, Softlinks = [.. links], Resume = ReadCycle(pfs) };
        using var timer = new CancellationTokenSource();
        if (Limit > 0) timer.CancelAfter(TimeSpan.FromSeconds(Limit));
        try
        {
            PruneReply reply = pfs.Client.Prune(pfs.PfsId, request with { Milliseconds = 1 });
            if (!RunBegin(pfs, reply, request.Resume)) return 0;
            while (Count(reply) && !stop.IsCancellationRequested && !timer.IsCancellationRequested)
            {
                request = request with { Resume = reply.Next, Limit = reply.Limit };
                reply = pfs.Client.Prune(pfs.PfsId, request);
            }
            return RunEnd(reply);
        }
        catch (ControlException e)
        {
            Console.Error.WriteLine($"Prune {path} failed: {e.Message}");
            return SnapshotCommands.Failed;
        }
    }

    bool RunBegin(PfsPath pfs, PruneReply reply, string? resume)
    {
        if (!reply.Possible && reply.Kept.Length == 0)
        {
            Console.Error.WriteLine($"Prune {path}: no snapshots, nothing was pruned");
            return false;
        }
        Output.WriteLine(everything ? $"Prune {path}: EVERYTHING"
            : string.Create(CultureInfo.InvariantCulture, $"Prune {path}: {reply.Kept.Length} snapshots"));
        BaseElm from = FilteredScan.FirstKey(pfs.PfsId), to = FilteredScan.LastKey(pfs.PfsId);
        if (resume is not null && KeyText.TryParse(resume, out BaseElm at)) to = at;
        Output.WriteLine($"Prune {path}: objspace {KeyText.Short(in from)} {KeyText.Short(in to)} pfs_id {pfs.PfsId}");
        if (reply.PruneMin != 0)
        {
            var min = TimeSpan.FromSeconds(reply.PruneMin);
            Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"Prune {path}: prune_min is {min.Days}d/{min.Hours:00}:{min.Minutes:00}:{min.Seconds:00}"));
        }
        RunBeginRanges(reply);
        return true;
    }

    void RunBeginRanges(PruneReply reply)
    {
        if (everything || !reply.Possible) return;
        string end = reply.Limit;
        foreach (string tid in reply.Kept.Reverse().Where(t => string.CompareOrdinal(t, reply.Limit) < 0))
        {
            Output.WriteLine($"TID {tid[2..]} - {end[2..]}");
            end = tid;
        }
        Output.WriteLine($"TID {1:x16} - {end[2..]}");
    }

    /// <summary>True if there is more to do.</summary>
    bool Count(PruneReply reply)
    {
        _scanned += reply.Scanned;
        _records += reply.Records;
        _entries += reply.Entries;
        _bytes += reply.Bytes;
        _damaged += reply.Damaged;
        return reply.Possible && !reply.Done;
    }

    int RunEnd(PruneReply reply)
    {
        if (reply.Done || !reply.Possible)
        {
            Output.WriteLine($"Prune {path} succeeded");
            if (CycleFile is not null) File.Delete(CycleFile);
        }
        else
        {
            string at = KeyText.TryParse(reply.Next, out BaseElm key) ? KeyText.Short(in key) : reply.Next;
            Output.WriteLine($"Prune {path} interrupted by timer at {at.Replace(':', ' ')}");
            if (CycleFile is not null) File.WriteAllText(CycleFile, reply.Next + "\n");
        }
        Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Pruned {_records}/{_scanned} records ({_entries} directory entries) and {_bytes} bytes"));
        if (_damaged > 0)
            Console.Error.WriteLine($"Prune {path}: {_damaged} damaged records or nodes were left alone; run check");
        return 0;
    }

    string? ReadCycle(PfsPath pfs)
    {
        if (CycleFile is null || !File.Exists(CycleFile)) return null;
        string text = File.ReadAllText(CycleFile).Trim();
        if (KeyText.TryParse(text, out BaseElm key) && key.Localization >> 16 == pfs.PfsId) return text;
        CommandLine.Complain($"{CycleFile}: not a place in PFS#{pfs.PfsId}; beginning anew");
        return null;
    }

    /// <summary>
    /// Softlinks `...@@tid` directly in the directory, which must all belong to one PFS; without any, the directory's
    /// own PFS.
    /// </summary>
    PfsPath Open(List<PruneMoment> links)
    {
        PfsPath? found = null;
        foreach (SnapshotLink link in SnapshotLink.In(path))
        {
            PfsPath of;
            try
            {
                of = PfsPath.Open(SnapshotCommands.PlaceOf(link.Target));
            }
            catch (IOException e)
            {
                CommandLine.Complain($"{link.Path}: {e.Message}; not used");
                continue;
            }
            if (found is not null && (of.MountPoint != found.MountPoint || of.PfsId != found.PfsId))
            {
                of.Dispose();
                found.Dispose();
                throw new UsageException($"{path}: its snapshot links belong to several file systems");
            }
            links.Add(new PruneMoment(link.Tid, link.Time.ToUnixTimeSeconds()));
            if (found is null) found = of;
            else of.Dispose();
        }
        return found ?? PfsPath.Open(path);
    }
}

/// <summary>A softlink that names a snapshot.</summary>
/// <param name="Path">The link.</param>
/// <param name="Target">Where it leads, with the directory of the link in front if it is relative.</param>
/// <param name="Tid">With 0x.</param>
/// <param name="Time">When the link was made.</param>
sealed record SnapshotLink(string Path, string Target, string Tid, DateTimeOffset Time)
{
    internal static IEnumerable<SnapshotLink> In(string directory)
    {
        if (!Directory.Exists(directory)) yield break;
        foreach (FileSystemInfo entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
        {
            if (entry.LinkTarget is not { } target) continue;
            System.Text.RegularExpressions.Match match = SnapshotCommands.TargetTid().Match(target);
            if (!match.Success) continue;
            yield return new SnapshotLink(entry.FullName, System.IO.Path.Combine(directory, target),
                match.Groups[1].Value, entry.LastWriteTimeUtc);
        }
    }
}
