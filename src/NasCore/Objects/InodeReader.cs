using System;
using System.Runtime.InteropServices;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Objects;

/// <summary>Finds inodes, directory entries and PFS records in any view. Callers hold the file system lock.</summary>
public sealed class InodeReader(NodeStore nodes, Func<HammerOff> root, RecordReader records)
{
    public NodeStore Nodes => nodes;
    public RecordReader Records => records;

    public BTreeCursor NewCursor() => new(nodes, root);

    /// <summary>The inode visible as of a TID; false if there is none.</summary>
    public bool TryInode(BTreeCursor cursor, int pfsId, long objId, ulong asOf, out InodeOndisk inode)
    {
        inode = default;
        if (!cursor.SeekAsOf(RecordKey.Inode(pfsId, objId), asOf)) return false;
        inode = InodeData(in cursor.Elm);
        return true;
    }

    /// <summary>Data of an inode record.</summary>
    public InodeOndisk InodeData(in LeafElm elm)
    {
        if (elm.DataLen != InodeOndisk.Bytes || elm.DataOffset == 0)
            throw new HammerMediumException(elm.Data,
                $"inode record {elm.Base} has {elm.DataLen} bytes of data, not 128");
        using BufferRef data = records.Pin(in elm);
        InodeOndisk inode = MemoryMarshal.Read<InodeOndisk>(data.Bytes(InodeOndisk.Bytes));
        if ((inode.CapFlags & InodeOndisk.CapHashMask) > InodeOndisk.CapHashAlg1)
            throw new HammerMediumException(elm.Data, $"inode record {elm.Base}: unknown directory hash in the flags");
        return inode;
    }

    /// <summary>
    /// Finds a name in a directory: scans the keys that its hash can have and compares whole names (on-disk-format
    /// 5.4). The cursor stands at the entry when found.
    /// </summary>
    public bool TryEntry(BTreeCursor cursor, int pfsId, long dirId, byte capFlags, ulong asOf, ReadOnlySpan<byte> name,
        out DirEntryHead entry)
    {
        entry = default;
        long low = DirHash.Key(capFlags, name);
        long high = HashEnd(capFlags, low);
        BaseElm key = RecordKey.DirEntry(pfsId, dirId, capFlags, low);
        key.CreateTid = 1;
        for (bool more = cursor.SeekFirst(in key); more; more = cursor.NextFor(asOf))
        {
            ref LeafElm elm = ref cursor.Elm;
            if (elm.Base.Localization != key.Localization || elm.Base.ObjId != dirId
                || elm.Base.RecType != RecType.DirEntry || elm.Base.Key > high) return false;
            if (!Tid.Visible(elm.Base.CreateTid, elm.Base.DeleteTid, asOf)) continue;
            if (elm.DataLen != DirEntryHead.Bytes + name.Length) continue;
            using BufferRef data = EntryData(in elm);
            ReadOnlySpan<byte> bytes = data.Bytes(elm.DataLen);
            if (!bytes[DirEntryHead.Bytes..].SequenceEqual(name)) continue;
            entry = MemoryMarshal.Read<DirEntryHead>(bytes);
            return true;
        }
        return false;
    }

    /// <summary>Last key that an entry with this hash key can have.</summary>
    public static long HashEnd(byte capFlags, long low)
    {
        long more = DirHash.IterationsMax(capFlags);
        return low > long.MaxValue - more ? long.MaxValue : low + more;
    }

    /// <summary>Checked data of a directory entry: head and name.</summary>
    public BufferRef EntryData(in LeafElm elm)
    {
        if (elm.DataLen <= DirEntryHead.Bytes || elm.DataLen > DirEntryHead.Bytes + 1024 || elm.DataOffset == 0)
            throw new HammerMediumException(elm.Data, $"directory entry {elm.Base} has {elm.DataLen} bytes of data");
        return records.Pin(in elm);
    }

    /// <summary>The current PFS record; false if absent or deleted (mirroring-and-operations 1.1).</summary>
    public bool TryPfs(BTreeCursor cursor, int pfsId, out PseudofsData data)
    {
        data = default;
        if (!cursor.SeekAsOf(RecordKey.Pfs(pfsId), Tid.Max)) return false;
        ref LeafElm elm = ref cursor.Elm;
        int n = Math.Min(elm.DataLen, PseudofsData.Bytes);
        if (n <= 0 || elm.DataOffset == 0)
            throw new HammerMediumException(elm.Data, $"PFS record {elm.Base} has no data");
        using BufferRef bytes = records.Pin(in elm);
        bytes.Bytes(n).CopyTo(MemoryMarshal.AsBytes(new Span<PseudofsData>(ref data)));
        return !data.IsDeleted;
    }
}
