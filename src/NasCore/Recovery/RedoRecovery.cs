using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Undo;
using NasCore.Volumes;

namespace NasCore.Recovery;

// Recovery, stage 2 (on-disk-format 6.8, observed 11 and 32)
//
// REDO records carry what fsync promised without a flush group: WRITE with its payload, TRUNC with the new size. The
// SYNC record that stage 1 met says where the oldest of them lies, maybe before the range just undone. From there:
//  1. Walk backwards from first to that place; sequence numbers must fall by one, else the area was overwritten.
//     TERM records in this extended range say which WRITEs and TRUNCs a durable flush group has covered. TERMs inside
//     the undone range do not count: what they tell of was just undone.
//  2. Walk forwards to the end. A WRITE or TRUNC is executed unless a matching TERM stands behind it in the extended
//     range (observed 32: only one that follows it).
// Execution is by ordinary operations on the live tree, so replayed data get new TIDs and times.

/// <summary>One replayed operation: a write with its bytes, or (without payload) a truncation to Offset.</summary>
public readonly record struct RedoStep(long ObjId, uint Localization, ulong Offset, byte[]? Payload);

/// <summary>
/// What stage 2 has to execute, in order, read from the FIFO step by step: only the places of TERMs are in memory.
/// </summary>
public sealed class RedoPlan
{
    readonly FifoReader _reader;
    readonly FifoGeometry _geometry;
    readonly Dictionary<RedoKey, long> _terms;
    readonly long _start, _bytes;
    readonly Queue<RedoStep> _held = new();
    long _walked;

    internal RedoPlan(FifoReader reader, FifoGeometry geometry, long start, long bytes,
        Dictionary<RedoKey, long> terms)
    {
        _reader = reader;
        _geometry = geometry;
        _start = start;
        _bytes = bytes;
        _terms = terms;
        // All records are seen to be good before the first of them is executed.
        while (TryWalk(out _, isWanted: false)) Count++;
        _walked = 0;
    }

    /// <summary>Steps in all.</summary>
    public long Count { get; }

    /// <summary>Position of the oldest record in the FIFO that is still to be read.</summary>
    public long Position => (_start + _walked) % _geometry.Bytes;

    /// <summary>
    /// Reads all remaining steps now: what they lie in is about to be written over. This happens where the range and
    /// what follows it fill most of the FIFO, which no writer leaves behind.
    /// </summary>
    public void Hold()
    {
        while (TryWalk(out RedoStep step, isWanted: true)) _held.Enqueue(step);
    }

    /// <summary>The next step.</summary>
    public bool TryNext(out RedoStep step) => _held.TryDequeue(out step) || TryWalk(out step, isWanted: true);

    bool TryWalk(out RedoStep step, bool isWanted)
    {
        step = default;
        while (_walked < _bytes)
        {
            if (!_reader.TryAt(Position, out FifoRecord record))
                throw new HammerFormatException("recovery cannot walk the REDO records: " + _reader.Problem);
            long here = _walked;
            _walked += record.Size;
            if (record.IsPad || !RedoRecovery.TryRedo(record, out FifoRedo redo)) continue;
            bool trunc = redo.Flags == RedoFlags.Trunc;
            if (!trunc && redo.Flags != RedoFlags.Write) continue;
            if (_terms.TryGetValue(RedoKey.Of(in redo, trunc), out long term) && term > here) continue;
            if (isWanted)
                step = new RedoStep(redo.ObjId, redo.Localization, redo.Offset,
                    trunc ? null : record.Bytes.Slice(FifoRedo.Bytes, (int)redo.DataBytes).ToArray());
            return true;
        }
        return false;
    }
}

/// <summary>What TERM records are matched by: the offset of a truncation does not count.</summary>
readonly record struct RedoKey(long ObjId, uint Localization, bool IsTrunc, ulong Offset)
{
    internal static RedoKey Of(in FifoRedo redo, bool trunc) =>
        new(redo.ObjId, redo.Localization, trunc, trunc ? 0 : redo.Offset);
}

public static class RedoRecovery
{
    public static RedoPlan Plan(VolumeSet volumes, FifoGeometry geometry, UndoOutcome outcome)
    {
        var reader = new FifoReader(volumes, geometry);
        var terms = new Dictionary<RedoKey, long>();
        if (!outcome.HasSync || outcome.IsClean || volumes.Version < 4)
            return new RedoPlan(reader, geometry, outcome.Last, 0, terms);
        long start = outcome.RedoStart;
        bool inside = geometry.Distance(outcome.First, start) < outcome.Bytes;
        long extended = inside ? 0 : geometry.Distance(start, outcome.First);
        if (!inside) CollectTerms(reader, geometry, outcome, start, extended, terms);
        return new RedoPlan(reader, geometry, start, inside
            ? outcome.Bytes - geometry.Distance(outcome.First, start)
            : extended + outcome.Bytes, terms);
    }

    /// <summary>Positions of TERMs, as distances from the start of REDO; the last one of each key counts.</summary>
    static void CollectTerms(FifoReader reader, FifoGeometry geometry, UndoOutcome outcome, long start, long extended,
        Dictionary<RedoKey, long> terms)
    {
        long at = outcome.First, left = extended;
        uint expected = unchecked(outcome.FirstSeq - 1);
        while (left > 0)
        {
            if (!reader.TryBefore(at, out FifoRecord record))
                throw new HammerFormatException("recovery cannot walk back to the start of REDO: " + reader.Problem);
            left -= record.Size;
            at = record.Position;
            if (record.IsPad) continue;
            if (record.Seq != expected || left < 0)
                throw new HammerFormatException($"the REDO records from {FifoGeometry.ToZone3(start)} on were "
                    + "overwritten: fsynced data cannot be replayed");
            expected = unchecked(expected - 1);
            if (!TryRedo(record, out FifoRedo redo)) continue;
            if (redo.Flags is not (RedoFlags.TermWrite or RedoFlags.TermTrunc)) continue;
            bool trunc = redo.Flags == RedoFlags.TermTrunc;
            terms.TryAdd(RedoKey.Of(in redo, trunc), left);
        }
    }

    internal static bool TryRedo(FifoRecord record, out FifoRedo redo)
    {
        redo = default;
        if (record.Type != FifoHead.TypeRedo || record.Size < FifoRedo.Bytes + FifoTail.Bytes) return false;
        redo = MemoryMarshal.Read<FifoRedo>(record.Bytes);
        if (redo.Flags == RedoFlags.Write
            && redo.DataBytes > (uint)(record.Size - FifoRedo.Bytes - FifoTail.Bytes))
            throw new HammerFormatException($"REDO record at {FifoGeometry.ToZone3(record.Position)} claims "
                + $"{redo.DataBytes} bytes, more than it holds");
        return true;
    }
}
