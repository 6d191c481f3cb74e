using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using NasCore.Ondisk;

namespace NasCore.Pfs;

/// <summary>
/// Differs: pfs-upgrade notes in the reserved words of the PFS record (offset 228) from which TID on this master's
/// history is its own (architecture M4): "NHp1", zero, the TID (8), the unique UUID at that time (16). DragonFly
/// carries the
/// bytes along and never looks at them.
/// </summary>
public static class PromotionMark
{
    const uint Magic = 0x3170484E;

    public static void Set(ref PseudofsData pfs, ulong promotionTid)
    {
        Span<byte> bytes = Bytes(ref pfs);
        bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], promotionTid);
        pfs.UniqueUuid.TryWriteBytes(bytes[16..]);
    }

    /// <summary>False if the PFS was never promoted by us.</summary>
    public static bool TryGet(PseudofsData pfs, out ulong promotionTid)
    {
        Span<byte> bytes = Bytes(ref pfs);
        promotionTid = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes) == Magic;
    }

    static Span<byte> Bytes(ref PseudofsData pfs) => MemoryMarshal.AsBytes(new Span<Reserved16x32>(ref pfs.Reserved));
}
