using System;
using System.Collections.Generic;
using System.Globalization;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

// A former master comes back (architecture M4)
//
// Its slave was promoted and has a history of its own from the last TID that both have. What was written here behind
// that TID is in nobody else's history; it goes, and the PFS becomes a slave that is exactly there.
//
//  1 One change of the PFS record: slave, sync_end_tid = the last common TID, a new unique UUID, and the mark that the
//    rest is still to be rolled back. From here on it is read-only and shows the common state, whatever comes. In the
//    same group its time marks behind that TID go; snapshots behind it are not shown any more, and go in step 2.
//  2 The rollback, over as many groups as it takes.
//  3 The mark goes.
// After a crash between 1 and 3 the rollback is finished before the first batch is taken, by whoever opens the PFS as
// a mirror's target; a promotion meanwhile rolls back to the same TID by itself.
//
// The unique UUID changes because it names a history: notes that others keep about batches from here (M3) must not
// fit what this PFS will have one day under the same TIDs.

/// <summary>What would be lost if a former master came back.</summary>
/// <param name="Records">Versions that go, with their bytes, and deletions that are undone.</param>
/// <param name="Bytes">Bytes of data in them.</param>
/// <param name="Objects">Files and directories that go back to an older state, or away.</param>
public readonly record struct RejoinLoss(long Records, long Bytes, long Objects);

public sealed partial class HammerFs
{
    /// <summary>
    /// What a PFS has behind a TID: everything that <see cref="RejoinPfs"/> takes away. A scan of what changed since.
    /// </summary>
    public RejoinLoss LossBehind(int pfsId, ulong endTid)
    {
        SyncAndWait();
        var scan = new FilteredScan(_nodes, FilteredScan.FirstKey(pfsId), FilteredScan.LastKey(pfsId), endTid + 1);
        var objects = new HashSet<long>();
        long records = 0, bytes = 0;
        while (!scan.AtEnd)
        {
            Shared(_ =>
            {
                scan.Fill(_root());
                return true;
            });
            for (int i = 0; i < scan.Count; i++)
            {
                ref readonly ScanItem item = ref scan.Item(i);
                bool made = item.Leaf.Base.CreateTid > endTid;
                if (item.IsSkip || (!made && item.Leaf.Base.DeleteTid <= endTid)) continue;
                if (PfsRollback.IsOwn(in item.Leaf.Base, endTid + 1)) continue;
                records++;
                if (made) bytes += item.Leaf.DataLen;
                // The set is bounded; behind that the number is a lower bound, which is enough to be frightened.
                if (objects.Count < 1 << 20) objects.Add(item.Leaf.Base.ObjId);
            }
        }
        return new RejoinLoss(records, bytes, objects.Count);
    }

    /// <summary>Why <see cref="RejoinPfs"/> would refuse, and the way out; null if it would not.</summary>
    public string? RejoinRefusal(int pfsId, PromotionMark promotion)
    {
        if (_core is null) return "the file system is mounted read-only";
        if (pfsId == 0) return "PFS#0 is always a master";
        if (!TryGetPfs(pfsId, out PseudofsData pfs)) return "there is no such PFS";
        if (SlaveMark.TryGetRollback(in pfs, out ulong pending) && pending == promotion.EndTid) return null;
        return RejoinMisfit(pfsId, in pfs, in promotion, DurableTid);
    }

    /// <summary>
    /// Makes a former master, or a slave that followed it too far, a slave of the PFS that was promoted: exactly at the
    /// last TID that both have. What it has behind that TID is lost (<see cref="LossBehind"/>).
    /// </summary>
    /// <param name="pfsId">The PFS that comes back.</param>
    /// <param name="promotion">The mark of the new master.</param>
    /// <param name="unique">The unique UUID of the slave that it becomes.</param>
    /// <param name="refusal">If it is refused: why, and the way out.</param>
    public Errno RejoinPfs(int pfsId, PromotionMark promotion, Guid unique, out string refusal)
    {
        refusal = "";
        if (_core is null) return Errno.RoFs;
        if (pfsId == 0) return RejoinRefused(out refusal, "PFS#0 is always a master");
        if (!TryGetPfs(pfsId, out PseudofsData pfs)) return Errno.NoEnt;
        if (SlaveMark.TryGetRollback(in pfs, out ulong pending) && pending == promotion.EndTid)
        {
            using MirrorTargetLease? again = TryLease(pfsId);
            return again is null ? Errno.Busy : RejoinRollback(pfsId);
        }
        Errno result = SyncAndWait();
        if (result.IsError) return result;
        string? reason = RejoinMisfit(pfsId, in pfs, in promotion, DurableTid);
        if (reason is not null) return RejoinRefused(out refusal, reason);
        if (pfs.IsSlave && pfs.SyncEndTid == promotion.EndTid) return Errno.None;
        using MirrorTargetLease? lease = TryLease(pfsId);
        if (lease is null) return Errno.Busy;
        PseudofsData data = default;
        lock (_marksLock) result = RejoinRecord(pfsId, promotion.EndTid, unique, ref data);
        if (!result.IsError) result = PfsDurable(pfsId);
        return result.IsError ? result : RejoinRollback(pfsId);
    }

    /// <summary>Step 1.</summary>
    Errno RejoinRecord(int pfsId, ulong endTid, Guid unique, ref PseudofsData data) =>
        MutatePfs(pfsId, mustBeAbsent: false, ref data, (ref PseudofsData now) =>
        {
            if (PfsBusyLocked(pfsId)) return Errno.NotEmpty;
            // A removed file would be destroyed on, behind the rollback that revives it.
            if (IsDestroyingIn(pfsId)) return Errno.NeedFlush;
            Errno dropped = DropMarksBehind(pfsId, endTid);
            if (!dropped.IsError) dropped = StoreRole(pfsId, null);
            if (!dropped.IsError) dropped = CutLineage(pfsId, endTid);
            if (dropped.IsError) return dropped;
            ForgetPfs(pfsId);
            now.MirrorFlags |= PseudofsData.FlagSlave;
            now.SyncEndTid = endTid;
            now.UniqueUuid = unique;
            SlaveMark.SetRollback(ref now, endTid);
            return Errno.None;
        });

    /// <summary>Steps 2 and 3; the caller has the lease. Nothing to do without the mark.</summary>
    Errno RejoinRollback(int pfsId)
    {
        if (!TryGetPfs(pfsId, out PseudofsData pfs) || !SlaveMark.TryGetRollback(in pfs, out ulong end))
            return Errno.None;
        Errno result = Rollback(pfsId, end + 1, static () => true);
        if (result.IsError) return result;
        result = MutatePfs(pfsId, mustBeAbsent: false, ref pfs, static (ref PseudofsData now) =>
        {
            SlaveMark.SetFed(ref now, Guid.Empty);
            return Errno.None;
        });
        return result.IsError ? result : PfsDurable(pfsId);
    }

    /// <summary>See <see cref="IMirrorWriteHost.LeaveSource"/>; cut off, the next target goes on with it.</summary>
    Errno LeaveSource(int pfsId, Guid source)
    {
        if (!TryGetPfs(pfsId, out PseudofsData pfs)) return Errno.NoEnt;
        Guid fed = SlaveMark.FedBy(in pfs);
        if (fed == Guid.Empty || source == Guid.Empty || fed == source) return Errno.None;
        Errno result = MutatePfs(pfsId, mustBeAbsent: false, ref pfs, static (ref PseudofsData now) =>
        {
            SlaveMark.SetRollback(ref now, now.SyncEndTid);
            return Errno.None;
        });
        if (!result.IsError) result = PfsDurable(pfsId);
        return result.IsError ? result : RejoinRollback(pfsId);
    }

    static Errno RejoinRefused(out string refusal, string reason)
    {
        refusal = reason;
        return Errno.Inval;
    }

    /// <summary>Why a PFS cannot go back to where a promotion began; null if it can.</summary>
    string? RejoinMisfit(int pfsId, in PseudofsData pfs, in PromotionMark promotion, ulong durable)
    {
        const string WayOut = "; make a new slave with pfs-slave and the same shared-uuid, mirror to it, and destroy "
            + "this one when nothing in it is missed";
        ulong end = promotion.EndTid;
        if (end <= 1 || promotion.Former == Guid.Empty)
            return "the new master does not know whose slave it was when it was promoted" + WayOut;
        bool former = !pfs.IsSlave && pfs.UniqueUuid == promotion.Former;
        // A slave is named itself where two histories are known to have parted (MirrorPlan.Parted).
        bool follower = pfs.IsSlave
            && (SlaveMark.FedBy(in pfs) == promotion.Former || pfs.UniqueUuid == promotion.Former);
        if (pfs.IsSlave && pfs.SyncEndTid == end) return null;
        if (!former && !follower)
        {
            string from = pfs.IsSlave ? $"was fed by {SlaveMark.FedBy(in pfs):D}" : $"is {pfs.UniqueUuid:D}";
            return string.Create(CultureInfo.InvariantCulture,
                $"the new master was a slave of {promotion.Former:D}, this PFS {from}{WayOut}");
        }
        if (pfs.SyncBegTid > end)
            return $"its history is complete from {Tid.Format(pfs.SyncBegTid)} on only, the two have parted at "
                + Tid.Format(end) + WayOut;
        ulong here = pfs.IsSlave ? pfs.SyncEndTid : durable;
        if (here < end)
            return $"it has come to {Tid.Format(here)} only, the new master had {Tid.Format(end)} from it: it went "
                + "back in time" + WayOut;
        if (!IsWhole(pfsId, end))
            return $"its history has been pruned: what it was at {Tid.Format(end)}, where the two have parted, is not "
                + "whole any more" + WayOut;
        if (end < HistoryLoss(pfsId).LostTo)
            return $"versions since {Tid.Format(end)}, where the two have parted, were removed without history (mount "
                + "option or file flag nohistory)" + WayOut;
        if (!_options.NoHistory) return null;
        return "it is mounted without history: what was removed since cannot be brought back" + WayOut;
    }
}
