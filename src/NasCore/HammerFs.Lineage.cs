using System;
using System.Collections.Generic;
using NasCore.BTree;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

// Whose history a PFS has (Pfs/Lineage)
public sealed partial class HammerFs
{
    /// <summary>Whose history a PFS has; null if that is not known.</summary>
    public Lineage? LineageOf(int pfsId) => Shared(cursor => LineageRead(cursor, pfsId));

    Lineage? LineageRead(BTreeCursor cursor, int pfsId)
    {
        if (!cursor.SeekAsOf(ConfigKey(pfsId, Lineage.RecordKey), Tid.Max)) return null;
        if (cursor.Elm.DataOffset == 0 || cursor.Elm.DataLen > Lineage.BytesMax) return null;
        byte[] data = new byte[cursor.Elm.DataLen];
        _records.Read(in cursor.Elm, data);
        return Lineage.Decode(data);
    }

    /// <summary>
    /// For who replaces it. A list whose data went bad on the medium counts as unknown: it must not keep the owner from
    /// making a slave the master when that is all that is left. Mirrors and check go on telling of the damage.
    /// </summary>
    Lineage? LineageToChange(int pfsId) => LineageToChange(pfsId, out _);

    Lineage? LineageToChange(int pfsId, out bool isBad)
    {
        isBad = false;
        BTreeCursor cursor = RentCursor();
        try
        {
            return LineageRead(cursor, pfsId);
        }
        catch (HammerMediumException)
        {
            isBad = true;
            return null;
        }
        finally
        {
            ReturnCursor(cursor);
        }
    }

    /// <summary>
    /// Stores it, or (null) what nobody knows, in the open group; under the exclusive lock, with
    /// <see cref="MirrorApply.LineageNodes"/> to spare. NoSpc changes nothing.
    /// </summary>
    Errno StoreLineage(int pfsId, Lineage? lineage)
    {
        BTreeCursor cursor = RentCursor();
        try
        {
            var arg = new HistoryArg
            {
                Key = ConfigKey(pfsId, Lineage.RecordKey), Data = lineage?.Encode(), Replaces = true,
            };
            if (lineage is null && !cursor.SeekAsOf(arg.Key, Tid.Max)) return Errno.None;
            if (lineage is not null && Lineage.IsSame(LineageToChange(pfsId), lineage)) return Errno.None;
            Errno result = CheckSpace(HammerConst.NodeBytes + (arg.Data?.Length ?? 0), removal: true);
            if (!result.IsError) result = StoreHistoryLocked(cursor, ref arg);
            if (!result.IsError) Core.NoteChange();
            return result;
        }
        finally
        {
            ReturnCursor(cursor);
        }
    }

    /// <summary>In the group of a promotion.</summary>
    Errno Promoted(int pfsId, ulong endTid, ulong own, Guid unique)
    {
        Lineage? now = LineageToChange(pfsId);
        return StoreLineage(pfsId, Lineage.Promoted(now, endTid, own, unique));
    }

    /// <summary>In the group of the change that takes a PFS back to a TID.</summary>
    Errno CutLineage(int pfsId, ulong endTid)
    {
        Lineage? now = LineageToChange(pfsId, out bool isBad);
        return now is null && !isBad ? Errno.None : StoreLineage(pfsId, now?.UpTo(endTid));
    }

    /// <summary>
    /// A master that is to be mirrored, and of which nobody knows where it comes from: what it has given away until now
    /// stays unknown, from here on it is its own. Without room for the note everything goes on as without it.
    /// </summary>
    void BeginLineage(int pfsId)
    {
        if (_core is null || IsReadOnly || LineageOf(pfsId) is not null) return;
        if (!TryGetPfs(pfsId, out PseudofsData pfs) || pfs.IsSlave) return;
        while (true)
        {
            int arg = pfsId;
            Errno result = Mutate(PfsNodes, ref arg, (BTreeCursor cursor, ref int id) =>
            {
                PfsState now = PfsOf(id);
                if (!now.Exists || now.Data.IsSlave || LineageRead(cursor, id) is not null) return Errno.Exist;
                // Above every group before the one that carries the note: who is given it has this group's TID.
                ulong first = Math.Max(DurableTid, _core.Group.Tid) + 1;
                return StoreLineage(id, Lineage.Begin(first, now.Data.UniqueUuid));
            });
            if (result.IsError && result != Errno.NeedFlush) return;
            bool isDone = !result.IsError;
            // The very first batch brings it.
            if (SyncAndWait().IsError || isDone) return;
        }
    }

    /// <summary>
    /// A PFS as a source, with its list, both of the same moment. Of a slave that is going back only what stays; of a
    /// promotion nothing before no crash can take it back.
    /// </summary>
    Errno ReadSource(int pfsId, out PseudofsData pfs, out Lineage? lineage)
    {
        bool hasWaited = false;
        while (true)
        {
            (PfsState state, ulong safe, lineage, bool isOpen) = Shared(cursor => (PfsOf(pfsId), SafeTid(pfsId),
                LineageRead(cursor, pfsId), _core is not null && _pfsChanged.GetValueOrDefault(pfsId) > DurableGroup));
            pfs = state.Data;
            if (!state.Exists) return Errno.NoEnt;
            pfs.SyncEndTid = pfs.IsSlave ? Math.Min(pfs.SyncEndTid, safe) : safe;
            if (pfs.IsSlave || !isOpen || hasWaited) return Errno.None;
            Errno result = SyncAndWait();
            if (result.IsError) return result;
            hasWaited = true;
        }
    }
}
