using System;
using System.IO;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// The target's side of a mirror: takes batches until TERM (mirroring-and-operations 3.5). The peer is not trusted:
/// every record has been checked by the reader, the order of keys and of record types is checked here, what the PFS
/// says of itself in the target.
/// </summary>
public sealed class MirrorTargetSession
{
    readonly Func<PseudofsData, IMirrorTarget> _open;
    readonly MirrorOptions _options;
    readonly MirrorWatcher _watcher;
    readonly MrecordReader _reader;
    readonly MrecordWriter _writer;
    IMirrorTarget? _target;
    MirrorRange _range;
    MirrorBatch _batch;
    BaseElm _last;
    bool _begun, _hasLast, _termRead;
    /// <summary>Where the batch at hand goes on; its first record has to be the skip up to there.</summary>
    BaseElm? _resumesAt;

    /// <param name="channel">Read only, or full duplex in two-way mode.</param>
    /// <param name="open">
    /// Called once, with the source's first header (dialect A, two-way: an empty one): may create a missing slave PFS,
    /// or refuse by <see cref="MirrorRefusedException"/>.
    /// </param>
    public MirrorTargetSession(IByteChannel channel, Func<PseudofsData, IMirrorTarget> open, MirrorOptions options,
        MirrorWatcher? watcher = null)
    {
        _open = open;
        _options = options;
        _watcher = watcher ?? new MirrorWatcher();
        _reader = new MrecordReader(channel);
        _writer = new MrecordWriter(channel);
    }

    /// <summary>Runs until the source ends the stream.</summary>
    /// <returns>False if TERM came inside a batch, which then is not committed.</returns>
    /// <exception cref="MirrorRefusedException">This pair cannot be mirrored.</exception>
    /// <exception cref="MirrorStreamException">The stream broke, is not acceptable or could not be stored.</exception>
    public bool Run()
    {
        try
        {
            while (true)
            {
                if (!Open(out PseudofsData range)) return true;
                CheckRange(range);
                if (!Batch()) return _batch is { Recs: 0, Passes: 0, Skips: 0 };
            }
        }
        finally
        {
            if (_begun) _target!.Abandon();
        }
    }

    // Steps 1 to 3; false at TERM.
    bool Open(out PseudofsData range)
    {
        range = default;
        bool ident = _options.Dialect == MirrorDialect.B;
        if (ident)
        {
            if (!ReadHeader("PFSD or TERM", out range)) return false;
            _target ??= _open(range);
        }
        else if (_options.TwoWay)
        {
            _target ??= _open(default);
        }
        if (_options.TwoWay)
        {
            MirrorWatcher.Require(_target!.ReadPfs(out PseudofsData own), "the target PFS cannot be read");
            if (_target.KeepsHints) ResumeHint.Announce(ref own);
            bool tells = ident && Lineage.IsAnnounced(in range);
            if (tells) Lineage.Announce(ref own);
            _writer.WritePfsd(own);
            if (tells) _writer.WriteLineage(_target.Lineage);
            OpenAnswer();
        }
        if (!ReadHeader("PFSD or TERM", out range)) return false;
        _target ??= _open(range);
        return true;
    }

    // In dialect A the target's header for the next batch may meet a source that has said TERM and gone.
    void OpenAnswer()
    {
        try
        {
            _writer.Flush();
        }
        catch (IOException) when (_options.Dialect == MirrorDialect.A)
        {
            Read("PFSD or TERM");
            if (_reader.Kind != MrecordType.Term) throw;
            _termRead = true;
        }
    }

    bool ReadHeader(string expected, out PseudofsData pfs)
    {
        pfs = default;
        if (!_termRead) Read(expected);
        if (_reader.Kind == MrecordType.Term) return false;
        if (_reader.Kind != MrecordType.Pfsd) throw Unexpected(expected);
        pfs = _reader.Pfsd;
        return true;
    }

    void CheckRange(in PseudofsData header)
    {
        MirrorWatcher.Require(_target!.ReadPfs(out PseudofsData own), "the target PFS cannot be read");
        Lineage? lineage = ReadLineage(in header);
        MirrorPlan plan = MirrorPlan.Of(PfsState.Of(header) with { Lineage = lineage },
            PfsState.Of(own) with { Lineage = lineage is null ? null : _target.Lineage });
        // The range end of an IDLE batch means nothing: a target ahead is refused when records come.
        if (plan is MirrorPlan.Unrelated or MirrorPlan.TargetIsMaster or MirrorPlan.FormerMaster
            or MirrorPlan.Parted or MirrorPlan.SourceParted)
        {
            throw new MirrorRefusedException(plan, plan.Sentence);
        }
        _range = new MirrorRange(header.SyncBegTid, header.SyncEndTid)
        {
            TimesMark = PfsMark.HasTimes(in header) ? PfsMark.TimesAreHistory : 0,
            Source = header.UniqueUuid,
            Lineage = lineage,
            IsExact = _options.TwoWay && ResumeHint.IsKnownBy(in header),
        };
        _resumesAt = ResumeHint.IsResumed(in header) ? CheckResume(in own) : null;
        _batch = new MirrorBatch { Range = _range, End = MirrorBatchEnd.Broken };
        _begun = false;
        _hasLast = false;
    }

    Lineage? ReadLineage(in PseudofsData header)
    {
        if (!_options.TwoWay || !Lineage.IsAnnounced(in header)) return null;
        Read("LINEAGE");
        return _reader.Kind == MrecordType.Lineage ? _reader.Lineage : throw Unexpected("LINEAGE");
    }

    // A batch that leaves out what it says is here already: only what this PFS itself says is here (M3).
    BaseElm CheckResume(in PseudofsData own)
    {
        if (_range.IsExact && ResumeHint.TryGet(in own, out ResumeHint hint)
            && hint.IsOf(_range.Source, _range.Begin, _range.End)) return hint.Key(0);
        throw _reader.Error($"the source goes on inside the batch {_range} of {_range.Source:D}, of which this PFS "
            + "holds no part");
    }

    void CheckResumed()
    {
        if (_resumesAt is not { } key) return;
        _resumesAt = null;
        if (_reader.Kind == MrecordType.Skip)
        {
            BaseElm end = _reader.Skip.SkipEnd;
            end.Localization &= Localization.TypeMask;
            if (BaseElm.Compare(in end, in key) <= 0) return;
        }
        throw _reader.Error($"the batch does not go on at {key}, which the source was told");
    }

    // Steps 4 to 6; false if TERM came instead of SYNC or IDLE.
    bool Batch()
    {
        long before = _reader.BytesRead;
        while (true)
        {
            Read("record, SYNC or IDLE");
            switch (_reader.Kind)
            {
                case MrecordType.Rec or MrecordType.Pass or MrecordType.Skip:
                    BatchBegin();
                    BatchItem();
                    break;
                case MrecordType.Sync:
                    BatchBegin();
                    BatchCommit();
                    BatchEnd(MirrorBatchEnd.Synced, before);
                    return true;
                case MrecordType.Idle when !_begun:
                    BatchEnd(MirrorBatchEnd.Idle, before);
                    return true;
                case MrecordType.Term:
                    BatchEnd(MirrorBatchEnd.Broken, before);
                    return false;
                default:
                    throw Unexpected("record, SYNC or IDLE");
            }
        }
    }

    void BatchBegin()
    {
        if (_begun) return;
        CheckResumed();
        MirrorWatcher.Require(_target!.ReadPfs(out PseudofsData own), "the target PFS cannot be read");
        if (_range.End < own.SyncEndTid)
        {
            var plan = new MirrorPlan.SlaveAhead(own.SyncEndTid, _range.End);
            throw new MirrorRefusedException(plan, plan.Sentence);
        }
        if (_target.RefusesTid(_range.End) is { } refused)
            throw _reader.Error($"the range ends at {Tid.Format(_range.End)}: {refused}");
        Store(_target.Begin(_range));
        _begun = true;
        _watcher.ScanBegins(_range);
    }

    void BatchItem()
    {
        if (_reader.Kind == MrecordType.Skip)
        {
            BatchOrder(_reader.Skip.SkipBeg, _reader.Skip.SkipEnd);
            Store(_target!.Skip(_reader.Skip.SkipBeg, _reader.Skip.SkipEnd));
            _batch.Skips++;
            return;
        }
        ref readonly LeafElm leaf = ref _reader.Leaf;
        BatchOrder(leaf.Base, leaf.Base);
        if (leaf.Base.CreateTid > _range.End)
        {
            throw _reader.Error($"record created at {Tid.Format(leaf.Base.CreateTid)}, behind the range's end "
                + Tid.Format(_range.End));
        }
        if (_reader.Head.IsCrcError)
        {
            _batch.BadCrcs++;
            _watcher.BadData(leaf);
            Store(_target!.Pass(leaf));
        }
        else if (_reader.Kind == MrecordType.Pass)
        {
            _batch.Passes++;
            Store(_target!.Pass(leaf));
        }
        else
        {
            _batch.Recs++;
            Store(_target!.Rec(leaf, _reader.Data));
        }
        _watcher.Progress(leaf.Base.ObjId, _reader.BytesRead);
    }

    // Keys ascend; the original may send one twice when it was interrupted.
    void BatchOrder(BaseElm beg, BaseElm end)
    {
        beg.Localization &= Localization.TypeMask;
        end.Localization &= Localization.TypeMask;
        if (_hasLast && BaseElm.Compare(_last, beg) > 0)
        {
            throw _reader.Error($"keys go backwards: {beg} after {_last}");
        }
        _last = end;
        _hasLast = true;
    }

    void BatchCommit()
    {
        Errno result = _target!.Commit();
        _begun = false;
        Store(result);
    }

    void BatchEnd(MirrorBatchEnd end, long bytesBefore)
    {
        _batch.End = end;
        _batch.Bytes = _reader.BytesRead - bytesBefore;
        _watcher.BatchEnded(_batch);
        if (end == MirrorBatchEnd.Broken || !_options.TwoWay) return;
        _writer.WriteUpdate(_range.End);
        _writer.Flush();
    }

    void Store(Errno result)
    {
        if (!result.IsError) return;
        string why = result == Errno.Inval && _reader.Kind == MrecordType.Rec
            ? $" (data of {_reader.Leaf.Base}: missing, damaged on the way, or a version 7 source feeds an older "
                + "volume)"
            : "";
        MirrorStreamException e = _reader.Error($"the target cannot store it: {result}{why}");
        e.Result = result;
        throw e;
    }

    void Read(string expected)
    {
        if (!_reader.TryRead()) throw _reader.Error($"the stream ends; {expected} was expected");
    }

    MirrorStreamException Unexpected(string expected) =>
        _reader.Error($"the source sent {MrecordCheck.Name(_reader.Head)}, {expected} was expected");
}
