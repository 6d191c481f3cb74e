using System;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Tests.Recovery;

/// <summary>
/// Puts the FIFO of a cleanly unmounted volume into states that take long to reach by work, written from the format
/// (on-disk-format 6). The FIFO must lie in one piece, as newfs makes it.
/// </summary>
static class FifoPoke
{
    const int Sector = 512;

    public static VolumeOndisk Header(IBlockDevice device)
    {
        byte[] bytes = new byte[HammerConst.BufferBytes];
        device.Read(0, bytes);
        return MemoryMarshal.Read<VolumeOndisk>(bytes);
    }

    public static long BytesOf(IBlockDevice device) =>
        new HammerOff(Header(device).Blockmap[(int)Zone.Undo].AllocOffset).ShortOffset;

    /// <summary>Byte of the device at a FIFO position.</summary>
    public static long DeviceByte(IBlockDevice device, long position)
    {
        VolumeOndisk header = Header(device);
        var block = new HammerOff(header.UndoArray[(int)(position / HammerConst.BigBlockBytes)]);
        return header.BufBeg + block.ShortOffset + position % HammerConst.BigBlockBytes;
    }

    /// <summary>A DUMMY of a sector with a sequence number.</summary>
    public static byte[] Dummy(uint version, uint seq, int bytes = Sector)
    {
        byte[] record = new byte[bytes];
        MemoryMarshal.Write(record, new FifoHead
        {
            Signature = FifoHead.SignatureValue, Type = FifoHead.TypeDummy, Size = (uint)bytes, Seq = seq,
        });
        Seal(version, record, FifoHead.TypeDummy);
        return record;
    }

    /// <summary>An UNDO record that restores bytes at an address.</summary>
    public static byte[] Undo(uint version, uint seq, HammerOff target, ReadOnlySpan<byte> old)
    {
        byte[] record = new byte[(old.Length + 7) / 8 * 8 + FifoUndo.Bytes + FifoTail.Bytes];
        MemoryMarshal.Write(record, new FifoUndo
        {
            Head = new FifoHead
            {
                Signature = FifoHead.SignatureValue, Type = FifoHead.TypeUndo, Size = (uint)record.Length, Seq = seq,
            },
            UndoOffset = target.Value,
            DataBytes = old.Length,
        });
        old.CopyTo(record.AsSpan(FifoUndo.Bytes));
        Seal(version, record, FifoHead.TypeUndo);
        return record;
    }

    /// <summary>A REDO record: a WRITE with its bytes, a SYNC, and so on.</summary>
    public static byte[] Redo(uint version, uint seq, RedoFlags flags, long objId, ulong offset,
        ReadOnlySpan<byte> payload = default)
    {
        byte[] record = new byte[(payload.Length + 7) / 8 * 8 + FifoRedo.Bytes + FifoTail.Bytes];
        MemoryMarshal.Write(record, new FifoRedo
        {
            Head = new FifoHead
            {
                Signature = FifoHead.SignatureValue, Type = FifoHead.TypeRedo, Size = (uint)record.Length, Seq = seq,
            },
            ObjId = objId,
            Offset = offset,
            DataBytes = (uint)payload.Length,
            Flags = flags,
        });
        payload.CopyTo(record.AsSpan(FifoRedo.Bytes));
        Seal(version, record, FifoHead.TypeRedo);
        return record;
    }

    /// <summary>A PAD from the end of a record to the end of its sector.</summary>
    public static byte[] PadTo(byte[] record)
    {
        byte[] sector = new byte[Sector];
        record.CopyTo(sector, 0);
        Span<byte> pad = sector.AsSpan(record.Length);
        if (pad.Length == 0) return sector;
        BitConverter.TryWriteBytes(pad, FifoHead.SignatureValue);
        BitConverter.TryWriteBytes(pad[2..], FifoHead.TypePad);
        BitConverter.TryWriteBytes(pad[4..], (uint)pad.Length);
        if (pad.Length == 8) return sector;
        MemoryMarshal.Write(pad[^FifoTail.Bytes..], new FifoTail
        {
            Signature = FifoTail.SignatureValue, Type = FifoHead.TypePad, Size = (uint)pad.Length,
        });
        return sector;
    }

    static void Seal(uint version, Span<byte> record, ushort type)
    {
        MemoryMarshal.Write(record[^FifoTail.Bytes..], new FifoTail
        {
            Signature = FifoTail.SignatureValue, Type = type, Size = (uint)record.Length,
        });
        BitConverter.TryWriteBytes(record[12..], HammerCrc.FifoRecord(version, record));
    }

    /// <summary>
    /// Moves an empty FIFO: both indices to a position, a DUMMY before it, and behind it one that does not continue.
    /// </summary>
    /// <param name="device">The root volume.</param>
    /// <param name="position">A multiple of 16384 above 0.</param>
    /// <param name="seq">Sequence number of the DUMMY before the position.</param>
    public static void MoveTo(IBlockDevice device, long position, uint seq = 0x77000000)
    {
        uint version = Header(device).Version;
        device.Write(DeviceByte(device, position - Sector), Dummy(version, seq));
        device.Write(DeviceByte(device, position == BytesOf(device) ? 0 : position), Dummy(version, seq ^ 0x40000000));
        SetIndices(device, position, position);
    }

    public static void SetIndices(IBlockDevice device, long first, long next)
    {
        byte[] bytes = new byte[HammerConst.BufferBytes];
        device.Read(0, bytes);
        ref VolumeOndisk header = ref MemoryMarshal.AsRef<VolumeOndisk>(bytes.AsSpan());
        ref BlockmapOndisk map = ref header.Blockmap[(int)Zone.Undo];
        map.FirstOffset = HammerOff.Encode(Zone.Undo, 0, first).Value;
        map.NextOffset = HammerOff.Encode(Zone.Undo, 0, next).Value;
        map.EntryCrc = HammerCrc.Blockmap(header.Version, in map);
        header.Crc = HammerCrc.VolumeHeader(header.Version, bytes);
        device.Write(0, bytes);
    }
}
