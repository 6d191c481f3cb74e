using System;
using System.Buffers.Binary;
using System.Text;

namespace NasTesting.Oracle;

/// <summary>A volume header over its 16 KiB buffer (on-disk-format 2.1). The bytes can change under it while UNDO runs.
/// </summary>
public sealed class OracleHeader(byte[] bytes)
{
    public const ulong SignatureValue = 0xC8414D4DC5523031;
    public const int Size = 1928;

    public byte[] Bytes => bytes;
    public ulong Signature => U64(0);
    public long BotBeg => (long)U64(8);
    public long MemBeg => (long)U64(16);
    public long BufBeg => (long)U64(24);
    public long BufEnd => (long)U64(32);
    public Guid Fsid => new(bytes.AsSpan(48, 16));
    public Guid FsType => new(bytes.AsSpan(64, 16));
    public string Label => Encoding.UTF8.GetString(bytes.AsSpan(80, 64)).TrimEnd('\0');
    public int VolNo => (int)U32(144);
    public int VolCount => (int)U32(148);
    public int Version => (int)U32(152);
    public uint Crc => U32(156);
    public uint Flags => U32(160);
    public uint RootVol => U32(164);
    public long StatBigBlocks => (long)U64(200);
    public long StatFreeBigBlocks => (long)U64(208);
    public long StatInodes => (long)U64(224);
    public ulong BTreeRoot => U64(240);
    public ulong NextTid => U64(248);

    public ulong ZonePhys(int zone) => U64(264 + 40 * zone);
    public ulong ZoneFirst(int zone) => U64(264 + 40 * zone + 8);
    public ulong ZoneNext(int zone) => U64(264 + 40 * zone + 16);
    public ulong ZoneAlloc(int zone) => U64(264 + 40 * zone + 24);
    public uint ZoneEntryCrc(int zone) => U32(264 + 40 * zone + 36);
    public ReadOnlySpan<byte> ZoneEntry(int zone) => bytes.AsSpan(264 + 40 * zone, 40);
    public ulong UndoArray(int index) => U64(904 + 8 * index);

    /// <summary>Whole big-blocks of the zone-2 area.</summary>
    public long BigBlocks => (BufEnd - BufBeg) >> 23;

    /// <summary>vol_crc is right for these bytes.</summary>
    public bool CrcHolds => OracleCrc.Holds(Version, Crc, bytes.AsSpan(0, 156), bytes.AsSpan(160, Size - 160));

    internal ulong U64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(offset));
    internal uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset));
    internal void Put64(int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(offset), value);
}
