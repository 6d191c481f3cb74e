using System;
using System.IO;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Volumes;

/// <summary>One checked volume of a set: its device and a private copy of its header buffer.</summary>
public sealed class Volume
{
    readonly byte[] _header;

    Volume(IBlockDevice device, byte[] header)
    {
        Device = device;
        _header = header;
    }

    public IBlockDevice Device { get; }
    public ref VolumeOndisk Header => ref MemoryMarshal.AsRef<VolumeOndisk>(_header.AsSpan());
    /// <summary>The whole 16 KiB header buffer.</summary>
    public Span<byte> HeaderBytes => _header;
    public int VolNo => Header.VolNo;
    public long BufBeg => Header.BufBeg;
    public long BufEnd => Header.BufEnd;
    /// <summary>Bytes of zone 2 that belong to whole big-blocks.</summary>
    public long UsableBytes => (Header.BufEnd - Header.BufBeg) & ~(long)(HammerConst.BigBlockBytes - 1);

    /// <summary>True if bytes at this place may be written past the kernel's cache, without sharing a page.</summary>
    public bool TakesDirect(long at, int bytes) =>
        Device.HasDirectWrite && ((at | (long)bytes) & (HammerConst.BufferBytes - 1)) == 0;

    /// <summary>Reads and checks a header (on-disk-format 2.1, Appendix C).</summary>
    public static Volume Load(IBlockDevice device)
    {
        if (device.Length < HammerConst.BufferBytes)
            throw new HammerFormatException($"{device.Name}: too small to be a HAMMER volume ({device.Length} bytes)");
        byte[] bytes = new byte[HammerConst.BufferBytes];
        try
        {
            device.Read(0, bytes);
        }
        catch (IOException e)
        {
            throw new HammerFormatException($"{device.Name}: the volume header cannot be read: {e.Message}", e);
        }
        var volume = new Volume(device, bytes);
        volume.LoadCheck();
        return volume;
    }

    /// <summary>Checks the header again after UNDO was applied to it: a record may have damaged it.</summary>
    public void Recheck(int volNo)
    {
        LoadCheck();
        if (Header.VolNo != volNo)
            throw new HammerFormatException($"{Device.Name}: UNDO changed the volume number from {volNo} to {VolNo}");
    }

    void LoadCheck()
    {
        ref VolumeOndisk h = ref Header;
        string name = Device.Name;
        if (h.Signature == VolumeOndisk.SignatureForeign)
            throw new HammerFormatException($"{name}: a HAMMER volume of opposite byte order, which is not supported");
        if (h.Signature != VolumeOndisk.SignatureValue)
            throw new HammerFormatException(
                $"{name}: not a HAMMER volume "
                + $"(signature {h.Signature:x16}, expected {VolumeOndisk.SignatureValue:x16})");
        if (h.FsType != VolumeOndisk.HammerFsType)
            throw new HammerFormatException($"{name}: unknown file system type {h.FsType} in the volume header");
        if (h.VolNo is < 0 or >= HammerConst.VolumesMax)
            throw new HammerFormatException($"{name}: volume number {h.VolNo} in the header is not 0 to 255");
        if (h.VolCount is < 1 or > HammerConst.VolumesMax)
            throw new HammerFormatException($"{name}: volume count {h.VolCount} in the header is not 1 to 256");
        if (h.RootVol != 0)
            throw new HammerFormatException($"{name}: root volume {h.RootVol} in the header, it must be 0");
        const long mask = HammerConst.BufferBytes - 1;
        bool ordered = h.BotBeg >= VolumeOndisk.Bytes && h.BotBeg <= h.MemBeg && h.MemBeg <= h.BufBeg
            && h.BufBeg < h.BufEnd && ((h.BufBeg | h.BufEnd) & mask) == 0;
        if (!ordered)
            throw new HammerFormatException($"{name}: the areas in the volume header are out of order "
                + $"(boot {h.BotBeg}, memory log {h.MemBeg}, buffers {h.BufBeg} to {h.BufEnd})");
        if (h.BufEnd > Device.Length)
            throw new HammerFormatException(
                $"{name}: the volume ends at byte {h.BufEnd}, the device at {Device.Length}: "
                + "it is truncated, or a smaller copy of the original device");
        if (h.BufEnd - h.BufBeg > (long)HammerOff.ShortMask)
            throw new HammerFormatException($"{name}: the buffer area is larger than the format allows");
    }
}
