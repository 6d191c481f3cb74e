using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Undo;

/// <summary>
/// Where the FIFO lies (on-disk-format 1.3, 6.1): positions are bytes from 0 to <see cref="Bytes"/>, mapped by the
/// header's table of big-blocks. A trusted copy of checked header fields.
/// </summary>
public sealed class FifoGeometry
{
    readonly HammerOff[] _bigBlocks;

    FifoGeometry(HammerOff[] bigBlocks, long bytes)
    {
        _bigBlocks = bigBlocks;
        Bytes = bytes;
    }

    /// <summary>Size of the ring.</summary>
    public long Bytes { get; }

    public static FifoGeometry Load(VolumeSet volumes)
    {
        ref VolumeOndisk h = ref volumes.Root.Header;
        ref BlockmapOndisk map = ref h.Blockmap[(int)Zone.Undo];
        var end = new HammerOff(map.AllocOffset);
        long bytes = end.ShortOffset;
        if (end.Zone != Zone.Undo || end.VolNo != 0 || bytes == 0 || bytes % HammerConst.BigBlockBytes != 0
            || bytes / HammerConst.BigBlockBytes > HammerConst.UndoBigBlocksMax)
            throw new HammerFormatException(
                $"{volumes.Root.Device.Name}: the end of the UNDO FIFO in the volume header "
                + $"is {end}, which is not a whole number of 1 to 128 big-blocks");
        var blocks = new HammerOff[bytes / HammerConst.BigBlockBytes];
        for (int i = 0; i < blocks.Length; i++)
        {
            var block = new HammerOff(h.UndoArray[i]);
            if (block.Zone != Zone.RawBuffer || block.VolNo != 0 || block.BigBlockOffset != 0)
                throw new HammerFormatException($"{volumes.Root.Device.Name}: big-block {i} of the UNDO FIFO is at "
                    + $"{block}, which is no big-block of the root volume");
            volumes.CheckRange(block, HammerConst.BigBlockBytes);
            blocks[i] = block;
        }
        return new FifoGeometry(blocks, bytes);
    }

    /// <summary>Byte position of a zone-3 index from the header; the end counts as the start. Error if
    /// beyond.</summary>
    public long Position(ulong zone3, string what)
    {
        var off = new HammerOff(zone3);
        if (off.Zone != Zone.Undo || off.VolNo != 0 || off.ShortOffset > Bytes)
            throw new HammerFormatException($"{what} of the UNDO FIFO is {off}, beyond its end");
        return off.ShortOffset == Bytes ? 0 : off.ShortOffset;
    }

    /// <summary>Zone-2 address of a position below <see cref="Bytes"/>.</summary>
    public HammerOff ToZone2(long position) =>
        _bigBlocks[position / HammerConst.BigBlockBytes].Add(position % HammerConst.BigBlockBytes);

    /// <summary>Zone-3 address of a position.</summary>
    public static HammerOff ToZone3(long position) => HammerOff.Encode(Zone.Undo, 0, position);

    /// <summary>Bytes from one position forward to another.</summary>
    public long Distance(long from, long to) => to >= from ? to - from : to - from + Bytes;
}
