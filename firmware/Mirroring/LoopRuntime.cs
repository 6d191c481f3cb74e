using System;
using System.Threading;
using NasCore.Mirror;
using NasFirmware.Daemon;
using NasFirmware.Identity;

namespace NasFirmware.Mirroring;

// What the mirror loops stand on: threads, waiting, time. The loops block on nothing else but streams and the file
// system. So a simulation can run two boxes in one process, let one thread run at a time and choose which: it brings
// a runtime, connections and a clock of its own, and every run of a seed is the same.

/// <summary>Threads, waiting and time for the mirror loops.</summary>
abstract class LoopRuntime
{
    internal abstract TimeProvider Time { get; }

    /// <summary>Starts a thread; an exception that leaves its body ends the program.</summary>
    internal abstract LoopThread Start(string name, Action body);

    internal abstract LoopMonitor NewMonitor();

    /// <summary>What the streams of a PFS are read from.</summary>
    internal virtual IMirrorSource Source(VolumeHandle volume, int pfsId) =>
        KeyGuard.Of(volume.Fs, pfsId, volume.Name);
}

/// <summary>A thread of a loop.</summary>
abstract class LoopThread
{
    /// <summary>Waits for its end.</summary>
    internal abstract void Join();
}

/// <summary>A lock on which one can wait, like <see cref="Monitor"/>. Never held while a stream blocks.</summary>
abstract class LoopMonitor
{
    internal abstract void Enter();
    internal abstract void Exit();

    /// <summary>Lets go until pulsed or until the time is up, and may return for no reason. Held again then.</summary>
    internal abstract void Wait(TimeSpan timeout);

    internal abstract void PulseAll();

    internal Holding Hold()
    {
        Enter();
        return new Holding(this);
    }

    /// <summary>Gives the lock back at the end of a using.</summary>
    internal readonly struct Holding(LoopMonitor monitor) : IDisposable
    {
        public void Dispose() => monitor.Exit();
    }
}

/// <summary>The machine's own threads and clock.</summary>
sealed class SystemLoopRuntime(TimeProvider time) : LoopRuntime
{
    static readonly TimeSpan s_longest = TimeSpan.FromDays(1);

    internal override TimeProvider Time => time;
    internal override LoopMonitor NewMonitor() => new SystemMonitor();

    internal override LoopThread Start(string name, Action body)
    {
        var thread = new Thread(() => body()) { IsBackground = true, Name = name };
        thread.Start();
        return new SystemThread(thread);
    }

    sealed class SystemThread(Thread thread) : LoopThread
    {
        internal override void Join() => thread.Join();
    }

    sealed class SystemMonitor : LoopMonitor
    {
        readonly object _lock = new();

        internal override void Enter() => Monitor.Enter(_lock);
        internal override void Exit() => Monitor.Exit(_lock);
        internal override void PulseAll() => Monitor.PulseAll(_lock);

        internal override void Wait(TimeSpan timeout)
        {
            if (timeout == Timeout.InfiniteTimeSpan) Monitor.Wait(_lock);
            else Monitor.Wait(_lock, TimeSpan.FromTicks(Math.Clamp(timeout.Ticks, 0, s_longest.Ticks)));
        }
    }
}
