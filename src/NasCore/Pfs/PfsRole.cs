using System;
using System.Buffers.Binary;
using System.Text;

namespace NasCore.Pfs;

/// <summary>
/// Differs: what became of a PFS whose mirror was turned round, in a configuration record of this copy (type 0x17,
/// object 1, inode area, key "NHro"), which no mirror takes along: "NHo1", length of the name (4), a TID (8), a UUID
/// (16), the name in UTF-8 (docs/decisions/0018). It is stored in the very group that makes the master a slave, and
/// goes when it is a master again.
/// when it is a master again.
/// </summary>
/// <param name="Parent">The [mirrors] section over which this slave is fed, whatever way that section says.</param>
/// <param name="HandedAt">
/// Not 0: the other side has been given the role of the master at this TID, and has not said yet that it took it.
/// </param>
/// <param name="Former">The unique UUID that this PFS had as a master.</param>
public readonly record struct PfsRole(string Parent, ulong HandedAt, Guid Former)
{
    /// <summary>Key of the record: "NHro".</summary>
    public const long RecordKey = 0x6F72484E;
    const uint Magic = 0x316F484E;
    const int HeadBytes = 32, NameBytesMax = 256;

    /// <summary>Nothing is noted.</summary>
    public static PfsRole None { get; } = new("", 0, Guid.Empty);

    public bool IsNone => string.IsNullOrEmpty(Parent);
    public bool IsHandingOver => HandedAt != 0;

    public byte[] Encode()
    {
        byte[] name = Encoding.UTF8.GetBytes(Parent);
        if (name.Length is 0 or > NameBytesMax) throw new ArgumentException($"a name of {name.Length} bytes");
        byte[] data = new byte[HeadBytes + name.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(data, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(4), name.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(8), HandedAt);
        Former.TryWriteBytes(data.AsSpan(16));
        name.CopyTo(data, HeadBytes);
        return data;
    }

    /// <summary>What is no such record says nothing.</summary>
    public static PfsRole Decode(ReadOnlySpan<byte> data)
    {
        if (data.Length < HeadBytes || BinaryPrimitives.ReadUInt32LittleEndian(data) != Magic) return None;
        int length = BinaryPrimitives.ReadInt32LittleEndian(data[4..]);
        if (length is <= 0 or > NameBytesMax || data.Length < HeadBytes + length) return None;
        return new PfsRole(Encoding.UTF8.GetString(data.Slice(HeadBytes, length)),
            BinaryPrimitives.ReadUInt64LittleEndian(data[8..]), new Guid(data[16..32]));
    }
}
