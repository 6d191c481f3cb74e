using System;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using NasCore.Primitives;

namespace NasCore.Ondisk;

/// <summary>
/// The one place for checksums (on-disk-format 0.3). Volumes up to version 6 use CRC-32 (IEEE), version 7 CRC-32C;
/// a version 7 volume may hold either kind in every structure, because an upgrade rewrites nothing.
/// </summary>
public static class HammerCrc
{
    /// <summary>CRC-32 (IEEE), the "old" sum.</summary>
    public static uint Crc32(ReadOnlySpan<byte> data) => System.IO.Hashing.Crc32.HashToUInt32(data);

    /// <summary>CRC-32C, the "new" sum; extendable through the seed (0 starts fresh).</summary>
    public static uint Crc32C(ReadOnlySpan<byte> data, uint seed = 0)
    {
        uint crc = ~seed;
        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }
        foreach (byte b in data) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }

    /// <summary>Sum in the flavour of a volume version.</summary>
    public static uint Sum(uint version, ReadOnlySpan<byte> data) => version >= 7 ? Crc32C(data) : Crc32(data);

    /// <summary>XOR of two sums that are started afresh (volume header, FIFO record).</summary>
    public static uint SumTwoParts(uint version, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) =>
        Sum(version, first) ^ Sum(version, second);

    /// <summary>True if the sum matches in any flavour that the version admits.</summary>
    public static bool Matches(uint version, ReadOnlySpan<byte> data, uint expected) =>
        version >= 7 ? Crc32C(data) == expected || Crc32(data) == expected : Crc32(data) == expected;

    // Volume header: bytes 0..155 and 160..1927.
    public static uint VolumeHeader(uint version, ReadOnlySpan<byte> header) =>
        SumTwoParts(version, header[..156], header[160..1928]);

    public static bool VolumeHeaderMatches(uint version, ReadOnlySpan<byte> header)
    {
        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(header[156..]);
        return VolumeHeader(version, header) == expected || (version >= 7 && VolumeHeader(6, header) == expected);
    }

    // B-Tree node: bytes 4..4095, stored at 0.
    public static uint Node(uint version, ReadOnlySpan<byte> node) => Sum(version, node[4..HammerConst.NodeBytes]);

    public static bool NodeMatches(uint version, ReadOnlySpan<byte> node) =>
        Matches(version, node[4..HammerConst.NodeBytes], BinaryPrimitives.ReadUInt32LittleEndian(node));

    // FIFO record: bytes 0..11 and 16..hdr_size-1, stored at 12.
    public static uint FifoRecord(uint version, ReadOnlySpan<byte> record) =>
        SumTwoParts(version, record[..12], record[16..]);

    public static bool FifoRecordMatches(uint version, ReadOnlySpan<byte> record)
    {
        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(record[12..]);
        return FifoRecord(version, record) == expected || (version >= 7 && FifoRecord(6, record) == expected);
    }

    /// <summary>Data sum of a leaf element: inode data leave out mtime and atime, an odd inode length sums to
    /// 0.</summary>
    public static uint LeafData(uint version, RecType recType, ReadOnlySpan<byte> data)
    {
        if (data.Length == 0) return 0;
        if (recType == RecType.Inode) return data.Length == 128 ? Sum(version, data[..112]) : 0;
        return Sum(version, data);
    }

    public static bool LeafDataMatches(uint version, RecType recType, ReadOnlySpan<byte> data, uint expected) =>
        LeafData(version, recType, data) == expected
        || (version >= 7 && LeafData(6, recType, data) == expected);

    public static uint Blockmap(uint version, in BlockmapOndisk entry) => SumPrefix(version, in entry, 36);
    public static uint Layer1(uint version, in Layer1Ondisk entry) => SumPrefix(version, in entry, 28);
    public static uint Layer2(uint version, in Layer2Ondisk entry) => SumPrefix(version, in entry, 12);

    public static bool Layer1Matches(uint version, in Layer1Ondisk entry) =>
        Layer1(version, in entry) == entry.Layer1Crc || (version >= 7 && Layer1(6, in entry) == entry.Layer1Crc);

    public static bool Layer2Matches(uint version, in Layer2Ondisk entry) =>
        Layer2(version, in entry) == entry.EntryCrc || (version >= 7 && Layer2(6, in entry) == entry.EntryCrc);

    static uint SumPrefix<T>(uint version, in T value, int bytes) where T : unmanaged =>
        Sum(version, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value))[..bytes]);
}
