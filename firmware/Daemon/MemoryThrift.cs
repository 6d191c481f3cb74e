using System;
using System.Threading;
using NasFirmware.Config;
using NasLinux;

namespace NasFirmware.Daemon;

/// <summary>
/// Gives memory back once work is over. What a first load or a comparison needed stays with the collector and the C
/// library otherwise, for nothing makes them look while nothing happens. Whether there was work is told by the
/// processor time of the process, so nobody has to report it; at rest nothing is done.
/// </summary>
sealed class MemoryThrift : IDaemonPart, IDisposable
{
    /// <summary>How often is looked, and how much processor time in between is work.</summary>
    internal static readonly TimeSpan Every = TimeSpan.FromSeconds(15), Work = TimeSpan.FromMilliseconds(400);

    readonly TimeProvider _time;
    readonly Func<TimeSpan> _used;
    readonly Action _give;
    ITimer? _timer;
    TimeSpan _before;
    // What the start took is work, too.
    bool _worked = true;

    internal MemoryThrift(TimeProvider time, Func<TimeSpan>? used = null, Action? give = null)
    {
        _time = time;
        _used = used ?? (static () => Environment.CpuUsage.TotalTime);
        _give = give ?? Give;
    }

    static void Give()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        NativeHeap.Trim();
    }

    public void Start()
    {
        _before = _used();
        _timer = _time.CreateTimer(static t => ((MemoryThrift)t!).Look(), this, Every, Every);
    }

    void Look()
    {
        TimeSpan used = _used(), since = used - _before;
        _before = used;
        if (since > Work)
        {
            _worked = true;
            return;
        }
        if (!_worked) return;
        _worked = false;
        _give();
    }

    public void Stop(CancellationToken hurry) => Dispose();

    public void Reload(Settings before, Settings now)
    {
    }

    public void Dispose() => _timer?.Dispose();
}
