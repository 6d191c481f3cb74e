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
public sealed record RedoStep(long ObjId, uint Localization, ulong Offset, byte[]? Payload);

/// <summary>What stage 2 has to execute, in order.</summary>
public sealed class RedoPlan
{
    public List<RedoStep> Steps { get; } = [];
}

public static class RedoRecovery
{
    public static RedoPlan Plan(VolumeSet volumes, FifoGeometry geometry, UndoOutcome outcome)
    {
        var plan = new RedoPlan();
        if (!outcome.HasSync || outcome.IsClean || volumes.Version < 4) return plan;
        var reader = new FifoReader(volumes, geometry);
        long start = outcome.RedoStart;
        bool inside = geometry.Distance(outcome.First, start) < outcome.Bytes;
        var terms = new Dictionary<(long, uint, bool, ulong), long>();
        long extended = inside ? 0 : geometry.Distance(start, outcome.First);
        if (!inside) CollectTerms(reader, geometry, outcome, start, extended, terms);
        CollectSteps(reader, geometry, start, inside
            ? outcome.Bytes - geometry.Distance(outcome.First, start)
            : extended + outcome.Bytes, terms, plan);
        return plan;
    }

    /// <summary>Positions of TERMs, as distances from the start of REDO; the last one of each key counts.</summary>
    static void CollectTerms(FifoReader reader, FifoGeometry geometry, UndoOutcome outcome, long start, long extended,
        Dictionary<(long, uint, bool, ulong), long> terms)
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
            terms.TryAdd((redo.ObjId, redo.Localization, trunc, trunc ? 0 : redo.Offset), left);
        }
    }

    static void CollectSteps(FifoReader reader, FifoGeometry geometry, long start, long bytes,
        Dictionary<(long, uint, bool, ulong), long> terms, RedoPlan plan)
    {
        long at = start, walked = 0;
        while (walked < bytes)
        {
            if (!reader.TryAt(at, out FifoRecord record))
                throw new HammerFormatException("recovery cannot walk the REDO records: " + reader.Problem);
            long here = walked;
            walked += record.Size;
            at += record.Size;
            if (at == geometry.Bytes) at = 0;
            if (record.IsPad || !TryRedo(record, out FifoRedo redo)) continue;
            bool trunc = redo.Flags == RedoFlags.Trunc;
            if (!trunc && redo.Flags != RedoFlags.Write) continue;
            bool covered = terms.TryGetValue((redo.ObjId, redo.Localization, trunc, trunc ? 0 : redo.Offset),
                out long term) && term > here;
            if (covered) continue;
            plan.Steps.Add(new RedoStep(redo.ObjId, redo.Localization, redo.Offset,
                trunc ? null : record.Bytes.Slice(FifoRedo.Bytes, (int)redo.DataBytes).ToArray()));
        }
    }

    static bool TryRedo(FifoRecord record, out FifoRedo redo)
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
