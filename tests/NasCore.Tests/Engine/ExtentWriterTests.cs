using System;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>Extents on their way to the device (decision 0013), alone and under the engine.</summary>
public sealed class ExtentWriterTests : IDisposable
{
    const int Block = HammerConst.BufferBytes;

    readonly MemoryBlockDevice _memory = new(64 << 20);
    readonly ExtentWriter _writer = new();

    public void Dispose()
    {
        _writer.Dispose();
        _memory.Dispose();
    }

    static byte[] Noise(int bytes, int seed)
    {
        byte[] data = new byte[bytes];
        new Random(seed).NextBytes(data);
        return data;
    }

    [Fact]
    public void Extents_of_several_threads_are_on_the_device_after_drain()
    {
        var device = new DirectDevice(_memory);
        byte[] all = Noise(48 << 20, 1);
        // Four lanes, each of extents behind each other and of many lengths, up to more than a slot.
        Thread[] lanes = [.. Enumerable.Range(0, 4).Select(lane => new Thread(() =>
        {
            var random = new Random(lane);
            int at = lane * (12 << 20), end = at + (12 << 20);
            while (at < end)
            {
                int bytes = Math.Min(end - at, Block * random.Next(1, 100));
                _writer.Submit(device, at, all.AsSpan(at, bytes));
                at += bytes;
            }
        }))];
        foreach (Thread lane in lanes) lane.Start();
        foreach (Thread lane in lanes) lane.Join();
        _writer.Drain();
        Assert.False(_writer.IsBusy);
        byte[] found = new byte[all.Length];
        _memory.Read(0, found);
        Assert.True(all.AsSpan().SequenceEqual(found));
    }

    [Fact]
    public void Extents_behind_each_other_meet_in_one_transfer_while_the_device_is_busy()
    {
        var device = new DirectDevice(_memory);
        using var hold = new ManualResetEventSlim(false);
        device.BeforeDirect = (_, _) => hold.Wait();
        // Both threads are held up by these two; the rest gathers.
        _writer.Submit(device, 0, Noise(Block, 1));
        _writer.Submit(device, 8 << 20, Noise(Block, 2));
        byte[] data = Noise(32 * Block, 3);
        for (int i = 0; i < 32; i++) _writer.Submit(device, (16 << 20) + i * Block, data.AsSpan(i * Block, Block));
        hold.Set();
        _writer.Drain();
        // The two, the gathered, and at most one part that a thread took before it was held up.
        Assert.InRange(device.DirectWrites, 3, 5);
        byte[] found = new byte[data.Length];
        _memory.Read(16 << 20, found);
        Assert.Equal(data, found);
    }

    [Fact]
    public void Whoever_wants_the_bytes_of_an_extent_on_its_way_waits_for_it()
    {
        var device = new DirectDevice(_memory);
        using var held = new ManualResetEventSlim(false);
        using var hold = new ManualResetEventSlim(false);
        device.BeforeDirect = (_, _) =>
        {
            held.Set();
            hold.Wait();
        };
        byte[] data = Noise(4 * Block, 4);
        _writer.Submit(device, 1 << 20, data);
        held.Wait(TestContext.Current.CancellationToken);
        byte[] found = new byte[Block];
        var reader = new Thread(() =>
        {
            _writer.WaitFor(device, (1 << 20) + Block, Block);
            _memory.Read((1 << 20) + Block, found);
        });
        reader.Start();
        // Other bytes are not waited for.
        _writer.WaitFor(device, 2 << 20, Block);
        hold.Set();
        reader.Join();
        Assert.Equal(data.AsSpan(Block, Block).ToArray(), found);
    }

    [Fact]
    public void Space_that_is_written_again_keeps_the_later_bytes()
    {
        var device = new DirectDevice(_memory);
        for (int i = 0; i < 200; i++)
        {
            byte[] first = Noise(3 * Block, i), second = Noise(Block, 1000 + i);
            _writer.Submit(device, 0, first);
            _writer.Submit(device, Block, second);
            _writer.Drain();
            byte[] found = new byte[Block];
            _memory.Read(Block, found);
            Assert.Equal(second, found);
        }
    }

    [Fact]
    public void An_extent_that_cannot_be_written_fails_the_drain_and_everything_later()
    {
        var device = new DirectDevice(_memory)
        {
            BeforeDirect = (_, _) => throw new IOException("no medium"),
        };
        _writer.Submit(device, 0, Noise(Block, 1));
        IOException first = Assert.Throws<IOException>(() => _writer.Drain());
        Assert.Contains("no medium", first.Message, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => _writer.Submit(device, 1 << 20, Noise(Block, 2)));
        Assert.Throws<IOException>(() => _writer.Drain());
    }

    static Vnode NewFile(EngineDriver driver)
    {
        Assert.Equal(Errno.None, driver.Fs.Create(driver.Fs.Root, "f"u8, ObjType.RegFile, 0x1A4, 0, 0,
            new Caller(0, 0, 0), out Vnode file, out _));
        return file;
    }

    [Fact]
    public void A_group_flushes_the_device_only_when_its_file_data_are_there()
    {
        using var driver = new EngineDriver();
        DirectDevice? device = null;
        driver.Swap(memory => device = new DirectDevice(memory) { BeforeDirect = (_, _) => Thread.Yield() });
        Vnode file = NewFile(driver);
        byte[] data = Noise(3 << 20, 7);
        for (int round = 0; round < 5; round++)
        {
            for (int at = 0; at < data.Length; at += 1 << 20)
            {
                ReadOnlySpan<byte> piece = data.AsSpan(at, 1 << 20);
                Assert.Equal(Errno.None, driver.Fs.Write(file, (ulong)at, piece, false, false, out _));
            }
            driver.Fs.Core.FlushAll();
        }
        Assert.True(device!.DirectWrites > 0);
        Assert.False(device.FlushedTooEarly);
        byte[] found = new byte[data.Length];
        for (int at = 0; at < found.Length;)
        {
            Assert.Equal(Errno.None, driver.Fs.Read(file, (ulong)at, found.AsSpan(at), out int got));
            Assert.NotEqual(0, got);
            at += got;
        }
        Assert.Equal(data, found);
    }

    [Fact]
    public void File_data_lost_on_their_way_latch_the_mount_and_the_last_durable_state_stays()
    {
        using var driver = new EngineDriver();
        DirectDevice? device = null;
        driver.Swap(memory => device = new DirectDevice(memory));
        Vnode file = NewFile(driver);
        byte[] good = Noise(1 << 20, 1);
        Assert.Equal(Errno.None, driver.Fs.Write(file, 0, good, false, false, out _));
        driver.Fs.Core.FlushAll();
        device!.BeforeDirect = (_, _) => throw new IOException("the cable is out");
        _ = driver.Fs.Write(file, 0, Noise(1 << 20, 2), false, false, out _);
        Assert.ThrowsAny<IOException>(() => driver.Fs.Core.FlushOnce());
        Assert.True(driver.Fs.Health.IsCritical);
        Assert.Equal(Errno.RoFs, driver.Fs.Write(file, 0, good, false, false, out _));
        driver.Swap(memory => memory);
        byte[] found = new byte[good.Length];
        Assert.Equal(Errno.None, driver.Fs.Lookup(driver.Fs.Root, "f"u8, out Vnode again, out _));
        Assert.Equal(Errno.None, driver.Fs.Read(again, 0, found, out _));
        Assert.Equal(good, found);
    }
}
