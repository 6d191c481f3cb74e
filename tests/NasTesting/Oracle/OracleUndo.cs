using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace NasTesting.Oracle;

/// <summary>One record of the UNDO/REDO FIFO.</summary>
public sealed record OracleFifoRecord(ulong Position, ushort Type, uint Size, uint Sequence, byte[] Bytes)
{
    public const ushort Pad = 0x8040;
    public const ushort Dummy = 0x0041;
    public const ushort Undo = 0x0043;
    public const ushort Redo = 0x0044;
}

/// <summary>
/// Recovery stage 1 in memory (on-disk-format 6.6): finds the active range of the FIFO and applies its UNDO records,
/// newest first, to copies of the buffers and headers. REDO is not run: this is what a read-only mount sees.
/// </summary>
public sealed class OracleUndo
{
    const ulong Start = 0x3000_0000_0000_0000;
    readonly OracleMedium _medium;
    readonly int _version;
    readonly ulong _end;

    OracleUndo(OracleMedium medium)
    {
        _medium = medium;
        _version = medium.Version;
        _end = medium.Root.ZoneAlloc(3);
    }

    /// <summary>The range that was undone; equal ends on a clean volume.</summary>
    public ulong First { get; private set; }

    /// <summary>End of the active range; the next record goes here.</summary>
    public ulong Last { get; private set; }

    /// <summary>Number that the next record must carry (version 4 and later).</summary>
    public uint NextSequence { get; private set; }

    /// <summary>UNDO records applied.</summary>
    public int Applied { get; private set; }

    /// <summary>The newest REDO SYNC in the range: stage 2 would start there.</summary>
    public ulong? RedoStart { get; private set; }

    public bool WasClean => First == Last;

    public static OracleUndo Run(OracleMedium medium)
    {
        var undo = new OracleUndo(medium);
        undo.CheckFifo();
        undo.FindRange();
        if (!undo.WasClean) { undo.Apply(); }
        return undo;
    }

    void CheckFifo()
    {
        ulong size = _end - Start;
        if (_end <= Start || size > 128 * (ulong)OracleMedium.BigBlockSize
            || size % (ulong)OracleMedium.BigBlockSize != 0)
        {
            throw new OracleException($"FIFO end 0x{_end:x16}");
        }
        First = Normal(_medium.Root.ZoneFirst(3), "first_offset");
        Last = Normal(_medium.Root.ZoneNext(3), "next_offset");
    }

    ulong Normal(ulong index, string name)
    {
        if (index < Start || index > _end || index % 8 != 0)
        {
            throw new OracleException($"FIFO {name} 0x{index:x16} outside 0x{Start:x16}..0x{_end:x16}");
        }
        return index == _end ? Start : index;
    }

    // Steps 2a and 2b: the header's next_offset may be old, the sequence numbers tell the true end.
    void FindRange()
    {
        if (_version < 4) { return; }
        ulong stored = Distance(First, Last);
        ulong at = First;
        OracleFifoRecord before;
        do
        {
            before = ReadBefore(at);
            at = before.Position;
        }
        while (before.Type == OracleFifoRecord.Pad && at != First);
        uint expected = before.Sequence + 1;
        at = First;
        Last = First;
        ulong walked = 0;
        while (walked < _end - Start)
        {
            OracleFifoRecord? record = TryReadAt(at, out string problem);
            if (record is null)
            {
                // A tool may take a bad record beyond the header's next_offset for the end.
                if (walked >= stored) { break; }
                throw new OracleException($"FIFO at 0x{at:x16}: {problem}");
            }
            if (record.Type != OracleFifoRecord.Pad && record.Sequence != expected) { break; }
            at = Next(record);
            walked += record.Size;
            if (record.Type == OracleFifoRecord.Pad) { continue; }
            expected++;
            Last = at;
        }
        NextSequence = expected;
    }

    // Steps 4 and 5.
    void Apply()
    {
        ulong at = Last;
        ulong remaining = Distance(First, Last);
        while (remaining > 0)
        {
            OracleFifoRecord record = ReadBefore(at);
            if (record.Size > remaining) { throw new OracleException($"FIFO record across 0x{First:x16}"); }
            remaining -= record.Size;
            at = record.Position;
            if (record.Type == OracleFifoRecord.Undo) { ApplyOne(record); }
            if (record.Type == OracleFifoRecord.Redo && record.Size >= 64 && RedoStart is null
                && BinaryPrimitives.ReadUInt32LittleEndian(record.Bytes.AsSpan(36)) == 0x10)
            {
                RedoStart = BinaryPrimitives.ReadUInt64LittleEndian(record.Bytes.AsSpan(24));
            }
        }
        _medium.Root.Put64(264 + 40 * 3 + 8, First);
        _medium.Root.Put64(264 + 40 * 3 + 16, Last);
    }

    void ApplyOne(OracleFifoRecord record)
    {
        if (record.Size < 40) { throw new OracleException($"UNDO at 0x{record.Position:x16}: size {record.Size}"); }
        ulong target = BinaryPrimitives.ReadUInt64LittleEndian(record.Bytes.AsSpan(16));
        int length = BinaryPrimitives.ReadInt32LittleEndian(record.Bytes.AsSpan(24));
        int inBuffer = (int)(target & (OracleMedium.BufferSize - 1));
        if (length < 0 || length > record.Bytes.Length - 40 || inBuffer + length > OracleMedium.BufferSize)
        {
            throw new OracleException($"UNDO at 0x{record.Position:x16}: 0x{target:x16}+{length}");
        }
        ReadOnlySpan<byte> old = record.Bytes.AsSpan(32, length);
        switch (OracleMedium.ZoneOf(target))
        {
            case 1 when _medium.Headers.TryGetValue(OracleMedium.VolumeOf(target), out OracleHeader? header):
                old.CopyTo(header.Bytes.AsSpan(inBuffer));
                break;
            case 2 when _medium.IsInside(target, length):
                _medium.Restore(target, old);
                break;
            default:
                throw new OracleException($"UNDO at 0x{record.Position:x16} for address 0x{target:x16}");
        }
        Applied++;
    }

    ulong Distance(ulong from, ulong to) => to >= from ? to - from : _end - from + (to - Start);

    ulong Next(OracleFifoRecord record)
    {
        ulong next = record.Position + record.Size;
        return next == _end ? Start : next;
    }

    byte[] Buffer(ulong position)
    {
        ulong inFifo = (position & ~(ulong)(OracleMedium.BufferSize - 1)) - Start;
        int block = (int)(inFifo / (ulong)OracleMedium.BigBlockSize);
        ulong address = _medium.Root.UndoArray(block) + inFifo % (ulong)OracleMedium.BigBlockSize;
        return _medium.ReadBytes(address, OracleMedium.BufferSize);
    }

    OracleFifoRecord ReadBefore(ulong position)
    {
        if (position == Start) { position = _end; }
        byte[] buffer = Buffer(position - 8);
        int end = (int)((position - 8) & (OracleMedium.BufferSize - 1)) + 8;
        ushort signature = BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(end - 8));
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(end - 4));
        bool smallPad = signature == 0xC84E && size == 8;
        if ((signature != 0xC74F && !smallPad) || size < 8 || size > end)
        {
            throw new OracleException($"FIFO tail before 0x{position:x16}: signature 0x{signature:x4}, size {size}");
        }
        return TryParse(buffer, end - (int)size, position - size, out string problem)
            ?? throw new OracleException($"FIFO before 0x{position:x16}: {problem}");
    }

    OracleFifoRecord? TryReadAt(ulong position, out string problem) =>
        TryParse(Buffer(position), (int)(position & (OracleMedium.BufferSize - 1)), position, out problem);

    OracleFifoRecord? TryParse(byte[] buffer, int offset, ulong position, out string problem)
    {
        ReadOnlySpan<byte> at = buffer.AsSpan(offset);
        ushort signature = BinaryPrimitives.ReadUInt16LittleEndian(at);
        ushort type = BinaryPrimitives.ReadUInt16LittleEndian(at[2..]);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(at[4..]);
        if (signature != 0xC84E || size < 8 || size % 8 != 0 || size > at.Length)
        {
            problem = $"head 0x{signature:x4} type 0x{type:x4} size {size}";
            return null;
        }
        ReadOnlySpan<byte> record = at[..(int)size];
        problem = "";
        if (type == OracleFifoRecord.Pad && size == 8) { return new(position, type, size, 0, record.ToArray()); }
        ReadOnlySpan<byte> tail = record[^8..];
        if (BinaryPrimitives.ReadUInt16LittleEndian(tail) != 0xC74F
            || BinaryPrimitives.ReadUInt16LittleEndian(tail[2..]) != type
            || BinaryPrimitives.ReadUInt32LittleEndian(tail[4..]) != size)
        {
            problem = "tail differs from the head";
            return null;
        }
        if (type == OracleFifoRecord.Pad) { return new(position, type, size, 0, record.ToArray()); }
        uint crc = size >= 24 ? BinaryPrimitives.ReadUInt32LittleEndian(record[12..]) : 0;
        if (size < 24 || !OracleCrc.Holds(_version, crc, record[..12], record[16..]))
        {
            problem = $"record of {size} bytes with a bad CRC 0x{crc:x8}";
            return null;
        }
        return new(position, type, size, BinaryPrimitives.ReadUInt32LittleEndian(record[8..]), record.ToArray());
    }

    /// <summary>Every 512-byte sector of the FIFO begins with a good, numbered record (version 4 and later, true of
    /// volumes that never lost a write).</summary>
    public static IEnumerable<string> BadSectors(OracleMedium medium)
    {
        var undo = new OracleUndo(medium);
        for (ulong position = Start; position < undo._end; position += OracleMedium.BufferSize)
        {
            byte[] buffer = undo.Buffer(position);
            for (int sector = 0; sector < OracleMedium.BufferSize; sector += 512)
            {
                OracleFifoRecord? record = undo.TryParse(buffer, sector, position + (ulong)sector, out string problem);
                if (record is null || record.Type == OracleFifoRecord.Pad || record.Size > 512)
                {
                    yield return $"FIFO sector 0x{position + (ulong)sector:x16}: {(record is null ? problem : "PAD")}";
                }
            }
        }
    }
}
