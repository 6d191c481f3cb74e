using System;
using NasCore.Ondisk;

namespace NasCore.Objects;

/// <summary>
/// Name hashes of directory entries (on-disk-format 5.4). The algorithm belongs to the directory, by its cap_flags:
/// ALG0 hashes the whole name, ALG1 (directories made by version 6 and later) the pieces between the separators, so
/// that names that differ in a counter or a suffix lie near each other. Both use the old CRC in every version.
/// </summary>
public static class DirHash
{
    /// <summary>Keys tried beyond the hash before a name is refused, ALG0.</summary>
    public const long Alg0Iterations = 0xFFFFFFFF;
    /// <summary>The same for ALG1.</summary>
    public const long Alg1Iterations = 0x00FFFFFF;
    /// <summary>The smallest key that an entry can have.</summary>
    public const long MinKey = 0x1_0000_0000;

    /// <summary>False for the two undefined algorithms: such a directory must be refused.</summary>
    public static bool IsKnown(byte capFlags) => (capFlags & InodeOndisk.CapHashMask) <= InodeOndisk.CapHashAlg1;

    /// <summary>
    /// The key at which an entry of this name is looked for first; always positive.
    /// </summary>
    /// <param name="capFlags">Those of the directory.</param>
    /// <param name="name">The name's bytes.</param>
    public static long Key(byte capFlags, ReadOnlySpan<byte> name) =>
        (capFlags & InodeOndisk.CapHashMask) == 0 ? Alg0Key(name) : Alg1Key(name);

    /// <summary>How far above <see cref="Key"/> an entry of the same hash may lie; the range is inclusive.</summary>
    public static long IterationsMax(byte capFlags) =>
        (capFlags & InodeOndisk.CapHashMask) == 0 ? Alg0Iterations : Alg1Iterations;

    /// <summary>True if an entry of this name may have this key in a directory with these cap_flags.</summary>
    public static bool Admits(byte capFlags, ReadOnlySpan<byte> name, long key)
    {
        long first = Key(capFlags, name);
        return key >= first && unchecked((ulong)(key - first)) <= (ulong)IterationsMax(capFlags);
    }

    static long Alg0Key(ReadOnlySpan<byte> name)
    {
        long key = (long)(HammerCrc.Crc32(name) & 0x7FFFFFFF) << 32;
        return key == 0 ? MinKey : key;
    }

    static long Alg1Key(ReadOnlySpan<byte> name)
    {
        uint sum = 0;
        ReadOnlySpan<byte> rest = name;
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOfAny(".-_~"u8);
            ReadOnlySpan<byte> piece = end < 0 ? rest : rest[..end];
            // An empty piece contributes nothing: leading, trailing and doubled separators do not count.
            if (!piece.IsEmpty) sum = unchecked(sum + HammerCrc.Crc32(piece));
            rest = end < 0 ? default : rest[(end + 1)..];
        }
        uint whole = HammerCrc.Crc32(name);
        uint low = (whole ^ (whole << 16)) & 0xFFFF0000;
        long key = ((long)(sum & 0x7FFFFFFF) << 32) | low;
        return key < MinKey ? key | MinKey : key;
    }
}
