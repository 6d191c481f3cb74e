using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// The source's side of a mirror: sends batches until there is no more to send, or for ever (mirroring-and-operations
/// 3.5).
///
/// One batch in dialect B, two-way: ident header out; target's header in, its sync_end_tid is where we start; range
/// header out; records; SYNC, or IDLE if the range is empty; UPDATE in. Dialect A leaves out the ident. One-way reads
/// nothing. TERM ends the stream. Nothing is remembered between batches but, one-way, the end of the last one: where
/// to go on is always what the target says, inside a batch that broke by its hint (M3).
/// </summary>
public sealed class MirrorSourceSession
{
    readonly IMirrorSource _source;
    readonly MirrorSourceOptions _options;
    readonly MirrorWatcher _watcher;
    readonly TimeProvider _time;
    readonly MrecordReader _reader;
    readonly MrecordWriter _writer;
    readonly Queue<ulong> _chunkEnds = new();
    /// <summary>What the target says of a batch that broke, and whether it keeps such places.</summary>
    ResumeHint? _hint;
    bool _exact;
    /// <summary>Whose history this is, and whether the target wants to know.</summary>
    Lineage? _lineage;
    bool _tells;
    /// <summary>Where the batch at hand goes on; null: it begins at the first key.</summary>
    BaseElm? _from;
    long _started;

    public MirrorSourceSession(IByteChannel channel, IMirrorSource source, MirrorSourceOptions options,
        TimeProvider time, MirrorWatcher? watcher = null)
    {
        _source = source;
        _options = options;
        _time = time;
        _watcher = watcher ?? new MirrorWatcher();
        _reader = new MrecordReader(channel);
        _writer = new MrecordWriter(channel);
    }

    /// <summary>
    /// Runs to the end. Returns when everything is sent, the target ended the conversation, or stop was asked for
    /// between batches.
    /// </summary>
    /// <exception cref="MirrorRefusedException">This pair cannot be mirrored; nothing was sent of the
    /// batch.</exception>
    /// <exception cref="MirrorStreamException">The target's answers are not acceptable.</exception>
    /// <exception cref="System.IO.IOException">The link broke.</exception>
    public void Run(CancellationToken stop)
    {
        _started = _time.GetTimestamp();
        ulong? previousEnd = null;
        while (true)
        {
            long began = _time.GetTimestamp();
            MirrorWatcher.Require(ReadPfs(out PseudofsData pfs), "the source PFS cannot be read");
            if (!Exchange(in pfs, out PfsState? target)) return;
            MirrorRange range = SelectRange(PfsState.Of(pfs), target, previousEnd);
            MirrorBatch batch = Batch(pfs, range, stop);
            _watcher.BatchEnded(batch);
            if (batch.End == MirrorBatchEnd.Broken) break;
            previousEnd = range.IsEmpty ? previousEnd : range.End;
            if (_chunkEnds.Count > 0) continue;
            if (!_options.Stream || stop.IsCancellationRequested) break;
            Pause(Math.Max(range.End, previousEnd ?? 0), began, stop);
            if (stop.IsCancellationRequested) break;
        }
        _writer.WriteMark(MrecordType.Term);
        _writer.Flush();
    }

    Errno ReadPfs(out PseudofsData pfs)
    {
        Errno result = _source.ReadPfs(out pfs, out _lineage);
        if (_options.ForcedEnd is { } end) pfs.SyncEndTid = Math.Min(pfs.SyncEndTid, end);
        return result;
    }

    // Steps 1 and 2; false if the target ended the conversation.
    bool Exchange(in PseudofsData pfs, out PfsState? target)
    {
        target = null;
        if (_options.Dialect == MirrorDialect.B) WriteIdent(pfs);
        _tells = false;
        if (!_options.TwoWay) return true;
        _writer.Flush();
        if (!_reader.TryRead()) throw _reader.Error("the target closed the link; its PFSD was expected");
        if (_reader.Kind == MrecordType.Term) return false;
        if (_reader.Kind != MrecordType.Pfsd) throw Unexpected("PFSD");
        PfsState state = PfsState.Of(_reader.Pfsd);
        _exact = ResumeHint.IsKnownBy(_reader.Pfsd);
        _hint = _exact && ResumeHint.TryGet(_reader.Pfsd, out ResumeHint hint) ? hint : null;
        if (Lineage.IsAnnounced(_reader.Pfsd)) state = state with { Lineage = ReadLineage() };
        MirrorPlan plan = MirrorPlan.Of(PfsState.Of(pfs) with { Lineage = _lineage }, state);
        if (plan is MirrorPlan.SlaveAhead && _options.ForcedBegin is not null) plan = new MirrorPlan.Send(0, 0);
        if (plan.IsRefusal) throw new MirrorRefusedException(plan, plan.Sentence);
        target = state;
        return true;
    }

    // Only who can answer is asked; who does not know the field passes over it.
    void WriteIdent(PseudofsData pfs)
    {
        if (_options.TwoWay && _lineage is not null) Lineage.Announce(ref pfs);
        _writer.WritePfsd(pfs);
    }

    Lineage? ReadLineage()
    {
        _tells = _lineage is not null;
        if (!_reader.TryRead()) throw _reader.Error("the target closed the link; its LINEAGE was expected");
        return _reader.Kind == MrecordType.Lineage ? _reader.Lineage : throw Unexpected("LINEAGE");
    }

    MirrorRange SelectRange(PfsState source, PfsState? target, ulong? previousEnd)
    {
        MirrorRange whole = MirrorRange.Select(source, target?.SyncEndTid, null, previousEnd, _options.ForcedBegin);
        _from = null;
        if (!whole.IsEmpty && Resume(source, whole) is { } resumed) return resumed;
        // A target that keeps its place needs no batches to restart from, and no scan to find their borders.
        if (whole.IsEmpty || _options.ChunkBytes <= 0 || _exact) return whole;
        while (_chunkEnds.TryPeek(out ulong stale) && stale <= whole.Begin) _chunkEnds.Dequeue();
        if (_chunkEnds.Count == 0 && _source.BytesMax > _options.ChunkBytes) SplitRange(whole);
        return _chunkEnds.TryDequeue(out ulong chunk) ? whole with { End = Math.Min(chunk, whole.End) } : whole;
    }

    // M3: the hint is about this very PFS, and about a batch that it would begin now and can still end so.
    MirrorRange? Resume(PfsState source, MirrorRange whole)
    {
        if (_hint is not { } hint) return null;
        if (hint.Source == source.UniqueUuid) _watcher.Hinted(hint.Begin, hint.End, hint.Key(0));
        string? reason = (hint.Source, hint.Begin, hint.End) switch
        {
            var (from, _, _) when from != source.UniqueUuid => $"it is of a batch from {from:D}, this is "
                + $"{source.UniqueUuid:D}",
            var (_, begin, _) when begin != whole.Begin => $"its batch began at {Tid.Format(begin)}, this one at "
                + Tid.Format(whole.Begin),
            var (_, begin, end) when end > whole.End || end <= begin => $"its batch ended at {Tid.Format(end)}, this "
                + $"one can go up to {Tid.Format(whole.End)}",
            var (_, _, end) when !_source.IsWhole(end) => $"its batch ended at {Tid.Format(end)}, which was pruned",
            _ when BaseElm.Compare(hint.Key(0), FilteredScan.FirstKey(0)) <= 0 => "it lies before the first key",
            _ => null,
        };
        if (reason is not null)
        {
            _watcher.ResumeRefused($"{reason}: everything behind {Tid.Format(whole.Begin - 1)} is sent again");
            return null;
        }
        _from = hint.Key(0);
        MirrorRange range = whole with { End = hint.End };
        _watcher.Resumed(range, _from.Value);
        return range;
    }

    void SplitRange(MirrorRange whole)
    {
        var chunks = new MirrorChunks(whole);
        using (IMirrorScan scan = _source.Scan(whole))
        {
            while (scan.MoveNext())
            {
                if (scan.Kind != MirrorItemKind.Skip) chunks.Add(scan.Kind, scan.Leaf);
            }
        }
        foreach (ulong end in chunks.Ends(_options.ChunkBytes)) _chunkEnds.Enqueue(end);
        _watcher.Split(_chunkEnds.Count, chunks.TotalBytes);
    }

    // Steps 3 to 6.
    MirrorBatch Batch(PseudofsData pfs, MirrorRange range, CancellationToken stop)
    {
        var batch = new MirrorBatch { Range = range, End = MirrorBatchEnd.Idle };
        long bytesBefore = _writer.BytesWritten;
        pfs.SyncEndTid = range.End;
        if (_exact)
        {
            pfs.SyncBegTid = range.Begin;
            ResumeHint.Announce(ref pfs, _from is not null);
        }
        if (_tells) Lineage.Announce(ref pfs);
        _writer.WritePfsd(pfs);
        if (_tells) _writer.WriteLineage(_lineage);
        if (!range.IsEmpty)
        {
            _watcher.ScanBegins(range);
            batch.End = SendItems(range, ref batch, stop) ? MirrorBatchEnd.Synced : MirrorBatchEnd.Broken;
        }
        if (batch.End == MirrorBatchEnd.Broken) return batch;
        _writer.WriteMark(batch.End == MirrorBatchEnd.Synced ? MrecordType.Sync : MrecordType.Idle);
        batch.Bytes = _writer.BytesWritten - bytesBefore;
        if (_options.TwoWay || _options.Stream) _writer.Flush();
        if (_options.TwoWay) BatchAcknowledged(range);
        return batch;
    }

    bool SendItems(MirrorRange range, ref MirrorBatch batch, CancellationToken stop)
    {
        using IMirrorScan scan = _from is { } from ? _source.Scan(range, in from) : _source.Scan(range);
        long sent = 0;
        while (scan.MoveNext())
        {
            switch (scan.Kind)
            {
                case MirrorItemKind.Rec: SendRec(scan, ref batch); break;
                case MirrorItemKind.Pass:
                    _writer.WritePass(scan.Leaf);
                    batch.Passes++;
                    break;
                default:
                    _writer.WriteSkip(scan.SkipBeg, scan.SkipEnd);
                    batch.Skips++;
                    break;
            }
            if (scan.Kind != MirrorItemKind.Skip) _watcher.Progress(scan.Leaf.Base.ObjId, _writer.BytesWritten);
            if ((++sent & 63) == 0 && (stop.IsCancellationRequested || TimeIsUp())) return false;
        }
        batch.NodesVisited = scan.NodesVisited;
        return true;
    }

    void SendRec(IMirrorScan scan, ref MirrorBatch batch)
    {
        int length = scan.Leaf.DataLen;
        bool good = scan.ReadData(_writer.BeginRec(length));
        _writer.EndRec(scan.Leaf, length, !good);
        batch.Recs++;
        if (good) return;
        batch.BadCrcs++;
        _watcher.BadData(scan.Leaf);
    }

    bool TimeIsUp() =>
        _options.TimeLimit > TimeSpan.Zero && _time.GetElapsedTime(_started) >= _options.TimeLimit;

    void BatchAcknowledged(MirrorRange range)
    {
        if (!_reader.TryRead()) throw _reader.Error("the target closed the link; its UPDATE was expected");
        if (_reader.Kind != MrecordType.Update) throw Unexpected("UPDATE");
        if (_reader.UpdateTid != range.End)
        {
            throw _reader.Error($"UPDATE for {Tid.Format(_reader.UpdateTid)}, the batch ended at "
                + Tid.Format(range.End));
        }
    }

    // Between batches of a stream: until there is something new, and for the least distance.
    void Pause(ulong end, long began, CancellationToken stop)
    {
        _watcher.Waiting();
        while (!stop.IsCancellationRequested && !_source.WaitBeyond(end, Timeout.InfiniteTimeSpan, stop))
        {
            // Woken without anything new: only a stop ends the wait.
        }
        TimeSpan rest = _options.Delay - _time.GetElapsedTime(began);
        if (rest <= TimeSpan.Zero) return;
        _watcher.Delaying();
        MirrorTimer.Wait(_time, rest, stop);
    }

    MirrorStreamException Unexpected(string expected) =>
        _reader.Error($"the target sent {MrecordCheck.Name(_reader.Head)}, {expected} was expected");
}
