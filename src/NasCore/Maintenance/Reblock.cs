using System;
using System.Collections.Generic;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasLinux;

namespace NasCore.Maintenance;

// Reblocking (mirroring-and-operations 6.2)
//
// Space inside a big-block is never used again before the whole big-block is empty (on-disk-format 3.3). What prune and
// deletion leave are big-blocks with holes; reblock empties those that are filled less than the caller asks for, by
// moving what is left in them to the end of the zone. Nothing that anybody can see changes: keys, TIDs and mirror_tids
// stay, only data_offset of a record, or the subtree_offset of a node's parent, names another place.
//
// A walk in key order looks at every leaf of the range. What lies in a big-block that is to be emptied is put on a list
// (Look, under the shared lock), up to so many items and bytes. Then, for each list:
//
//  1 Extents are read without a lock, under an epoch, and their CRC is verified: a copy with a good CRC of bad data
//    would seal the damage. What is damaged stays where it is and is told to the caller.
//  2 New extents are reserved in memory (rule W3) and written (rule W2: a new place, never an old one). Should the
//    record change meanwhile, the reservation is given up and nothing has happened.
//  3 Under the exclusive lock each item is looked up again by its key. If it is still where it was, the new space is
//    charged, the element changed under UNDO, the old space freed: one change, in one flush group. Small data are
//    copied in the same hold, through the buffer cache; an inode's times, which no CRC covers, cannot change between.
//    Nodes are copied whole; parent and children are told, or the root pointer in the header.
//
// A crash takes the group back: the old places are intact, for an emptied big-block is used again only when the group
// is durable and no reader from before is left (R1). data_crc is made anew in the volume's own kind, which is how a
// volume upgraded to version 7 gets rid of its old sums. Extents shared by deduplication are separated, as in the
// original: each record was charged for the shared extent, so each one frees it once.

/// <summary>Moves what is left in big-blocks that are hardly filled; see the page above.</summary>
public sealed partial class Reblock : MaintenanceStep, IDisposable
{
    /// <summary>Items moved in one hold of the exclusive lock.</summary>
    const int HoldItems = 64;
    /// <summary>Complaints kept until somebody asks for them.</summary>
    const int ComplaintsMax = 1000;
    /// <summary>Freemap entries, leaf and buffers that a record's move may change.</summary>
    const int DataNodes = 8;

    enum Stage
    {
        /// <summary>Nothing is on the list.</summary>
        Empty,
        /// <summary>Extents are being read.</summary>
        Reading,
        /// <summary>Extents are read and need space.</summary>
        Read,
        /// <summary>They have space and are to be written.</summary>
        Reserved,
        /// <summary>The list can be worked off.</summary>
        Ready,
    }

    readonly ReblockRequest _request;
    readonly int _freeLevel;
    readonly uint _lastLocalization;
    readonly BTreeCursor _cursor;
    readonly NativeSlab _memory = new(BatchBytesMax + HammerConst.XBufferBytes);
    readonly Queue<string> _complaints = new();
    Stage _stage;
    int _at;
    int _reading;
    ReblockStats _stats;

    public Reblock(IMaintenanceHost host, ReblockRequest request) : base(host)
    {
        _request = request;
        _freeLevel = request.FreeLevel;
        _lastLocalization = request.LastLocalization;
        _next = request.First;
        _cursor = host.NewCursor();
    }

    public ReblockRequest Request => _request;
    public ref readonly ReblockStats Stats => ref _stats;

    /// <summary>Where to go on: everything before this key is done.</summary>
    public BaseElm Position => _at < _count ? _items[_at].Elm.Base : _next;

    /// <summary>
    /// From now on no other list is begun: a step ends with <see cref="StepEnd.Done"/> when this one is worked off, and
    /// <see cref="IsAtEnd"/> tells whether the range ends there. Space taken for a list that is given up would be lost
    /// until its big-block is empty.
    /// </summary>
    public void Settle() => _settles = true;

    bool _settles;

    /// <summary>True if nothing of the range is left behind the list.</summary>
    public bool IsAtEnd => _atEnd;

    /// <summary>The next sentence about something that could not be moved; false if there is none.</summary>
    public bool TryTakeComplaint(out string complaint) => _complaints.TryDequeue(out complaint!);

    protected override PieceEnd Look()
    {
        if (_stage == Stage.Empty)
        {
            if (_settles) return PieceEnd.Done;
            Fill();
            if (_count == 0) return _atEnd ? PieceEnd.Done : PieceEnd.Again;
            _stage = Stage.Reading;
            _reading = 0;
        }
        if (_stage == Stage.Reading)
        {
            // In small portions, so that it can be stopped between.
            if (ReadSome()) return PieceEnd.Again;
            _stage = Stage.Read;
        }
        if (_stage == Stage.Read && !LookReserve()) return PieceEnd.Change;
        if (_stage == Stage.Reserved)
        {
            WriteExtents();
            _stage = Stage.Ready;
        }
        return PieceEnd.Change;
    }

    bool LookReserve()
    {
        Host.EnterExclusive();
        try
        {
            return TryReserve();
        }
        finally
        {
            Host.ExitExclusive();
        }
    }

    protected override PieceEnd Apply()
    {
        if (_stage == Stage.Read) return TryReserve() ? PieceEnd.Again : PieceEnd.NeedFlush;
        for (int done = 0; _at < _count; _at++)
        {
            if (done++ == HoldItems || IsHoldOver) return PieceEnd.Again;
            ref Item item = ref _items[_at];
            if (!ApplyItem(ref item)) return PieceEnd.NeedFlush;
            NoteWhole();
        }
        _stage = Stage.Empty;
        _count = _at = 0;
        return _atEnd ? PieceEnd.Done : PieceEnd.Again;
    }

    /// <summary>False without credits or space; nothing was changed then.</summary>
    bool ApplyItem(ref Item item)
    {
        if (item.IsNode) return MoveNode(in item);
        if (!Host.Core.HasCredits(DataNodes)) return false;
        return item.IsLarge ? MoveLarge(ref item) : MoveSmall(in item);
    }

    // ------------------------------------------------------------------ space

    /// <summary>
    /// Space that stays free.
    /// Differs: the original keeps 25 big-blocks for any volume, and none for a fill level of at most 20 percent. Ours
    /// keeps half of what writers leave, 2 to 10 big-blocks by the size of the volume: a full disk with holes can be
    /// reblocked, and deletion stays possible all the while.
    /// </summary>
    long ReserveBytes => Host.ReserveBytes / 2;

    /// <summary>
    /// Only a free big-block taken counts: what is left in those in use is for everybody who comes first.
    /// </summary>
    bool HasRoom(Zone zone, int bytes) => !Host.Core.Freemap.WouldClaim(zone, bytes)
        || Host.SpareBytes - HammerConst.BigBlockBytes >= ReserveBytes;

    /// <summary>All extents of the list get their space, or none; under the exclusive lock.</summary>
    bool TryReserve()
    {
        for (int i = _at; i < _count; i++)
        {
            ref Item item = ref _items[i];
            if (!item.IsLarge || item.IsGone) continue;
            // Whole buffers, so that an extent of an odd length shares no page with the next one.
            int bytes = item.RoundedBytes;
            if (HasRoom(Zone.LargeData, bytes)
                && Host.Core.Freemap.Reserve(Zone.LargeData, bytes) is { } place)
            {
                item.Place = place;
                continue;
            }
            Unreserve();
            return false;
        }
        _stage = Stage.Reserved;
        return true;
    }

    void Unreserve()
    {
        for (int i = _at; i < _count; i++)
        {
            ref Item item = ref _items[i];
            if (!item.Place.IsNull) Host.Core.Freemap.Unreserve(item.Place);
            item.Place = HammerOff.Null;
        }
    }

    /// <summary>Neighbours are written in one transfer.</summary>
    void WriteExtents()
    {
        for (int i = _at; i < _count;)
        {
            ref Item first = ref _items[i++];
            if (first.Place.IsNull) continue;
            int bytes = first.RoundedBytes;
            for (; i < _count && _items[i].IsLarge; i++)
            {
                ref Item item = ref _items[i];
                if (item.Place != first.Place.Add(bytes) || item.MemoryAt != first.MemoryAt + bytes) break;
                bytes += item.RoundedBytes;
            }
            Host.WriteLargeData(first.Place, _memory.Span(first.MemoryAt, bytes));
        }
    }

    // ------------------------------------------------------------------ moves, under the exclusive lock

    bool MoveNode(in Item item)
    {
        _cursor.SeekLeaf(in item.Elm.Base);
        int depth = _cursor.Depth - 1 - item.Height;
        // It has been split, moved or removed meanwhile.
        if (depth < 0 || _cursor.Level(depth).Node != item.Elm.Data) return true;
        if (!CanFree(item.Elm.Data, HammerConst.NodeBytes)) return true;
        // Each child is told of its new parent: as many as there are now, for splits may have added some (W7).
        if (!Host.Core.HasCredits(BTreeIndex.MoveNodes(Children(item.Elm.Data)))) return false;
        if (!HasRoom(Zone.BTree, HammerConst.NodeBytes)) return false;
        if (!Host.Core.Tree.MoveNode(_cursor, depth)) return false;
        Host.Core.NoteChange();
        _stats.BTreeMoves++;
        BytesChanged += HammerConst.NodeBytes;
        return true;
    }

    int Children(HammerOff off)
    {
        using NodeRef node = Host.Nodes.Get(off);
        return node.IsLeaf ? 0 : node.Count;
    }

    bool MoveLarge(ref Item item)
    {
        if (item.Place.IsNull) return true;
        HammerOff place = item.Place;
        int bytes = item.Elm.DataLen;
        if (!IsThere(in item) || !CanFree(item.Elm.Data, bytes))
        {
            Host.Core.Freemap.Unreserve(place);
            item.Place = HammerOff.Null;
            return true;
        }
        item.Place = HammerOff.Null;
        Host.Core.Freemap.Commit(place, bytes);
        MoveEnd(in item, place, item.Crc);
        return true;
    }

    bool MoveSmall(in Item item)
    {
        if (!IsThere(in item) || !CanFree(item.Elm.Data, item.Elm.DataLen)) return true;
        LeafElm elm = _cursor.Elm;
        Span<byte> data = _memory.Span(BatchBytesMax, elm.DataLen);
        try
        {
            Host.Records.Read(in elm, data);
        }
        catch (HammerMediumException e)
        {
            Complain(in elm, e.Message);
            return true;
        }
        if (!HasRoom(elm.Data.Zone, elm.DataLen)) return false;
        if (Host.Core.Records.StoreData(elm.Data.Zone, data, out HammerOff place).IsError) return false;
        MoveEnd(in item, place, HammerCrc.LeafData(Host.Volumes.Version, elm.Base.RecType, data));
        return true;
    }

    void MoveEnd(in Item item, HammerOff place, uint crc)
    {
        Host.Core.Tree.SetData(_cursor, place, crc);
        Host.Core.Freemap.Free(item.Elm.Data, item.Elm.DataLen);
        Host.Core.NoteChange();
        _stats.DataMoves++;
        _stats.DataByteMoves += item.Elm.DataLen;
        BytesChanged += item.Elm.DataLen;
    }

    /// <summary>
    /// True, and the cursor stands at it, if the record still has the data that were looked at. An inode of the open
    /// group is replaced in its place, under another sum; small data are read only now, so that does not matter.
    /// </summary>
    bool IsThere(in Item item) => _cursor.SeekExact(in item.Elm.Base)
        && _cursor.Elm.DataOffset == item.Elm.DataOffset && _cursor.Elm.DataLen == item.Elm.DataLen
        && (!item.IsLarge || _cursor.Elm.DataCrc == item.Elm.DataCrc);

    /// <summary>
    /// False if the accounts of the big-block do not allow for freeing this: the freemap would refuse in the middle of
    /// the change.
    /// </summary>
    bool CanFree(HammerOff off, int bytes)
    {
        if (Host.Core.Freemap.TryOwner(off, out Layer2Ondisk owner) && owner.Zone == off.Zone
            && owner.BytesFree <= HammerConst.BigBlockBytes - HammerConst.RoundData(bytes)) return true;
        Complain($"{off}: the freemap does not know {bytes} bytes there: they are not moved");
        return false;
    }

    void Complain(in LeafElm elm, string why)
    {
        _stats.BadRecords++;
        Complain($"record {elm.Base} is not moved: {why}");
    }

    void Complain(string what)
    {
        if (_complaints.Count < ComplaintsMax) _complaints.Enqueue(what);
    }

    /// <summary>Gives back reserved space; what was moved stays moved.</summary>
    public void Dispose()
    {
        if (_stage == Stage.Reserved || _stage == Stage.Ready) DisposeReserved();
        _count = _at = 0;
        _memory.Dispose();
    }

    void DisposeReserved()
    {
        try
        {
            Host.EnterExclusive();
        }
        catch (MountCriticalException)
        {
            // Reservations are in memory only, and this mount writes no more.
            return;
        }
        try
        {
            Unreserve();
        }
        finally
        {
            Host.ExitExclusive();
        }
    }
}
