using System;
using NasCore.Primitives;
using NasCore.Tests.Recovery;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>The hot paths of the engine allocate nothing on the managed heap per request.</summary>
public sealed class EngineAllocationTests : RuleTestBase
{
    const int Rounds = 2000;

    /// <summary>Bytes allocated by this thread per call, after a warm-up.</summary>
    static double PerCall(Action call, int rounds = Rounds)
    {
        for (int i = 0; i < rounds; i++) call();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < rounds; i++) call();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / (double)rounds;
    }

    static void Good(Errno e)
    {
        if (e.IsError) throw new InvalidOperationException($"{e}");
    }

    [Fact]
    public void Lookup_getattr_read_and_readdir_allocate_nothing()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        for (int i = 0; i < 100; i++) File(fs, $"f{i}", Bytes(100_000, i));
        Sync(fs);
        byte[] name = Name("f50"), none = Name("none"), buffer = new byte[70_000];
        Vnode file = Find(fs, "f50");
        Vnode past = file with { AsOf = fs.DurableTid };
        Assert.Equal(0, PerCall(() => fs.Lookup(fs.Root, name, out _, out _)));
        Assert.Equal(0, PerCall(() => fs.Lookup(fs.Root, none, out _, out _)));
        Assert.Equal(0, PerCall(() => fs.GetAttr(file, out _)));
        Assert.Equal(0, PerCall(() => fs.GetAttr(past, out _)));
        Assert.Equal(0, PerCall(() => fs.Read(file, 5000, buffer, out _)));
        Assert.Equal(0, PerCall(() => fs.Read(past, 5000, buffer, out _)));
        Assert.Equal(0, PerCall(() => fs.GetXattr(file, "user.none"u8, buffer, out _)));
        var sink = new CountingSink();
        Assert.Equal(0, PerCall(() => fs.ReadDir(fs.Root, 0, ref sink)));
    }

    struct CountingSink : IDirSink
    {
        public int Count;

        public bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie)
        {
            Count++;
            return true;
        }
    }

    [Fact]
    public void Writes_into_a_changed_block_and_changes_of_attributes_allocate_nothing()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", Bytes(100_000, 1));
        byte[] piece = Bytes(4096, 2);
        var request = new AttrRequest { Change = AttrChange.Mode, Mode = 0x180 };
        Assert.Equal(0, PerCall(() => Good(fs.Write(file, 20_000, piece, false, false, out _))));
        Assert.Equal(0, PerCall(() => Good(fs.SetAttr(file, in request, Root, out _))));
    }

    [Fact]
    public void Fsync_by_redo_allocates_nothing()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        byte[] one = new byte[1];
        for (long at = 0; at < driver.Device.Length; at += 65536)
        {
            driver.Device.Read(at, one);
            driver.Device.Write(at, one);
        }
        Vnode file = File(fs, "f", Bytes(20_000, 1));
        Good(fs.Open(file));
        Sync(fs);
        byte[] piece = Bytes(1000, 2);
        int answered = 0;
        DurableCallback callback = (_, e) => answered += e.IsError ? 0 : 1;
        double bytes = PerCall(() =>
        {
            Good(fs.Write(file, 5000, piece, false, false, out _));
            fs.WhenSynced(file, callback, null);
            fs.Core.RedoOnce();
        }, 100);
        Assert.Equal(200, answered);
        Assert.Equal(200, fs.Core.RedoFlushes);
        // A buffer of the FIFO is an object of some words; there is one for several calls.
        Assert.True(bytes < 64, $"{bytes} bytes an fsync");
    }

    [Fact]
    public void Writes_of_whole_blocks_allocate_nothing_but_the_growth_of_tables()
    {
        using EngineDriver driver = Small(megabytes: 192);
        HammerFs fs = driver.Fs;
        // The device in memory takes its own memory at the first touch: not here.
        byte[] one = new byte[1];
        for (long at = 0; at < driver.Device.Length; at += 65536)
        {
            driver.Device.Read(at, one);
            driver.Device.Write(at, one);
        }
        Vnode file = File(fs, "f");
        byte[] piece = Bytes(65536, 2);
        double bytes = PerCall(() => Good(fs.Write(file, 0, piece, false, false, out _)), 500);
        Assert.True(bytes < 8, $"{bytes} bytes a write");
    }
}
