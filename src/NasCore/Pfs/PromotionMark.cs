using System;
using System.Buffers.Binary;
using System.Globalization;
using NasCore.Ondisk;

namespace NasCore.Pfs;

/// <summary>
/// Differs: pfs-upgrade notes in the reserved words of the PFS record (offset 228) where this master's own history
/// begins (architecture M4): "NHp1", zero, the first TID that is its own (8), its unique UUID at that time (16), the
/// unique UUID of the master whose slave it was (16, zero if not known), and the last TID that both have (8). What the
/// former master wrote behind that TID is not in this history. DragonFly carries the bytes along and never looks at
/// them.
/// </summary>
/// <param name="Tid">From here on TIDs are this master's own.</param>
/// <param name="Unique">This PFS's unique UUID when it was promoted.</param>
/// <param name="Former">The unique UUID of the master before; empty if it is not known.</param>
/// <param name="EndTid">What the slave had completely when it was promoted; 0 if it is not known.</param>
public readonly record struct PromotionMark(ulong Tid, Guid Unique, Guid Former, ulong EndTid)
{
    const uint Magic = 0x3170484E;

    public static void Set(ref PseudofsData pfs, ulong promotionTid, Guid former)
    {
        Span<byte> bytes = SlaveMark.Bytes(ref pfs);
        bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], promotionTid);
        pfs.UniqueUuid.TryWriteBytes(bytes[16..]);
        former.TryWriteBytes(bytes[32..]);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[48..], pfs.SyncEndTid);
    }

    /// <summary>As commands take it: the last common TID, the first own one, the former master's UUID.</summary>
    public override string ToString() =>
        $"{Primitives.Tid.Format(EndTid)}:{Primitives.Tid.Format(Tid)}:{Former:D}";

    /// <summary>Reads what <see cref="ToString"/> gives; the UUID of the promoted PFS is not in it.</summary>
    public static bool TryParse(string text, out PromotionMark mark)
    {
        mark = default;
        string[] parts = text.Split(':');
        if (parts.Length != 3 || !TryTid(parts[0], out ulong end) || !TryTid(parts[1], out ulong tid)
            || !Guid.TryParseExact(parts[2], "D", out Guid former)) return false;
        mark = new PromotionMark(tid, Guid.Empty, former, end);
        return true;
    }

    static bool TryTid(string text, out ulong tid)
    {
        tid = 0;
        return text.StartsWith("0x", StringComparison.Ordinal)
            && ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out tid);
    }

    /// <summary>False if the PFS was never promoted by us.</summary>
    public static bool TryGet(PseudofsData pfs, out PromotionMark mark)
    {
        ReadOnlySpan<byte> bytes = SlaveMark.Bytes(ref pfs);
        mark = default;
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic) return false;
        mark = new PromotionMark(BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]), new Guid(bytes[16..32]),
            new Guid(bytes[32..48]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[48..]));
        return true;
    }
}
