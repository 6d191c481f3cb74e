using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Pfs;

// Whose history a copy has
//
// TIDs say when something happened, not in which history: a slave that is promoted by hand and its master that writes
// on give out numbers of their own from the last one that both have. Each copy therefore knows who wrote what it has,
// as a list of segments: from this TID on it is the history of that master. A promotion cuts the list at the last TID
// of the slave and adds a segment; a slave takes the list of its source with each whole batch, up to that batch's end;
// a return cuts it. Two copies have the same history up to where their lists first differ; what lies behind that in
// the target cannot be corrected by any batch, for its TIDs are in no range that the source would ever send.
//
// The list is bounded; what lies before its first segment is not known, and never a reason to refuse anything. A copy
// fed by DragonFly, through a file, or by a box of before has no list.

/// <summary>From a TID on, until the next segment begins, a history is that of one master.</summary>
/// <param name="First">
/// The first TID of this history that is not in the one before: behind the last that both have.
/// </param>
/// <param name="Own">The first TID that this master gives out itself; makes the segment unique.</param>
/// <param name="Master">The unique UUID of that master then.</param>
public readonly record struct LineageSegment(ulong First, ulong Own, Guid Master);

/// <summary>
/// Differs: the segments of a PFS's history, in a configuration record of this copy (type 0x17, object 1, inode area,
/// key "NHli"; docs/decisions/0019): "NHl1", number of segments (4), and for each first TID (8), own TID (8), UUID
/// (16), ascending. It changes in the group of the change of the PFS record that it belongs to.
/// </summary>
public sealed class Lineage
{
    /// <summary>Key of the record: "NHli".</summary>
    public const long RecordKey = 0x696C484E;
    /// <summary>Older segments are forgotten.</summary>
    public const int CountMax = 64;
    public const int BytesMax = HeadBytes + CountMax * SegmentBytes;
    const uint Magic = 0x316C484E;
    const int HeadBytes = 8, SegmentBytes = 32;

    readonly LineageSegment[] _segments;

    Lineage(LineageSegment[] segments) => _segments = segments;

    /// <summary>Ascending; at least one.</summary>
    public IReadOnlyList<LineageSegment> Segments => _segments;

    /// <summary>A master of which nobody knows where it comes from: from here on it is known.</summary>
    public static Lineage Begin(ulong first, Guid master) => new([new LineageSegment(first, first, master)]);

    /// <summary>A promotion of a slave that has this list, or none.</summary>
    public static Lineage Promoted(Lineage? before, ulong end, ulong own, Guid master)
    {
        var segments = new List<LineageSegment>(before?.UpTo(end)?._segments ?? [])
        {
            new LineageSegment(end + 1, own, master),
        };
        if (segments.Count > CountMax) segments.RemoveRange(0, segments.Count - CountMax);
        return new Lineage([.. segments]);
    }

    /// <summary>What of it concerns a copy that ends there; null if nothing does.</summary>
    public Lineage? UpTo(ulong end)
    {
        int count = Array.FindIndex(_segments, s => s.First > end);
        if (count == 0) return null;
        return count < 0 ? this : new Lineage(_segments[..count]);
    }

    public static bool IsSame(Lineage? a, Lineage? b) =>
        a is null || b is null ? a == b : a._segments.AsSpan().SequenceEqual(b._segments);

    // ------------------------------------------------------------------ two of them

    /// <summary>
    /// Where two lists that have a segment in common part: the last TID of the common history, and the segments with
    /// which they go on from there (null: with what they had).
    /// </summary>
    /// <returns>False if they have no segment in common.</returns>
    public static bool TryPart(Lineage a, Lineage b, out ulong end, out LineageSegment? nextOfA,
        out LineageSegment? nextOfB)
    {
        end = ulong.MaxValue;
        nextOfA = nextOfB = null;
        // Either list may lack the beginning that the other one has.
        int i = 0, j = Array.IndexOf(b._segments, a._segments[0]);
        if (j < 0) (i, j) = (Array.IndexOf(a._segments, b._segments[0]), 0);
        if (i < 0) return false;
        while (i < a._segments.Length && j < b._segments.Length && a._segments[i] == b._segments[j])
        {
            i++;
            j++;
        }
        if (i < a._segments.Length) nextOfA = a._segments[i];
        if (j < b._segments.Length) nextOfB = b._segments[j];
        ulong first = Math.Min(nextOfA?.First ?? ulong.MaxValue, nextOfB?.First ?? ulong.MaxValue);
        if (first != ulong.MaxValue) end = first - 1;
        return true;
    }

    /// <summary>True if it says whose history a TID is in.</summary>
    public bool Knows(ulong tid) => _segments[0].First <= tid;

    // ------------------------------------------------------------------ bytes

    public byte[] Encode()
    {
        byte[] data = new byte[HeadBytes + _segments.Length * SegmentBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(data, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(4), _segments.Length);
        for (int i = 0; i < _segments.Length; i++)
        {
            Span<byte> at = data.AsSpan(HeadBytes + i * SegmentBytes, SegmentBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(at, _segments[i].First);
            BinaryPrimitives.WriteUInt64LittleEndian(at[8..], _segments[i].Own);
            _segments[i].Master.TryWriteBytes(at[16..]);
        }
        return data;
    }

    /// <summary>A list that says nothing, as a peer that has none sends it.</summary>
    public static byte[] EncodeNone()
    {
        byte[] data = new byte[HeadBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(data, Magic);
        return data;
    }

    /// <summary>Null from a record that is no such list: it says nothing.</summary>
    public static Lineage? Decode(ReadOnlySpan<byte> data) => TryDecode(data, out Lineage? lineage) ? lineage : null;

    /// <summary>Checks everything; true with null for a list that says nothing.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> data, out Lineage? lineage)
    {
        lineage = null;
        if (data.Length < HeadBytes || BinaryPrimitives.ReadUInt32LittleEndian(data) != Magic) return false;
        int count = BinaryPrimitives.ReadInt32LittleEndian(data[4..]);
        if (count is < 0 or > CountMax || data.Length != HeadBytes + count * SegmentBytes) return false;
        if (count == 0) return true;
        var segments = new LineageSegment[count];
        ulong last = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> at = data.Slice(HeadBytes + i * SegmentBytes, SegmentBytes);
            var segment = new LineageSegment(BinaryPrimitives.ReadUInt64LittleEndian(at),
                BinaryPrimitives.ReadUInt64LittleEndian(at[8..]), new Guid(at[16..]));
            if (segment.First <= last || segment.First > segment.Own || segment.Own >= Tid.AllocLimit
                || segment.Master == Guid.Empty) return false;
            segments[i] = segment;
            last = segment.First;
        }
        lineage = new Lineage(segments);
        return true;
    }

    public override string ToString() => string.Join(", ", _segments);

    // ------------------------------------------------------------------ on the wire

    /// <summary>
    /// In reserved01 (offset 72) of a PFS record on the wire. In the source's "ident": it knows these lists. In the
    /// target's answer and in "range": a LINEAGE follows, before anything else. On a medium the field is 0.
    /// </summary>
    public static bool IsAnnounced(in PseudofsData header) => header.Reserved01 == Magic;

    public static void Announce(ref PseudofsData header) => header.Reserved01 = Magic;
}
