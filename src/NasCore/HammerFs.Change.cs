using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.BTree;
using NasCore.Mirror;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

/// <summary>What every change shares: the lock with credits, inodes in memory, their way into the tree.</summary>
public sealed partial class HammerFs
{
    readonly List<Inode> _dirty = [];
    long _promisedBytes;

    /// <summary>Kept in a field by each operation: making one is an allocation.</summary>
    delegate Errno Change<TArg>(BTreeCursor cursor, ref TArg arg) where TArg : allows ref struct;

    /// <summary>
    /// Runs a change under the exclusive lock. An exception after the first modification latches the mount: half an
    /// operation must never become durable, recovery takes the whole group back.
    /// </summary>
    Errno Mutate<TArg>(int nodes, ref TArg arg, Change<TArg> change) where TArg : allows ref struct
    {
        if (_core is null) return Errno.RoFs;
        BTreeCursor cursor = RentCursor();
        _lock.EnterWriteLock();
        long before = _core.Writer.Changes;
        try
        {
            if (Health.IsCritical) return Errno.RoFs;
            if (!Credits(nodes)) return Errno.NeedFlush;
            before = _core.Writer.Changes;
            Errno e = change(cursor, ref arg);
            if (_core.Writer.Changes != before)
            {
                if (e == Errno.NoSpc)
                    Health.LatchCritical(HammerOff.Null, "space ran out in the middle of a change", null);
                _core.NoteChange();
            }
            return e;
        }
        catch (Exception e) when (_core.Writer.Changes != before)
        {
            Health.LatchCritical(HammerOff.Null, "a change failed half-way", e);
            throw;
        }
        finally
        {
            DropLoaded();
            _lock.ExitWriteLock();
            ReturnCursor(cursor);
        }
    }

    /// <summary>
    /// Credits for an operation (W7). What dirty objects in memory were promised is an estimate from above; when that
    /// is what fills the group, they enter the tree now, and what they really needed counts instead.
    /// </summary>
    bool Credits(int nodes)
    {
        if (_core!.HasCredits(nodes)) return true;
        if (_dirty.Count < 16 || !_core.PromisesWeigh) return false;
        CloseDirtyEarly();
        return _core.HasCredits(nodes);
    }

    /// <summary>
    /// Brings dirty objects into the tree in the middle of a group. One that fails here has left the list of dirty
    /// objects, so the mount is latched whether or not the tree was touched: what was acknowledged must not get lost
    /// silently.
    /// </summary>
    internal void CloseDirtyEarly()
    {
        _closedEarly = _core!.OpenGroup;
        try
        {
            CloseDirty();
            _core.DropPromises();
            // What streams write at the close itself is still to come (M3).
            _core.Promise(_atClose.Count * MirrorApply.HintNodes);
        }
        catch (Exception e)
        {
            Health.LatchCritical(HammerOff.Null, "bringing changes into the tree failed", e);
            throw;
        }
    }

    /// <summary>The last group in which dirty objects entered the tree before its close.</summary>
    long _closedEarly;

    // ------------------------------------------------------------------ space (W10)

    /// <summary>Big-blocks kept free: for writers, and (half of it) so that deletion always works.</summary>
    long ReserveBytes => Math.Clamp(_volumes.Root.Header.StatBigBlocks / 20, 4, 20) * HammerConst.BigBlockBytes;

    ulong AvailBytes(ulong free)
    {
        long reserve = ReserveBytes + _promisedBytes;
        return free > (ulong)reserve ? free - (ulong)reserve : 0;
    }

    /// <summary>Bytes that even the fullest disk gives to a removal: marks in the tree, an inode version.</summary>
    const long RemovalBytesMax = 4L * HammerConst.NodeBytes;

    /// <summary>
    /// Promises space for a change; blocks that wait for durability are given a chance before ENOSPC. A removal may
    /// use up most of the reserve, but one that writes data (a cut block) stops before the last big-block: what is
    /// promised and then not there takes the mount down.
    /// </summary>
    Errno CheckSpace(long bytes, bool removal = false)
    {
        long left = _core!.Freemap.UsableFreeBytes - _promisedBytes - bytes;
        // What is replayed had its space once; done in other steps it may need a little more.
        if (left >= (removal || _replaying ? ReserveBytes / 4 : ReserveBytes)) return Errno.None;
        bool hope = _core.Freemap.HoldsForGroup
            || (!removal && (_core.Group.Removals.Count > 0 || _core.HasDueRemovals || _destroying.Count > 0));
        if (hope) return Errno.NeedFlush;
        return removal && (bytes <= RemovalBytesMax || left >= HammerConst.BigBlockBytes) ? Errno.None : Errno.NoSpc;
    }

    // ------------------------------------------------------------------ inodes in memory

    /// <summary>The live object in memory, loaded if need be; null if it does not exist.</summary>
    Inode? Live(BTreeCursor cursor, Vnode vnode)
    {
        if (_live.TryGetValue((vnode.PfsId, vnode.ObjId), out Inode? inode)) return inode.IsDead ? null : inode;
        if (!_inodes.TryInode(cursor, vnode.PfsId, vnode.ObjId, Tid.Max, out InodeOndisk data)) return null;
        inode = new Inode(vnode.PfsId, vnode.ObjId) { Data = data, ChangedGroup = LoadedGroup(cursor) };
        _live.Add((vnode.PfsId, vnode.ObjId), inode);
        _loaded.Add(inode);
        return inode;
    }

    /// <summary>
    /// The group up to which an object just loaded may have changed. What the open group did to it while it was in
    /// memory before is in the tree already if the group made the record, or took in dirty objects early; fsync must
    /// wait for that.
    /// </summary>
    long LoadedGroup(BTreeCursor cursor)
    {
        bool changed = cursor.Elm.Base.CreateTid == _core!.Group.Tid || _closedEarly == _core.OpenGroup;
        return changed ? _core.OpenGroup : _core.OpenGroup - 1;
    }

    /// <summary>Objects that the present operation has brought into memory; they stay only if it has use for
    /// them.</summary>
    readonly List<Inode> _loaded = [];

    void DropLoaded()
    {
        foreach (Inode inode in _loaded) DropIfIdle(inode);
        _loaded.Clear();
    }

    /// <summary>Objects kept in memory now, for status.</summary>
    public int LiveCount => _live.Count;

    /// <summary>
    /// The object's record is to be replaced when the group closes; room for that is promised. Its fsync needs the
    /// group.
    /// </summary>
    void MarkDirty(Inode inode)
    {
        NoRedo(inode);
        MarkContent(inode);
    }

    /// <summary>The same for what <see cref="RedoOf"/> has noted.</summary>
    void MarkContent(Inode inode)
    {
        inode.ChangedGroup = _core!.OpenGroup;
        if (inode.IsDirty && !inode.OnlyTimesDirty) return;
        inode.OnlyTimesDirty = false;
        inode.IsDirty = true;
        EnterDirtyList(inode);
    }

    void EnterDirtyList(Inode inode)
    {
        if (inode.InDirtyList) return;
        inode.InDirtyList = true;
        _dirty.Add(inode);
        _core!.Promise(3);
        _promisedBytes += HammerConst.NodeBytes + 128;
        _core.Group.Touch(inode.PfsId, 0);
        _core.NoteChange();
    }

    /// <summary>
    /// Sets times of a change of content. With our mark this is a new version (W12); without it HAMMER's rule holds:
    /// mtime in place, ctime untouched. A replay of REDO sets times of its own, so these do not need the group.
    /// </summary>
    void TouchContent(Inode inode)
    {
        ulong now = _core!.Records.NowMicros;
        inode.Data.Mtime = now;
        if (TimesAreHistory(inode.PfsId))
        {
            inode.Data.Ctime = now;
            MarkContent(inode);
            return;
        }
        inode.ChangedGroup = _core.OpenGroup;
        if (inode.IsDirty) return;
        inode.IsDirty = true;
        inode.OnlyTimesDirty = true;
        EnterDirtyList(inode);
    }

    bool TimesAreHistory(int pfsId)
    {
        if (_options.Times == TimesRule.Ctime) return false;
        PfsState pfs = PfsOf(pfsId);
        return pfs.Exists && PfsMark.HasTimes(in pfs.Data);
    }

    bool IsNoHistory(Inode inode) => _options.NoHistory
        || (inode.Data.Uflags & (InodeOndisk.UfNoHistory | InodeOndisk.SfNoHistory)) != 0;

    /// <summary>Forgets an object that nothing keeps in memory.</summary>
    void DropIfIdle(Inode inode)
    {
        if (inode.OpenCount > 0 || inode.IsDirty || inode.HasBlocks || inode.InDirtyList || inode.IsDestroying) return;
        // It may have been forgotten before and loaded again: the one that is known now is not ours to drop.
        (int, long) key = (inode.PfsId, inode.ObjId);
        if (_live.TryGetValue(key, out Inode? known) && known == inode) _live.Remove(key);
    }

    // ------------------------------------------------------------------ at the close of a group

    /// <summary>Brings all dirty blocks and inodes into the B-Tree; under the exclusive lock.</summary>
    void CloseDirty()
    {
        BTreeCursor cursor = RentCursor();
        foreach (Inode inode in _dirty)
        {
            inode.InDirtyList = false;
            if (!inode.IsDead)
            {
                WriteBlocks(cursor, inode);
                WriteInode(cursor, inode);
            }
            DropIfIdle(inode);
        }
        _dirty.Clear();
        _relieveAt = 0;
        _promisedBytes = 0;
        ReturnCursor(cursor);
    }

    /// <summary>Replaces the inode record by the present values.</summary>
    void WriteInode(BTreeCursor cursor, Inode inode)
    {
        if (!inode.IsDirty) return;
        inode.IsDirty = false;
        if (!cursor.SeekAsOf(RecordKey.Inode(inode.PfsId, inode.ObjId), Tid.Max))
            throw new InvariantException($"broken invariant: live object {inode.ObjId:x16} of PFS {inode.PfsId} has "
                + "an inode record");
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<InodeOndisk>(in inode.Data));
        if (inode.OnlyTimesDirty)
        {
            inode.OnlyTimesDirty = false;
            _core!.Records.PatchMeta(cursor.Elm.Data.Add(InodeOndisk.MtimeAt), bytes[InodeOndisk.MtimeAt..]);
            return;
        }
        Errno e = _core!.Records.ReplaceMeta(cursor, bytes, IsNoHistory(inode));
        if (e.IsError) throw new InvariantException($"broken invariant: promised space for an inode ({e})");
    }

    /// <summary>Changes the count of live inodes shown by statfs.</summary>
    void CountInodes(long delta) =>
        _core!.Writer.ModifyHeader(VolumeOndisk.StatInodesAt, 8).StatInodes += delta;

    // ------------------------------------------------------------------ PFS records

    /// <summary>Replaces a PFS record physically (W13); the caller holds the exclusive lock.</summary>
    void StorePfsLocked(int pfsId, in PseudofsData data)
    {
        BTreeCursor cursor = RentCursor();
        try
        {
            if (cursor.SeekAsOf(RecordKey.Pfs(pfsId), Tid.Max))
            {
                ulong create = cursor.Elm.Base.CreateTid;
                if (data.IsSlave && create != _core!.Group.Tid)
                {
                    PfsState old = PfsOf(pfsId);
                    lock (_slaveEnds) _slaveEnds.TryAdd(pfsId, SlaveEndStored(in old));
                }
                _core!.Records.RemovePhysically(cursor);
            }
            BaseElm key = RecordKey.Pfs(pfsId);
            key.ObjType = ObjType.Directory;
            Errno e = _core!.Records.InsertMeta(key, MemoryMarshal.AsBytes(new ReadOnlySpan<PseudofsData>(in data)));
            if (e.IsError) throw new InvariantException($"broken invariant: space for a PFS record ({e})");
            _core.NoteChange();
            LagRole(pfsId, data.IsSlave);
            if (data.IsSlave) LagBatch(pfsId, data.SyncEndTid);
        }
        finally
        {
            ReturnCursor(cursor);
            lock (_pfsStates) _pfsStates.Remove(pfsId);
            // Whether a replay may write there is decided by the record as the last group left it.
            _pfsChanged[pfsId] = _core!.OpenGroup;
        }
    }

    static ulong SlaveEndStored(in PfsState state) => state.Exists && state.Data.IsSlave ? state.Data.SyncEndTid : 1;
}
