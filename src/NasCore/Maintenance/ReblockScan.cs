using System;
using System.IO;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

// The walk: which nodes and records lie in big-blocks that are to be emptied. No allocation per record.
public sealed partial class Reblock
{
    /// <summary>Leaves looked at in one hold of the shared lock.</summary>
    const int HoldLeaves = 64;
    const int ItemsMax = 128;
    /// <summary>A leaf adds its whole path and goes on until the list is full.</summary>
    const int ItemsRoom = ItemsMax + BTreeCursor.DepthMax + HammerConst.LeafElmsMax;
    /// <summary>Data of extents in memory.</summary>
    const int BatchBytesMax = 512 * 1024;
    /// <summary>Extents read between two looks at whether it is to stop.</summary>
    const int ReadPortion = 4;
    const int KnownBlocks = 64;

    /// <summary>A node or a record that is to be moved, as it was when it was looked at.</summary>
    struct Item
    {
        /// <summary>The record; of a node: a key in the first leaf below, its address, its children.</summary>
        public LeafElm Elm;
        /// <summary>Levels above the leaf; of a record -1.</summary>
        public int Height;
        public bool IsGone;
        /// <summary>Where its data are in memory, and what they sum up to.</summary>
        public int MemoryAt;
        public uint Crc;
        /// <summary>Reserved space.</summary>
        public HammerOff Place;

        public readonly bool IsNode => Height >= 0;
        public readonly bool IsLarge => !IsNode && Elm.Data.Zone == Zone.LargeData;
        public readonly int RoundedBytes =>
            (Elm.DataLen + HammerConst.BufferBytes - 1) & ~(HammerConst.BufferBytes - 1);
    }

    /// <summary>What the freemap said of a big-block in this hold.</summary>
    struct KnownBlock
    {
        public ulong Block;
        public long Hold;
        public int BytesFree;
    }

    readonly Item[] _items = new Item[ItemsRoom];
    readonly KnownBlock[] _known = new KnownBlock[KnownBlocks];
    BaseElm _next;
    int _count;
    int _largeBytes;
    long _holds;
    bool _atEnd;

    /// <summary>Puts what is next on the list; nothing, if this hold found nothing to move.</summary>
    void Fill()
    {
        _count = _at = _largeBytes = 0;
        _holds++;
        int epoch = Host.EnterShared();
        try
        {
            BeginHold();
            _cursor.SeekLeaf(in _next);
            for (int leaves = 0; leaves < HoldLeaves && !IsHoldOver; leaves++)
            {
                // Room for the path and at least one record, so that no node is put on the list twice.
                if (_count >= ItemsMax || _largeBytes > BatchBytesMax - HammerConst.XBufferBytes) return;
                if (!FillLeaf()) return;
                _next = _cursor.Leaf.Right;
                if (_cursor.NextLeaf()) continue;
                _atEnd = true;
                return;
            }
        }
        finally
        {
            Host.ExitShared();
            Host.LeaveEpoch(epoch);
        }
    }

    /// <summary>False if the list is full or the range ends here.</summary>
    bool FillLeaf()
    {
        ref CursorLevel leaf = ref _cursor.Leaf;
        using NodeRef node = Host.Nodes.Get(leaf.Node);
        ReadOnlySpan<LeafElm> elms = node.Leaves[..node.Count];
        int index = leaf.Index;
        uint localization = index < elms.Length ? elms[index].Base.Localization : leaf.Left.Localization;
        if (localization > _lastLocalization)
        {
            _atEnd = true;
            return false;
        }
        if (index == 0 && (_request.Classes & ReblockClasses.BTree) != 0) FillNodes();
        for (; index < elms.Length; index++)
        {
            ref readonly LeafElm elm = ref elms[index];
            if (elm.Base.Localization > _lastLocalization)
            {
                _atEnd = true;
                return false;
            }
            if ((ReblockRequest.ClassOf(elm.Base.RecType) & _request.Classes) != 0 && !FillRecord(in elm)) return false;
            RecordsLooked++;
        }
        return true;
    }

    /// <summary>A leaf at its first record, and each node above whose first leaf it is: once for every node.</summary>
    void FillNodes()
    {
        for (int depth = _cursor.Depth - 1; depth >= 0; depth--)
        {
            ref CursorLevel level = ref _cursor.Level(depth);
            if (level.Index != 0) return;
            _stats.BTreeCount++;
            if (!IsWanted(level.Node)) continue;
            ref Item item = ref _items[_count++];
            item = default;
            item.Height = _cursor.Depth - 1 - depth;
            item.Elm.Base = _cursor.Leaf.Left;
            item.Elm.DataOffset = level.Node.Value;
        }
    }

    /// <summary>False if the list has no room for this record.</summary>
    bool FillRecord(in LeafElm elm)
    {
        if (elm.DataOffset == 0 || elm.DataLen == 0) return true;
        HammerOff data = elm.Data;
        bool wanted = IsWanted(data);
        if (wanted)
        {
            try
            {
                RecordReader.CheckPlace(in elm);
            }
            catch (HammerMediumException e)
            {
                Complain(in elm, e.Message);
                wanted = false;
            }
        }
        int bytes = wanted && data.Zone == Zone.LargeData ? HammerConst.BufferBytes : 0;
        if (bytes > 0) bytes = (elm.DataLen + bytes - 1) & ~(bytes - 1);
        if (wanted && (_count >= ItemsRoom || _largeBytes + bytes > BatchBytesMax))
        {
            _next = elm.Base;
            return false;
        }
        _stats.DataCount++;
        _stats.DataByteCount += elm.DataLen;
        if (!wanted) return true;
        ref Item item = ref _items[_count++];
        item = default;
        item.Elm = elm;
        item.Height = -1;
        item.MemoryAt = _largeBytes;
        _largeBytes += bytes;
        return true;
    }

    /// <summary>True if the big-block of an address is to be emptied.</summary>
    bool IsWanted(HammerOff off)
    {
        ulong block = off.BigBlockBase.Value;
        ref KnownBlock known = ref _known[(int)(block / HammerConst.BigBlockBytes) & (KnownBlocks - 1)];
        if (known.Block != block || known.Hold != _holds)
        {
            bool owned = Host.Core.Freemap.TryOwner(off, out Layer2Ondisk owner) && owner.Zone == off.Zone;
            known = new KnownBlock { Block = block, Hold = _holds, BytesFree = owned ? owner.BytesFree : int.MinValue };
        }
        if (known.BytesFree < _freeLevel) return false;
        // What is still being filled stays, unless everything is to move.
        return _freeLevel == 0 || new HammerOff(Host.Core.Freemap.NextOffset(off.Zone)).BigBlockBase.Value != block;
    }

    // ------------------------------------------------------------------ extents, without a lock

    /// <summary>Reads some of the extents; false when all are read.</summary>
    bool ReadSome()
    {
        int from = _reading, found = 0;
        while (_reading < _count && found < ReadPortion)
        {
            if (_items[_reading++].IsLarge) found++;
        }
        if (found == 0) return false;
        int epoch = ReadSomePin(from);
        try
        {
            for (int i = from; i < _reading; i++)
            {
                ref Item item = ref _items[i];
                if (item.IsLarge && !item.IsGone) ReadExtent(ref item);
            }
        }
        finally
        {
            Host.LeaveEpoch(epoch);
        }
        return _reading < _count;
    }

    /// <summary>What is still there under the lock can be read after it: see architecture R1.</summary>
    int ReadSomePin(int from)
    {
        int epoch = Host.EnterShared();
        try
        {
            for (int i = from; i < _reading; i++)
            {
                ref Item item = ref _items[i];
                if (item.IsLarge && !IsThere(in item)) item.IsGone = true;
            }
        }
        finally
        {
            Host.ExitShared();
        }
        return epoch;
    }

    void ReadExtent(ref Item item)
    {
        Span<byte> memory = _memory.Span(item.MemoryAt, item.RoundedBytes);
        Span<byte> data = memory[..item.Elm.DataLen];
        try
        {
            Host.Records.Read(in item.Elm, data);
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            item.IsGone = true;
            Complain(in item.Elm, e.Message);
            return;
        }
        memory[item.Elm.DataLen..].Clear();
        item.Crc = HammerCrc.LeafData(Host.Volumes.Version, item.Elm.Base.RecType, data);
    }
}
