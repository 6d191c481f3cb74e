using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Blockmap;
using NasCore.Flush;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasCore.Recovery;

namespace NasCore;

/// <summary>Read-write opening and closing, durability.</summary>
public sealed partial class HammerFs
{
    readonly ReaderEpochs _epochs;
    WriteCore? _core;

    /// <summary>The writable core; only on a read-write mount.</summary>
    public WriteCore Core => _core ?? throw new InvalidOperationException("the file system is open read-only");

    /// <summary>
    /// Stage 1 written back, FIFO renumbered, stage 2 (REDO), then objects that were being destroyed. The order of
    /// writes is that of on-disk-format 6.6: buffers, other headers, the root header last.
    /// </summary>
    void OpenWritable(UndoOutcome outcome)
    {
        if (_volumes.Version < WritableVersionMin)
            throw new HammerFormatException($"file system version {_volumes.Version} can only be mounted read-only "
                + "(read-write: 4 to 7)");
        if (_volumes.Root.Header.NextTid > NextTidMax)
            throw new HammerFormatException($"the next transaction id in the volume header is "
                + $"{Tid.Format(_volumes.Root.Header.NextTid)}: its object ids would be negative; mount read-only");
        OpenWriteBack(outcome);
        _core = new WriteCore(_volumes, _cache, _nodes, _records, _fifoGeometry, _epochs, _lock, Health, _options.Time,
            _options.FlushInterval, outcome.Last, outcome.NextSeq)
        {
            OnClose = CloseGroup,
            OnRemoval = NoteLoss,
            OnDurable = DestroyMore,
            OnRedo = LogRedo,
        };
        _core.Group.FirstTouch = LagFirstTouch;
        _core.Freemap.Damage = text => _options.Log?.Invoke(text);
        _pfsFresh = _volumes.Root.Header.NextTid == Tid.Initial;
        OpenReplay(outcome, RedoRecovery.Plan(_volumes, _fifoGeometry, outcome));
        _core.BeginMount();
        if (_pfsFresh) MarkFreshRoot();
        OpenOrphans();
        _core.FlushAll();
        if (_options.RunFlusher) _core.Start();
    }

    bool _pfsFresh;

    const uint WritableVersionMin = 4;

    /// <summary>Object ids come out of the same counter and are positive on the medium.</summary>
    const ulong NextTidMax = long.MaxValue - (1L << 40);

    /// <summary>Restored buffers to their places, in the order of the device; they are not durable yet.</summary>
    void WriteRestored(UndoOutcome outcome)
    {
        foreach (ulong address in outcome.Buffers.Keys.Order())
            _volumes.WriteZone2(new HammerOff(address), outcome.Buffers[address]);
        outcome.Buffers.Clear();
    }

    void OpenWriteBack(UndoOutcome outcome)
    {
        if (outcome.IsClean) return;
        WriteRestored(outcome);
        _volumes.FlushAll();
        foreach (Volumes.Volume volume in _volumes.All)
        {
            if (volume.VolNo != 0) volume.Device.Write(0, volume.HeaderBytes);
        }
        _volumes.FlushAll();
        ref BlockmapOndisk map = ref _volumes.Root.Header.Blockmap[(int)Zone.Undo];
        map.FirstOffset = Undo.FifoGeometry.ToZone3(outcome.First).Value;
        map.NextOffset = Undo.FifoGeometry.ToZone3(outcome.Last).Value;
        _volumes.Root.Device.Write(0, _volumes.Root.HeaderBytes);
        _volumes.FlushAll();
    }

    /// <summary>
    /// A volume that has never been mounted gets our times mark on its root PFS (W12): its history starts with us.
    /// </summary>
    void MarkFreshRoot()
    {
        _lock.EnterWriteLock();
        try
        {
            PfsState root = PfsOf(0);
            if (!root.Exists) return;
            PseudofsData data = root.Data;
            data.Reserved04 = PfsMark.TimesAreHistory;
            StorePfsLocked(0, in data);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    /// <summary>
    /// Stage 2. Until all of it is durable the header's range still begins where stage 1 began: a crash meanwhile takes
    /// the replay back and finds the same REDO records again. A range that fills half of the FIFO leaves no room for
    /// that; then the replay is not repeatable.
    /// </summary>
    void OpenReplay(UndoOutcome outcome, RedoPlan plan)
    {
        if (plan.Count == 0) return;
        if (outcome.Bytes <= _fifoGeometry.Bytes / 2) _core!.BeginReplay(outcome.First);
        else _core!.BeginMount();
        _replaying = true;
        OpenRedo(plan);
        _core.FlushAll();
        _replaying = false;
    }

    bool _replaying;

    /// <summary>Objects that stage 2 wrote to: their times are new.</summary>
    public IReadOnlySet<long> RedoneObjects => _redone;
    readonly HashSet<long> _redone = [];

    void OpenRedo(RedoPlan plan)
    {
        while (true)
        {
            // The replay's own groups go into the FIFO behind the records, and may come round to them.
            if (_fifoGeometry.Distance(_core!.FifoPosition, plan.Position) < _fifoGeometry.Bytes / 8 * 3) plan.Hold();
            if (!plan.TryNext(out RedoStep step)) return;
            _redone.Add(step.ObjId);
            var vnode = new Vnode(new Localization(step.Localization).PfsId, Tid.Max, step.ObjId);
            if (!Shared(cursor => TryInodeLocked(cursor, vnode, out InodeOndisk inode)
                && inode.ObjTypeRaw == (byte)ObjType.RegFile)) continue;
            OpenRedoStep(vnode, step);
        }
    }

    void OpenRedoStep(Vnode vnode, RedoStep step)
    {
        for (int tries = 0; tries < 1000; tries++)
        {
            Errno e;
            if (step.Payload is { } payload)
            {
                e = Write(vnode, step.Offset, payload, append: false, killSetId: false, out _);
            }
            else
            {
                e = SetAttr(vnode, new AttrRequest { Change = AttrChange.Size, Size = step.Offset },
                    new Caller(0, 0, 0), out _);
            }
            if (e != Errno.NeedFlush)
            {
                if (e.IsError) _options.Log?.Invoke($"REDO of object {vnode.ObjId:x16} at {step.Offset}: {e}");
                return;
            }
            _core!.FlushOnce();
        }
        throw new InvariantException("broken invariant: REDO makes no progress");
    }

    // ------------------------------------------------------------------ durability

    /// <summary>A name for the last durable state (architecture M2).</summary>
    public ulong DurableTid => _core?.DurableTid ?? _volumes.Root.Header.NextTid;

    /// <summary>A slave's end as of the last durable group: what its softlink may name (architecture M1).</summary>
    ulong SlaveEnd(int pfsId, PfsState pfs)
    {
        lock (_slaveEnds) return _slaveEnds.TryGetValue(pfsId, out ulong end) ? end : pfs.Data.SyncEndTid;
    }

    /// <summary>Ends of slaves whose newest record is not durable yet, by PFS: the last durable one.</summary>
    readonly Dictionary<int, ulong> _slaveEnds = [];

    public long OpenGroup => _core?.OpenGroup ?? 1;
    public long DurableGroup => _core?.DurableGroup ?? long.MaxValue;

    public long GroupOf(Vnode vnode)
    {
        if (_core is null || !vnode.IsLive) return 0;
        _lock.EnterReadLock();
        try
        {
            if (_live.TryGetValue((vnode.PfsId, vnode.ObjId), out Inode? inode)) return inode.ChangedGroup;
        }
        finally
        {
            _lock.ExitReadLock();
        }
        // Not in memory: its last change may lie in the open group or in the one being written.
        return _core.OpenGroup;
    }

    public void WhenDurable(long group, DurableCallback callback, object? state)
    {
        if (_core is null) callback(state, Errno.None);
        else _core.WhenDurable(group, callback, state);
    }

    public Errno SyncAndWait()
    {
        if (_core is null) return Errno.None;
        if (Health.IsCritical) return Errno.Io;
        if (!_core.IsRunning) return FlushHere();
        using var done = new System.Threading.ManualResetEventSlim();
        Errno result = Errno.None;
        _core.WhenDurable(_core.OpenGroup, (_, e) =>
        {
            result = e;
            done.Set();
        }, null);
        done.Wait();
        return result;
    }

    Errno FlushHere()
    {
        try
        {
            _core!.FlushAll();
            return Errno.None;
        }
        catch (Exception) when (Health.IsCritical)
        {
            // The cause is kept there; the caller learns what fsync learns.
            return Errno.Io;
        }
    }

    /// <summary>Makes everything durable and a name for it (hammer synctid; observed 14: never 0).</summary>
    public Errno SyncTid(out ulong tid)
    {
        Errno e = SyncAndWait();
        tid = DurableTid;
        return e;
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _core?.Stop();
        _core?.Dispose();
        _cache.Dispose();
        _pool.Dispose();
        _volumes.Dispose();
        _lock.Dispose();
    }

    bool _disposed;
}
