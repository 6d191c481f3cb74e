using System;
using System.Threading;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

// A master hands its role over (docs/MIRRORING.md 12)
//
// While it is frozen nobody changes it; so its slave comes to a TID behind which nothing has changed here. Then one
// change of the PFS record makes it a slave that is exactly there, with a note to whom the role was given. From then on
// no crash makes it a master again by itself: it is read-only until the other side has said what became of it.
public sealed partial class HammerFs
{
    /// <summary>PFSs that are frozen; replaced as a whole, under the exclusive lock.</summary>
    int[] _frozen = [];

    bool IsFrozen(int pfsId) => Array.IndexOf(Volatile.Read(ref _frozen), pfsId) >= 0;

    /// <summary>
    /// Until it is given back, changes of this PFS answer <see cref="Errno.RoFs"/>. <see cref="Errno.NotEmpty"/> while
    /// files are open in it, since what the kernel holds of them could not be written any more;
    /// <see cref="Errno.Busy"/> if it is frozen already.
    /// </summary>
    public Errno FreezePfs(int pfsId, out IDisposable? frozen)
    {
        frozen = null;
        Errno result = PfsBusy(pfsId, slave: false);
        if (result.IsError) return result;
        _lock.EnterWriteLock();
        try
        {
            if (PfsBusyLocked(pfsId)) return Errno.NotEmpty;
            if (IsFrozen(pfsId)) return Errno.Busy;
            Volatile.Write(ref _frozen, [.. _frozen, pfsId]);
            frozen = new Frozen(this, pfsId);
            return Errno.None;
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    sealed class Frozen(HammerFs fs, int pfsId) : IDisposable
    {
        int _given;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _given, 1) != 0 || fs._disposed) return;
            fs._lock.EnterWriteLock();
            Volatile.Write(ref fs._frozen, Array.FindAll(fs._frozen, id => id != pfsId));
            fs._lock.ExitWriteLock();
        }
    }

    /// <summary>
    /// Makes a frozen master a slave at a TID that its own slave has, durably, with the note. <see cref="Errno.Again"/>
    /// if something has changed behind the TID.
    /// </summary>
    /// <param name="pfsId">The PFS.</param>
    /// <param name="endTid">What the other side has.</param>
    /// <param name="unique">The unique UUID of the slave that it becomes.</param>
    /// <param name="parent">The mirror that feeds it from now on.</param>
    public Errno HandOverPfs(int pfsId, ulong endTid, Guid unique, string parent)
    {
        Errno result = PfsBusy(pfsId, slave: false);
        if (!result.IsError) result = SyncAndWait();
        if (result.IsError) return result;
        if (!IsFrozen(pfsId)) return Errno.Inval;
        if (endTid > DurableTid || endTid <= 1 || HasChanged(pfsId, endTid)) return Errno.Again;
        using MirrorTargetLease? lease = TryLease(pfsId);
        if (lease is null) return Errno.Busy;
        PseudofsData data = default;
        lock (_marksLock)
        {
            result = MutatePfs(pfsId, mustBeAbsent: false, ref data, (ref PseudofsData now) =>
            {
                if (now.IsSlave || !IsFrozen(pfsId)) return Errno.Inval;
                if (PfsBusyLocked(pfsId)) return Errno.NotEmpty;
                if (IsDestroyingIn(pfsId)) return Errno.NeedFlush;
                Errno noted = DropMarksBehind(pfsId, endTid);
                if (!noted.IsError) noted = StoreRole(pfsId, new PfsRole(parent, endTid, now.UniqueUuid));
                if (!noted.IsError) noted = CutLineage(pfsId, endTid);
                if (noted.IsError) return noted;
                ForgetPfs(pfsId);
                now.MirrorFlags |= PseudofsData.FlagSlave;
                now.SyncEndTid = endTid;
                now.UniqueUuid = unique;
                SlaveMark.SetFed(ref now, Guid.Empty);
                return Errno.None;
            });
        }
        return result.IsError ? result : PfsDurable(pfsId);
    }

    // ------------------------------------------------------------------ the note

    /// <summary>What is noted of a turned mirror.</summary>
    public PfsRole Role(int pfsId) =>
        ReadHistory(ConfigKey(pfsId, PfsRole.RecordKey)) is { } data ? PfsRole.Decode(data) : PfsRole.None;

    /// <summary>Notes over which mirror a slave is fed; nothing is being handed over any more. Durable.</summary>
    public Errno SetParent(int pfsId, string parent)
    {
        PfsRole now = Role(pfsId), wanted = new(parent, 0, Guid.Empty);
        if (now == wanted) return Errno.None;
        Errno result = PutHistory(ConfigKey(pfsId, PfsRole.RecordKey), wanted.Encode(), replaces: true);
        PfsMoved?.Invoke();
        return result;
    }

    /// <summary>Stores or (null) removes the note, in the open group; <see cref="PfsNodes"/> are promised.</summary>
    Errno StoreRole(int pfsId, PfsRole? role)
    {
        BTreeCursor cursor = RentedSecond();
        var arg = new HistoryArg
        {
            Key = ConfigKey(pfsId, PfsRole.RecordKey), Data = role?.Encode(), Replaces = true,
        };
        if (role is null && !cursor.SeekAsOf(arg.Key, Tid.Max)) return Errno.None;
        Errno space = CheckSpace(HammerConst.NodeBytes + (arg.Data?.Length ?? 0), removal: true);
        return space.IsError ? space : StoreHistoryLocked(cursor, ref arg);
    }
}
