using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasCore.Fuse.Session;
using NasCore.Primitives;
using NasLinux;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>
/// A worker never waits for a flush: with one worker only, requests that need one are parked while others are
/// served, over a packet socket in the place of the kernel.
/// </summary>
public sealed class ParkingTests : IDisposable
{
    readonly MemoryFs _fs = new(manualFlush: true);
    readonly FuseDevice _kernel;
    readonly FuseSession _session;
    readonly byte[] _buffer = new byte[2 << 20];
    ulong _unique;

    public ParkingTests()
    {
        (FuseDevice server, _kernel) = FuseDevice.Pair();
        // A packet socket carries less than /dev/fuse does.
        var limits = new FuseLimits { TransferBytesMax = 65536, PageBytes = 4096 };
        _session = new FuseSession(_fs, [new FuseDeviceTransport(server)], limits, TimeProvider.System, _ => { }, 1);
        Send(FuseOpcode.Init, 0, "07000000 26000000 00000200 ffffffff");
        Assert.True(_session.Start());
        Assert.Equal(0, Receive().Error);
    }

    public void Dispose()
    {
        _kernel.Dispose();
        _session.Dispose();
        _fs.Dispose();
    }

    ulong Send(FuseOpcode opcode, ulong node, string body, byte[]? data = null)
    {
        byte[] bytes = [.. FuseBench.Hex(body), .. data ?? []];
        Assert.Equal(0, _kernel.Send(FuseBench.Message(opcode, node, bytes, ++_unique)));
        return _unique;
    }

    (ulong Unique, int Error, byte[] Payload) Receive()
    {
        int bytes = _kernel.Receive(_buffer);
        var head = MemoryMarshal.Read<FuseOutHeader>(_buffer);
        return (head.Unique, -head.Error, _buffer[FuseOutHeader.Bytes..bytes]);
    }

    void WaitFor(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(20), "waited for too long");
            Thread.Yield();
        }
    }

    ulong Create(string name)
    {
        Send(FuseOpcode.Create, 1, "02000000 a4810000 00000000 00000000" + FuseBench.Name(name));
        return MemoryMarshal.Read<FuseEntryOut>(Receive().Payload).NodeId;
    }

    static string WriteHead(int size) =>
        "0000000000000000 0000000000000000" + FuseBench.Hex((ulong)size, 4) +
        "00000000 0000000000000000 02000000 00000000";

    [Fact]
    public void Fsync_is_answered_by_the_flusher_and_blocks_nobody()
    {
        ulong file = Create("f");
        ulong sync = Send(FuseOpcode.FSync, file, "0000000000000000 00000000 00000000");
        ulong other = Send(FuseOpcode.GetAttr, file, "00000000 00000000 0000000000000000");
        Assert.Equal(other, Receive().Unique);
        _fs.Flush();
        Assert.Equal((sync, 0), (Receive() is var r ? r.Unique : 0, r.Error));
        // Durable already: answered at once.
        Send(FuseOpcode.FSync, file, "0000000000000000 00000000 00000000");
        Assert.Equal(0, Receive().Error);
    }

    [Fact]
    public void Failed_flush_reaches_the_one_who_waits()
    {
        ulong file = Create("f");
        Send(FuseOpcode.SyncFs, 1, "0000000000000000");
        Send(FuseOpcode.FSyncDir, file, "0000000000000000 00000000 00000000");
        WaitFor(() => _fs.Waiters == 2);
        _fs.Flush(result: Errno.Io);
        Assert.Equal(5, Receive().Error);
        Assert.Equal(5, Receive().Error);
    }

    [Fact]
    public void Throttled_requests_are_parked_and_done_after_the_flush()
    {
        ulong file = Create("f");
        _fs.Room = 0;
        byte[] data = [.. Enumerable.Range(0, 60000).Select(i => (byte)(i * 7))];
        var parked = new HashSet<ulong> { Send(FuseOpcode.Write, file, WriteHead(data.Length), data) };
        for (int i = 0; i < 8; i++)
            parked.Add(Send(FuseOpcode.MkDir, 1, "ed010000 00000000" + FuseBench.Name("d" + i)));
        ulong served = Send(FuseOpcode.GetAttr, file, "00000000 00000000 0000000000000000");
        Assert.Equal(served, Receive().Unique);
        Assert.Equal(9, _session.ParkedTotal);
        WaitFor(() => _fs.Waiters == 9);

        // Room for four of them: the rest is parked again and needs a further flush.
        _fs.Flush(room: 4);
        for (int i = 0; i < 4; i++) Assert.True(parked.Remove(Receive().Unique));
        WaitFor(() => _fs.Waiters == 5);
        _fs.Flush();
        while (parked.Count > 0)
        {
            (ulong unique, int error, _) = Receive();
            Assert.True(parked.Remove(unique));
            Assert.Equal(0, error);
        }
        WaitFor(() => _session.ParkedNow == 0);
        byte[] read = new byte[data.Length];
        _fs.Read(new(0, Tid.Max, (long)file), 0, read, out int length);
        Assert.Equal(data.Length, length);
        Assert.Equal(data, read);
    }

    [Fact]
    public void More_parked_writes_than_buffers_wait_in_the_kernels_queue()
    {
        ulong file = Create("f");
        _fs.Room = 0;
        byte[] data = new byte[20000];
        const int writes = 40;
        var sender = new Thread(() =>
        {
            for (int i = 0; i < writes; i++) Send(FuseOpcode.Write, file, WriteHead(data.Length), data);
        });
        sender.Start();
        // All buffers are in use: the ones of the worker and of sixteen parked requests.
        WaitFor(() => _session.ParkedNow == 17);
        int answered = 0;
        var flusher = new Thread(() =>
        {
            while (Volatile.Read(ref answered) < writes)
            {
                _fs.Flush();
                Thread.Yield();
            }
        });
        flusher.Start();
        for (; answered < writes; Interlocked.Increment(ref answered)) Assert.Equal(0, Receive().Error);
        sender.Join();
        flusher.Join();
    }
}
