using System;
using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Pfs;

/// <summary>
/// Differs: a place inside a batch of a mirror, kept in the reserved words of a slave's PFS record (offset 228) while
/// the batch is not complete (architecture M3): "NHr1", the source's unique UUID (16), the batch's begin and end
/// (8, 8), and a key (28) without the PFS id. It says: of what that source's batch holds, everything with a smaller key
/// is on the medium, in this flush group or an earlier one. DragonFly carries the bytes along and never looks at them.
///
/// On the wire a PFS record travels at the opening of each batch anyway. A target that keeps such places says so by
/// "NHr1" in reserved03 (offset 212) of the record that it sends; a source that understands answers in the same field
/// of its range header, with the begin of the batch in sync_beg_tid: "NHr1" if it begins at the first key, "NHr2" if it
/// goes on from the hint. On a medium the field is 0.
/// </summary>
public readonly struct ResumeHint(Guid source, ulong begin, ulong end, in BaseElm key)
{
    const uint Magic = 0x3172484E, MagicResumed = 0x3272484E;

    /// <summary>The source's unique UUID.</summary>
    public Guid Source { get; } = source;
    /// <summary>The batch's range, both inclusive.</summary>
    public ulong Begin { get; } = begin;
    public ulong End { get; } = end;

    readonly BaseElm _key = new()
    {
        Localization = key.Localization & Localization.TypeMask, ObjId = key.ObjId, RecTypeRaw = key.RecTypeRaw,
        Key = key.Key, CreateTid = key.CreateTid,
    };

    /// <summary>The first key that may be missing.</summary>
    public BaseElm Key(int pfsId) =>
        _key with { Localization = _key.Localization | Localization.OfPfs(pfsId).Value };

    public bool IsOf(Guid source, ulong begin, ulong end) => (Source, Begin, End) == (source, begin, end);

    public bool IsSame(in ResumeHint other) =>
        IsOf(other.Source, other.Begin, other.End) && BaseElm.Compare(in _key, in other._key) == 0;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Begin:x16} to {End:x16} of {Source:D} from {_key}");

    // ------------------------------------------------------------------ in a PFS record

    public static bool TryGet(in PseudofsData pfs, out ResumeHint hint)
    {
        PseudofsData copy = pfs;
        ReadOnlySpan<byte> bytes = SlaveMark.Bytes(ref copy);
        hint = default;
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic) return false;
        var key = new BaseElm
        {
            Localization = BinaryPrimitives.ReadUInt16LittleEndian(bytes[36..]),
            RecTypeRaw = BinaryPrimitives.ReadUInt16LittleEndian(bytes[38..]),
            ObjId = BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            Key = BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]),
            CreateTid = BinaryPrimitives.ReadUInt64LittleEndian(bytes[56..]),
        };
        hint = new ResumeHint(new Guid(bytes[4..20]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[20..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[28..]), in key);
        return true;
    }

    public void Store(ref PseudofsData pfs)
    {
        Span<byte> bytes = SlaveMark.Bytes(ref pfs);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        Source.TryWriteBytes(bytes[4..]);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[20..], Begin);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[28..], End);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[36..], (ushort)_key.Localization);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[38..], _key.RecTypeRaw);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[40..], _key.ObjId);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], _key.Key);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[56..], _key.CreateTid);
    }

    // ------------------------------------------------------------------ on the wire

    /// <summary>The sender knows what a hint is; its range header tells the batch's true begin.</summary>
    public static bool IsKnownBy(in PseudofsData header) => header.Reserved03 is Magic or MagicResumed;

    /// <summary>The range header of a batch that goes on from the target's hint.</summary>
    public static bool IsResumed(in PseudofsData header) => header.Reserved03 == MagicResumed;

    public static void Announce(ref PseudofsData header, bool resumed = false) =>
        header.Reserved03 = resumed ? MagicResumed : Magic;
}

/// <summary>
/// What a slave keeps in the reserved words of its PFS record (offset 228): a <see cref="ResumeHint"/> inside a batch;
/// behind a complete one "NHf1" and the unique UUID (16) of the source that it came from, so that a promotion can tell
/// whose history it goes on from; or the mark of a return that is not finished (architecture M4).
/// </summary>
public static class SlaveMark
{
    const uint MagicFed = 0x3166484E, MagicRollback = 0x3162484E;

    /// <summary>
    /// "NHb1", zero, a TID (8): everything behind the TID is still to be rolled back before the first batch (M4).
    /// </summary>
    public static void SetRollback(ref PseudofsData pfs, ulong endTid)
    {
        Span<byte> bytes = Bytes(ref pfs);
        bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, MagicRollback);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], endTid);
    }

    public static bool TryGetRollback(in PseudofsData pfs, out ulong endTid)
    {
        PseudofsData copy = pfs;
        ReadOnlySpan<byte> bytes = Bytes(ref copy);
        endTid = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        return pfs.IsSlave && BinaryPrimitives.ReadUInt32LittleEndian(bytes) == MagicRollback;
    }

    /// <summary>The batch is complete: the hint goes, its source stays.</summary>
    public static void SetFed(ref PseudofsData pfs, Guid source)
    {
        Span<byte> bytes = Bytes(ref pfs);
        bytes.Clear();
        if (source == Guid.Empty) return;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, MagicFed);
        source.TryWriteBytes(bytes[4..]);
    }

    /// <summary>Unique UUID of the PFS that this one was last fed from; empty if that is not known.</summary>
    public static Guid FedBy(in PseudofsData pfs)
    {
        if (ResumeHint.TryGet(in pfs, out ResumeHint hint)) return hint.Source;
        PseudofsData copy = pfs;
        ReadOnlySpan<byte> bytes = Bytes(ref copy);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes) == MagicFed ? new Guid(bytes[4..20]) : Guid.Empty;
    }

    /// <summary>Erases a hint, before anything that makes it untrue: its source stays.</summary>
    public static bool EraseHint(ref PseudofsData pfs)
    {
        if (!ResumeHint.TryGet(in pfs, out ResumeHint hint)) return false;
        SetFed(ref pfs, hint.Source);
        return true;
    }

    internal static Span<byte> Bytes(ref PseudofsData pfs) =>
        MemoryMarshal.AsBytes(new Span<Reserved16x32>(ref pfs.Reserved));
}
