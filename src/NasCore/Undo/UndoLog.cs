using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Undo;

/// <summary>A buffer of the FIFO with records of one flush group, to be written from <see cref="From"/> on.</summary>
public sealed class FifoBuffer(long at, BufferMemory memory, int from, bool formatted = false)
{
    /// <summary>Position of the first byte in the FIFO.</summary>
    public long At { get; } = at;
    public BufferMemory Memory { get; } = memory;
    /// <summary>Bytes before this one are on the medium: of earlier groups, or written ahead with REDO.</summary>
    public int From { get; set; } = from;
    /// <summary>What lies behind the records is on the medium, too, as DUMMYs that do not continue them.</summary>
    public bool Formatted { get; set; } = formatted;
}

/// <summary>
/// Appends records to the FIFO (on-disk-format 6.3), in memory: the finaliser writes the buffers. Every sector starts
/// with a sequenced record; a buffer just entered is filled with DUMMYs of another sequence first, so that nothing
/// of an earlier lap, or of a lost group, can continue ours. Groups end on a boundary of 4 KiB (architecture W6).
/// </summary>
public sealed partial class UndoLog
{
    const int Sector = HammerConst.FifoSectorBytes;
    const int PhysicalBlockBytes = 4096;
    const uint Discontinuity = 0x40000000;
    /// <summary>How far the sequence jumps at a mount: more than any FIFO has sectors.</summary>
    const uint MountJump = 0x01000000;

    readonly VolumeSet _volumes;
    readonly BufferMemoryPool _pool;
    readonly uint _version;
    List<FifoBuffer> _buffers = [];

    public UndoLog(VolumeSet volumes, FifoGeometry geometry, BufferMemoryPool pool, long position, uint seq)
    {
        _volumes = volumes;
        Geometry = geometry;
        _pool = pool;
        _version = volumes.Version;
        Position = position;
        GroupStart = position;
        _writtenTo = position;
        Seq = seq;
    }

    public FifoGeometry Geometry { get; }
    /// <summary>Where the next record goes.</summary>
    public long Position { get; private set; }
    /// <summary>Where the open group's records begin.</summary>
    public long GroupStart { get; private set; }
    public uint Seq { get; private set; }
    /// <summary>Bytes of the FIFO used by the open group.</summary>
    public long GroupBytes => Geometry.Distance(GroupStart, Position);
    public bool IsEmpty => _buffers.Count == 0;

    /// <summary>
    /// After recovery, and at every read-write mount (architecture W5): what follows the present position is padded
    /// to a physical block with DUMMYs of a sequence far ahead. The caller makes the result durable with
    /// first = next = <see cref="Position"/> before anything else is logged.
    /// </summary>
    public void Renumber()
    {
        Seq = unchecked(Seq + MountJump);
        Begin(loadOld: true);
        if (Position % Sector != 0) PadSector();
        AppendDummy();
        PadToBlock();
    }

    /// <summary>Goes on behind the records that recovery found, in their sequence: REDO is being replayed.</summary>
    public void Resume()
    {
        Begin(loadOld: true);
        PadToBlock();
    }

    /// <summary>Logs the old contents of a range of zone 1 or 2.</summary>
    public void AppendUndo(HammerOff target, ReadOnlySpan<byte> old)
    {
        while (old.Length > 0)
        {
            Begin(loadOld: false);
            int at = (int)(Position % HammerConst.BufferBytes);
            int room = Sector - at % Sector;
            int payload = Math.Min(room - FifoUndo.Bytes - FifoTail.Bytes, old.Length);
            if (payload <= 0)
            {
                PadSector();
                continue;
            }
            int size = ((payload + 7) & ~7) + FifoUndo.Bytes + FifoTail.Bytes;
            Span<byte> record = Current(at, size);
            record.Clear();
            MemoryMarshal.Write(record, new FifoUndo
            {
                Head = NewHead(FifoHead.TypeUndo, size), UndoOffset = target.Value, DataBytes = payload,
            });
            old[..payload].CopyTo(record[FifoUndo.Bytes..]);
            Seal(record, FifoHead.TypeUndo);
            Advance(size);
            target = target.Add(payload);
            old = old[payload..];
        }
    }

    /// <summary>
    /// Ends the group: pads to a physical block and hands over its buffers. The next group goes on behind them, on
    /// a copy of the last buffer if that is not full.
    /// </summary>
    public List<FifoBuffer> CloseGroup()
    {
        PadToBlock();
        List<FifoBuffer> closed = _buffers;
        _buffers = [];
        GroupStart = Position;
        _writtenTo = Position;
        RedoBytes = 0;
        int at = (int)(Position % HammerConst.BufferBytes);
        if (closed.Count > 0 && at != 0)
        {
            BufferMemory copy = _pool.Take();
            closed[^1].Memory.Span.CopyTo(copy.Span);
            _buffers.Add(new FifoBuffer(Position - at, copy, at, formatted: true));
            _carried = true;
        }
        return closed;
    }

    bool _carried;

    /// <summary>True if the open group has logged anything.</summary>
    public bool HasRecords => Position != GroupStart;

    /// <summary>Makes sure that the buffer of the present position is there, formatted.</summary>
    void Begin(bool loadOld)
    {
        int at = (int)(Position % HammerConst.BufferBytes);
        long bufferAt = Position - at;
        if (_buffers.Count > 0 && _buffers[^1].At == bufferAt) return;
        Invariant.Check(at == 0 || loadOld, "a FIFO buffer is entered at its start");
        BufferMemory memory = _pool.Take();
        if (at != 0) _volumes.ReadZone2(Geometry.ToZone2(bufferAt), memory.Span);
        Format(memory.Span, (at + Sector - 1) / Sector * Sector);
        // Recovery may end anywhere in a physical block, and the records before that place are still needed: the whole
        // block is written, since a disk that loses the power in a part of it loses all of it (architecture W6).
        _buffers.Add(new FifoBuffer(bufferAt, memory, at - at % PhysicalBlockBytes));
        _carried = false;
    }

    /// <summary>Fills sectors from an offset on with DUMMYs that cannot continue our sequence.</summary>
    void Format(Span<byte> buffer, int from)
    {
        uint seq = Seq ^ Discontinuity;
        for (int at = from; at < HammerConst.BufferBytes; at += Sector)
            WriteDummy(buffer.Slice(at, Sector), unchecked(seq++));
    }

    void AppendDummy()
    {
        Begin(loadOld: false);
        int at = (int)(Position % HammerConst.BufferBytes);
        int size = Sector - at % Sector;
        Invariant.Check(size == Sector, "a DUMMY starts a sector");
        WriteDummy(Current(at, size), Seq);
        Seq = unchecked(Seq + 1);
        Advance(size);
    }

    void PadToBlock()
    {
        if (Position % Sector != 0) PadSector();
        while (Position % PhysicalBlockBytes != 0) AppendDummy();
    }

    /// <summary>A PAD from the present position to the end of its sector.</summary>
    void PadSector()
    {
        int at = (int)(Position % HammerConst.BufferBytes);
        int room = Sector - at % Sector;
        WritePad(Current(at, room));
        Advance(room);
    }

    void WriteDummy(Span<byte> record, uint seq)
    {
        record.Clear();
        MemoryMarshal.Write(record, new FifoHead
        {
            Signature = FifoHead.SignatureValue, Type = FifoHead.TypeDummy, Size = (uint)record.Length, Seq = seq,
        });
        Seal(record, FifoHead.TypeDummy);
    }

    static void WritePad(Span<byte> record)
    {
        record.Clear();
        BitConverter.TryWriteBytes(record, FifoHead.SignatureValue);
        BitConverter.TryWriteBytes(record[2..], FifoHead.TypePad);
        BitConverter.TryWriteBytes(record[4..], (uint)record.Length);
        if (record.Length == 8) return;
        WriteTail(record, FifoHead.TypePad);
    }

    static void WriteTail(Span<byte> record, ushort type) => MemoryMarshal.Write(record[^FifoTail.Bytes..],
        new FifoTail { Signature = FifoTail.SignatureValue, Type = type, Size = (uint)record.Length });

    void Seal(Span<byte> record, ushort type)
    {
        WriteTail(record, type);
        BitConverter.TryWriteBytes(record[12..], HammerCrc.FifoRecord(_version, record));
    }

    FifoHead NewHead(ushort type, int size)
    {
        uint seq = Seq;
        Seq = unchecked(Seq + 1);
        return new FifoHead { Signature = FifoHead.SignatureValue, Type = type, Size = (uint)size, Seq = seq };
    }

    Span<byte> Current(int at, int size) => _buffers[^1].Memory.Span.Slice(at, size);

    void Advance(int size)
    {
        Position += size;
        if (Position == Geometry.Bytes) Position = 0;
        // Keeps the FIFO walkable at any instant: the rest of the sector is a PAD that the next record overwrites.
        int at = (int)(Position % HammerConst.BufferBytes);
        if (at % Sector != 0) WritePad(Current(at, Sector - at % Sector));
    }

    /// <summary>Gives back buffers that were handed out by <see cref="CloseGroup"/>.</summary>
    public void Release(List<FifoBuffer> buffers)
    {
        foreach (FifoBuffer buffer in buffers) _pool.Give(buffer.Memory);
        buffers.Clear();
    }

    /// <summary>Buffers of the open group that hold nothing of it yet do not make it dirty.</summary>
    public bool OnlyCarried => _carried && !HasRecords;
}
