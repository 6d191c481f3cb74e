using System;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCampaign.PowerCut;

/// <summary>
/// Moves the empty FIFO of a cleanly unmounted volume, as long work would: both indices to a position, a DUMMY before
/// it, and behind it one that does not continue (on-disk-format 6).
/// </summary>
static class FifoPlace
{
    const int Sector = 512;

    /// <param name="device">The root volume; its FIFO lies in one piece, as newfs makes it.</param>
    /// <param name="position">A multiple of 16384 above 0.</param>
    public static void MoveTo(IBlockDevice device, long position)
    {
        byte[] bytes = new byte[HammerConst.BufferBytes];
        device.Read(0, bytes);
        ref VolumeOndisk header = ref MemoryMarshal.AsRef<VolumeOndisk>(bytes.AsSpan());
        var block = new HammerOff(header.UndoArray[0]);
        long start = header.BufBeg + block.ShortOffset;
        long size = new HammerOff(header.Blockmap[(int)Zone.Undo].AllocOffset).ShortOffset;
        WriteDummy(device, header.Version, start + position - Sector, 0x77000000);
        WriteDummy(device, header.Version, start + (position == size ? 0 : position), 0x37000000);
        ref BlockmapOndisk map = ref header.Blockmap[(int)Zone.Undo];
        map.FirstOffset = map.NextOffset = HammerOff.Encode(Zone.Undo, 0, position).Value;
        map.EntryCrc = HammerCrc.Blockmap(header.Version, in map);
        header.Crc = HammerCrc.VolumeHeader(header.Version, bytes);
        device.Write(0, bytes);
    }

    static void WriteDummy(IBlockDevice device, uint version, long at, uint seq)
    {
        byte[] record = new byte[Sector];
        MemoryMarshal.Write(record, new FifoHead
        {
            Signature = FifoHead.SignatureValue, Type = FifoHead.TypeDummy, Size = Sector, Seq = seq,
        });
        MemoryMarshal.Write(record.AsSpan()[^FifoTail.Bytes..], new FifoTail
        {
            Signature = FifoTail.SignatureValue, Type = FifoHead.TypeDummy, Size = Sector,
        });
        BitConverter.TryWriteBytes(record.AsSpan(12), HammerCrc.FifoRecord(version, record));
        device.Write(at, record);
    }
}
