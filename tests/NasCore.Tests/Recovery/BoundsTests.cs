using System;
using System.Globalization;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Tests.Mirror;
using NasCore.Volumes;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// Memory depends on what is configured, not on how much there is: at most the cache and 64 MiB. NASHAMMER_FULL=1 (make
/// test-full) takes ten times as much of everything. The medium is in memory here and does not count.
/// </summary>
[Collection(MeasuringAlone.Name)]
public sealed class BoundsTests : RuleTestBase
{
    const long CacheBytes = 32L << 20, SlackBytes = 64L << 20;
    static readonly int s_scale = Environment.GetEnvironmentVariable("NASHAMMER_FULL") == "1" ? 10 : 1;

    static (HammerFs Fs, MemoryBlockDevice Device) Make(long gibibytes, long undoBytes = 64L << 20)
    {
        var device = new MemoryBlockDevice(gibibytes << 30);
        NasCore.Volumes.Newfs.Format([device], new NewfsOptions
        {
            Label = "BOUNDS", Version = 7, Force = true, UndoBytes = undoBytes, FsId = Guid.NewGuid(), TimeUs = 1,
        });
        return (MountedTree.Mount(MountedTree.Options() with { CacheBytes = CacheBytes }, device), device);
    }

    static void AssertBounded(HammerFs fs, MemoryBlockDevice device, long before)
    {
        long managed = GC.GetTotalMemory(forceFullCollection: true) - before - device.OccupiedBytes;
        long native = (long)fs.Cache.Pool.InUse * HammerConst.BufferBytes;
        TestContext.Current.TestOutputHelper?.WriteLine($"managed {managed >> 10} KiB, buffers {native >> 10} KiB");
        Assert.InRange(managed + native, long.MinValue, CacheBytes + SlackBytes);
    }

    static Vnode Create(HammerFs fs, Vnode dir, int i)
    {
        byte[] name = Name(i.ToString("x", CultureInfo.InvariantCulture));
        Vnode made = default;
        Errno e;
        while ((e = fs.Create(dir, name, ObjType.RegFile, 0x1A4, 0, 0, Root, out made, out _)) == Errno.NeedFlush)
            fs.Core.FlushOnce();
        Assert.Equal(Errno.None, e);
        return made;
    }

    [Fact]
    public void Directory_of_very_many_files_takes_no_more_memory_than_the_cache()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        (HammerFs fs, MemoryBlockDevice device) = Make(8);
        using HammerFs owned = fs;
        Vnode dir = Dir(fs, "d");
        int files = 100_000 * s_scale;
        for (int i = 0; i < files; i++) Create(fs, dir, i);
        Sync(fs);
        AssertBounded(fs, device, before);
        for (int i = 0; i < files; i += 97)
            Assert.Equal(Errno.None, fs.Lookup(dir, Name(i.ToString("x", CultureInfo.InvariantCulture)), out _, out _));
        AssertBounded(fs, device, before);
        Assert.True(fs.LiveCount < 10, $"{fs.LiveCount} objects in memory");
    }

    [Fact]
    public void Very_many_open_files_take_their_objects_and_no_more()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        (HammerFs fs, MemoryBlockDevice device) = Make(4);
        using HammerFs owned = fs;
        int files = 10_000 * s_scale;
        var open = new Vnode[files];
        for (int i = 0; i < files; i++)
        {
            open[i] = Create(fs, fs.Root, i);
            Assert.Equal(Errno.None, fs.Open(open[i]));
        }
        Sync(fs);
        AssertBounded(fs, device, before);
        Assert.Equal(files, fs.LiveCount);
        foreach (Vnode vnode in open) fs.Release(vnode);
        Assert.Equal(0, fs.LiveCount);
    }

    [Fact]
    public void Sparse_file_of_a_tebibyte_is_written_read_and_removed_within_bounds()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        (HammerFs fs, MemoryBlockDevice device) = Make(2);
        using HammerFs owned = fs;
        Vnode file = File(fs, "sparse");
        Truncate(fs, file, 1UL << 40);
        for (int i = 0; i < 1000; i++) Write(fs, file, i * (1L << 30) + 12345, [(byte)(i + 1)]);
        Sync(fs);
        byte[] one = new byte[1];
        for (int i = 0; i < 1000; i += 13)
        {
            Assert.Equal(Errno.None, fs.Read(file, (ulong)(i * (1L << 30) + 12345), one, out _));
            Assert.Equal((byte)(i + 1), one[0]);
        }
        Assert.Equal(Errno.None, fs.Seek(file, 65536, hole: false, out ulong data));
        Assert.InRange(data, 1UL << 30, (1UL << 30) + 12345);
        AssertBounded(fs, device, before);
        Must(fs, () => fs.Unlink(fs.Root, Name("sparse")));
        Sync(fs);
        AssertBounded(fs, device, before);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void File_of_very_many_extents_is_removed_under_the_smallest_fifo(bool noHistory)
    {
        using EngineDriver driver = new(7, 16L << 30, 8L << 20, noHistory, 8L << 20);
        HammerFs fs = driver.Fs;
        int extents = 10_000 * s_scale;
        Vnode file = File(fs, "many");
        for (int i = 0; i < extents; i++) Write(fs, file, i * 131072L + (1 << 20), [1]);
        Sync(fs);
        Must(fs, () => fs.Unlink(fs.Root, Name("many")));
        for (int i = 0; i < 4; i++) Sync(fs);
        Assert.Equal(0, fs.LiveCount);
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        driver.Remount();
        Assert.Empty(FsWalker.Names(driver.Fs, driver.Fs.Root));
        if (s_scale == 1) driver.AssertSound("very many extents");
    }
}
