using System;
using System.Threading;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

/// <summary>How often a box compares by itself.</summary>
sealed record VerifyTimes
{
    /// <summary>Part of the time that quick comparisons of a mirror may take.</summary>
    public double Share { get; init; } = 0.05;
    /// <summary>Least time between two of them, however short they are.</summary>
    public TimeSpan GapMin { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>After one that could not be done.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromMinutes(1);
    /// <summary>A full one that cannot be done is tried after the time above, doubled up to a bound, and never
    /// sooner than so many times what it took.</summary>
    public TimeSpan FullRetryMax { get; init; } = TimeSpan.FromHours(1);
    public double FullRetryTook { get; init; } = 3;
    /// <summary>Without a word of the other side for so long a comparison is given up.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>What is to be done for a mirror now.</summary>
enum VerifyDue { Nothing, Quick, Full }

/// <summary>
/// When one mirror is compared by its source: in the quick form when the slave has come to a TID that was not compared
/// yet, within a share of the time; in the full form at an interval, which goes on over restarts. The quick one comes
/// first when both are due, since it is short and has its share. Each form has waits of its own, so that a full one
/// that cannot be done keeps no quick one away. A pair at rest that is proven is left alone: no disk is woken.
/// </summary>
sealed class VerifySchedule(VerifyTimes times, VerifyMirror mirror, ProofMemory memory, TimeProvider time)
{
    readonly Wait _quick = new(time), _full = new(time);
    int _failures;

    /// <summary>A time before which nothing is done.</summary>
    sealed class Wait(TimeProvider time)
    {
        long _from = time.GetTimestamp();
        TimeSpan _span;

        internal TimeSpan Left => _span - time.GetElapsedTime(_from);

        internal void Begin(TimeSpan span)
        {
            _from = time.GetTimestamp();
            _span = span;
        }
    }

    /// <summary>What is due for a mirror in this state, and how long to wait if nothing is (infinite: until the state
    /// changes); with a full one that is due, how long until a quick one is.</summary>
    internal VerifyDue Due(MirrorStatus status, out TimeSpan wait)
    {
        wait = Timeout.InfiniteTimeSpan;
        if (status.Phase is not (MirrorPhase.InStep or MirrorPhase.Streaming) || status.SlaveTid is null)
            return VerifyDue.Nothing;
        bool isNew = status.SlaveTid != memory.Of(mirror).ComparedTid;
        if (isNew && _quick.Left <= TimeSpan.Zero) return VerifyDue.Quick;
        TimeSpan full = Timeout.InfiniteTimeSpan;
        if (mirror.FullEvery > TimeSpan.Zero)
        {
            full = mirror.FullEvery - memory.FullAge(mirror);
            if (_full.Left > full) full = _full.Left;
            if (full <= TimeSpan.Zero)
            {
                // Who does the quick ones need not wait for it.
                if (isNew) wait = _quick.Left;
                return VerifyDue.Full;
            }
        }
        wait = isNew && (full < TimeSpan.Zero || _quick.Left < full) ? _quick.Left : full;
        return VerifyDue.Nothing;
    }

    /// <summary>A comparison has ended; what it proved is in the memory already.</summary>
    /// <param name="full">Its form.</param>
    /// <param name="took">How long it took.</param>
    /// <param name="compared">False if it could not be done.</param>
    internal void Done(bool full, TimeSpan took, bool compared)
    {
        if (!full)
        {
            _quick.Begin(Max(compared ? took * (1 / times.Share - 1) : times.RetryAfter, times.GapMin));
            return;
        }
        _failures = compared ? 0 : _failures + 1;
        TimeSpan wait = Min(times.RetryAfter * Math.Pow(2, Math.Clamp(_failures - 1, 0, 20)), times.FullRetryMax);
        // One that failed after hours of reading is not begun again at once.
        _full.Begin(compared ? times.GapMin : Max(wait, took * times.FullRetryTook));
    }

    static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
    static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
