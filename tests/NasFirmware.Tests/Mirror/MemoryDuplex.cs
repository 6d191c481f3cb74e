using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;

namespace NasFirmware.Tests.Mirror;

/// <summary>
/// Two ends of a connection in memory, with blocking reads and writes like those of a socket: disposing one end ends
/// what the other one is doing, and loses what has not arrived yet, as aborting does. A half-open connection takes
/// bytes and delivers none.
/// </summary>
sealed class MemoryDuplex
{
    const int QueueBytesMax = 1 << 20;
    readonly object _lock = new();

    internal MemoryDuplex()
    {
        var there = new Half();
        var back = new Half();
        A = new End(this, there, back);
        B = new End(this, back, there);
    }

    internal Stream A { get; }
    internal Stream B { get; }

    /// <summary>From now on nothing arrives, and neither end learns of it.</summary>
    internal bool IsHalfOpen
    {
        get => _halfOpen;
        set
        {
            lock (_lock) _halfOpen = value;
        }
    }

    bool _halfOpen;

    sealed class Half
    {
        internal readonly Queue<byte[]> Pieces = new();
        internal int At;
        internal long Queued;
        internal bool Ended;
    }

    sealed class End(MemoryDuplex pair, Half output, Half input) : Stream
    {
        bool _disposed;

        public override bool CanRead => true;
        public override bool CanWrite => true;
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();
        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> destination)
        {
            lock (pair._lock)
            {
                while (true)
                {
                    ObjectDisposedException.ThrowIf(_disposed, this);
                    if (input.Pieces.TryPeek(out byte[]? piece)) return Take(piece, destination);
                    if (input.Ended) return 0;
                    Monitor.Wait(pair._lock);
                }
            }
        }

        int Take(byte[] piece, Span<byte> destination)
        {
            int n = Math.Min(destination.Length, piece.Length - input.At);
            piece.AsSpan(input.At, n).CopyTo(destination);
            input.At += n;
            input.Queued -= n;
            if (input.At == piece.Length)
            {
                input.Pieces.Dequeue();
                input.At = 0;
            }
            Monitor.PulseAll(pair._lock);
            return n;
        }

        public override void Write(ReadOnlySpan<byte> source)
        {
            lock (pair._lock)
            {
                while (!_disposed && !input.Ended && output.Queued > QueueBytesMax) Monitor.Wait(pair._lock);
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (input.Ended) throw new IOException("the other end has hung up");
                if (pair._halfOpen || source.IsEmpty) return;
                output.Pieces.Enqueue(source.ToArray());
                output.Queued += source.Length;
                Monitor.PulseAll(pair._lock);
            }
        }

        protected override void Dispose(bool disposing)
        {
            lock (pair._lock)
            {
                _disposed = true;
                if (!pair._halfOpen) output.Ended = true;
                output.Pieces.Clear();
                output.At = 0;
                Monitor.PulseAll(pair._lock);
            }
            base.Dispose(disposing);
        }
    }
}
