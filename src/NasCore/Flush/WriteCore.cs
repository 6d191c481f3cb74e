using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Blockmap;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Transactions;
using NasCore.Undo;
using NasCore.Volumes;

namespace NasCore.Flush;

// Closing a flush group (architecture 3; on-disk-format 8)
//
//  1 Close, under the exclusive lock: the front end brings dirty blocks and inodes into the B-Tree; blockmaps go into
//    the header under UNDO; the FIFO is padded to a physical block; node CRCs are made; buffers are frozen; one image
//    of the root header is taken. The next group opens at once, with its object ids reserved in that image.
//  2 Small file data, then the FIFO, are written. Device flush: from here on a crash can take the group back.
//  3 The header with [first, next) of this group, then all metadata buffers, sorted. Device flush: from here on the
//    medium holds the new state, and UNDO would still take it back.
//  4 The header with first = next. Device flush: the group is durable. Only now fsync returns, freed big-blocks are
//    released, mirrors may read.
// Large file data were written by the front end before their records; the flush of phase 2 covers them.
// Every failure latches the mount: nothing is written after it, and recovery takes the group back.

/// <summary>
/// The writable core of an open file system: lock, open group, credits, and the finaliser. Front end, mirror and
/// maintenance all change the medium through it.
/// </summary>
public sealed partial class WriteCore : IDisposable
{
    readonly VolumeSet _volumes;
    readonly BufferCache _cache;
    readonly NodeStore _nodes;
    readonly UndoLog _log;
    readonly MetaWriter _writer;
    readonly TidAllocator _tids;
    readonly GroupState _group = new();
    readonly MountHealth _health;
    readonly RankedReaderWriterLock _lock;
    readonly ManualResetEventSlim _wake = new(false);
    readonly DurableWaiters _waiters;
    readonly GroupWriter _disk;
    readonly RankedLock _flushLock = new(LockRank.Flush, "flush");
    readonly TimeProvider _time;
    List<BaseElm> _dueRemovals = [];
    ulong _durableTid;
    long _openedAt;
    bool _stopping;
    Thread? _thread;

    public WriteCore(VolumeSet volumes, BufferCache cache, NodeStore nodes, RecordReader reader, FifoGeometry geometry,
        ReaderEpochs epochs, RankedReaderWriterLock fsLock, MountHealth health, TimeProvider time, TimeSpan interval,
        long fifoPosition, uint fifoSeq)
    {
        _volumes = volumes;
        _cache = cache;
        _nodes = nodes;
        _lock = fsLock;
        _health = health;
        _time = time;
        Pace = new FlushPace(interval, _wake.Set);
        _log = new UndoLog(volumes, geometry, cache.Pool, fifoPosition, fifoSeq);
        _writer = new MetaWriter(volumes, cache, _log);
        _waiters = new DurableWaiters(health);
        _disk = new GroupWriter(volumes, _log);
        Freemap = new Freemap(volumes, cache, _writer, epochs);
        Tree = new BTreeIndex(nodes, _writer, Freemap, volumes);
        _tids = new TidAllocator(volumes.Root.Header.NextTid);
        Records = new RecordStore(Tree, Freemap, _writer, reader, _group, time, volumes.Version);
        _durableTid = TidAtMount = volumes.Root.Header.NextTid;
        PeerTids = new PeerTidBound(TidAtMount, time);
        _group.Open(1, _tids.OpenGroup());
    }

    public Freemap Freemap { get; }
    public BTreeIndex Tree { get; }
    public RecordStore Records { get; }
    public GroupState Group => _group;
    /// <summary>True while records wait for their physical removal (W8).</summary>
    public bool HasDueRemovals => _dueRemovals.Count > 0;
    public TidAllocator Tids => _tids;
    /// <summary>How far a peer may raise the TIDs now.</summary>
    public PeerTidBound PeerTids { get; }
    /// <summary>How long a change waits for its group to close.</summary>
    public FlushPace Pace { get; }
    public MetaWriter Writer => _writer;

    /// <summary>Brings dirty blocks and inodes into the tree; called under the exclusive lock at each close.</summary>
    public Action? OnClose { get; set; }
    /// <summary>Asked before the open group takes a version of a PFS away without history; false: not now.</summary>
    public Func<int, bool>? OnRemoval { get; set; }
    /// <summary>Work in bounded pieces that the flusher does when a group has become durable; true if more is
    /// left.</summary>
    public Func<bool>? OnDurable { get; set; }
    /// <summary>True if the front end holds changes that are not in the tree yet; asked under the lock.</summary>
    public Func<bool>? HasPending { get; set; }

    /// <summary>Number of the group that takes changes now.</summary>
    public long OpenGroup => Volatile.Read(ref _openNumber);
    long _openNumber = 1;
    public long DurableGroup => _waiters.Durable;
    /// <summary>A name for the last durable state: above every TID that it holds, carried by no record (M2).</summary>
    public ulong DurableTid => Volatile.Read(ref _durableTid);

    /// <summary>The next TID when this began: of removals before it nothing is known (<see cref="LastRemoval"/>).
    /// </summary>
    public ulong TidAtMount { get; }

    /// <summary>Position in the FIFO where the next record goes.</summary>
    public long FifoPosition => _log.Position;

    /// <summary>TID of the last group that was closed, durable or not; under the lock.</summary>
    public ulong ClosedTid { get; private set; }

    /// <summary>Groups written so far, for status.</summary>
    public long GroupsWritten => _disk.Written;

    // ------------------------------------------------------------------ credits

    /// <summary>
    /// True if an operation with the given worst case fits into the open group (architecture W7): buffers, FIFO
    /// bytes, object ids. Called under the exclusive lock before anything is changed.
    /// </summary>
    /// <param name="nodes">Nodes and freemap entries that may be changed.</param>
    public bool HasCredits(int nodes)
    {
        long undo = _log.GroupBytes + _pendingUndo + (long)nodes * 4700 + 65536;
        if (undo > _log.Geometry.Bytes / 4) return false;
        // An empty group admits any single operation: the cache may exceed its capacity by that much, and an estimate
        // larger than a small cache must not park a request for ever.
        int used = _writer.DirtyCount + _pendingNodes;
        if (used > 0 && used + nodes > _cache.Capacity * 3 / 8) return false;
        return _tids.PoolLeft > 16;
    }

    /// <summary>What the front end's dirty blocks and inodes will need at the close, promised by it (W7,
    /// W10).</summary>
    public void Promise(int nodes)
    {
        _pendingNodes = Math.Max(0, _pendingNodes + nodes);
        _pendingUndo = Math.Max(0, _pendingUndo + nodes * 4700L);
    }

    /// <summary>True if promises, not real changes, are a good part of what fills the group.</summary>
    public bool PromisesWeigh => _pendingNodes > _cache.Capacity / 16 || _pendingUndo > _log.Geometry.Bytes / 32;

    /// <summary>The front end has brought everything it was promised room for into the tree.</summary>
    public void DropPromises()
    {
        _pendingNodes = 0;
        _pendingUndo = 0;
    }

    /// <summary>What is promised and has not come yet; under the exclusive lock.</summary>
    internal int PendingNodes => _pendingNodes;

    int _pendingNodes;
    long _pendingUndo;

    // ------------------------------------------------------------------ waiting

    /// <summary>See <see cref="IFileSystem.WhenDurable"/>.</summary>
    public void WhenDurable(long group, DurableCallback callback, object? state)
    {
        if (_waiters.Add(group, callback, state)) _wake.Set();
        else callback(state, _waiters.Result(group));
    }

    /// <summary>Tells the flusher that something has changed, so that its timer runs.</summary>
    public void NoteChange()
    {
        if (Interlocked.CompareExchange(ref _openedAt, _time.GetTimestamp(), 0) == 0) _wake.Set();
    }

    // ------------------------------------------------------------------ the flusher's loop

    /// <summary>True while the flusher's thread answers waiters.</summary>
    public bool IsRunning { get; private set; }

    public void Start()
    {
        IsRunning = true;
        _thread = new Thread(Loop) { IsBackground = true, Name = "nashammer-flusher" };
        _thread.Start();
    }

    void Loop()
    {
        while (!_stopping)
        {
            _wake.Wait(LoopWait());
            _wake.Reset();
            if (_stopping) return;
            long openedAt = Volatile.Read(ref _openedAt);
            bool due = openedAt != 0 && _time.GetElapsedTime(openedAt) >= Pace.Interval;
            Volatile.Write(ref _busySince, _time.GetTimestamp());
            try
            {
                // Whoever waits for a group makes it close, and that answers those who wait for REDO as well.
                if (!_waiters.IsWanted && _waiters.HasRedo) RedoOnce();
                if (due || _waiters.IsWanted) FlushOnce();
            }
            catch (Exception e)
            {
                Fail(e);
            }
            Volatile.Write(ref _busySince, 0);
        }
    }

    long _busySince;

    /// <summary>How long the flusher has been at its present turn; zero while it waits for work.</summary>
    public TimeSpan FlusherBusy =>
        Volatile.Read(ref _busySince) is var since and not 0 ? _time.GetElapsedTime(since) : TimeSpan.Zero;

    TimeSpan LoopWait()
    {
        if (_waiters.IsWanted || _waiters.HasRedo) return TimeSpan.Zero;
        long openedAt = Volatile.Read(ref _openedAt);
        if (openedAt == 0) return Timeout.InfiniteTimeSpan;
        TimeSpan left = Pace.Interval - _time.GetElapsedTime(openedAt);
        return left <= TimeSpan.Zero ? TimeSpan.Zero : left + TimeSpan.FromMilliseconds(1);
    }

    void Fail(Exception e)
    {
        _health.LatchCritical(HammerOff.Null, "closing a flush group failed", e);
        // A latched mount has nothing to flush: without this the loop would spin on an unreachable goal.
        _waiters.ForgetGoal();
        Volatile.Write(ref _openedAt, 0);
        _waiters.AnswerRedo(Errno.Io);
        _waiters.Answer(Errno.Io, long.MaxValue);
    }

    /// <summary>Closes and writes the open group, if it holds anything. One caller at a time.</summary>
    public void FlushOnce()
    {
        using (_flushLock.Hold())
        {
            _health.ThrowIfCritical();
            try
            {
                FlushGroups();
            }
            catch (Exception e)
            {
                // Whoever called: what is frozen now never gets to the medium, so nothing may be written after it.
                Fail(e);
                throw;
            }
        }
    }

    void FlushGroups()
    {
        ClosedGroup? closed;
        do
        {
            // An empty group is durable by itself, and somebody may wait for it.
            closed = Close();
            if (closed is not null)
            {
                _health.ThrowIfCritical();
                _disk.Write(closed);
            }
            Settle(closed);
        }
        while (OnDurable?.Invoke() == true && (closed is not null || !_writer.IsClean));
    }

    /// <summary>Flushes until everything done before the call is durable; for callers without a flusher
    /// thread.</summary>
    public void FlushAll()
    {
        long goal = OpenGroup;
        for (int i = 0; DurableGroup < goal && i < 1000; i++) FlushOnce();
    }

    // ------------------------------------------------------------------ phases

    /// <summary>Phase 1. Null if the group is empty: it is durable as it is.</summary>
    ClosedGroup? Close()
    {
        _lock.EnterWriteLock();
        try
        {
            CloseRemovals();
            OnClose?.Invoke();
            DropPromises();
            Pace.GroupClosed();
            Volatile.Write(ref _openedAt, 0);
            if (_writer.IsClean)
            {
                CloseNext();
                return null;
            }
            CloseHeader();
            var closed = new ClosedGroup
            {
                Number = _group.Number, Tid = _group.Tid, Removals = _group.Removals,
                First = _disk.ReplayFirst >= 0 ? _disk.ReplayFirst : _log.GroupStart,
            };
            ClosedTid = _group.Tid;
            closed.Fifo = _log.CloseGroup();
            closed.Next = _log.Position;
            (closed.Meta, closed.Data) = _writer.CloseGroup();
            CloseNext();
            closed.Header = _volumes.Root.HeaderBytes[..HammerConst.BufferBytes].ToArray();
            return closed;
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    void CloseNext()
    {
        // An empty group keeps its TID and pool: an idle file system burns nothing.
        bool empty = _writer.Group == _group.Number;
        if (empty)
        {
            // Everything before the open group is durable, and the open group holds nothing.
            _waiters.SetDurable(_group.Number);
            _writer.SkipGroup();
        }
        ulong tid = empty ? _group.Tid : _tids.OpenGroup();
        List<BaseElm> removals = _group.Removals;
        _group.Open(_group.Number + 1, tid);
        if (empty) _group.Removals.AddRange(removals);
        Volatile.Write(ref _openNumber, _group.Number);
        // Without UNDO: an id that was seen must not be handed out again after a crash.
        _volumes.Root.Header.NextTid = Math.Max(_volumes.Root.Header.NextTid, _tids.Next);
    }

    /// <summary>Second step of deletion without history: the marks of the last group are durable now (W8).</summary>
    void CloseRemovals()
    {
        if (_dueRemovals.Count == 0) return;
        List<BaseElm> due = _dueRemovals;
        _dueRemovals = [];
        BTreeCursor cursor = Cursor();
        for (int i = 0; i < due.Count; i++)
        {
            BaseElm key = due[i];
            int pfsId = new Localization(key.Localization).PfsId;
            if (!HasCredits(8) || (OnRemoval is { } asks && !asks(pfsId)))
            {
                _dueRemovals.AddRange(due[i..]);
                return;
            }
            if (!cursor.SeekExact(in key) || cursor.Elm.Base.DeleteTid == 0) continue;
            Records.RemovePhysically(cursor);
            _lastRemovals[pfsId] = _group.Tid;
        }
    }

    /// <summary>PFS id and TID of the last group that took records without history away.</summary>
    readonly Dictionary<int, ulong> _lastRemovals = [];

    /// <summary>
    /// TID of the last group since mount that took records of a PFS away without a trace, 0 if none: a mirror has to
    /// look, although no record tells of it. Asked under the shared lock.
    /// </summary>
    public ulong LastRemoval(int pfsId) => _lastRemovals.GetValueOrDefault(pfsId);

    /// <summary>
    /// Maintenance took away a record that had ended at a TID: a mirror that has not come so far has to look. Under the
    /// exclusive lock.
    /// </summary>
    public void NoteRemoval(int pfsId, ulong deleteTid) =>
        _lastRemovals[pfsId] = Math.Max(LastRemoval(pfsId), deleteTid);

    /// <summary>A cursor for a caller that holds the lock.</summary>
    public BTreeCursor Cursor() => new(_nodes, () => new HammerOff(_volumes.Root.Header.BTreeRoot));

    /// <summary>Allocation positions go into the header, under UNDO, with good CRCs (on-disk-format 8.2 step
    /// 3).</summary>
    void CloseHeader()
    {
        ref VolumeOndisk header = ref _writer.ModifyHeader(VolumeOndisk.BlockmapAt, VolumeOndisk.BlockmapArrayBytes);
        for (int zone = (int)Zone.BTree; zone <= (int)Zone.SmallData; zone++)
            header.Blockmap[zone].NextOffset = Freemap.NextOffset((Zone)zone);
        for (int i = 0; i < 16; i++)
            header.Blockmap[i].EntryCrc = HammerCrc.Blockmap(_volumes.Version, in header.Blockmap[i]);
    }

    /// <summary>
    /// Groups written from here to <see cref="BeginMount"/> replay REDO: they follow the range that stage 1 undid, in
    /// its sequence, and are not collapsed, so that a crash takes all of them back and finds the REDO again.
    /// </summary>
    public void BeginReplay(long first)
    {
        _disk.ReplayFirst = first;
        _log.Resume();
    }

    /// <summary>After the last flush: buffers thaw, blocks are released, everyone who waited is told.</summary>
    void Settle(ClosedGroup? g)
    {
        _lock.EnterWriteLock();
        try
        {
            if (g is not null) SettleGroup(g);
            // What a replay frees is not safe before the range is collapsed.
            if (_disk.ReplayFirst < 0) Freemap.SetDurable(DurableGroup);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
        _waiters.Answer(Errno.None, DurableGroup);
        GroupDurable?.Invoke(DurableTid);
        if (_dueRemovals.Count > 0) NoteChange();
    }

    void SettleGroup(ClosedGroup g)
    {
        _writer.Thaw(g.Meta);
        _writer.Thaw(g.Data);
        _log.Release(g.Fifo);
        _dueRemovals.AddRange(g.Removals);
        ref BlockmapOndisk map = ref _volumes.Root.Header.Blockmap[(int)Zone.Undo];
        map.FirstOffset = map.NextOffset = FifoGeometry.ToZone3(g.Next).Value;
        Volatile.Write(ref _durableTid, g.Tid + 1);
        _waiters.SetDurable(g.Number);
    }

    /// <summary>Raised on the flusher's thread, without locks, after each durable group, with its name.</summary>
    public event Action<ulong>? GroupDurable;

    /// <summary>
    /// First act of a read-write mount (W5): the FIFO is renumbered and the header collapsed behind it, durably.
    /// </summary>
    public void BeginMount()
    {
        _disk.ReplayFirst = -1;
        _log.Renumber();
        List<FifoBuffer> buffers = _log.CloseGroup();
        _disk.WriteFifo(buffers);
        _volumes.FlushAll();
        _log.Release(buffers);
        ref BlockmapOndisk map = ref _volumes.Root.Header.Blockmap[(int)Zone.Undo];
        map.FirstOffset = map.NextOffset = FifoGeometry.ToZone3(_log.Position).Value;
        for (int i = 0; i < 16; i++)
            _volumes.Root.Header.Blockmap[i].EntryCrc =
                HammerCrc.Blockmap(_volumes.Version, in _volumes.Root.Header.Blockmap[i]);
        // Ids of the first group may be seen before it is durable; after a crash they must not come again (W4).
        _volumes.Root.Header.NextTid = Math.Max(_volumes.Root.Header.NextTid, _tids.Next);
        byte[] image = _volumes.Root.HeaderBytes.ToArray();
        _disk.WriteHeader(image, _log.Position, _log.Position);
        _volumes.FlushAll();
        Freemap.SetDurable(DurableGroup);
    }

    /// <summary>Stops the thread after a last flush; errors are latched and kept.</summary>
    public void Stop()
    {
        _stopping = true;
        _wake.Set();
        _thread?.Join();
        _thread = null;
        IsRunning = false;
        try
        {
            // Removals of the last group need one more.
            for (int i = 0; (i < 3 || HasDueRemovals) && !_health.IsCritical; i++) FlushOnce();
        }
        catch (Exception e) when (e is IOException or HammerMediumException or InvariantException
            or MountCriticalException)
        {
            Fail(e);
        }
        _waiters.Stop();
        _waiters.Answer(_health.IsCritical ? Errno.Io : Errno.None, long.MaxValue);
    }

    public void Dispose()
    {
        _wake.Dispose();
        _disk.Dispose();
    }
}
