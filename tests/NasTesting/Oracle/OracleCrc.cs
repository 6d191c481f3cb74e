using System;

namespace NasTesting.Oracle;

/// <summary>The two checksums of the format, bit tables from their polynomials (on-disk-format 0.3).</summary>
public static class OracleCrc
{
    static readonly uint[] s_old = Table(0xEDB88320);
    static readonly uint[] s_new = Table(0x82F63B78);

    /// <summary>CRC-32 (IEEE), the kind of versions up to 6, of name hashes and of mirror streams.</summary>
    public static uint Old(ReadOnlySpan<byte> data) => Run(s_old, data);

    /// <summary>CRC-32C (Castagnoli), the kind of version 7.</summary>
    public static uint New(ReadOnlySpan<byte> data) => Run(s_new, data);

    /// <summary>Whether a stored CRC over up to two separately started parts (XORed) holds: version 7 accepts both
    /// kinds, earlier versions the old one only.</summary>
    public static bool Holds(int version, uint stored, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default) =>
        (version >= 7 && stored == (New(first) ^ New(second))) || stored == (Old(first) ^ Old(second));

    static uint Run(uint[] table, ReadOnlySpan<byte> data)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte b in data) { crc = table[(crc ^ b) & 0xFF] ^ (crc >> 8); }
        return crc ^ 0xFFFFFFFF;
    }

    static uint[] Table(uint polynomial)
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++) { value = (value & 1) != 0 ? (value >> 1) ^ polynomial : value >> 1; }
            table[i] = value;
        }
        return table;
    }
}

/// <summary>The two directory name hashes (on-disk-format 5.4).</summary>
public static class OracleNameHash
{
    /// <summary>The key at which the search for a name starts.</summary>
    /// <param name="algorithm">0 or 1, from the directory's cap_flags.</param>
    public static long Key(ReadOnlySpan<byte> name, int algorithm)
    {
        if (algorithm == 0)
        {
            ulong key = (ulong)(OracleCrc.Old(name) & 0x7FFFFFFF) << 32;
            return (long)(key == 0 ? 0x100000000 : key);
        }
        uint sum = 0;
        int start = 0;
        for (int i = 0; i <= name.Length; i++)
        {
            bool ends = i == name.Length || name[i] is (byte)'.' or (byte)'-' or (byte)'_' or (byte)'~';
            if (!ends) { continue; }
            if (i > start) { sum += OracleCrc.Old(name[start..i]); }
            start = i + 1;
        }
        uint whole = OracleCrc.Old(name);
        uint low = (whole ^ (whole << 16)) & 0xFFFF0000;
        ulong high = sum & 0x7FFFFFFF;
        return (long)(((high == 0 ? 1 : high) << 32) | low);
    }

    /// <summary>How far above the hash a colliding name's key may lie, inclusive.</summary>
    public static long Range(int algorithm) => algorithm == 0 ? 0xFFFFFFFF : 0x00FFFFFF;
}
