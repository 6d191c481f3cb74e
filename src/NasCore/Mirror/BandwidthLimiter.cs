using System;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// A token bucket: bytes pass smoothly at the rate, with bursts of at most a twentieth of a second. So in any tenth of
/// a second at most 1.5 times the rate passes, and a writer that always has something, and wakes up too late by less
/// than a twentieth, loses nothing of it. Thread-safe: several writers share the rate.
/// Differs: the original sends a second's worth at once and then sleeps for the rest of the second.
/// </summary>
public sealed class BandwidthLimiter
{
    const double BurstSeconds = 1.0 / 20;

    readonly Lock _lock = new();
    readonly TimeProvider _time;
    readonly double _bytesPerTick;
    readonly double _burst;
    double _tokens;
    long _last, _taken;

    /// <param name="bytesPerSecond">At least 1.</param>
    /// <param name="time">Only its monotonic clock counts.</param>
    public BandwidthLimiter(long bytesPerSecond, TimeProvider time)
    {
        Invariant.Check(bytesPerSecond > 0, "a bandwidth limit is positive");
        _time = time;
        _bytesPerTick = (double)bytesPerSecond / time.TimestampFrequency;
        _burst = Math.Max(1, bytesPerSecond * BurstSeconds);
        _tokens = _burst;
        _last = time.GetTimestamp();
        PieceBytesMax = (int)Math.Clamp(_burst, 1, 256 * 1024);
    }

    /// <summary>Writes should be cut into pieces of this size.</summary>
    public int PieceBytesMax { get; }

    /// <summary>All that was taken so far.</summary>
    public long BytesTaken => Interlocked.Read(ref _taken);

    /// <summary>Takes the bytes from the bucket and says how long to wait before they may go out.</summary>
    public TimeSpan Take(int bytes)
    {
        lock (_lock)
        {
            long now = _time.GetTimestamp();
            _tokens = Math.Min(_burst, _tokens + ((now - _last) * _bytesPerTick));
            _last = now;
            _tokens -= bytes;
            _taken += bytes;
            if (_tokens >= 0) return TimeSpan.Zero;
            return TimeSpan.FromSeconds(-_tokens / _bytesPerTick / _time.TimestampFrequency);
        }
    }
}

/// <summary>A channel whose writes are held to a bandwidth.</summary>
public sealed class PacedChannel(IByteChannel inner, BandwidthLimiter limiter, TimeProvider time,
    CancellationToken stop) : IByteChannel
{
    public int Read(Span<byte> destination) => inner.Read(destination);

    public void Write(ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            int piece = Math.Min(source.Length, limiter.PieceBytesMax);
            TimeSpan wait = limiter.Take(piece);
            if (wait > TimeSpan.Zero) MirrorTimer.Wait(time, wait, stop);
            inner.Write(source[..piece]);
            source = source[piece..];
        }
    }
}

/// <summary>A clock that waits by itself: a simulation's, in which waiting lets others run.</summary>
public interface IWaitingTime
{
    /// <summary>Waits for the span, or until stopped.</summary>
    void Wait(TimeSpan span, CancellationToken stop);
}

/// <summary>Waiting on an injected clock.</summary>
public static class MirrorTimer
{
    /// <summary>Waits for the span, or until stopped.</summary>
    public static void Wait(TimeProvider time, TimeSpan span, CancellationToken stop)
    {
        if (span <= TimeSpan.Zero || stop.IsCancellationRequested) return;
        if (time is IWaitingTime waiting)
        {
            waiting.Wait(span, stop);
            return;
        }
        using var passed = new ManualResetEventSlim();
        using ITimer timer = time.CreateTimer(static e => ((ManualResetEventSlim)e!).Set(), passed, span,
            Timeout.InfiniteTimeSpan);
        try
        {
            passed.Wait(stop);
        }
        catch (OperationCanceledException)
        {
            // Being stopped ends the wait early; the caller looks at its token.
        }
    }
}
