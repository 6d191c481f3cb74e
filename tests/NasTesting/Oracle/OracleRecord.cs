using System;
using System.Buffers.Binary;

namespace NasTesting.Oracle;

/// <summary>Key of any B-Tree element and its order (on-disk-format 4.2, 4.6).</summary>
public readonly record struct OracleKey(
    uint Localization, long ObjId, ushort RecType, long Key, ulong CreateTid, ulong DeleteTid, byte ObjType, byte BType)
{
    public static OracleKey GlobalLower { get; } = new(0, long.MinValue, 0, long.MinValue, 1, 1, 0, 0);

    public static OracleKey GlobalUpper { get; } =
        new(uint.MaxValue, long.MaxValue, ushort.MaxValue, long.MaxValue, ulong.MaxValue, 0, 0, 0);

    public static OracleKey Parse(ReadOnlySpan<byte> element) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(element[36..]),
        BinaryPrimitives.ReadInt64LittleEndian(element),
        BinaryPrimitives.ReadUInt16LittleEndian(element[32..]),
        BinaryPrimitives.ReadInt64LittleEndian(element[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(element[16..]),
        BinaryPrimitives.ReadUInt64LittleEndian(element[24..]),
        element[34],
        element[35]);

    /// <summary>Order by everything but create_tid.</summary>
    public static int CompareWithoutTid(OracleKey a, OracleKey b)
    {
        int result = a.Localization.CompareTo(b.Localization);
        if (result == 0) { result = a.ObjId.CompareTo(b.ObjId); }
        if (result == 0) { result = a.RecType.CompareTo(b.RecType); }
        return result != 0 ? result : a.Key.CompareTo(b.Key);
    }

    /// <summary>Full order; create_tid 0 counts as infinity.</summary>
    public static int Compare(OracleKey a, OracleKey b)
    {
        int result = CompareWithoutTid(a, b);
        if (result != 0 || a.CreateTid == b.CreateTid) { return result; }
        if (a.CreateTid == 0) { return 1; }
        return b.CreateTid == 0 ? -1 : a.CreateTid.CompareTo(b.CreateTid);
    }

    public override string ToString() =>
        $"lo={Localization:x8} objid={ObjId:x16} rt={RecType:x2} key={Key:x16} tid={CreateTid:x16}";
}

/// <summary>A leaf element with access to its data (on-disk-format 4.4).</summary>
public sealed class OracleRecord
{
    public const ushort Inode = 0x01;
    public const ushort Data = 0x10;
    public const ushort DirEntry = 0x11;
    public const ushort Db = 0x12;
    public const ushort Ext = 0x13;
    public const ushort Fix = 0x14;
    public const ushort Pfs = 0x15;
    public const ushort Snapshot = 0x16;
    public const ushort Config = 0x17;

    readonly OracleMedium _medium;
    byte[]? _payload;

    internal OracleRecord(OracleMedium medium, ulong node, int index, ReadOnlySpan<byte> element)
    {
        _medium = medium;
        Node = node;
        Index = index;
        Base = OracleKey.Parse(element);
        CreateTs = BinaryPrimitives.ReadUInt32LittleEndian(element[40..]);
        DeleteTs = BinaryPrimitives.ReadUInt32LittleEndian(element[44..]);
        DataOffset = BinaryPrimitives.ReadUInt64LittleEndian(element[48..]);
        DataLen = BinaryPrimitives.ReadInt32LittleEndian(element[56..]);
        DataCrc = BinaryPrimitives.ReadUInt32LittleEndian(element[60..]);
    }

    public ulong Node { get; }
    public int Index { get; }
    public OracleKey Base { get; }
    public uint CreateTs { get; }
    public uint DeleteTs { get; }
    public ulong DataOffset { get; }
    public int DataLen { get; }
    public uint DataCrc { get; }

    public uint Localization => Base.Localization;
    public int PfsId => (int)(Base.Localization >> 16);
    public long ObjId => Base.ObjId;
    public ushort RecType => Base.RecType;
    public long Key => Base.Key;
    public ulong CreateTid => Base.CreateTid;
    public ulong DeleteTid => Base.DeleteTid;
    public byte ObjType => Base.ObjType;
    public bool IsLive => DeleteTid == 0;

    /// <summary>First byte in the file of a DATA record.</summary>
    public long FileBase => Key - DataLen;

    /// <summary>The data. Metadata are kept, file data are read anew each time.</summary>
    public byte[] Payload
    {
        get
        {
            if (_payload is not null) { return _payload; }
            byte[] bytes = DataLen == 0 || DataOffset == 0 ? [] : _medium.ReadBytes(DataOffset, DataLen);
            if (RecType is not (Data or Db)) { _payload = bytes; }
            return bytes;
        }
    }

    /// <summary>Visibility as of a TID (on-disk-format 4.9); null and 0 mean now.</summary>
    public bool IsVisible(ulong? asOf) =>
        asOf is null or 0 ? IsLive : CreateTid <= asOf && (IsLive || asOf < DeleteTid);

    /// <summary>Where the record is and which it is.</summary>
    public override string ToString() => $"node {Node:x16} elm {Index}: {Base} del={DeleteTid:x16}";
}

/// <summary>Inode data (on-disk-format 5.3).</summary>
public sealed class OracleInode
{
    public OracleInode(OracleRecord record)
    {
        Record = record;
        Bytes = record.Payload;
        if (Bytes.Length < 128) { throw new OracleException($"{record}: inode data of {Bytes.Length} bytes"); }
    }

    public OracleRecord Record { get; }
    public byte[] Bytes { get; }
    public int Version => BinaryPrimitives.ReadUInt16LittleEndian(Bytes);
    public int Mode => BinaryPrimitives.ReadUInt16LittleEndian(Bytes.AsSpan(2));
    public uint Flags => U32(4);
    public uint RMajor => U32(8);
    public uint RMinor => U32(12);
    public ulong Ctime => U64(16);
    public long ParentObjId => (long)U64(24);
    public uint Uid => U32(32 + 12);
    public uint Gid => U32(48 + 12);
    public byte ObjType => Bytes[64];
    public byte CapFlags => Bytes[65];
    public ulong Nlinks => U64(72);
    public ulong Size => U64(80);
    public ReadOnlySpan<byte> InlineTarget => Bytes.AsSpan(88, 24);
    public ulong Mtime => U64(112);
    public ulong Atime => U64(120);

    /// <summary>Hash algorithm of a directory: 0 or 1, or 2 and 3, which nobody defined.</summary>
    public int HashAlgorithm => CapFlags & 3;

    /// <summary>Localization type of the directory's entries: 1 with cap flag 0x04, otherwise 2.</summary>
    public uint EntryLocalizationType => (CapFlags & 4) != 0 ? 1u : 2u;

    internal uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(offset));
    internal ulong U64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes.AsSpan(offset));
}

/// <summary>Directory entry data (on-disk-format 5.4).</summary>
public sealed class OracleDirEntry
{
    public OracleDirEntry(OracleRecord record)
    {
        Record = record;
        byte[] bytes = record.Payload;
        if (bytes.Length <= 16) { throw new OracleException($"{record}: entry of {bytes.Length} bytes"); }
        Target = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        TargetLocalization = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8));
        Name = bytes[16..];
    }

    public OracleRecord Record { get; }
    public long Directory => Record.ObjId;
    public long Target { get; }
    public uint TargetLocalization { get; }
    public int TargetPfs => (int)(TargetLocalization >> 16);
    public byte[] Name { get; }
}

/// <summary>PFS data (on-disk-format 5.9).</summary>
public sealed class OraclePfs
{
    public OraclePfs(OracleRecord record)
    {
        Record = record;
        byte[] bytes = new byte[292];
        record.Payload.AsSpan(0, Math.Min(292, record.Payload.Length)).CopyTo(bytes);
        Id = (int)(record.Key >> 16);
        SyncBegTid = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8));
        SyncEndTid = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(16));
        SharedUuid = new Guid(bytes.AsSpan(40, 16));
        UniqueUuid = new Guid(bytes.AsSpan(56, 16));
        Flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(76));
    }

    public OracleRecord Record { get; }
    public int Id { get; }
    public ulong SyncBegTid { get; }
    public ulong SyncEndTid { get; }
    public Guid SharedUuid { get; }
    public Guid UniqueUuid { get; }
    public uint Flags { get; }
    public bool IsSlave => (Flags & 1) != 0;
    public bool IsDeleted => (Flags & 0x80000000) != 0;
}
