using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace NasFirmware.Tests.Mirror;

/// <summary>A clock that stands until a test pushes it; timers fire on the thread that pushes.</summary>
sealed class PushedTime : TimeProvider
{
    readonly object _lock = new();
    readonly List<Pending> _timers = [];
    long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override long GetTimestamp() => Interlocked.Read(ref _now);
    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(GetTimestamp());

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Pending(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Waits until somebody has set a timer.</summary>
    internal void WaitForTimer()
    {
        lock (_lock)
        {
            while (_timers.Count == 0) Monitor.Wait(_lock);
        }
    }

    internal void Advance(TimeSpan by)
    {
        long end = _now + by.Ticks;
        while (true)
        {
            Pending? next;
            lock (_lock)
            {
                next = _timers.Where(t => t.Due <= end).MinBy(t => t.Due);
                Interlocked.Exchange(ref _now, next is null ? end : Math.Max(_now, next.Due));
                if (next is null) return;
                if (next.Period > 0) next.Due += next.Period;
                else _timers.Remove(next);
            }
            next.Fire();
        }
    }

    sealed class Pending(PushedTime time, Action fire) : ITimer
    {
        internal long Due, Period;
        internal void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                time._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                Due = time._now + dueTime.Ticks;
                Period = period == Timeout.InfiniteTimeSpan ? 0 : period.Ticks;
                time._timers.Add(this);
                Monitor.PulseAll(time._lock);
            }
            return true;
        }

        public void Dispose()
        {
            lock (time._lock) time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
