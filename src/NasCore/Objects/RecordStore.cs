using System;
using NasCore.Blockmap;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Transactions;

namespace NasCore.Objects;

/// <summary>
/// Records with their data, changed in the open flush group. Coalescing (architecture, life of a write): an element
/// that the open group itself created is replaced or removed in place; an older one gets delete_tid and stays as
/// history. Every call under the exclusive lock; space was promised by the caller's credits.
/// </summary>
public sealed class RecordStore(BTreeIndex tree, Freemap freemap, IMetaWriter writer, RecordReader reader,
    GroupState group, TimeProvider time, uint version)
{
    public GroupState Group => group;
    public BTreeIndex Tree => tree;
    public Freemap Freemap => freemap;

    /// <summary>What a record without data takes in a mirror stream.</summary>
    const int RecordBytes = 80;

    /// <summary>Wall-clock seconds for create_ts and delete_ts, which are for display only.</summary>
    public uint NowSeconds => (uint)Math.Clamp(time.GetUtcNow().ToUnixTimeSeconds(), 0, uint.MaxValue);

    /// <summary>Wall-clock microseconds for inode times.</summary>
    public ulong NowMicros => (ulong)Math.Max(0, (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10);

    /// <summary>Inserts a record with data in the meta zone; a data length of 0 is allowed.</summary>
    public Errno InsertMeta(BaseElm key, ReadOnlySpan<byte> data) => Insert(key, data, Zone.Meta);

    /// <summary>Inserts a record of small file data.</summary>
    public Errno InsertSmall(BaseElm key, ReadOnlySpan<byte> data) => Insert(key, data, Zone.SmallData);

    Errno Insert(BaseElm key, ReadOnlySpan<byte> data, Zone zone)
    {
        if (key.CreateTid == 0) key.CreateTid = group.Tid;
        var elm = new LeafElm { Base = key, CreateTs = NowSeconds, DataLen = data.Length };
        if (data.Length > 0)
        {
            if (freemap.Allocate(zone, data.Length) is not { } off) return Errno.NoSpc;
            WriteData(off, data);
            elm.DataOffset = off.Value;
            elm.DataCrc = HammerCrc.LeafData(version, key.RecType, data);
        }
        return InsertElm(in elm);
    }

    /// <summary>Space and data of a record that is inserted next, in the same hold of the lock.</summary>
    public Errno StoreData(Zone zone, ReadOnlySpan<byte> data, out HammerOff off)
    {
        off = HammerOff.Null;
        if (freemap.Allocate(zone, data.Length) is not { } place) return Errno.NoSpc;
        WriteData(place, data);
        off = place;
        return Errno.None;
    }

    /// <summary>Inserts an element whose data are in place already and charged.</summary>
    public Errno InsertElm(in LeafElm elm)
    {
        if (tree.Insert(in elm))
        {
            group.Touch(in elm.Base, RecordBytes + elm.DataLen);
            return Errno.None;
        }
        if (elm.DataOffset != 0) freemap.Free(elm.Data, elm.DataLen);
        return Errno.NoSpc;
    }

    /// <summary>
    /// Replaces the live record that the cursor stands at by new meta data: in place if this group made it.
    /// </summary>
    public Errno ReplaceMeta(BTreeCursor cursor, ReadOnlySpan<byte> data, bool noHistory)
    {
        LeafElm old = cursor.Elm;
        if (old.Base.CreateTid != group.Tid)
        {
            BaseElm key = old.Base;
            Delete(cursor, noHistory);
            key.CreateTid = group.Tid;
            key.DeleteTid = 0;
            return InsertMeta(key, data);
        }
        LeafElm elm = old;
        if (HammerConst.RoundData(old.DataLen) != HammerConst.RoundData(data.Length))
        {
            if (freemap.Allocate(Zone.Meta, data.Length) is not { } off) return Errno.NoSpc;
            freemap.Free(old.Data, old.DataLen);
            elm.DataOffset = off.Value;
            WriteData(off, data);
        }
        else
        {
            // Space of this very group: nobody needs the old contents.
            OverwriteData(elm.Data, data);
        }
        elm.DataLen = data.Length;
        elm.DataCrc = HammerCrc.LeafData(version, elm.Base.RecType, data);
        tree.Replace(cursor, in elm);
        return Errno.None;
    }

    /// <summary>
    /// Deletes the live record that the cursor stands at. Without history an older record goes in two steps (W8).
    /// Returns true if the element has left the tree (the cursor is invalid then).
    /// </summary>
    public bool Delete(BTreeCursor cursor, bool noHistory)
    {
        LeafElm elm = cursor.Elm;
        Invariant.Check(elm.Base.DeleteTid == 0, "only a live record is deleted");
        if (elm.Base.CreateTid == group.Tid)
        {
            RemovePhysically(cursor);
            return true;
        }
        Invariant.Check(elm.Base.CreateTid < group.Tid, "a record is not younger than the open group");
        tree.SetDelete(cursor, group.Tid, NowSeconds);
        group.Touch(in elm.Base, RecordBytes);
        if (noHistory) group.Removals.Add(elm.Base);
        return false;
    }

    /// <summary>Gives the record at the cursor, which no view has shown yet, the open group's TID.</summary>
    public Errno Restamp(BTreeCursor cursor)
    {
        LeafElm elm = cursor.Elm;
        tree.Remove(cursor);
        elm.Base.CreateTid = group.Tid;
        elm.CreateTs = NowSeconds;
        return InsertElm(in elm);
    }

    /// <summary>Takes a record and its data away without a trace.</summary>
    public void RemovePhysically(BTreeCursor cursor)
    {
        LeafElm elm = cursor.Elm;
        tree.Remove(cursor);
        if (elm.DataOffset != 0 && elm.DataLen > 0) freemap.Free(elm.Data, elm.DataLen);
    }

    /// <summary>
    /// New data for a record that keeps no versions of itself (W13): key and TIDs stay. Without space nothing changes.
    /// </summary>
    public Errno ReplaceUnversioned(BTreeCursor cursor, ReadOnlySpan<byte> data)
    {
        LeafElm elm = cursor.Elm;
        Errno stored = StoreData(Zone.Meta, data, out HammerOff place);
        if (stored.IsError) return stored;
        if (elm.DataOffset != 0 && elm.DataLen > 0) freemap.Free(elm.Data, elm.DataLen);
        elm.DataOffset = place.Value;
        elm.DataLen = data.Length;
        elm.DataCrc = HammerCrc.LeafData(version, elm.Base.RecType, data);
        tree.Replace(cursor, in elm);
        return Errno.None;
    }

    /// <summary>Overwrites bytes outside the CRC in place, under UNDO (mtime and atime of HAMMER's rule).</summary>
    public void PatchMeta(HammerOff off, ReadOnlySpan<byte> bytes) =>
        bytes.CopyTo(writer.Modify(off, bytes.Length));

    public RecordReader Reader => reader;

    void WriteData(HammerOff off, ReadOnlySpan<byte> data)
    {
        Span<byte> place = writer.NewData(off, HammerConst.RoundData(data.Length), isStart: true);
        data.CopyTo(place);
        // The rest of the 16 bytes would be stale memory on the medium.
        place[data.Length..].Clear();
    }

    void OverwriteData(HammerOff off, ReadOnlySpan<byte> data)
    {
        Span<byte> place = writer.NewData(off, HammerConst.RoundData(data.Length), isStart: false);
        data.CopyTo(place);
        place[data.Length..].Clear();
    }
}
