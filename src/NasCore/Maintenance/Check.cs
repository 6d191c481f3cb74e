using System;
using System.IO;
using System.Threading;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>
/// `check`: every invariant of the medium (docs/FORMAT.md 10, on-disk-format appendix C), on volumes that are not
/// mounted, after recovery stage 1 in memory. Findings are streamed, nothing stops at the first.
///
/// Phases:
///  1. headers: areas, identity, FIFO range and table, statistics;
///  2. freemap: both layers, their CRCs and counts, owners that the layout prescribes;
///  3. tree, first walk: nodes, order, bounds, mirror TIDs, record places; data CRCs of meta data, and of file data
///     if asked; every reference is charged to its big-block; live inodes are noted;
///  4. tree, second walk: live entries and records against the inodes noted, names against their hashes;
///  5. inodes: link counts, parents; big-blocks: charges against layer 2.
///
/// Memory: 16 MiB of buffers, 2 MiB for each 4 TiB of volume, 40 bytes for each live inode.
/// The tree is descended with explicit bounds on depth and node count: a hostile tree ends the walk, not the program.
/// </summary>
public sealed class Check
{
    readonly OfflineVolumes _volumes;
    readonly CheckReport _report;
    readonly CheckOptions _options;
    readonly CheckFreemap _freemap;
    readonly CheckInodes _inodes = new();
    readonly CancellationToken _cancel;
    readonly Action<CheckProgress>? _progress;

    Check(OfflineVolumes volumes, CheckOptions options, Action<CheckFinding> sink, Action<CheckProgress>? progress,
        CancellationToken cancel)
    {
        _volumes = volumes;
        _options = options;
        _report = new CheckReport(sink, new CheckResult(), options);
        _freemap = new CheckFreemap(volumes, _report);
        _progress = progress;
        _cancel = cancel;
    }

    /// <summary>Runs all phases. Throws only when the volumes cannot be opened at all, or on cancellation.</summary>
    /// <param name="volumes">Opened and recovered; stays the caller's.</param>
    /// <param name="options">How thoroughly.</param>
    /// <param name="sink">Takes the findings as they are met.</param>
    /// <param name="progress">Called now and then; may be null.</param>
    /// <param name="cancel">Ends the run with <see cref="OperationCanceledException"/>.</param>
    public static CheckResult Run(OfflineVolumes volumes, CheckOptions options, Action<CheckFinding> sink,
        Action<CheckProgress>? progress, CancellationToken cancel)
    {
        var check = new Check(volumes, options, sink, progress, cancel);
        using var paths = new CheckPaths(volumes);
        check._report.Paths = paths;
        try
        {
            check.RunPhases();
        }
        catch (CheckStoppedException)
        {
            // As asked: enough findings.
        }
        return check._report.Result;
    }

    void RunPhases()
    {
        CheckHeaders.Run(_volumes, _report);
        if (_options.Data) CheckHeaders.RunFifo(_volumes, _report);
        Tell("freemap");
        bool freemapRead = Guarded("freemap", () => _freemap.Load(_cancel));
        var records = new CheckRecords(_volumes, _report, _options, freemapRead ? _freemap : null, _inodes);
        var walk = new CheckTree(_volumes, _report, _cancel) { Progress = () => Tell("tree") };
        bool fresh = walk.Run(records.Node, records.First);
        CheckFreshTids(records, fresh);
        _inodes.Finish();
        var second = new CheckTree(_volumes, _report, _cancel) { Quiet = true, Progress = () => Tell("entries") };
        var entries = new CheckEntries(_volumes, _report, _inodes);
        second.Run(null, entries.Record);
        entries.Finish();
        if (freemapRead && !walk.Truncated) _freemap.Compare();
        CheckStatistics(freemapRead);
    }

    // Everything but the two records of a fresh volume lies at or below next_tid (on-disk-format, appendix C).
    void CheckFreshTids(CheckRecords records, bool fresh)
    {
        ulong next = _volumes.Header.NextTid;
        if (records.HighestTid <= next || (fresh && records.HighestTid == next + 1)) return;
        _report.Finding("next-tid", HammerOff.Null,

                $"vol0_next_tid is {next:x16}, but a record carries {records.HighestTid:x16}: new records "
                + "could be taken for older ones");
    }

    void CheckStatistics(bool freemapRead)
    {
        ref VolumeOndisk h = ref _volumes.Header;
        long inodes = _inodes.Count;
        _report.Result.Inodes = inodes;
        if (h.StatInodes != inodes)
        {
            _report.Warning("stat-inodes", HammerOff.Null,
                $"vol0_stat_inodes is {h.StatInodes}, {inodes} live inodes were found: only statfs uses it");
        }
        if (!freemapRead) return;
        if (h.StatFreeBigBlocks != _freemap.FreeBlocks)
        {
            _report.Finding("stat-free", HammerOff.Null,
                $"vol0_stat_freebigblocks is {h.StatFreeBigBlocks}, layer 2 has {_freemap.FreeBlocks} free big-blocks");
        }
        if (h.StatBigBlocks != _freemap.DataBlocks)
        {
            _report.Warning("stat-bigblocks", HammerOff.Null,
                $"vol0_stat_bigblocks is {h.StatBigBlocks}, {_freemap.DataBlocks} big-blocks can hold data");
        }
    }

    bool Guarded(string rule, Action work)
    {
        try
        {
            work();
            return true;
        }
        catch (HammerMediumException e)
        {
            _report.Finding(rule, e.Where, $"{e.What}: the rest of this phase was not checked");
        }
        catch (IOException e)
        {
            _report.Finding(rule, HammerOff.Null, $"{e.Message}: the rest of this phase was not checked");
        }
        return false;
    }

    void Tell(string phase) =>
        _progress?.Invoke(new CheckProgress(phase, _report.Result.Nodes, _report.Result.Records,
            _report.Result.DataBytes));
}
