using System;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Undo;

/// <summary>A checked record of the FIFO; the bytes are valid until the next step of the reader.</summary>
public readonly ref struct FifoRecord(long position, ReadOnlySpan<byte> bytes)
{
    public long Position { get; } = position;
    public ReadOnlySpan<byte> Bytes { get; } = bytes;
    public ref readonly FifoHead Head => ref MemoryMarshal.AsRef<FifoHead>(Bytes);
    public bool IsPad => BitConverter.ToUInt16(Bytes[2..]) == FifoHead.TypePad;
    public ushort Type => BitConverter.ToUInt16(Bytes[2..]);
    public uint Seq => BitConverter.ToUInt32(Bytes[8..]);
    public int Size => Bytes.Length;
}

/// <summary>
/// Walks FIFO records forwards and backwards with every check of on-disk-format 6.6. Holds one buffer of 16 KiB.
/// </summary>
public sealed class FifoReader(VolumeSet volumes, FifoGeometry geometry)
{
    readonly byte[] _buffer = new byte[HammerConst.BufferBytes];
    readonly uint _version = volumes.Version;
    long _bufferAt = -1;

    /// <summary>Reason of the last failure.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>The record that starts at a position; false with <see cref="Problem"/> if it is not a good
    /// one.</summary>
    public bool TryAt(long position, out FifoRecord record)
    {
        record = default;
        ReadOnlySpan<byte> rest = Load(position);
        if (rest.Length < FifoTail.Bytes) return Fail(position, "less than 8 bytes to the end of the buffer");
        ushort signature = BitConverter.ToUInt16(rest);
        ushort type = BitConverter.ToUInt16(rest[2..]);
        uint size = BitConverter.ToUInt32(rest[4..]);
        if (signature != FifoHead.SignatureValue) return Fail(position, $"head signature {signature:x4}");
        if (size < 8 || size % 8 != 0 || size > (uint)rest.Length) return Fail(position, $"record size {size}");
        return Check(position, type, rest[..(int)size], out record);
    }

    /// <summary>The record that ends at a position.</summary>
    public bool TryBefore(long position, out FifoRecord record)
    {
        record = default;
        long end = position == 0 ? geometry.Bytes : position;
        ReadOnlySpan<byte> buffer = Load((end - 1) & ~(long)(HammerConst.BufferBytes - 1));
        int at = (int)((end - 1) % HammerConst.BufferBytes) + 1;
        if (at < FifoTail.Bytes) return Fail(position, "less than 8 bytes to the start of the buffer");
        ReadOnlySpan<byte> tail = buffer[(at - FifoTail.Bytes)..at];
        ushort signature = BitConverter.ToUInt16(tail);
        ushort type = BitConverter.ToUInt16(tail[2..]);
        uint size = BitConverter.ToUInt32(tail[4..]);
        // The tail of an 8-byte PAD is its head.
        bool smallPad = signature == FifoHead.SignatureValue && type == FifoHead.TypePad && size == 8;
        if (signature != FifoTail.SignatureValue && !smallPad) return Fail(position, $"tail signature {signature:x4}");
        if (size < 8 || size % 8 != 0 || size > (uint)at) return Fail(position, $"tail size {size}");
        ReadOnlySpan<byte> bytes = buffer[(at - (int)size)..at];
        if (BitConverter.ToUInt16(bytes) != FifoHead.SignatureValue
            || BitConverter.ToUInt16(bytes[2..]) != type || BitConverter.ToUInt32(bytes[4..]) != size)
            return Fail(position, "head and tail disagree");
        return Check(end - size, type, bytes, out record);
    }

    bool Check(long position, ushort type, ReadOnlySpan<byte> bytes, out FifoRecord record)
    {
        record = default;
        bool pad = type == FifoHead.TypePad;
        if (!(pad && bytes.Length == 8))
        {
            if (bytes.Length < 16) return Fail(position, "record of 8 bytes that is no PAD");
            ReadOnlySpan<byte> tail = bytes[^FifoTail.Bytes..];
            if (BitConverter.ToUInt16(tail) != FifoTail.SignatureValue || BitConverter.ToUInt16(tail[2..]) != type
                || BitConverter.ToUInt32(tail[4..]) != (uint)bytes.Length)
                return Fail(position, "tail does not match the head");
        }
        if (!pad)
        {
            if (bytes.Length < 24) return Fail(position, $"record of {bytes.Length} bytes that is no PAD");
            if (!HammerCrc.FifoRecordMatches(_version, bytes)) return Fail(position, "CRC does not match");
        }
        record = new FifoRecord(position, bytes);
        return true;
    }

    /// <summary>Forgets the buffer: the FIFO was changed.</summary>
    public void Invalidate() => _bufferAt = -1;

    ReadOnlySpan<byte> Load(long position)
    {
        long at = position & ~(long)(HammerConst.BufferBytes - 1);
        if (_bufferAt != at)
        {
            volumes.ReadZone2(geometry.ToZone2(at), _buffer);
            _bufferAt = at;
        }
        return _buffer.AsSpan((int)(position - at));
    }

    bool Fail(long position, string what)
    {
        Problem = $"FIFO record at {FifoGeometry.ToZone3(position)}: {what}";
        return false;
    }
}
