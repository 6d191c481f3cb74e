using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

// The end of an object (architecture W7, W11)
//
// When the last name goes, an object that nobody has open is destroyed: data from the end backwards, then attributes,
// then the inode record. A large one takes several groups. An open one stays until its last handle is closed. Whatever
// is not finished in the group that removed the last name is on the orphan list: EXT records of object 1 of PFS 0 with
// negative keys, one an object, data = PFS id (4 bytes), zero (4), object id (8). They come and go with the groups, so
// after a crash the next mount finishes exactly what was being destroyed, and touches nothing else (observed 30).
public sealed partial class HammerFs
{
    const int OrphanDataBytes = 16;
    /// <summary>Records destroyed in one hold of the lock.</summary>
    const int DestroyPieceRecords = 200;

    /// <summary>Objects without a name and without a handle that still have records.</summary>
    readonly Queue<Inode> _destroying = new();

    static BaseElm OrphanKey(long objId) => RecordKey.Misc(0, HammerConst.RootObjId, RecType.Ext,
        unchecked(long.MinValue | objId));

    void AddOrphan(Inode inode)
    {
        Span<byte> data = stackalloc byte[OrphanDataBytes];
        BinaryPrimitives.WriteInt32LittleEndian(data, inode.PfsId);
        BinaryPrimitives.WriteInt64LittleEndian(data[8..], inode.ObjId);
        BaseElm key = OrphanKey(inode.ObjId);
        key.ObjType = ObjType.Directory;
        // The same object id of another PFS may be on the list: the next free key.
        while (RentedSecond().SeekAsOf(key, Tid.Max)) key.Key++;
        // A record of this key may have been removed in this very group; it is gone physically, so the key is free.
        Errno e = _core!.Records.InsertMeta(key, data);
        if (e.IsError) throw new InvariantException($"broken invariant: space for an orphan record ({e})");
        inode.IsOrphan = true;
        inode.OrphanKey = key.Key;
    }

    /// <summary>A file made without a name is an orphan from the start and open.</summary>
    void CreateOrphan(Vnode vnode, in InodeOndisk data)
    {
        var inode = new Inode(vnode.PfsId, vnode.ObjId)
        {
            Data = data, OpenCount = 1, ChangedGroup = _core!.OpenGroup, IsNameless = true,
        };
        _live.Add((vnode.PfsId, vnode.ObjId), inode);
        AddOrphan(inode);
    }

    void RemoveOrphan(BTreeCursor cursor, Inode inode)
    {
        BaseElm key = OrphanKey(inode.ObjId);
        key.Key = inode.OrphanKey;
        // Not history: physically, like a PFS record.
        if (cursor.SeekAsOf(key, Tid.Max)) _core!.Records.RemovePhysically(cursor);
        inode.IsOrphan = false;
    }

    (int PfsId, long ObjId) OrphanOf(in LeafElm elm)
    {
        if (elm.DataLen != OrphanDataBytes || elm.DataOffset == 0)
            throw new HammerMediumException(elm.Data, $"orphan record {elm.Base} has {elm.DataLen} bytes of data");
        using BufferRef buffer = _records.Pin(in elm);
        ReadOnlySpan<byte> data = buffer.Bytes(OrphanDataBytes);
        return (BinaryPrimitives.ReadInt32LittleEndian(data), BinaryPrimitives.ReadInt64LittleEndian(data[8..]));
    }

    /// <summary>The last name is gone; what is still open keeps its content, that in the cache too.</summary>
    void StartDestroy(Inode inode)
    {
        if (inode.OpenCount > 0)
        {
            if (!inode.IsOrphan) AddOrphan(inode);
            return;
        }
        DestroyOrQueue(inode);
    }

    /// <summary>Destroys at once what is small; the rest goes on the list and is done in pieces.</summary>
    void DestroyOrQueue(Inode inode)
    {
        int visits = ElementsPerHold / 8;
        if (DestroyPiece(inode, DestroyPieceRecords / 4, ref visits)) return;
        if (!inode.IsOrphan) AddOrphan(inode);
        QueueDestroy(inode);
    }

    void QueueDestroy(Inode inode)
    {
        if (inode.IsDestroying) return;
        inode.IsDestroying = true;
        _destroying.Enqueue(inode);
        _core!.NoteChange();
    }

    /// <summary>Removes up to a number of records; true when nothing is left of the object.</summary>
    /// <param name="inode">The object.</param>
    /// <param name="records">Records to remove at most.</param>
    /// <param name="visits">Records that may be looked at; those looked at are taken off.</param>
    bool DestroyPiece(Inode inode, int records, ref int visits)
    {
        DropBlocks(inode, 0);
        BTreeCursor cursor = RentedSecond();
        bool noHistory = IsNoHistory(inode);
        // Everything of the object in its misc area: data, link target, attributes. From the end backwards.
        BaseElm end = inode.DestroyAt ?? RecordKey.Misc(inode.PfsId, inode.ObjId, RecType.Max, long.MaxValue);
        end.CreateTid = Tid.Max;
        int done = 0;
        for (bool more = cursor.SeekLastBefore(in end); more;)
        {
            LeafElm elm = cursor.Elm;
            if (elm.Base.Localization != end.Localization || elm.Base.ObjId != inode.ObjId) break;
            inode.DestroyAt = elm.Base;
            if (--visits < 0) return false;
            if (elm.Base.DeleteTid != 0 || IsForeignOfRoot(in elm.Base))
            {
                more = cursor.PrevLive();
                continue;
            }
            if (done == records || !_core!.HasCredits(8)) return false;
            done++;
            more = _core.Records.Delete(cursor, noHistory) ? cursor.SeekLastBefore(in elm.Base) : cursor.PrevLive();
        }
        DestroyInode(cursor, inode, noHistory);
        return true;
    }

    /// <summary>Records under object 1 of PFS 0 that belong to the file system, not to the root directory.</summary>
    static bool IsForeignOfRoot(in BaseElm elm) => elm.ObjId == HammerConst.RootObjId;

    void DestroyInode(BTreeCursor cursor, Inode inode, bool noHistory)
    {
        if (cursor.SeekAsOf(RecordKey.Inode(inode.PfsId, inode.ObjId), Tid.Max))
        {
            _core!.Records.Delete(cursor, noHistory);
            CountInodes(-1);
        }
        if (inode.IsOrphan) RemoveOrphan(cursor, inode);
        inode.IsDirty = false;
        inode.IsDead = true;
        inode.ChangedGroup = _core!.OpenGroup;
        _live.Remove((inode.PfsId, inode.ObjId));
    }

    /// <summary>Called by the flusher after a durable group: goes on with destruction; true if more is left.</summary>
    bool DestroyMore()
    {
        if (_destroying.Count == 0) return false;
        long before = _core!.Writer.Changes;
        while (true)
        {
            if (DestroyHold(out bool isFull)) return isFull || _core.Writer.Changes != before;
        }
    }

    /// <summary>
    /// One hold of the lock. False if it ended only because it was long enough; isFull if the group has no room.
    /// </summary>
    bool DestroyHold(out bool isFull)
    {
        isFull = false;
        int visits = ElementsPerHold;
        _lock.EnterWriteLock();
        try
        {
            while (_destroying.TryPeek(out Inode? inode))
            {
                if (!_core!.HasCredits(64))
                {
                    isFull = true;
                    return true;
                }
                if (inode.OpenCount > 0 || DestroyPiece(inode, DestroyPieceRecords, ref visits))
                {
                    inode.IsDestroying = false;
                    _destroying.Dequeue();
                }
                if (visits <= 0)
                {
                    Interlocked.Increment(ref _pauses);
                    return false;
                }
            }
            return true;
        }
        catch (HammerMediumException e)
        {
            Health.LatchCritical(e.Where, "destroying an object failed half-way", e);
            throw;
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    /// <summary>At mount: everything on the orphan list is destroyed, and nothing else.</summary>
    void OpenOrphans()
    {
        List<(int PfsId, long ObjId, long Key)> found = Shared(cursor =>
        {
            List<(int, long, long)> list = [];
            BaseElm from = RecordKey.Misc(0, HammerConst.RootObjId, RecType.Ext, long.MinValue);
            from.CreateTid = 1;
            for (bool more = cursor.SeekFirst(in from); more && list.Count < 1_000_000; more = cursor.Next())
            {
                ref BaseElm at = ref cursor.Elm.Base;
                if (at.Localization != from.Localization || at.ObjId != HammerConst.RootObjId
                    || at.RecType != RecType.Ext || at.Key >= 0) break;
                if (at.DeleteTid != 0) continue;
                (int pfsId, long objId) = OrphanOf(in cursor.Elm);
                list.Add((pfsId, objId, at.Key));
            }
            return list;
        });
        if (found.Count == 0) return;
        _lock.EnterWriteLock();
        try
        {
            foreach ((int pfsId, long objId, long key) in found) OpenOrphan(pfsId, objId, key);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    void OpenOrphan(int pfsId, long objId, long key)
    {
        if (objId == HammerConst.RootObjId) return;
        BTreeCursor cursor = RentedSecond();
        Inode? inode = Live(cursor, new Vnode(pfsId, Tid.Max, objId));
        inode ??= new Inode(pfsId, objId);
        inode.IsOrphan = true;
        inode.OrphanKey = key;
        if (inode.Data.Nlinks != 0)
        {
            // Somebody else gave it a name meanwhile: off the list it goes.
            RemoveOrphan(cursor, inode);
            return;
        }
        QueueDestroy(inode);
    }

    public Errno Open(Vnode vnode)
    {
        if (_core is null || !vnode.IsLive) return Errno.None;
        BTreeCursor cursor = RentCursor();
        _lock.EnterWriteLock();
        try
        {
            if (IsReadOnlyView(vnode)) return Errno.None;
            Inode? inode = Live(cursor, vnode);
            // An object whose last handle has gone is being destroyed; O_PATH descriptors can still ask for it.
            if (inode is null || inode.IsDestroying) return Errno.NoEnt;
            inode.OpenCount++;
            return Errno.None;
        }
        finally
        {
            DropLoaded();
            _lock.ExitWriteLock();
            ReturnCursor(cursor);
        }
    }

    public void Release(Vnode vnode)
    {
        if (_core is null || !vnode.IsLive) return;
        _lock.EnterWriteLock();
        try
        {
            if (!_live.TryGetValue((vnode.PfsId, vnode.ObjId), out Inode? inode) || inode.OpenCount == 0) return;
            if (--inode.OpenCount > 0) return;
            // On the list since its last name went, or since it was made: the flusher takes it from here.
            if (inode.IsOrphan && !Health.IsCritical) QueueDestroy(inode);
            else DropIfIdle(inode);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }
}
