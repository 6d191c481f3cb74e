using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Mirror;

namespace NasCore.Tests.Mirror;

/// <summary>Two ends of a link in memory; the link breaks after a number of bytes from A to B, or from B to
/// A.</summary>
sealed class DuplexPipe
{
    readonly object _lock = new();

    internal DuplexPipe(long breakAfterAtoB = long.MaxValue, long breakAfterBtoA = long.MaxValue)
    {
        var ab = new Half { Left = breakAfterAtoB };
        var ba = new Half { Left = breakAfterBtoA };
        A = new End(this, ab, ba);
        B = new End(this, ba, ab);
    }

    internal End A { get; }
    internal End B { get; }
    internal bool Broken { get; private set; }

    sealed class Half
    {
        internal readonly Queue<byte[]> Pieces = new();
        internal int At;
        internal long Left, Carried, Queued;
        internal bool Closed;
    }

    /// <summary>A writer waits while more than this is on the way.</summary>
    const int QueueBytesMax = 1 << 20;

    internal sealed class End(DuplexPipe pipe, object output, object input) : IByteChannel
    {
        readonly Half _out = (Half)output, _in = (Half)input;

        internal long Sent => _out.Carried;

        public int Read(Span<byte> destination)
        {
            lock (pipe._lock)
            {
                while (true)
                {
                    if (_in.Pieces.TryPeek(out byte[]? piece))
                    {
                        int n = Math.Min(destination.Length, piece.Length - _in.At);
                        piece.AsSpan(_in.At, n).CopyTo(destination);
                        _in.At += n;
                        _in.Queued -= n;
                        Monitor.PulseAll(pipe._lock);
                        if (_in.At == piece.Length)
                        {
                            _in.Pieces.Dequeue();
                            _in.At = 0;
                        }
                        return n;
                    }
                    if (_in.Closed || pipe.Broken) return 0;
                    Monitor.Wait(pipe._lock);
                }
            }
        }

        public void Write(ReadOnlySpan<byte> source)
        {
            lock (pipe._lock)
            {
                while (_out.Queued > QueueBytesMax && !pipe.Broken && !_in.Closed) Monitor.Wait(pipe._lock);
                if (pipe.Broken || _in.Closed) throw new IOException("broken pipe");
                int n = (int)Math.Min(source.Length, _out.Left);
                if (n > 0) _out.Pieces.Enqueue(source[..n].ToArray());
                _out.Queued += n;
                _out.Left -= n;
                _out.Carried += n;
                if (n < source.Length) pipe.Broken = true;
                Monitor.PulseAll(pipe._lock);
                if (n < source.Length) throw new IOException("link broken");
            }
        }

        internal void Close()
        {
            lock (pipe._lock)
            {
                _out.Closed = true;
                Monitor.PulseAll(pipe._lock);
            }
        }
    }
}
