using System;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Daemon;
using NasFirmware.Mirroring;

namespace NasCampaign.Simulation;

/// <summary>
/// The clock of a box: the simulation's, with a wall clock that may jump. It also knows whether it was looked at,
/// which is how the simulated flusher learns that a group was opened.
/// </summary>
sealed class SimTime(SimScheduler scheduler, SimProcess process) : TimeProvider, IWaitingTime
{
    static readonly DateTimeOffset s_start = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);

    /// <summary>What the owner, or a missing battery, did to the wall clock.</summary>
    internal TimeSpan WallShift { get; set; }
    internal bool WasLookedAt { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override DateTimeOffset GetUtcNow() => s_start + WallShift + TimeSpan.FromTicks(scheduler.Now);

    public override long GetTimestamp()
    {
        WasLookedAt = true;
        // Zero stands for "no time" with some.
        return scheduler.Now + TimeSpan.TicksPerHour;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        scheduler.AddTimer(process, () => callback(state), dueTime, period);

    public void Wait(TimeSpan span, CancellationToken stop) =>
        scheduler.Block(() => stop.IsCancellationRequested, scheduler.Now + span.Ticks, "pace");
}

/// <summary>Threads and waiting of one life of a box.</summary>
sealed class SimRuntime(SimScheduler scheduler, SimBox box, SimProcess process) : LoopRuntime
{
    readonly SimTime _time = new(scheduler, process);

    internal override TimeProvider Time => _time;
    internal override LoopMonitor NewMonitor() => new SimMonitor(scheduler);

    internal override LoopThread Start(string name, Action body) => new SimThread(scheduler.Start(name, process, body));

    internal override IMirrorSource Source(VolumeHandle volume, int pfsId)
    {
        var source = new SimSource(scheduler, box, volume.Fs.MirrorSource(pfsId));
        return box.Resent.TryGetValue(Thread.CurrentThread.Name ?? "", out SimResent? judge) ? judge.Session(source)
            : source;
    }

    sealed class SimThread(Action join) : LoopThread
    {
        internal override void Join() => join();
    }

    /// <summary>Waiting for news gives the baton away; what news are is the engine's own judgement.</summary>
    sealed class SimSource(SimScheduler scheduler, SimBox box, IMirrorSource inner) : IMirrorSource
    {
        public Errno ReadPfs(out PseudofsData pfs) => inner.ReadPfs(out pfs);
        public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage) =>
            inner.ReadPfs(out pfs, out lineage);
        public IMirrorScan Scan(MirrorRange range) => inner.Scan(range);
        public IMirrorScan Scan(MirrorRange range, in BaseElm from) => inner.Scan(range, in from);
        public long BytesMax => inner.BytesMax;
        public bool IsWhole(ulong tid) => inner.IsWhole(tid);

        public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop)
        {
            long end = timeout == Timeout.InfiniteTimeSpan ? SimScheduler.Never : scheduler.Now + timeout.Ticks;
            while (true)
            {
                long seen = box.Groups;
                if (inner.WaitBeyond(tid, TimeSpan.Zero, stop)) return true;
                if (stop.IsCancellationRequested || scheduler.Now >= end) return false;
                scheduler.Block(() => box.Groups != seen || stop.IsCancellationRequested, end, "news");
            }
        }
    }
}

/// <summary>A lock with waiting; who waits gives the baton away.</summary>
sealed class SimMonitor(SimScheduler scheduler) : LoopMonitor
{
    Thread? _owner;
    int _depth, _pulses;

    internal override void Enter()
    {
        if (_owner != Thread.CurrentThread && _owner is not null) scheduler.Block(IsFree, SimScheduler.Never, "lock");
        _owner = Thread.CurrentThread;
        _depth++;
    }

    bool IsFree() => _owner is null;

    internal override void Exit()
    {
        if (--_depth == 0) _owner = null;
    }

    internal override void PulseAll() => _pulses++;

    internal override void Wait(TimeSpan timeout)
    {
        int depth = _depth, seen = _pulses;
        long end = timeout == Timeout.InfiniteTimeSpan ? SimScheduler.Never
            : scheduler.Now + Math.Max(0, timeout.Ticks);
        _owner = null;
        _depth = 0;
        try
        {
            scheduler.Block(() => _pulses != seen && _owner is null, end, "signal");
            if (_owner is not null) scheduler.Block(IsFree, SimScheduler.Never, "lock");
        }
        finally
        {
            _owner = Thread.CurrentThread;
            _depth = depth;
        }
    }
}
