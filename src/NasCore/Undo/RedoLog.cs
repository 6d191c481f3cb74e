using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Undo;

// REDO: fsync without a flush group (on-disk-format 6.7, 6.8; architecture W9; docs/decisions/0012)
//
// Closing a group costs three device flushes and all its metadata. fsync of a small write asks for much less: the
// bytes written are laid into the FIFO as REDO records, the FIFO is written up to there, and the device is flushed
// once. After a crash stage 1 takes the open group back as ever, and stage 2 executes the records on the state of the
// last durable group. The group closes later, by its timer, as if nothing had happened.
//
// What is logged. Not each write as it comes, as HAMMER does, but at fsync what has changed in the object since the
// last time: a TRUNC to the lowest size that it had meanwhile, the ranges written with their present bytes, and a
// TRUNC to the present size if the file grew without a write. Who never calls fsync pays nothing, and bytes written
// twice are logged once. Objects/RedoTrack keeps the ranges, HammerFs.Redo decides.
//
// When (W9). Every change of the object in the open group must be a write through the dirty blocks, a truncation or an
// extension. Whatever else happens to it (creation, a name, mode, owner, explicit times, attributes, holes, whole
// blocks written directly to extents, blocks that left memory before they were logged) makes its fsync wait for a
// group, as does a change of its PFS's record in the same group, and more bytes than a group would cost.
// Replay begins at the state of the last durable group. Hence only what came before the fsync in the same group
// matters; a rename, unlink, rollback or prune behind it is lost together with the group, and the records still meet
// the object as it was. The records of a group that has become durable lie before `first` and are never looked at
// again: that is why we need no TERM records, and why SYNC always points into the range of its own group.
//
// Space. REDO counts as UNDO does against the quarter of the FIFO that a group may fill (W7), REDO itself may have an
// eighth; beyond that fsync closes the group. A replay makes about as much UNDO as the group would have made, so range
// and replay together stay within the bound up to which the range is kept open (GroupWriter).
//
// Order in the FIFO. Only the flusher writes it, one thing after the other, so records of the open group are written
// only when the group before is durable. UNDO that lies before the REDO goes with it: it restores what the medium
// holds anyway. The written part ends on a physical block (W6) and is not written again, neither by the next fsync nor
// at the close. What follows in the same buffer was formatted when the buffer was first written, so that no record of
// an earlier lap can continue ours. The header is not written: the end of the FIFO is found by the sequence.
// The first write or cut is followed by a SYNC that points to it, as HAMMER lays them down.

/// <summary>Bytes of the FIFO to be written ahead of their group.</summary>
public readonly record struct FifoPiece(long Position, BufferMemory Memory, int From, int To);

/// <summary>The part that lays down REDO, and hands out what of the open group can be written already.</summary>
public sealed partial class UndoLog
{
    const int RedoOverhead = FifoRedo.Bytes + FifoTail.Bytes;

    /// <summary>Up to here the open group's records are on the medium.</summary>
    long _writtenTo;
    /// <summary>A copy of the last buffer, whose rest others go on filling while it is written.</summary>
    BufferMemory? _staging;

    /// <summary>Bytes of REDO records that the open group has logged.</summary>
    public long RedoBytes { get; private set; }

    /// <summary>Most bytes of the FIFO that a REDO of so many bytes in so many ranges takes.</summary>
    public static long RedoWorst(long payload, int ranges) =>
        (payload / (Sector - RedoOverhead) + 2L * ranges + 4) * Sector + PhysicalBlockBytes;

    /// <summary>Bytes of a file as they are now.</summary>
    public void AppendRedoWrite(long objId, uint localization, long offset, ReadOnlySpan<byte> payload)
    {
        bool first = RedoBytes == 0;
        long start = -1;
        while (payload.Length > 0)
        {
            long at = PutRedo(objId, localization, (ulong)offset, RedoFlags.Write, payload, out int n);
            if (start < 0) start = at;
            offset += n;
            payload = payload[n..];
        }
        if (first && start >= 0) PutSync(start);
    }

    /// <summary>The size of a file as it is now.</summary>
    public void AppendRedoTrunc(long objId, uint localization, ulong size)
    {
        bool first = RedoBytes == 0;
        long at = PutRedo(objId, localization, size, RedoFlags.Trunc, default, out _);
        if (first) PutSync(at);
    }

    /// <summary>Tells recovery where the group's REDO begins.</summary>
    void PutSync(long start) =>
        PutRedo(0, 0, FifoGeometry.ToZone3(start).Value, RedoFlags.Sync, default, out _);

    /// <summary>One record; what fits into its sector.</summary>
    /// <returns>Its position.</returns>
    long PutRedo(long objId, uint localization, ulong offset, RedoFlags flags, ReadOnlySpan<byte> payload, out int n)
    {
        int at, room;
        while (true)
        {
            Begin(loadOld: false);
            at = (int)(Position % HammerConst.BufferBytes);
            room = Sector - at % Sector - RedoOverhead;
            if (room > 0) break;
            PadSector();
        }
        n = Math.Min(room, payload.Length);
        int size = ((n + 7) & ~7) + RedoOverhead;
        Span<byte> record = Current(at, size);
        record.Clear();
        MemoryMarshal.Write(record, new FifoRedo
        {
            Head = NewHead(FifoHead.TypeRedo, size), ObjId = objId, Offset = offset, DataBytes = (uint)n,
            Flags = flags, Localization = localization,
        });
        payload[..n].CopyTo(record[FifoRedo.Bytes..]);
        Seal(record, FifoHead.TypeRedo);
        long position = Position;
        Advance(size);
        RedoBytes += size;
        return position;
    }

    /// <summary>True if the open group has records that are not on the medium.</summary>
    public bool HasUnwritten => Position != _writtenTo;

    /// <summary>
    /// Hands out what the open group has logged and not written, padded to a physical block: the caller writes it and
    /// flushes the device, and calls this, or <see cref="CloseGroup"/>, again only afterwards. The bytes handed out do
    /// not change any more, whatever is appended meanwhile.
    /// </summary>
    public void TakeUnwritten(List<FifoPiece> pieces)
    {
        pieces.Clear();
        DropWritten();
        if (!HasUnwritten) return;
        PadToBlock();
        foreach (FifoBuffer buffer in _buffers)
        {
            int to = (int)Math.Min(HammerConst.BufferBytes, Geometry.Distance(buffer.At, Position));
            if (to > buffer.From) pieces.Add(Take(buffer, to));
        }
        _writtenTo = Position;
    }

    FifoPiece Take(FifoBuffer buffer, int to)
    {
        int from = buffer.From;
        buffer.From = to;
        if (buffer.Formatted || to == HammerConst.BufferBytes) return new FifoPiece(buffer.At, buffer.Memory, from, to);
        // For the first time the rest goes with it; since that will change, a copy is written.
        buffer.Formatted = true;
        _staging ??= _pool.Take();
        buffer.Memory.Span[from..].CopyTo(_staging.Span[from..]);
        return new FifoPiece(buffer.At, _staging, from, HammerConst.BufferBytes);
    }

    /// <summary>Full buffers that were written ahead are not needed any more.</summary>
    void DropWritten()
    {
        int count = 0;
        while (count < _buffers.Count && _buffers[count].From == HammerConst.BufferBytes)
            _pool.Give(_buffers[count++].Memory);
        if (count > 0) _buffers.RemoveRange(0, count);
    }
}
