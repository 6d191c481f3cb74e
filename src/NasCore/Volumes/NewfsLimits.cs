using System.Collections.Generic;
using NasCore.Io;
using NasCore.Primitives;

namespace NasCore.Volumes;

/// <summary>Minimums and refusals of newfs (on-disk-format 9.1, 10).</summary>
static class NewfsLimits
{
    internal static void Check(IReadOnlyList<IBlockDevice> devices, NewfsOptions options)
    {
        if (devices.Count is < 1 or > HammerConst.VolumesMax)
        {
            throw Refuse($"{devices.Count} devices: a file system has 1 to {HammerConst.VolumesMax} volumes");
        }
        if (options.Label.Length == 0) throw Refuse("a label is required (-L)");
        if (options.Label.Contains('\0')) throw Refuse("the label (-L) contains a NUL");
        if (options.Version is < HammerConst.VersionMin or > HammerConst.VersionMax)
        {
            throw Refuse($"version {options.Version}: 1 to 7 exist");
        }
        CheckArea("-b", "boot area", options.BootBytes, NewfsOptions.BootBytesDefault, NewfsOptions.BootBytesMax,
            options.Force);
        CheckArea("-m", "memory log", options.MemoryLogBytes, NewfsOptions.MemoryLogBytesDefault,
            NewfsOptions.MemoryLogBytesMax, options.Force);
        CheckArea("-j", "header junk", options.JunkBytes, NewfsOptions.JunkBytesDefault,
            NewfsOptions.JunkBytesDefault, options.Force);
        if (options.JunkBytes < HammerConst.BufferBytes)
        {
            throw Refuse("header junk (-j) below 16 KiB leaves no room for the volume header");
        }
        if (options.UndoBytes is long undo)
        {
            CheckArea("-u", "UNDO FIFO", undo, NewfsOptions.UndoBytesMin, NewfsOptions.UndoBytesMax, options.Force);
        }
        long areas = options.JunkBytes + options.BootBytes + options.MemoryLogBytes;
        foreach (IBlockDevice device in devices) CheckDevice(device, areas);
    }

    /// <summary>Big-blocks of layer 2 that a buffer area needs: one for each started 4 TiB of whole
    /// big-blocks.</summary>
    internal static long Layer2Blocks(long usableBytes)
    {
        long whole = usableBytes / HammerConst.BigBlockBytes * HammerConst.BigBlockBytes;
        return (whole + HammerConst.Layer2Span - 1) / HammerConst.Layer2Span;
    }

    static void CheckDevice(IBlockDevice device, long areas)
    {
        long usable = (device.Length & ~(long)(HammerConst.BufferBytes - 1)) - areas;
        if (usable < HammerConst.BigBlockBytes * 2L)
        {
            throw Refuse($"{device.Name}: {device.Length} bytes are too few: {areas} bytes of areas and two big-blocks "
                + "of 8 MiB are the least that a volume needs");
        }
        if (usable >= 1L << 52) throw Refuse($"{device.Name}: {device.Length} bytes exceed the 4 PiB of a volume");
        if (device.LogicalBlockBytes > HammerConst.BufferBytes
            || HammerConst.BufferBytes % device.LogicalBlockBytes != 0)
        {
            throw Refuse($"{device.Name}: sectors of {device.LogicalBlockBytes} bytes do not divide 16 KiB");
        }
    }

    static void CheckArea(string option, string what, long bytes, long min, long max, bool force)
    {
        if (bytes < 0 || bytes % HammerConst.BufferBytes != 0)
        {
            throw Refuse($"{what} ({option}) of {bytes} bytes: must be a multiple of 16 KiB");
        }
        if (bytes > max) throw Refuse($"{what} ({option}) of {bytes >> 10} KiB: at most {max >> 10} KiB");
        if (bytes < min && !force)
        {
            throw Refuse($"{what} ({option}) of {bytes >> 10} KiB: at least {min >> 10} KiB, unless forced (-f)");
        }
    }

    static HammerFormatException Refuse(string text) => new(text);
}
