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

/// <summary>Changes a PFS record in place before it is stored.</summary>
public delegate void PfsChange(ref PseudofsData pfs);

// Pseudo-filesystems: making, changing, promoting, demoting, destroying (mirroring-and-operations 1.5, 1.6).
// Each method blocks until what it did is durable.
public sealed partial class HammerFs
{
    /// <summary>
    /// Nodes that a change of a PFS record, with its time marks or the root directory of a new one, and with whose
    /// history it is, may touch.
    /// </summary>
    const int PfsNodes = 80 + MirrorApply.LineageNodes;

    /// <summary>PFSs that a mirror stream is being written to, or that are being rolled back.</summary>
    readonly HashSet<int> _mirrorTargets = [];

    /// <summary>
    /// Makes a PFS with the lowest id that has no record, or a deleted one. A master gets its root directory, a slave
    /// none:
    /// that arrives with the first mirror.
    /// </summary>
    public Errno CreatePfs(bool slave, Guid sharedUuid, Guid uniqueUuid, out int pfsId)
    {
        pfsId = 0;
        if (_core is null) return Errno.RoFs;
        int id = 1;
        while (id <= HammerConst.PfsIdMax && TryGetPfs(id, out _)) id++;
        if (id > HammerConst.PfsIdMax) return Errno.NoSpc;
        // A destruction that was cut off may have left records under this id.
        Errno result = Rollback(id, 0, static () => true);
        if (result.IsError) return result;
        var data = new PseudofsData
        {
            SyncBegTid = 1, SyncEndTid = 1, SharedUuid = sharedUuid, UniqueUuid = uniqueUuid,
            MirrorFlags = slave ? PseudofsData.FlagSlave : 0,
            // W12: the mark is a master's promise; a slave learns from its source's.
            Reserved04 = slave ? 0 : PfsMark.TimesAreHistory,
        };
        result = MutatePfs(id, mustBeAbsent: true, ref data, (ref PseudofsData _) => Errno.None);
        pfsId = id;
        return result.IsError ? result : PfsDurable(id);
    }

    /// <summary>
    /// Changes fields of a PFS record; what the change makes of the flags is refused if it is impossible.
    /// </summary>
    public Errno UpdatePfs(int pfsId, PfsChange change)
    {
        PseudofsData data = default;
        Errno result = MutatePfs(pfsId, mustBeAbsent: false, ref data, (ref PseudofsData pfs) =>
        {
            PseudofsData before = pfs;
            change(ref pfs);
            // M3: a hint is about the PFS as it was.
            bool same = (pfs.SyncBegTid, pfs.SyncEndTid, pfs.SharedUuid, pfs.UniqueUuid, pfs.MirrorFlags) == (
                before.SyncBegTid, before.SyncEndTid, before.SharedUuid, before.UniqueUuid, before.MirrorFlags);
            if (!same) SlaveMark.EraseHint(ref pfs);
            if (!same && !(pfsId == 0 && pfs.IsSlave))
            {
                // What somebody says is so: of another PFS, or of states that never came, nothing is known.
                bool known = pfs.SharedUuid == before.SharedUuid && pfs.IsSlave == before.IsSlave
                    && (!pfs.IsSlave || pfs.SyncEndTid <= before.SyncEndTid);
                Errno noted = !known ? StoreLineage(pfsId, null)
                    : pfs.IsSlave ? CutLineage(pfsId, pfs.SyncEndTid) : Errno.None;
                if (noted.IsError) return noted;
            }
            return pfsId == 0 && pfs.IsSlave ? Errno.Inval : Errno.None;
        });
        return result.IsError ? result : PfsDurable(pfsId);
    }

    /// <summary>
    /// Makes a slave a master: what was not completely mirrored goes, and the next TIDs lie far above everything that
    /// the former master may have given out meanwhile (architecture M4).
    /// </summary>
    public Errno UpgradePfs(int pfsId)
    {
        Errno result = PfsBusy(pfsId, slave: true);
        if (result.IsError) return result;
        using MirrorTargetLease? lease = TryLease(pfsId);
        if (lease is null) return Errno.Busy;
        result = EraseHint(pfsId);
        if (result.IsError) return result;
        TryGetPfs(pfsId, out PseudofsData before);
        result = Rollback(pfsId, before.SyncEndTid == ulong.MaxValue ? ulong.MaxValue : before.SyncEndTid + 1,
            static () => true);
        if (result.IsError) return result;
        PseudofsData data = default;
        result = MutatePfs(pfsId, mustBeAbsent: false, ref data, (ref PseudofsData pfs) =>
        {
            ulong jumped = Math.Max(_core!.Tids.Next, pfs.SyncEndTid) + PromotionJump;
            if (jumped >= Tid.AllocLimit) return Errno.Range;
            Errno noted = StoreRole(pfsId, null);
            if (!noted.IsError) noted = Promoted(pfsId, pfs.SyncEndTid, jumped, pfs.UniqueUuid);
            if (noted.IsError) return noted;
            pfs.MirrorFlags &= ~PseudofsData.FlagSlave;
            _core.Tids.RaiseTo(jumped);
            _core.Tids.DropPool();
            PromotionMark.Set(ref pfs, jumped, SlaveMark.FedBy(in pfs));
            return Errno.None;
        });
        return result.IsError ? result : PfsDurable(pfsId);
    }

    /// <summary>In the group of the first record that a rollback takes away, or before (M3).</summary>
    Errno EraseHint(int pfsId)
    {
        PseudofsData data = default;
        if (!TryGetPfs(pfsId, out data) || !ResumeHint.TryGet(in data, out _)) return Errno.None;
        return MutatePfs(pfsId, mustBeAbsent: false, ref data, static (ref PseudofsData pfs) =>
        {
            SlaveMark.EraseHint(ref pfs);
            return Errno.None;
        });
    }

    /// <summary>A former master that goes on by mistake needs this many TIDs until the histories overlap.</summary>
    const ulong PromotionJump = 1UL << 36;

    /// <summary>Makes a master a slave whose state is all that it has now.</summary>
    public Errno DowngradePfs(int pfsId)
    {
        Errno result = PfsBusy(pfsId, slave: false);
        if (result.IsError) return result;
        result = SyncAndWait();
        if (result.IsError) return result;
        PseudofsData data = default;
        result = MutatePfs(pfsId, mustBeAbsent: false, ref data, (ref PseudofsData pfs) =>
        {
            if (PfsBusyLocked(pfsId)) return Errno.NotEmpty;
            if (IsDestroyingIn(pfsId)) return Errno.NeedFlush;
            ForgetPfs(pfsId);
            pfs.MirrorFlags |= PseudofsData.FlagSlave;
            SlaveMark.SetFed(ref pfs, Guid.Empty);
            // What came in since the wait above is in the open group, and durable together with this record.
            ulong end = _core!.Writer.IsClean ? DurableTid : _core.Group.Tid + 1;
            pfs.SyncEndTid = Math.Max(pfs.SyncEndTid, end);
            return Errno.None;
        });
        return result.IsError ? result : PfsDurable(pfsId);
    }

    /// <summary>Takes every record of a PFS away and marks it deleted; its id can be used again.</summary>
    public Errno DestroyPfs(int pfsId)
    {
        Errno result = PfsBusy(pfsId, slave: null);
        if (result.IsError) return result;
        using MirrorTargetLease? lease = TryLease(pfsId);
        if (lease is null) return Errno.Busy;
        PseudofsData data = default;
        // Nobody shall write there while it goes: a slave is read-only. Cut off here, it can be destroyed again.
        result = MutatePfs(pfsId, mustBeAbsent: false, ref data, (ref PseudofsData pfs) =>
        {
            if (PfsBusyLocked(pfsId)) return Errno.NotEmpty;
            ForgetPfs(pfsId);
            pfs.MirrorFlags |= PseudofsData.FlagSlave;
            SlaveMark.SetFed(ref pfs, Guid.Empty);
            pfs.SyncEndTid = 1;
            return Errno.None;
        });
        if (!result.IsError) result = Rollback(pfsId, 0, static () => true);
        if (result.IsError) return result;
        result = MutatePfs(pfsId, mustBeAbsent: false, ref data, (ref PseudofsData pfs) =>
        {
            pfs.MirrorFlags |= PseudofsData.FlagDeleted;
            return Errno.None;
        });
        return result.IsError ? result : PfsDurable(pfsId);
    }

    /// <summary>
    /// A master ceases to be one: its objects in memory enter the tree now and are forgotten. Later they would overlay
    /// what a mirror writes, or look for records that are gone.
    /// </summary>
    void ForgetPfs(int pfsId)
    {
        CloseDirtyEarly();
        foreach ((int Pfs, long ObjId) key in _live.Keys)
        {
            if (key.Pfs == pfsId) _live.Remove(key);
        }
    }

    Errno Rollback(int pfsId, ulong truncTid, Func<bool> goOn)
    {
        Errno result = new PfsRollback(new MirrorWriteAccess(this), pfsId, truncTid).Run(goOn);
        return result.IsError ? result : PfsDurable(pfsId);
    }

    /// <summary>
    /// Waits until a change of a PFS record is durable; only then its link and its mirrors see a new sync_end_tid (M1).
    /// </summary>
    Errno PfsDurable(int pfsId)
    {
        Errno result = SyncAndWait();
        if (!result.IsError)
        {
            lock (_slaveEnds) _slaveEnds.Remove(pfsId);
        }
        PfsMoved?.Invoke();
        return result;
    }

    /// <summary>A PFS record has become durable; raised without locks.</summary>
    public event Action? PfsMoved;

    // ------------------------------------------------------------------ checks

    Errno PfsBusy(int pfsId, bool? slave)
    {
        if (_core is null) return Errno.RoFs;
        if (pfsId == 0) return Errno.Inval;
        if (!TryGetPfs(pfsId, out PseudofsData pfs)) return Errno.NoEnt;
        if (slave is { } wanted && pfs.IsSlave != wanted) return Errno.Inval;
        _lock.EnterReadLock();
        try
        {
            return PfsBusyLocked(pfsId) ? Errno.NotEmpty : Errno.None;
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>Objects of a PFS are still being destroyed in pieces, which a slave's must not be.</summary>
    bool IsDestroyingIn(int pfsId)
    {
        foreach (Inode inode in _destroying)
        {
            if (inode.PfsId == pfsId) return true;
        }
        return false;
    }

    // Only the root directory may be open.
    bool PfsBusyLocked(int pfsId)
    {
        foreach (((int Pfs, long ObjId) key, Inode inode) in _live)
        {
            if (key.Pfs == pfsId && key.ObjId != HammerConst.RootObjId && inode.OpenCount > 0) return true;
        }
        return false;
    }

    // ------------------------------------------------------------------ one change of the record

    delegate Errno PfsStep(ref PseudofsData pfs);

    Errno MutatePfs(int pfsId, bool mustBeAbsent, ref PseudofsData data, PfsStep step)
    {
        while (true)
        {
            var arg = new PfsArg { PfsId = pfsId, MustBeAbsent = mustBeAbsent, Data = data, Step = step };
            Errno result = Mutate(PfsNodes, ref arg, MutatePfsLocked);
            data = arg.Data;
            if (result != Errno.NeedFlush) return result;
            result = SyncAndWait();
            if (result.IsError) return result;
        }
    }

    struct PfsArg
    {
        public int PfsId;
        public bool MustBeAbsent;
        public PseudofsData Data;
        public PfsStep Step;
    }

    Errno MutatePfsLocked(BTreeCursor cursor, ref PfsArg arg)
    {
        Errno space = CheckSpace(4 * HammerConst.NodeBytes);
        if (space.IsError) return space;
        PfsState now = PfsOf(arg.PfsId);
        if (arg.MustBeAbsent && now.Exists) return Errno.Exist;
        if (!arg.MustBeAbsent)
        {
            if (!now.Exists) return Errno.NoEnt;
            arg.Data = now.Data;
        }
        Errno result = arg.Step(ref arg.Data);
        if (result.IsError) return result;
        StorePfsLocked(arg.PfsId, in arg.Data);
        return arg.Data.IsSlave || arg.Data.IsDeleted ? Errno.None : MutatePfsRoot(cursor, arg.PfsId);
    }

    // A master without a root directory gets one.
    Errno MutatePfsRoot(BTreeCursor cursor, int pfsId)
    {
        if (_inodes.TryInode(cursor, pfsId, HammerConst.RootObjId, Tid.Max, out _)) return Errno.None;
        ulong now = _core!.Records.NowMicros;
        var root = new InodeOndisk
        {
            Version = 1, Mode = 0x1ED, Ctime = now, Mtime = now, Atime = now, Nlinks = 1,
            ObjTypeRaw = (byte)ObjType.Directory, CapFlags = NewDirCaps(),
        };
        BaseElm key = RecordKey.Inode(pfsId, HammerConst.RootObjId);
        key.ObjType = ObjType.Directory;
        Errno result = _core.Records.InsertMeta(key, MemoryMarshal.AsBytes(new ReadOnlySpan<InodeOndisk>(in root)));
        if (!result.IsError) CountInodes(1);
        return result;
    }
}
