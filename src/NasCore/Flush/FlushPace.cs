using System;
using System.Threading;

namespace NasCore.Flush;

/// <summary>
/// How long a change waits for its flush group to close. Nobody listening: the configured interval. While a peer
/// listens: down to a second, as what a peer has is at most as old as the last group.
///
/// Groups that close early write the same file tail again and again: a block that grows is a new extent in each. So
/// each group tells how many bytes of file data it stored and how many of them were new. Where more was written again
/// than was new, the interval doubles, up to the configured one; where it would still be less than half of the new at
/// half of the interval, it halves. Small amounts do not count: a second's delay is worth a few blocks.
/// </summary>
public sealed class FlushPace
{
    /// <summary>Bytes written again that a group may cost whatever the share.</summary>
    const long TrifleBytes = 1 << 20;
    static readonly TimeSpan s_least = TimeSpan.FromSeconds(1);

    readonly Action _changed;
    long _configuredTicks;
    long _interval;
    int _listeners;
    long _fresh, _stored;

    /// <param name="configured">The interval while nobody listens; the longest there is.</param>
    /// <param name="changed">The interval may have become shorter.</param>
    public FlushPace(TimeSpan configured, Action changed)
    {
        _configuredTicks = configured.Ticks;
        _interval = configured.Ticks;
        _changed = changed;
    }

    TimeSpan Configured => new(Interlocked.Read(ref _configuredTicks));
    TimeSpan Shortest => Configured < s_least ? Configured : s_least;

    /// <summary>Another interval from now on; any thread.</summary>
    public void Configure(TimeSpan configured)
    {
        Interlocked.Exchange(ref _configuredTicks, configured.Ticks);
        Set(Volatile.Read(ref _listeners) > 0 ? Shortest : configured);
    }

    /// <summary>The interval now; any thread.</summary>
    public TimeSpan Interval => new(Interlocked.Read(ref _interval));

    /// <summary>Bytes of file data that were written again since the mount, for status.</summary>
    public long RewrittenBytes { get; private set; }

    /// <summary>A peer listens until this is disposed. Any thread.</summary>
    public IDisposable Listen()
    {
        if (Interlocked.Increment(ref _listeners) == 1) Set(Shortest);
        return new Listener(this);
    }

    sealed class Listener(FlushPace pace) : IDisposable
    {
        int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) != 0) return;
            if (Interlocked.Decrement(ref pace._listeners) == 0) pace.Set(pace.Configured);
        }
    }

    void Set(TimeSpan interval)
    {
        Interlocked.Exchange(ref _interval, interval.Ticks);
        _changed();
    }

    /// <summary>Bytes that somebody wrote into a file; under the exclusive lock.</summary>
    public void NoteFresh(long bytes) => _fresh += bytes;

    /// <summary>Bytes of file data that got a place on the medium; under the exclusive lock.</summary>
    public void NoteStored(long bytes) => _stored += bytes;

    /// <summary>A group closes; under the exclusive lock.</summary>
    public void GroupClosed()
    {
        long fresh = _fresh, again = Math.Max(0, _stored - _fresh);
        _fresh = _stored = 0;
        RewrittenBytes += again;
        if (Volatile.Read(ref _listeners) == 0) return;
        TimeSpan now = Interval, longest = Configured, shortest = Shortest;
        if (again > fresh && again > TrifleBytes)
            Set(now * 2 < longest ? now * 2 : longest);
        else if (now > shortest && (again <= TrifleBytes || again * 4 < fresh))
            Set(now / 2 > shortest ? now / 2 : shortest);
    }
}
