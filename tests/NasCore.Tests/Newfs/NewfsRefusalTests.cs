using System;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using Xunit;

namespace NasCore.Tests.Newfs;

/// <summary>Minimums and refusals of on-disk-format 9.1: each says what to do, and nothing is written.</summary>
public sealed class NewfsRefusalTests
{
    const long GiB = 1L << 30, MiB = 1 << 20, KiB = 1024;

    static NewfsOptions Options() => new() { Label = "x", FsId = Guid.Empty, TimeUs = 0 };

    static void Refused(long bytes, NewfsOptions options, string expected)
    {
        var device = new MemoryBlockDevice(bytes);
        var refusal = Assert.Throws<HammerFormatException>(() => Volumes.Newfs.Format([device], options));
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(0, device.OccupiedBytes);
    }

    [Fact]
    public void Root_volume_below_10_GiB_without_force_is_refused() =>
        Refused(10 * GiB, Options(), "at least 10 GiB");

    [Fact]
    public void Root_volume_just_above_10_GiB_is_made_with_a_warning()
    {
        var device = new MemoryBlockDevice(10 * GiB + 18 * MiB);
        NewfsResult made = Volumes.Newfs.Format([device], Options());
        Assert.Contains("50 GiB", Assert.Single(made.Warnings), StringComparison.Ordinal);
        Assert.Equal(512 * MiB, made.UndoBytes);
    }

    [Fact]
    public void No_label_is_refused() => Refused(20 * GiB, Options() with { Label = "" }, "label");

    [Fact]
    public void Version_8_is_refused() => Refused(20 * GiB, Options() with { Version = 8 }, "version 8");

    [Fact]
    public void Small_areas_are_refused_without_force()
    {
        Refused(20 * GiB, Options() with { BootBytes = 0 }, "boot area (-b)");
        Refused(20 * GiB, Options() with { MemoryLogBytes = 16 * KiB }, "memory log (-m)");
        Refused(20 * GiB, Options() with { UndoBytes = 8 * MiB }, "UNDO FIFO (-u)");
        Refused(20 * GiB, Options() with { JunkBytes = 16 * KiB }, "header junk (-j)");
    }

    [Fact]
    public void Too_large_areas_are_refused_even_with_force()
    {
        Refused(20 * GiB, Options() with { BootBytes = 512 * MiB, Force = true }, "at most");
        Refused(20 * GiB, Options() with { UndoBytes = 2 * GiB, Force = true }, "at most");
        Refused(20 * GiB, Options() with { JunkBytes = MiB, Force = true }, "at most");
    }

    [Fact]
    public void Size_that_is_no_multiple_of_16_KiB_is_refused() =>
        Refused(20 * GiB, Options() with { BootBytes = 33 * KiB }, "multiple of 16 KiB");

    [Fact]
    public void Junk_without_room_for_the_header_is_refused_even_with_force() =>
        Refused(20 * GiB, Options() with { JunkBytes = 0, Force = true }, "header");

    [Fact]
    public void Device_without_room_for_the_fifo_is_refused() =>
        Refused(64 * MiB, Options() with { Force = true }, "smaller UNDO");

    [Fact]
    public void Device_of_a_few_bytes_is_refused() => Refused(4096, Options() with { Force = true }, "too few");

    [Fact]
    public void Junk_of_an_earlier_file_system_is_cleared()
    {
        var device = new MemoryBlockDevice(64 * MiB);
        device.Write(65536 + 64, "_BHRfS_M"u8);
        Volumes.Newfs.Format([device], Options() with { UndoBytes = 8 * MiB, Force = true });
        byte[] there = new byte[8];
        device.Read(65536 + 64, there);
        Assert.Equal(new byte[8], there);
    }

    [Fact]
    public void Volume_of_more_than_4_TiB_gets_two_layer2_blocks()
    {
        var device = new MemoryBlockDevice(5L << 40);
        NewfsResult made = Volumes.Newfs.Format([device], Options() with { UndoBytes = 8 * MiB, Force = true });
        long blocks = ((5L << 40) - 544 * KiB) / (8 * MiB);
        Assert.Equal(blocks - 1 - 2 - 1, made.BigBlocks);
        Assert.Equal(made.BigBlocks - 2, made.FreeBigBlocks);
    }
}
