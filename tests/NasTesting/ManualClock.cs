using System;
using System.Threading;

namespace NasTesting;

/// <summary>A clock that only moves when told to; wall and monotonic time go together. Thread-safe.</summary>
public sealed class ManualClock(DateTimeOffset? start = null) : TimeProvider
{
    readonly DateTimeOffset _start = start ?? new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    long _ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override long GetTimestamp() => Interlocked.Read(ref _ticks);
    public override DateTimeOffset GetUtcNow() => _start + TimeSpan.FromTicks(GetTimestamp());
    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
