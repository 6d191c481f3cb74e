using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Mirror;

namespace NasFirmware.Mirroring;

// A mirror's bandwidth
//
// What counts is what a box puts on the wire for a mirror, towards its peer: the stream, heads of frames, heartbeats,
// comparisons led or answered, each with what TLS adds; all connections of a mirror share one limit. It is kept where
// the bytes of a connection come together on their way into TLS. Only the handshake of a connection (some kilobytes,
// TLS and Hello) goes before, since who is there and for which mirror is not known until it is over.
//
// Pieces are a twentieth of a second at most, a frame of the stream is no longer than one, and the line is never taken
// for longer than that: a heartbeat waits no longer either.

/// <summary>The bandwidths of a box's mirrors.</summary>
sealed class MirrorPaces
{
    readonly Lock _lock = new();
    readonly Dictionary<string, (long Rate, BandwidthLimiter Limiter)> _limiters = new(StringComparer.Ordinal);

    /// <summary>What all connections of a mirror share; null: no limit.</summary>
    internal BandwidthLimiter? Of(string mirror, long bytesPerSecond, TimeProvider time)
    {
        lock (_lock)
        {
            if (bytesPerSecond <= 0)
            {
                _limiters.Remove(mirror);
                return null;
            }
            if (_limiters.TryGetValue(mirror, out var known) && known.Rate == bytesPerSecond) return known.Limiter;
            var limiter = new BandwidthLimiter(bytesPerSecond, time);
            _limiters[mirror] = (bytesPerSecond, limiter);
            return limiter;
        }
    }
}

/// <summary>What TLS 1.3 makes of bytes that are written at once.</summary>
static class TlsRecord
{
    /// <summary>Of a record: its head, the kind inside, the tag; the same for all suites of
    /// <see cref="TlsPolicy"/>.</summary>
    internal const int Overhead = 5 + 1 + 16;
    const int PayloadMax = 16384;

    /// <summary>Bytes on the wire.</summary>
    internal static int OnWire(int bytes) => bytes + (Overhead * ((bytes + PayloadMax - 1) / PayloadMax));
}

/// <summary>
/// A connection's stream whose writes can be held to a bandwidth. Reading passes by. A wait ends when the stream is
/// disposed.
/// </summary>
sealed class PacedStream(Stream inner, TimeProvider time) : Stream
{
    readonly CancellationTokenSource _stop = new();
    BandwidthLimiter? _limiter;

    /// <summary>From the next write on; null: no limit.</summary>
    internal BandwidthLimiter? Limiter
    {
        get => Volatile.Read(ref _limiter);
        set => Volatile.Write(ref _limiter, value);
    }

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (Limiter is not { } limiter)
        {
            inner.Write(buffer);
            return;
        }
        int pieceMax = Math.Max(1, limiter.PieceBytesMax - TlsRecord.Overhead);
        while (buffer.Length > 0)
        {
            int piece = Math.Min(buffer.Length, pieceMax);
            TimeSpan wait = limiter.Take(TlsRecord.OnWire(piece));
            if (wait > TimeSpan.Zero) MirrorTimer.Wait(time, wait, _stop.Token);
            if (_stop.IsCancellationRequested) throw new IOException("the connection to the peer is closed");
            inner.Write(buffer[..piece]);
            buffer = buffer[piece..];
        }
    }

    public override int Read(Span<byte> buffer) => inner.Read(buffer);
    public override void Flush() => inner.Flush();
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stop.Cancel();
            inner.Dispose();
        }
        base.Dispose(disposing);
    }
}
