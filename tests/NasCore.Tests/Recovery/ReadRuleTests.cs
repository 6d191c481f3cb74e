using System;
using System.Linq;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// Rules R1, R2, R4 and R5 of ARCHITECTURE.md as far as the engine keeps them; inode numbers (R2) and node ids (R3) are
/// made by the FUSE layer and tested there (Fuse/NodeTableTests, Fuse/RealMountTests).
/// </summary>
public sealed class ReadRuleTests : RuleTestBase
{
    [Fact]
    public void R1_an_extent_being_read_is_not_reused_even_if_it_is_freed_and_space_is_wanted()
    {
        using EngineDriver driver = Small(noHistory: true, megabytes: 160);
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        byte[] content = Bytes(56 << 20, 1);
        Vnode file = File(fs, "f", content);
        Sync(fs);
        bool done = false;
        hook.BeforeRead = (_, bytes) =>
        {
            if (done || bytes < 65536) return;
            done = true;
            // In the middle of the read, outside its lock: the file goes, and another takes all the space there is.
            Must(fs, () => fs.Unlink(fs.Root, Name("f")));
            for (int i = 0; i < 4; i++) fs.Core.FlushOnce();
            Fill(fs, "other", flush: true);
        };
        byte[] found = new byte[256 * 1024];
        Assert.Equal(Errno.None, fs.Read(file, 1 << 20, found, out int n));
        Assert.True(done);
        Assert.Equal(content.AsSpan(1 << 20, n).ToArray(), found[..n]);
    }

    /// <summary>Writes a new file until nothing more fits, or a flush is wanted.</summary>
    static void Fill(HammerFs fs, string name, bool flush)
    {
        Vnode other = File(fs, name);
        byte[] piece = Bytes(1 << 20, 100);
        long at = 0;
        for (int tries = 0; tries < 20;)
        {
            Errno e = fs.Write(other, (ulong)at, piece, false, false, out int n);
            at += n;
            if (e == Errno.None) continue;
            if (e == Errno.NoSpc || !flush) return;
            Assert.Equal(Errno.NeedFlush, e);
            tries++;
            fs.Core.FlushOnce();
        }
    }

    [Fact]
    public void R1_a_big_block_is_not_reused_before_the_group_that_freed_it_is_durable()
    {
        using EngineDriver driver = Small(noHistory: true, megabytes: 160);
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        File(fs, "f", Bytes(64 << 20, 1));
        Sync(fs);
        Must(fs, () => fs.Unlink(fs.Root, Name("f")));
        bool filled = false;
        MemoryBlockDevice? crashed = null;
        hook.BeforeFlush = () =>
        {
            if (filled || fs.Core.Freemap.HeldCount == 0) return;
            filled = true;
            // The group that frees the blocks is just being written; the front end goes on.
            Fill(fs, "other", flush: false);
        };
        int headers = 0;
        hook.BeforeWrite = (at, _) =>
        {
            // Its last header is not on the medium: a crash takes the group back, the old blocks are needed again.
            if (filled && at == 0 && ++headers == 2) crashed ??= driver.Device.Clone();
        };
        for (int i = 0; i < 6 && crashed is null; i++) fs.Core.FlushOnce();
        hook.BeforeFlush = null;
        hook.BeforeWrite = null;
        Assert.NotNull(crashed);
        using (MountedTree.Mount(MountedTree.Options(noHistory: true), crashed)) { }
        MountedTree.AssertSound("blocks of a group taken back", crashed);
    }

    [Fact]
    public void R1_a_sum_that_does_not_match_is_looked_up_again_before_it_is_believed()
    {
        using EngineDriver driver = Small();
        HookDevice hook = Hooked(driver);
        Vnode file = File(driver.Fs, "f", Bytes(65536, 1));
        Sync(driver.Fs);
        bool once = false;
        hook.AfterRead = (_, bytes) =>
        {
            if (once) return;
            once = true;
            bytes[100] ^= 1;
        };
        Assert.Equal(Bytes(65536, 1), Read(driver.Fs, file));
        Assert.True(once);
    }

    [Fact]
    public void R2_views_have_device_numbers_of_their_own_the_same_on_every_mount()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        File(fs, "f", [1]);
        Assert.Equal(Errno.None, fs.SyncTid(out ulong first));
        Assert.Equal(Errno.None, fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out int id));
        uint Dev(int pfs, ulong asOf)
        {
            Assert.Equal(Errno.None, driver.Fs.GetAttr(new Vnode(pfs, asOf, 1), out FileAttr attr));
            return attr.ViewDev;
        }

        Assert.Equal(Errno.None, fs.SyncTid(out ulong second));
        uint[] devs = [Dev(0, Tid.Max), Dev(0, first), Dev(0, second), Dev(id, Tid.Max), Dev(id, second)];
        Assert.Equal(devs.Length, devs.Distinct().Count());
        driver.Remount();
        uint[] again = [Dev(0, Tid.Max), Dev(0, first), Dev(0, second), Dev(id, Tid.Max), Dev(id, second)];
        Assert.Equal(devs, again);
    }

    [Fact]
    public void R4_only_views_at_or_below_the_last_durable_tid_are_immutable()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", [1]);
        Assert.Equal(Errno.None, fs.SyncTid(out ulong durable));
        Write(fs, file, 0, [2]);
        Assert.True(fs.IsImmutable(file with { AsOf = durable }));
        Assert.False(fs.IsImmutable(file with { AsOf = fs.Core.Group.Tid }));
        Assert.False(fs.IsImmutable(file));
        Assert.Equal(Errno.None, fs.SyncTid(out ulong next));
        Assert.True(next > durable);
        Assert.Equal([1], Read(fs, file with { AsOf = durable }));
        Assert.Equal([2], Read(fs, file with { AsOf = next }));
    }

    [Fact]
    public void R5_a_damaged_block_is_an_error_of_its_file_and_of_nothing_else()
    {
        using EngineDriver driver = Small();
        File(driver.Fs, "bad", Bytes(100_000, 1));
        File(driver.Fs, "good", Bytes(100_000, 2));
        File(driver.Fs, "small", Bytes(500, 3));
        driver.Remount();
        OracleRecord victim = Records(driver.Device).First(r => r.RecType == OracleRecord.Data && r.Key == 32768);
        Flip(driver.Device, At(driver.Device, victim.DataOffset) + 7);
        driver.Remount();
        HammerFs fs = driver.Fs;
        Vnode bad = Find(fs, "bad");
        byte[] buffer = new byte[65536];
        HammerMediumException e = Assert.Throws<HammerMediumException>(() => fs.Read(bad, 0, buffer, out _));
        Assert.Contains("CRC", e.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.None, fs.Read(bad, 32768, buffer.AsSpan(0, 16384), out _));
        Assert.Equal(Bytes(100_000, 2), Read(fs, Find(fs, "good")));
        // Writing next to the damage fails for this file, and leaves the mount and everything else alone.
        Assert.Throws<HammerMediumException>(() => fs.Write(bad, 20_000, Bytes(100, 4), false, false, out _));
        Assert.Throws<HammerMediumException>(() => fs.Write(bad, 20_000, Bytes(60_000, 4), false, false, out _));
        Assert.Throws<HammerMediumException>(() => fs.SetAttr(bad,
            new AttrRequest { Change = AttrChange.Size, Size = 20_000 }, Root, out _));
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        Write(fs, Find(fs, "good"), 0, Bytes(100, 5));
        // A whole new block heals it, deletion works as well.
        Write(fs, bad, 16384, Bytes(16384, 6));
        Read(fs, bad);
        Must(fs, () => fs.Unlink(fs.Root, Name("bad")));
        Sync(fs);
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
    }

    [Fact]
    public void R5_a_damaged_node_is_an_error_of_what_lies_in_it()
    {
        using EngineDriver driver = Small();
        for (int i = 0; i < 400; i++) File(driver.Fs, $"f{i}", [1]);
        driver.Remount();
        OracleRecord any = Records(driver.Device).Last(r => r.RecType == OracleRecord.Data);
        Flip(driver.Device, At(driver.Device, any.Node) + 3000);
        driver.Remount();
        HammerFs fs = driver.Fs;
        Assert.Throws<HammerMediumException>(() => Read(fs, new Vnode(0, Tid.Max, any.ObjId)));
        Assert.Equal([1], Read(fs, Find(fs, "f3")));
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
    }

    [Fact]
    public void R5_sums_of_header_and_blockmaps_are_not_believed_those_of_the_freemap_are()
    {
        using EngineDriver driver = Small();
        File(driver.Fs, "f", [1]);
        driver.Remount();
        driver.Fs.Dispose();
        byte[] header = new byte[HammerConst.BufferBytes];
        driver.Device.Read(0, header);
        ref VolumeOndisk h = ref System.Runtime.InteropServices.MemoryMarshal.AsRef<VolumeOndisk>(header.AsSpan());
        h.Crc ^= 1;
        for (int i = 0; i < 16; i++) h.Blockmap[i].EntryCrc ^= 1;
        ulong layer1 = h.Blockmap[(int)Zone.Freemap].PhysOffset;
        driver.Device.Write(0, header);
        driver.Remount();
        File(driver.Fs, "g", [1]);
        Sync(driver.Fs);
        driver.Fs.Dispose();
        Flip(driver.Device, At(driver.Device, layer1) + 1);
        driver.Remount();
        HammerFs fs = driver.Fs;
        Assert.Equal([1], Read(fs, Find(fs, "f")));
        Exception? e = Record.Exception(() =>
        {
            for (int i = 0; i < 100; i++) File(fs, $"h{i}", Bytes(20_000, i));
        });
        Assert.IsType<HammerMediumException>(e);
        Assert.Contains("layer 1", e.Message, StringComparison.Ordinal);
    }

    static void Flip(MemoryBlockDevice device, long at)
    {
        byte[] one = new byte[1];
        device.Read(at, one);
        one[0] ^= 0x10;
        device.Write(at, one);
    }
}
