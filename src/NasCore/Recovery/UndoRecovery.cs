using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Undo;
using NasCore.Volumes;

namespace NasCore.Recovery;

// Recovery, stage 1 (on-disk-format 6.6)
//
// Before anything else of a volume is believed, the flush group that a crash cut off is taken back:
//  1. first and next come from the root header. Version 4 and later do not trust next: the record before first gives
//     a sequence number, and the active range is what continues it.
//  2. An empty range means a clean volume.
//  3. Walking backwards, every UNDO record's payload is copied to its place, newest first, so that the oldest copy
//     of each range stands at the end. The first SYNC record met tells where REDO begins.
//  4. A read-write mount writes the restored buffers, then the other volumes' headers, then the root header with the
//     computed range (the UNDOs have put stale indices there). A crash meanwhile only runs the same UNDOs again.
//     A read-only mount keeps the restored buffers in memory.
//     A read-write mount does not hold more of them than it is told: when so many are there they are written to their
//     places, and the walk goes on. A crash between such rounds leaves buffers that are restored in part, and a range
//     that is open as before: the next walk begins with the newest record again and ends with the same bytes.
// Versions before 4 have no usable sequence numbers: the stored range counts.

/// <summary>What stage 1 found and restored.</summary>
public sealed class UndoOutcome
{
    /// <summary>FIFO positions of the active range.</summary>
    public long First { get; init; }
    public long Last { get; init; }
    /// <summary>Bytes of the active range; 0 is clean.</summary>
    public long Bytes { get; init; }
    /// <summary>Sequence number of the first record of the range (version 4 and later).</summary>
    public uint FirstSeq { get; init; }
    /// <summary>Sequence number to use next.</summary>
    public uint NextSeq { get; init; }
    /// <summary>Position where REDO starts, or -1.</summary>
    public long RedoStart { get; set; } = -1;
    public bool HasSync { get; set; }
    public int UndoRecords { get; set; }
    /// <summary>Times that restored buffers were handed over before the walk was at its end.</summary>
    public int Rounds { get; set; }
    /// <summary>Restored zone-2 buffers by address.</summary>
    public Dictionary<ulong, byte[]> Buffers { get; } = [];
    public bool IsClean => Bytes == 0;
}

/// <summary>Takes the restored buffers, writes them to their places and empties the table.</summary>
public delegate void UndoWriteBack(UndoOutcome outcome);

/// <summary>Stage 1 of recovery, in memory; writing back is the caller's.</summary>
public static class UndoRecovery
{
    /// <summary>
    /// Restored buffers that are kept where nothing may be written are bounded by the FIFO, and by this (64 Ki buffers,
    /// 1 GiB).
    /// </summary>
    const int BuffersMax = 65536;

    /// <summary>Finds the range and takes it back.</summary>
    /// <param name="volumes">Their headers are restored in memory.</param>
    /// <param name="geometry">Where the FIFO lies.</param>
    /// <param name="writeBack">Called when a round is full; null: all buffers are kept.</param>
    /// <param name="roundBytes">Bytes of restored buffers that make a round full.</param>
    public static UndoOutcome Run(VolumeSet volumes, FifoGeometry geometry, UndoWriteBack? writeBack = null,
        long roundBytes = long.MaxValue)
    {
        UndoOutcome outcome = FindRange(volumes, geometry);
        if (outcome.IsClean) return outcome;
        int[] numbers = [.. volumes.All.Select(v => v.VolNo)];
        Undo(volumes, geometry, outcome, () =>
        {
            if (writeBack is null || outcome.Buffers.Count < roundBytes / HammerConst.BufferBytes) return;
            writeBack(outcome);
            outcome.Rounds++;
        });
        for (int i = 0; i < numbers.Length; i++) volumes.All[i].Recheck(numbers[i]);
        return outcome;
    }

    static UndoOutcome FindRange(VolumeSet volumes, FifoGeometry geometry)
    {
        BlockmapOndisk map = volumes.Root.Header.Blockmap[(int)Zone.Undo];
        long first = geometry.Position(map.FirstOffset, "the start");
        long next = geometry.Position(map.NextOffset, "the append point");
        if (volumes.Version < 4)
            return new UndoOutcome { First = first, Last = next, Bytes = geometry.Distance(first, next) };
        var reader = new FifoReader(volumes, geometry);
        uint seq = SequenceBefore(reader, geometry, first);
        uint expected = unchecked(seq + 1);
        (long last, long bytes, uint nextSeq) = FindEnd(reader, geometry, first, expected, next);
        return new UndoOutcome { First = first, Last = last, Bytes = bytes, FirstSeq = expected, NextSeq = nextSeq };
    }

    static uint SequenceBefore(FifoReader reader, FifoGeometry geometry, long first)
    {
        long at = first;
        for (long walked = 0; walked <= geometry.Bytes;)
        {
            if (!reader.TryBefore(at, out FifoRecord record)) return SequencePastDamage(reader, geometry, first);
            if (!record.IsPad) return record.Seq;
            walked += record.Size;
            at = record.Position;
        }
        throw new HammerFormatException("the UNDO FIFO holds nothing but padding");
    }

    /// <summary>
    /// The record in front of the range cannot be read, and is needed for its number only. A good one before it bounds
    /// that number: if the first record of the range lies within the bound it continues the sequence, else the range is
    /// empty.
    /// </summary>
    static uint SequencePastDamage(FifoReader reader, FifoGeometry geometry, long first)
    {
        string problem = reader.Problem;
        // Sectors begin with a record, and hold at most so many of the smallest.
        const int sector = HammerConst.FifoSectorBytes, recordsMax = sector / 24;
        long end = (first + sector - 1) / sector * sector;
        for (int lost = 1; lost <= LostSectorsMax; lost++)
        {
            long at = (end - (long)lost * sector + geometry.Bytes) % geometry.Bytes;
            if (!reader.TryBefore(at, out FifoRecord before)) continue;
            // A PAD ends a sector whose last number lies in front of it.
            if (before.IsPad && !reader.TryBefore(before.Position, out before)) continue;
            if (before.IsPad) continue;
            uint known = before.Seq, most = unchecked(known + (uint)(lost * recordsMax));
            if (reader.TryAt(first, out FifoRecord next) && !next.IsPad)
            {
                uint ahead = unchecked(next.Seq - known);
                if (ahead >= 1 && ahead <= (uint)(lost * recordsMax) + 1) return unchecked(next.Seq - 1);
            }
            return most;
        }
        throw new HammerFormatException("recovery cannot read backwards from the start of the UNDO FIFO: " + problem);
    }

    /// <summary>A physical block and its neighbour.</summary>
    const int LostSectorsMax = 16;

    static (long Last, long Bytes, uint NextSeq) FindEnd(FifoReader reader, FifoGeometry geometry, long first,
        uint expected, long headerNext)
    {
        long at = first, last = first, walked = 0, matched = 0;
        long headerBytes = geometry.Distance(first, headerNext);
        while (walked < geometry.Bytes)
        {
            if (!reader.TryAt(at, out FifoRecord record))
            {
                // A sector torn or never written beyond what the header promises is the end of the FIFO; inside, the
                // UNDOs that recovery needs are damaged.
                if (walked >= headerBytes) break;
                throw new HammerFormatException("recovery met a damaged record inside the active range of the FIFO: "
                    + reader.Problem);
            }
            if (!record.IsPad)
            {
                if (record.Seq != expected) break;
                expected = unchecked(expected + 1);
            }
            bool pad = record.IsPad;
            walked += record.Size;
            at += record.Size;
            if (at == geometry.Bytes) at = 0;
            if (!pad)
            {
                last = at;
                matched = walked;
            }
        }
        return (last, matched, expected);
    }

    static void Undo(VolumeSet volumes, FifoGeometry geometry, UndoOutcome outcome, Action restored)
    {
        var reader = new FifoReader(volumes, geometry);
        long at = outcome.Last;
        long left = outcome.Bytes;
        while (left > 0)
        {
            if (!reader.TryBefore(at, out FifoRecord record))
                throw new HammerFormatException("recovery cannot walk the active range backwards: " + reader.Problem);
            left -= record.Size;
            if (left < 0)
                throw new HammerFormatException("recovery: a FIFO record reaches across the start of the active range");
            at = record.Position;
            if (record.Type == FifoHead.TypeUndo) Restore(volumes, outcome, record);
            else if (record.Type == FifoHead.TypeRedo && record.Size >= FifoRedo.Bytes + FifoTail.Bytes)
                NoteSync(geometry, outcome, record);
            restored();
        }
    }

    static void NoteSync(FifoGeometry geometry, UndoOutcome outcome, FifoRecord record)
    {
        FifoRedo redo = MemoryMarshal.Read<FifoRedo>(record.Bytes);
        if (redo.Flags != RedoFlags.Sync || outcome.HasSync) return;
        outcome.HasSync = true;
        outcome.RedoStart = geometry.Position(redo.Offset, "the start of REDO");
    }

    static void Restore(VolumeSet volumes, UndoOutcome outcome, FifoRecord record)
    {
        FifoUndo undo = MemoryMarshal.Read<FifoUndo>(record.Bytes);
        var target = new HammerOff(undo.UndoOffset);
        int n = undo.DataBytes;
        if (n < 0 || n > record.Size - FifoUndo.Bytes - FifoTail.Bytes)
            throw new HammerFormatException($"UNDO record for {target} claims {n} bytes, more than it holds");
        int at = target.BufferOffset;
        if (at + n > HammerConst.BufferBytes)
            throw new HammerFormatException($"UNDO record for {target} of {n} bytes leaves its 16 KiB buffer");
        ReadOnlySpan<byte> payload = record.Bytes.Slice(FifoUndo.Bytes, n);
        switch (target.Zone)
        {
            case Zone.RawVolume:
                Volume volume = volumes.TryVolume(target.VolNo)
                    ?? throw new HammerFormatException($"UNDO record for {target}: no such volume");
                payload.CopyTo(volume.HeaderBytes[at..]);
                break;
            case Zone.RawBuffer:
                payload.CopyTo(RestoreBuffer(volumes, outcome, target)[at..]);
                break;
            default:
                throw new HammerFormatException($"UNDO record for {target}: only zones 1 and 2 can be restored");
        }
        outcome.UndoRecords++;
    }

    static Span<byte> RestoreBuffer(VolumeSet volumes, UndoOutcome outcome, HammerOff target)
    {
        HammerOff at = target.BufferBase;
        if (outcome.Buffers.TryGetValue(at.Value, out byte[]? bytes)) return bytes;
        if (outcome.Buffers.Count >= BuffersMax)
            throw new HammerFormatException("recovery would have to hold more than 1 GiB of restored buffers");
        volumes.CheckRange(at, HammerConst.BufferBytes);
        bytes = new byte[HammerConst.BufferBytes];
        volumes.ReadZone2(at, bytes);
        outcome.Buffers.Add(at.Value, bytes);
        return bytes;
    }
}
