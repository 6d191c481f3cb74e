using System;
using System.Threading;

namespace NasCore.Tests.Mirror;

/// <summary>A clock that only moves by being waited on: a timer fires at once and the clock stands at its due
/// time.</summary>
public sealed class VirtualTime : TimeProvider
{
    long _ticks;

    public TimeSpan Elapsed => new(Interlocked.Read(ref _ticks));
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override long GetTimestamp() => Interlocked.Read(ref _ticks);
    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Elapsed;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime > TimeSpan.Zero) Interlocked.Add(ref _ticks, dueTime.Ticks);
        callback(state);
        return new Fired();
    }

    sealed class Fired : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;
        public void Dispose() { }
        public System.Threading.Tasks.ValueTask DisposeAsync() => default;
    }
}
