using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasCore.Primitives;
using NasLinux;

namespace NasCore.Fuse.Session;

/*
 * A worker never waits for a flush. A request for which the open flush group has no room is parked: its message
 * moves here (a short one as a copy, a long one with its buffer, for which the worker gets another), and the file
 * system is asked to call back when the group is durable. The callback, on the flusher's thread, only queues the
 * request; the thread of this class hands it to the dispatcher again, which may park it again.
 */

/// <summary>Requests that wait for a flush group.</summary>
sealed class ParkingLot : IDisposable
{
    const int CopyBytesMax = 4096;

    /// <summary>A parked message, in one of two places.</summary>
    sealed class Parked
    {
        public required ParkingLot Lot { get; init; }
        public required IFuseTransport Transport { get; init; }
        public required int Bytes { get; init; }
        public byte[]? Copy { get; init; }
        public NativeSlab? Slab { get; init; }

        public ReadOnlySpan<byte> Message => Copy is null ? Slab!.Span(0, Bytes) : Copy;
    }

    readonly IFileSystem _fs;
    readonly FuseDispatcher _dispatcher;
    readonly RequestBuffers _buffers;
    readonly Queue<(Parked Request, Errno Result)> _ready = new();
    readonly NativeSlab _reply;
    readonly Thread _thread;
    bool _closed;
    long _total;
    int _waiting;

    public ParkingLot(IFileSystem fs, FuseDispatcher dispatcher, RequestBuffers buffers)
    {
        _fs = fs;
        _dispatcher = dispatcher;
        _buffers = buffers;
        _reply = new NativeSlab(dispatcher.Limits.ReplyBytes);
        _thread = new Thread(Run) { Name = "fuse-parked", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Requests parked so far, and those waiting now.</summary>
    public long Total => Volatile.Read(ref _total);
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Takes a message over. The buffer given is exchanged for another if the message keeps it.</summary>
    public void Park(IFuseTransport transport, ref NativeSlab buffer, int bytes)
    {
        Parked parked;
        if (bytes <= CopyBytesMax)
        {
            parked = new Parked
            {
                Lot = this, Transport = transport, Bytes = bytes, Copy = buffer.Span(0, bytes).ToArray(),
            };
        }
        else
        {
            parked = new Parked { Lot = this, Transport = transport, Bytes = bytes, Slab = buffer };
        }
        Interlocked.Increment(ref _total);
        Interlocked.Increment(ref _waiting);
        _fs.WhenDurable(_fs.OpenGroup, Wake, parked);
        if (parked.Slab is not null) buffer = _buffers.Rent();
    }

    static void Wake(object? state, Errno result)
    {
        var parked = (Parked)state!;
        ParkingLot lot = parked.Lot;
        lock (lot._ready)
        {
            lot._ready.Enqueue((parked, result));
            Monitor.Pulse(lot._ready);
        }
    }

    void Run()
    {
        while (true)
        {
            (Parked Request, Errno Result) next;
            lock (_ready)
            {
                while (_ready.Count == 0 && !_closed) Monitor.Wait(_ready);
                if (_ready.Count == 0) return;
                next = _ready.Dequeue();
            }
            Serve(next.Request, next.Result);
        }
    }

    void Serve(Parked parked, Errno result)
    {
        if (result.IsError)
        {
            FuseDispatcher.ReplyError(parked.Transport, UniqueOf(parked.Message), result);
        }
        else if (!_dispatcher.Handle(parked.Transport, parked.Message, _reply.Span(0, (int)_reply.Length)))
        {
            _fs.WhenDurable(_fs.OpenGroup, Wake, parked);
            return;
        }
        Interlocked.Decrement(ref _waiting);
        if (parked.Slab is not null) _buffers.Return(parked.Slab);
    }

    static ulong UniqueOf(ReadOnlySpan<byte> message) =>
        System.Runtime.InteropServices.MemoryMarshal.Read<FuseInHeader>(message).Unique;

    /// <summary>Serves what is ready, then ends. The file system must not call back afterwards.</summary>
    public void Dispose()
    {
        lock (_ready)
        {
            _closed = true;
            Monitor.Pulse(_ready);
        }
        _thread.Join();
        _reply.Dispose();
    }
}
