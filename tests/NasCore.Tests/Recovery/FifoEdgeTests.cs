using System;
using System.Linq;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Volumes;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>States of the FIFO and of volume sets that no golden volume has (hammer/observed.md 38).</summary>
public sealed class FifoEdgeTests : RuleTestBase
{
    /// <summary>Cleanly unmounted, with a file.</summary>
    static MemoryBlockDevice Clean(out string tree, uint version = 7)
    {
        using EngineDriver driver = Small(version: version);
        File(driver.Fs, "f", Bytes(20_000, 1));
        Sync(driver.Fs);
        tree = MountedTree.Text(driver.Fs);
        driver.Fs.Dispose();
        return driver.Device.Clone();
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Indices_equal_to_the_end_of_the_fifo_mean_its_start(uint version)
    {
        MemoryBlockDevice device = Clean(out string tree, version);
        long end = FifoPoke.BytesOf(device);
        FifoPoke.MoveTo(device, end);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            Assert.True(fs.RecoveryOutcome!.IsClean);
            Assert.Equal(tree, MountedTree.Text(fs));
            File(fs, "g", Bytes(100, 2));
        }
        MountedTree.AssertSound("wrapped", device);
        Assert.True(new HammerOff(FifoPoke.Header(device).Blockmap[(int)Zone.Undo].NextOffset).ShortOffset < 1 << 20);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void A_range_that_goes_round_the_end_is_undone_whole(uint version)
    {
        MemoryBlockDevice device = Clean(out string tree, version);
        long end = FifoPoke.BytesOf(device);
        FifoPoke.MoveTo(device, end - 16384, seq: 100);
        // 40 sectors: 32 to the end, 8 behind it; each restores eight bytes of the label area's end.
        HammerOff target = Scratch(device, out byte[] old);
        for (int i = 0; i < 40; i++)
        {
            byte[] payload = i == 0 ? old : Bytes(8, i);
            byte[] sector = FifoPoke.PadTo(FifoPoke.Undo(version, (uint)(101 + i), target, payload));
            device.Write(FifoPoke.DeviceByte(device, (end - 16384 + i * 512) % end), sector);
        }
        device.Write(FifoPoke.DeviceByte(device, 8 * 512), FifoPoke.Dummy(version, 5));
        Scribble(device, target);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            Assert.Equal(40, fs.RecoveryOutcome!.UndoRecords);
            Assert.Equal(tree, MountedTree.Text(fs));
        }
        byte[] now = new byte[8];
        device.Read(At(device, target.Value), now);
        // The oldest record wins.
        Assert.Equal(old, now);
        MountedTree.AssertSound("undone", device);
    }

    /// <summary>Eight bytes of free space of a data buffer, at its zone-2 address.</summary>
    static HammerOff Scratch(MemoryBlockDevice device, out byte[] old)
    {
        OracleRecord data = Records(device).First(r => r.RecType == OracleRecord.Inode);
        HammerOff target = new HammerOff(data.DataOffset).ToZone2().Add(8192 - 128);
        old = new byte[8];
        device.Read(At(device, target.Value), old);
        return target;
    }

    static void Scribble(MemoryBlockDevice device, HammerOff target) =>
        device.Write(At(device, target.Value), [1, 2, 3, 4, 5, 6, 7, 8]);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_bad_record_ends_the_scan_behind_what_the_header_promises_and_is_an_error_within(bool within)
    {
        MemoryBlockDevice device = Clean(out string tree);
        FifoPoke.MoveTo(device, 65536, seq: 100);
        HammerOff target = Scratch(device, out byte[] old);
        for (int i = 0; i < 4; i++)
        {
            byte[] sector = FifoPoke.PadTo(FifoPoke.Undo(7, (uint)(101 + i), target, old));
            if (i == 2) sector[40] ^= 1;
            device.Write(FifoPoke.DeviceByte(device, 65536 + i * 512), sector);
        }
        Scribble(device, target);
        FifoPoke.SetIndices(device, 65536, 65536 + (within ? 2048 : 0));
        if (within)
        {
            HammerFormatException e = Assert.Throws<HammerFormatException>(
                () => MountedTree.Mount(MountedTree.Options(), device).Dispose());
            Assert.Contains("damaged record", e.Message, StringComparison.Ordinal);
            return;
        }
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            Assert.Equal(2, fs.RecoveryOutcome!.UndoRecords);
            Assert.Equal(tree, MountedTree.Text(fs));
        }
        MountedTree.AssertSound("bad record", device);
    }

    [Theory]
    [InlineData(6, true)]
    [InlineData(7, true)]
    [InlineData(6, false)]
    [InlineData(7, false)]
    public void A_record_with_a_turned_bit_in_its_payload_is_never_applied(uint version, bool within)
    {
        const int first = 65536, bad = 2;
        MemoryBlockDevice device = Clean(out string tree, version);
        FifoPoke.MoveTo(device, first, seq: 100);
        // Each record restores eight bytes of its own, which the crash left scribbled over.
        HammerOff target = Scratch(device, out byte[] old);
        for (int i = 0; i < 4; i++)
        {
            byte[] sector = FifoPoke.PadTo(FifoPoke.Undo(version, (uint)(101 + i), target.Add(8 * i), old));
            if (i == bad) sector[FifoUndo.Bytes + 3] ^= 0x10;
            device.Write(FifoPoke.DeviceByte(device, first + i * 512), sector);
            Scribble(device, target.Add(8 * i));
        }
        FifoPoke.SetIndices(device, first, first + (within ? 2048 : 0));
        MemoryBlockDevice before = device.Clone();
        byte[] now = new byte[32], scribbled = new byte[32];
        before.Read(At(before, target.Value), scribbled);
        if (within)
        {
            HammerFormatException e = Assert.Throws<HammerFormatException>(
                () => MountedTree.Mount(MountedTree.Options(), device).Dispose());
            Assert.Contains("damaged record", e.Message, StringComparison.Ordinal);
            Assert.Contains("3000000000010400: CRC does not match", e.Message, StringComparison.Ordinal);
            device.Read(At(device, target.Value), now);
            Assert.Equal(scribbled, now);
            return;
        }
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            Assert.Equal(bad, fs.RecoveryOutcome!.UndoRecords);
            Assert.Equal(tree, MountedTree.Text(fs));
        }
        device.Read(At(device, target.Value), now);
        Assert.Equal([.. old, .. old, .. scribbled[16..]], now);
        MountedTree.AssertSound("turned bit", device);
    }

    [Fact]
    public void A_record_that_would_restore_outside_its_buffer_or_zone_is_refused()
    {
        foreach (ulong place in new[] { 0x2000000000003FFCUL, 0x8000000000000000UL, 0x2050000000000000UL })
        {
            MemoryBlockDevice device = Clean(out _);
            FifoPoke.MoveTo(device, 65536, seq: 100);
            device.Write(FifoPoke.DeviceByte(device, 65536),
                FifoPoke.PadTo(FifoPoke.Undo(7, 101, new HammerOff(place), new byte[8])));
            device.Write(FifoPoke.DeviceByte(device, 65536 + 512), FifoPoke.Dummy(7, 5));
            MemoryBlockDevice before = device.Clone();
            Exception? e = Record.Exception(() => MountedTree.Mount(MountedTree.Options(), device).Dispose());
            Assert.True(e is HammerFormatException or HammerMediumException, $"{place:x}: {e}");
            byte[] a = new byte[16384], b = new byte[16384];
            device.Read(0, a);
            before.Read(0, b);
            Assert.Equal(a, b);
        }
    }

    static (MemoryBlockDevice[] Devices, HammerFsOptions Options) TwoVolumes()
    {
        MemoryBlockDevice[] devices = [new(80L << 20, "v0"), new(80L << 20, "v1")];
        NasCore.Volumes.Newfs.Format([.. devices], new NewfsOptions
        {
            Label = "TWO", Version = 7, Force = true, UndoBytes = 8L << 20,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"), TimeUs = 1_262_304_000_000_000,
        });
        return (devices, MountedTree.Options());
    }

    [Fact]
    public void Undo_restores_buffers_of_the_second_volume()
    {
        (MemoryBlockDevice[] devices, HammerFsOptions options) = TwoVolumes();
        string tree;
        using (HammerFs fs = MountedTree.Mount(options, devices))
        {
            for (int i = 0; i < 70; i++) File(fs, $"f{i}", Bytes(700_000, i));
            Sync(fs);
            tree = MountedTree.Text(fs);
        }
        MountedTree.AssertSound("two volumes", devices);
        using (OracleVolume oracle = MountedTree.Oracle(devices))
            Assert.Contains(oracle.Records, r => new HammerOff(r.DataOffset).VolNo == 1);
        // Work on the freemap of volume 1, cut off before the group's last header.
        MemoryBlockDevice[]? crashed = null;
        var hooks = devices.Select(d => new HookDevice(d)).ToArray();
        using (HammerFs fs = MountedTree.Mount(options, hooks))
        {
            Must(fs, () => fs.Unlink(fs.Root, Name("f69")));
            for (int i = 0; i < 5; i++) File(fs, $"g{i}", Bytes(300_000, i));
            int flushes = 0;
            hooks[0].BeforeFlush = () =>
            {
                if (++flushes == 3) crashed = [.. devices.Select(d => d.Clone())];
            };
            fs.Core.FlushOnce();
            hooks[0].BeforeFlush = null;
        }
        Assert.NotNull(crashed);
        // The header of phase 4 has been written, but not flushed: it is lost.
        FifoPoke.SetIndices(crashed[0], Previous(crashed[0]), Previous(crashed[0]));
        using (HammerFs fs = MountedTree.Mount(options, crashed))
        {
            Assert.False(fs.RecoveryOutcome!.IsClean);
            Assert.Equal(tree, MountedTree.Text(fs));
        }
        MountedTree.AssertSound("second volume undone", crashed);
    }

    /// <summary>Where the last group began: behind the last jump of the sequence, made at mount.</summary>
    static long Previous(MemoryBlockDevice device)
    {
        long next = new HammerOff(FifoPoke.Header(device).Blockmap[(int)Zone.Undo].NextOffset).ShortOffset;
        byte[] head = new byte[16];
        uint last = 0;
        for (long at = next - 512; at >= 0; at -= 512)
        {
            device.Read(FifoPoke.DeviceByte(device, at), head);
            uint seq = BitConverter.ToUInt32(head.AsSpan(8));
            if (last != 0 && last - seq > 0x100000) return at + 512 + 4096;
            last = seq;
        }
        throw new InvalidOperationException("no jump found");
    }

    [Fact]
    public void Holes_in_the_volume_numbers_are_no_obstacle()
    {
        (MemoryBlockDevice[] devices, HammerFsOptions options) = TwoVolumes();
        Renumber(devices, 1, 5);
        using (HammerFs fs = MountedTree.Mount(options, devices))
        {
            for (int i = 0; i < 60; i++) File(fs, $"f{i}", Bytes(300_000, i));
            Sync(fs);
            Assert.Equal(Bytes(300_000, 59), Read(fs, Find(fs, "f59")));
        }
        using (HammerFs fs = MountedTree.Mount(options, devices))
        {
            Assert.Equal(Bytes(300_000, 7), Read(fs, Find(fs, "f7")));
            Assert.Equal(Errno.None, fs.StatFs(out FsStat stat));
            Assert.True(stat.FreeBytes < stat.TotalBytes);
        }
    }

    /// <summary>Volume 1 of an empty file system gets another number: in its header and in layer 1.</summary>
    static void Renumber(MemoryBlockDevice[] devices, int from, int to)
    {
        byte[] header = new byte[16384];
        devices[1].Read(0, header);
        ref VolumeOndisk h = ref System.Runtime.InteropServices.MemoryMarshal.AsRef<VolumeOndisk>(header.AsSpan());
        h.VolNo = to;
        devices[1].Write(0, header);
        long layer1 = At(devices[0], FifoPoke.Header(devices[0]).Blockmap[(int)Zone.Freemap].PhysOffset);
        const int perVolume = 1 << 10;
        byte[] old = new byte[32], none = new byte[32];
        devices[0].Read(layer1 + from * perVolume * 32L, old);
        devices[0].Read(layer1 + to * perVolume * 32L, none);
        ref Layer1Ondisk entry = ref System.Runtime.InteropServices.MemoryMarshal.AsRef<Layer1Ondisk>(old.AsSpan());
        entry.PhysOffset = entry.PhysOffset & ~(0xFFUL << 52) | ((ulong)to << 52);
        entry.Layer1Crc = HammerCrc.Layer1(7, in entry);
        devices[0].Write(layer1 + to * perVolume * 32L, old);
        devices[0].Write(layer1 + from * perVolume * 32L, none);
    }

    [Fact]
    public void A_deleted_pfs_is_absent_and_its_number_is_used_again()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Assert.Equal(Errno.None, fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out int id));
        Vnode file = default;
        var root = new Vnode(id, Tid.Max, 1);
        Must(fs, () => fs.Create(root, Name("f"), ObjType.RegFile, 0x1A4, 0, 0, Root, out file, out _));
        Write(fs, file, 0, Bytes(50_000, 1));
        Must(fs, () => fs.Symlink(fs.Root, Name("pfs"), Name($"@@-1:{id:D5}"), Root, out _, out _));
        Sync(fs);
        Assert.Equal(Errno.None, fs.DestroyPfs(id));
        Sync(fs);
        driver.Remount();
        fs = driver.Fs;
        Assert.False(fs.TryGetPfs(id, out _));
        Assert.True(fs.Lookup(fs.Root, Name($"@@-1:{id:D5}"), out _, out _).IsError);
        Assert.DoesNotContain(Records(driver.Device), r => r.PfsId == id);
        Assert.Equal(Errno.None, fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out int again));
        Assert.Equal(id, again);
        Sync(fs);
        driver.Remount();
        driver.AssertSound("made again");
    }

    [Fact]
    public void Names_with_a_tid_below_the_root_lead_into_the_past_of_that_name()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode dir = Dir(fs, "d"), file = default;
        Must(fs, () => fs.Create(dir, Name("f"), ObjType.RegFile, 0x1A4, 0, 0, Root, out file, out _));
        Write(fs, file, 0, [1]);
        Assert.Equal(Errno.None, fs.SyncTid(out ulong tid));
        Write(fs, file, 0, [2]);
        Must(fs, () => fs.Rename(dir, Name("f"), dir, Name("g"), RenameKind.Replace));
        Sync(fs);
        Assert.Equal(Errno.None, fs.Lookup(dir, Name($"f@@0x{tid:x16}"), out Vnode past, out _));
        Assert.Equal([1], Read(fs, past));
        Assert.Equal(Errno.NoEnt, fs.Lookup(dir, Name($"g@@0x{tid:x16}"), out _, out _));
        Assert.Equal(Errno.None, fs.Lookup(fs.Root, Name($"d@@0x{tid:x16}"), out Vnode pastDir, out _));
        Assert.Equal(Errno.None, fs.Lookup(pastDir, Name("f"), out past, out _));
        Assert.Equal([1], Read(fs, past));
        Assert.Equal(Errno.None, fs.Lookup(dir, Name($"@@0x{tid:x16}"), out pastDir, out _));
        Assert.Equal(Errno.None, fs.Lookup(pastDir, Name("f"), out _, out _));
        Assert.Equal(Errno.RoFs, fs.Unlink(pastDir, Name("f")));
    }

    /// <summary>Only the number of the record in front of the range is needed: others tell it, too.</summary>
    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 3)]
    [InlineData(9, 0)]
    [InlineData(9, 3)]
    public void Damaged_record_in_front_of_the_range_does_not_stop_a_mount(int sectors, int records)
    {
        MemoryBlockDevice device = Clean(out string tree);
        const long position = 5 * 16384 + 8192;
        for (int i = 0; i < 16; i++)
            device.Write(FifoPoke.DeviceByte(device, position - (16 - i) * 512), FifoPoke.Dummy(7, (uint)(85 + i)));
        HammerOff target = Scratch(device, out byte[] old);
        for (int i = 0; i < records; i++)
        {
            byte[] sector = FifoPoke.PadTo(FifoPoke.Undo(7, (uint)(101 + i), target, i == 0 ? old : Bytes(8, i)));
            device.Write(FifoPoke.DeviceByte(device, position + i * 512), sector);
        }
        device.Write(FifoPoke.DeviceByte(device, position + records * 512), FifoPoke.Dummy(7, 0x40000065));
        FifoPoke.SetIndices(device, position, position);
        if (records > 0) Scribble(device, target);
        for (int i = 1; i <= sectors; i++)
            device.Write(FifoPoke.DeviceByte(device, position - i * 512) + 9, [0xEE]);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            Assert.Equal(records, fs.RecoveryOutcome!.UndoRecords);
            Assert.Equal(tree, MountedTree.Text(fs));
        }
        byte[] now = new byte[8];
        device.Read(At(device, target.Value), now);
        Assert.Equal(old, now);
        MountedTree.AssertSound("damaged in front", device);
    }
}
