using System;
using System.Buffers.Binary;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Objects;

// Extended attributes as EXT records (architecture W14; docs/FORMAT.md)
//
// Misc localization, object id of the file, rec_type 0x13. The key is
//   bits 62..32  CRC-32 of the name, top bit cleared
//   bits 31..16  collision number, counted up like the iterator of directory entries
//   bits 15..0   piece number
// Piece 0 holds a head of 16 bytes (magic 'NX', name length, value length, 8 bytes zero), the name, and the start of
// the value; further pieces hold the rest. A piece has at most 8192 bytes, so that every record fits one buffer with
// room to spare: DragonFly's mirror and reblock do not overrun on it.

/// <summary>Keys and heads of extended attributes.</summary>
public static class XattrFormat
{
    public const int PieceBytesMax = 8192;
    public const int HeadBytes = 16;
    public const ushort Magic = 0x584E;
    /// <summary>Linux's own limit of a value.</summary>
    public const int ValueBytesMax = 65536;
    public const int CollisionsMax = 0xFFFF;

    public static long FirstKey(ReadOnlySpan<byte> name) =>
        (long)(HammerCrc.Crc32(name) & 0x7FFFFFFF) << 32;

    public static BaseElm Key(int pfsId, long objId, long key) => RecordKey.Misc(pfsId, objId, RecType.Ext, key);

    public static void WriteHead(Span<byte> data, int nameBytes, int valueBytes)
    {
        data[..HeadBytes].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(data, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(data[2..], (ushort)nameBytes);
        BinaryPrimitives.WriteInt32LittleEndian(data[4..], valueBytes);
    }

    /// <summary>False if the data are not the first piece of an attribute of ours.</summary>
    public static bool TryHead(ReadOnlySpan<byte> data, out int nameBytes, out int valueBytes)
    {
        nameBytes = valueBytes = 0;
        if (data.Length < HeadBytes || BinaryPrimitives.ReadUInt16LittleEndian(data) != Magic) return false;
        nameBytes = BinaryPrimitives.ReadUInt16LittleEndian(data[2..]);
        valueBytes = BinaryPrimitives.ReadInt32LittleEndian(data[4..]);
        return nameBytes is > 0 and <= 255 && valueBytes is >= 0 and <= ValueBytesMax
            && HeadBytes + nameBytes <= data.Length;
    }
}
