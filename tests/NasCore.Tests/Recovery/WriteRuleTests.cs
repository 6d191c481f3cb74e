using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Blockmap;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Transactions;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>Rules W1 to W7 of ARCHITECTURE.md, each in a scenario in which breaking it loses data.</summary>
public sealed class WriteRuleTests : RuleTestBase
{
    [Fact]
    public void W1_front_end_goes_on_while_a_group_is_written_and_nothing_of_it_gets_into_that_group()
    {
        using EngineDriver driver = Small();
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        // Just below a split of the root leaf, which the front end then does in the middle of the flush.
        for (int i = 0; i < 25; i++) File(fs, $"f{i}", [1]);
        string closed = MountedTree.Text(fs);
        int flushes = 0;
        var crashed = new List<MemoryBlockDevice>();
        hook.BeforeFlush = () =>
        {
            crashed.Add(driver.Device.Clone());
            if (flushes++ > 0) return;
            for (int i = 0; i < 30; i++) File(fs, $"next{i}", [2]);
        };
        fs.Core.FlushOnce();
        hook.BeforeFlush = null;
        Assert.Equal(3, flushes);
        crashed.Add(driver.Device.Clone());
        foreach (MemoryBlockDevice device in crashed.Skip(2))
        {
            using HammerFs again = MountedTree.Mount(MountedTree.Options(), device);
            Assert.Equal(closed, MountedTree.Text(again));
        }
        foreach (MemoryBlockDevice device in crashed) MountedTree.AssertSound("after recovery", device);
    }

    [Fact]
    public void W1_both_headers_of_a_group_differ_in_fifo_indices_and_sums_only()
    {
        using EngineDriver driver = Small();
        HookDevice hook = Hooked(driver);
        for (int i = 0; i < 25; i++) File(driver.Fs, $"f{i}", [1]);
        var headers = new List<byte[]>();
        hook.BeforeWrite = (at, bytes) =>
        {
            if (at != 0) return;
            headers.Add(bytes);
            if (headers.Count == 1)
                for (int i = 0; i < 30; i++) File(driver.Fs, $"next{i}", [2]);
        };
        driver.Fs.Core.FlushOnce();
        Assert.Equal(2, headers.Count);
        foreach (byte[] bytes in headers)
        {
            ref VolumeOndisk h = ref System.Runtime.InteropServices.MemoryMarshal.AsRef<VolumeOndisk>(bytes.AsSpan());
            h.Blockmap[(int)Zone.Undo].FirstOffset = h.Blockmap[(int)Zone.Undo].NextOffset = 0;
            h.Blockmap[(int)Zone.Undo].EntryCrc = 0;
            h.Crc = 0;
        }
        Assert.Equal(headers[0], headers[1]);
    }

    [Fact]
    public void W1_what_the_last_group_has_logged_is_logged_again_by_the_next()
    {
        using EngineDriver driver = Small();
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", Bytes(30_000, 1));
        Sync(fs);
        for (int group = 0; group < 3; group++)
        {
            string closed = MountedTree.Text(fs);
            // The same freemap entries, counters and nodes in each group.
            Write(fs, file, 0, Bytes(30_000, group));
            File(fs, $"g{group}", Bytes(50, 2));
            int flushes = 0;
            MemoryBlockDevice? crashed = null;
            hook.BeforeWrite = (at, _) =>
            {
                // All of the group is on the medium, but the last header.
                if (at == 0 && ++flushes == 2) crashed = driver.Device.Clone();
            };
            fs.Core.FlushOnce();
            hook.BeforeWrite = null;
            using (HammerFs again = MountedTree.Mount(MountedTree.Options(), crashed!))
                Assert.Equal(closed, MountedTree.Text(again));
            MountedTree.AssertSound($"group {group}", crashed!);
        }
    }

    [Fact]
    public void W2_no_byte_of_a_referred_extent_is_ever_written_again()
    {
        using EngineDriver driver = Small();
        RecordingDevice log = Recorded(driver);
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", Bytes(100_000, 1));
        Vnode small = File(fs, "small", Bytes(3000, 2));
        Sync(fs);
        List<(long At, int Length)> extents = [.. Records(driver.Device).Where(r => r.RecType == OracleRecord.Data)
            .Select(r => (At(driver.Device, r.DataOffset), r.DataLen))];
        Assert.True(extents.Count >= 7);
        int before = log.Count;
        // Whole blocks, parts of blocks, the same block again in one group, and the small record.
        for (int i = 0; i < 3; i++)
        {
            Write(fs, file, 0, Bytes(16384, 10 + i));
            Write(fs, file, 20_000, Bytes(30_000, 20 + i));
            Write(fs, small, 5, Bytes(100, 30 + i));
        }
        Sync(fs);
        foreach ((long at, int length) in extents)
        {
            // Small records share a buffer, which is written as a whole with these bytes unchanged.
            bool large = length >= 16384;
            byte[] now = new byte[length];
            driver.Device.Read(at, now);
            foreach (RecordingDevice.Event e in log.Events.Skip(before).Where(e => !e.IsFlush))
            {
                if (e.Offset >= at + length || e.Offset + e.Bytes!.Length <= at) continue;
                Assert.False(large, $"extent at {at} was written again");
            }
        }
        MountedTree.AssertSound("old versions", driver.Device);
    }

    [Fact]
    public void W2_a_block_rewritten_within_a_group_gets_another_extent()
    {
        using EngineDriver driver = Small();
        RecordingDevice log = Recorded(driver);
        Vnode file = File(driver.Fs, "f");
        int before = log.Count;
        Write(driver.Fs, file, 0, Bytes(16384, 1));
        Write(driver.Fs, file, 0, Bytes(16384, 2));
        long[] places = [.. log.Events.Skip(before).Where(e => !e.IsFlush).Select(e => e.Offset)];
        Assert.Equal(2, places.Distinct().Count());
    }

    [Fact]
    public void W3_space_of_data_that_no_record_refers_to_yet_is_not_charged()
    {
        using EngineDriver driver = Small();
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f");
        Sync(fs);
        MemoryBlockDevice? between = null;
        hook.BeforeWrite = (_, bytes) =>
        {
            if (between is not null || bytes.Length != 65536) return;
            hook.BeforeWrite = null;
            File(fs, "other", Bytes(20_000, 4));
            Sync(fs);
            between = driver.Device.Clone();
        };
        Write(fs, file, 0, Bytes(65536, 3));
        Assert.NotNull(between);
        MountedTree.AssertSound("a group closed between the data and their records", between);
        Sync(fs);
        Assert.Equal(Bytes(65536, 3), Read(fs, file));
        driver.Remount();
        driver.AssertSound("afterwards");
    }

    [Fact]
    public void W3_a_block_with_reservations_is_not_offered_to_another_zone()
    {
        using EngineDriver driver = Small();
        Freemap freemap = driver.Fs.Core.Freemap;
        HammerOff reserved = freemap.Reserve(Zone.LargeData, 16384)!.Value;
        for (int i = 0; i < 12; i++)
        {
            // Each fills a big-block of the zone.
            for (int k = 0; k < 512; k++)
            {
                if (freemap.Allocate(Zone.Meta, 16384) is not { } off) break;
                Assert.NotEqual(reserved.BigBlockBase.LongOffset, off.BigBlockBase.LongOffset);
            }
        }
        freemap.Unreserve(reserved);
    }

    [Fact]
    public void W3_a_freed_block_waits_for_its_group_and_for_the_readers_that_may_still_see_it()
    {
        const int extent = HammerConst.ExtentBytesMax;
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Freemap freemap = fs.Core.Freemap;
        var held = new List<HammerOff>();
        while (held.Count < HammerConst.BigBlockBytes / extent)
        {
            HammerOff off = freemap.Allocate(Zone.LargeData, extent)!.Value;
            if (held.Count > 0 || off.BigBlockOffset == 0) held.Add(off);
        }
        ulong block = held[0].BigBlockBase.LongOffset;
        Assert.All(held, off => Assert.Equal(block, off.BigBlockBase.LongOffset));
        File(fs, "f");
        int reader = fs.Epochs.Enter();
        foreach (HammerOff off in held) freemap.Free(off, extent);
        Assert.Equal(1, freemap.HeldCount);
        // All the other space goes; the old contents of this block may still be needed after a crash.
        while (freemap.Allocate(Zone.LargeData, extent) is { } off)
            Assert.NotEqual(block, off.BigBlockBase.LongOffset);
        fs.Core.FlushOnce();
        Assert.Null(freemap.Allocate(Zone.LargeData, extent));
        fs.Epochs.Leave(reader);
        Assert.Equal(block, freemap.Allocate(Zone.LargeData, extent)!.Value.BigBlockBase.LongOffset);
    }

    [Fact]
    public void W4_object_ids_lie_below_the_tid_of_their_group_and_below_the_next_tid_on_the_medium()
    {
        using EngineDriver driver = Small();
        // A mount of a clean volume writes no group, but the ids of the first one must be reserved.
        driver.Remount();
        HammerFs fs = driver.Fs;
        ulong start = fs.DurableTid;
        for (int group = 0; group < 5; group++)
        {
            for (int i = 0; i < 10; i++)
            {
                // The pool runs dry in the middle of a group: it closes early.
                if (group == 2 && i == 5) fs.Core.Tids.DropPool();
                Vnode vnode = File(fs, $"f{group}.{i}", [1]);
                Assert.True((ulong)vnode.ObjId < fs.Core.Group.Tid);
                // Nothing of this group is on the medium, but after a crash its ids must not come again.
                Assert.True((ulong)vnode.ObjId < FifoPoke.Header(driver.Device).NextTid);
                Assert.True(fs.Core.Group.Tid <= FifoPoke.Header(driver.Device).NextTid);
            }
            Sync(fs);
        }
        foreach (OracleRecord record in Records(driver.Device).Where(r => r.CreateTid >= start))
            Assert.True((ulong)record.ObjId < record.CreateTid, $"{record}");
    }

    [Fact]
    public void W4_a_pool_that_runs_dry_is_renewed_only_when_a_group_opens()
    {
        var tids = new TidAllocator(Tid.Initial);
        ulong group = tids.OpenGroup();
        while (tids.PoolLeft > 0) Assert.True((ulong)tids.NewObjId() < group);
        Assert.Throws<InvariantException>(() => tids.NewObjId());
        ulong next = tids.OpenGroup();
        Assert.True(next > group);
        long id = tids.NewObjId();
        Assert.True((ulong)id > group && (ulong)id < next);
    }

    [Fact]
    public void W5_stale_records_of_a_lost_group_never_continue_the_new_sequence()
    {
        using EngineDriver driver = Small();
        Vnode[] files = [.. Enumerable.Range(0, 500).Select(i => File(driver.Fs, $"f{i}", [1]))];
        RecordingDevice log = Recorded(driver);
        MemoryBlockDevice before = driver.Device.Clone();
        int start = log.Count;
        foreach (Vnode file in files.AsSpan(0, 100)) Write(driver.Fs, file, 0, [2]);
        driver.Fs.Core.FlushOnce();
        // The power goes in the FIFO's own write: its first 8 KiB are lost, what follows is there.
        RecordingDevice.Event fifo = log.Events.Skip(start).First(e => !e.IsFlush && IsFifo(driver.Device, e.Offset));
        Assert.True(log.Events.Skip(start).Where(e => !e.IsFlush && IsFifo(driver.Device, e.Offset))
            .Sum(e => e.Bytes!.Length) > 40_000);
        foreach (RecordingDevice.Event e in log.Events.Skip(start).TakeWhile(e => !e.IsFlush))
            before.Write(e.Offset, e.Bytes);
        before.Write(fifo.Offset, new byte[8192]);
        before.Write(fifo.Offset, FifoPoke.Dummy(7, 1));
        uint lost = BitConverter.ToUInt32(fifo.Bytes.AsSpan(8));
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), before))
        {
            BlockmapOndisk map = FifoPoke.Header(before).Blockmap[(int)Zone.Undo];
            Assert.Equal(map.FirstOffset, map.NextOffset);
            long next = new HammerOff(map.FirstOffset).ShortOffset;
            byte[] sector = new byte[512];
            before.Read(FifoPoke.DeviceByte(before, next - 512), sector);
            uint now = BitConverter.ToUInt32(sector.AsSpan(8));
            Assert.True(unchecked(now - lost) > 0x00100000, $"sequence {now:x8} after {lost:x8}");
            bool stale = false;
            for (long at = 0; at < FifoPoke.BytesOf(before); at += 512)
            {
                before.Read(FifoPoke.DeviceByte(before, at), sector);
                uint seq = BitConverter.ToUInt32(sector.AsSpan(8));
                bool sameBuffer = at >= next && at / 16384 == next / 16384;
                stale |= unchecked(seq - lost) < 100_000 && at > next;
                Assert.False(sameBuffer && unchecked(seq - lost) < 100_000, $"stale sector at {at} behind {next}");
                Assert.False(at >= next && unchecked(seq - now) - 1 < 100_000, $"sector at {at} may continue");
            }
            Assert.True(stale, "the scenario leaves stale records");
        }
        MountedTree.AssertSound("after recovery", before);
    }

    static bool IsFifo(IBlockDevice device, long at)
    {
        long start = FifoPoke.DeviceByte(device, 0);
        return at >= start && at < start + FifoPoke.BytesOf(device);
    }

    [Fact]
    public void W6_groups_end_on_a_physical_block_boundary()
    {
        using EngineDriver driver = Small();
        RecordingDevice log = Recorded(driver);
        for (int i = 0; i < 20; i++)
        {
            for (int k = 0; k <= i; k++) File(driver.Fs, $"f{i}.{k}", Bytes(10 + 100 * k, i));
            Sync(driver.Fs);
        }
        List<VolumeOndisk> headers = HeaderWrites(log);
        Assert.True(headers.Count >= 40);
        foreach (VolumeOndisk header in headers)
        {
            Assert.Equal(0u, header.Blockmap[(int)Zone.Undo].FirstOffset % 4096);
            Assert.Equal(0u, header.Blockmap[(int)Zone.Undo].NextOffset % 4096);
        }
    }

    [Fact]
    public void W7_truncation_in_pieces_leaves_a_shorter_file_with_the_right_content_at_every_crash()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        byte[] content = Bytes(20 << 20, 7);
        Vnode file = File(fs, "f", content);
        Sync(fs);
        var request = new AttrRequest { Change = AttrChange.Size, Size = 5000 };
        int pieces = 0;
        ulong last = (ulong)content.Length;
        while (fs.SetAttr(file, in request, Root, out _) == Errno.NeedFlush)
        {
            pieces++;
            fs.Core.FlushOnce();
            MemoryBlockDevice crashed = driver.Device.Clone();
            using (HammerFs again = MountedTree.Mount(MountedTree.Options(), crashed))
            {
                byte[] found = Read(again, Find(again, "f"));
                Assert.True((ulong)found.Length < last && found.Length >= 5000, $"{found.Length} after {last}");
                last = (ulong)found.Length;
                Assert.True(content.AsSpan().StartsWith(found));
            }
            MountedTree.AssertSound($"piece {pieces}", crashed);
        }
        Assert.True(pieces > 0);
        Sync(fs);
        Assert.Equal(content[..5000], Read(fs, file));
    }

    [Fact]
    public void W7_deletion_of_a_large_file_is_taken_up_again_after_a_crash_and_every_group_fits_a_quarter_of_the_fifo()
    {
        using EngineDriver driver = Small(noHistory: true);
        File(driver.Fs, "f", Bytes(20 << 20, 8));
        Sync(driver.Fs);
        RecordingDevice log = Recorded(driver);
        HammerFs fs = driver.Fs;
        var crashed = new MemoryBlockDevice?[1];
        fs.Core.GroupDurable += _ => crashed[0] ??= driver.Device.Clone();
        Must(fs, () => fs.Unlink(fs.Root, Name("f")));
        fs.Core.FlushOnce();
        Assert.True(HeaderWrites(log).Count > 4, "more than one group");
        foreach (VolumeOndisk header in HeaderWrites(log))
        {
            BlockmapOndisk map = header.Blockmap[(int)Zone.Undo];
            long used = new HammerOff(map.NextOffset).ShortOffset - new HammerOff(map.FirstOffset).ShortOffset;
            Assert.True((used + (8 << 20)) % (8 << 20) <= 2 << 20, $"{used} bytes in a group");
        }
        Assert.Contains(Records(crashed[0]!), r => r.RecType == OracleRecord.Data && r.IsLive);
        using (HammerFs again = MountedTree.Mount(MountedTree.Options(noHistory: true), crashed[0]!))
            Assert.Equal(Errno.NoEnt, again.Lookup(again.Root, Name("f"), out _, out _));
        // Marks of the group before the crash may stay as history; that is what prune is for.
        Assert.DoesNotContain(Records(crashed[0]!),
            r => r.IsLive && (r.RecType is OracleRecord.Data or OracleRecord.Ext));
        MountedTree.AssertSound("finished at the next mount", crashed[0]!);
    }
}
