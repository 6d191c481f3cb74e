using System;
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
    /// <summary>Without a word of the other side for so long a comparison is given up.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>What is to be done for a mirror now.</summary>
enum VerifyDue { Nothing, Quick, Full }

/// <summary>
/// When one mirror is compared by its source: in the quick form when the slave has come to a TID that is not proven
/// yet, within a share of the time; in the full form at an interval. A pair at rest that is proven is left alone: no
/// disk is woken. Counts the full form's interval from the start of the box; it has no clock that outlives it.
/// </summary>
sealed class VerifySchedule(VerifyTimes times, TimeSpan fullEvery, TimeProvider time)
{
    long _fullAt = time.GetTimestamp();
    long _notBeforeFrom = time.GetTimestamp();
    TimeSpan _notBefore;
    string? _proven;

    /// <summary>What is due for a mirror in this state, and how long to wait if nothing is (infinite: until the state
    /// changes).</summary>
    internal VerifyDue Due(MirrorStatus mirror, out TimeSpan wait)
    {
        wait = System.Threading.Timeout.InfiniteTimeSpan;
        if (mirror.Phase is not (MirrorPhase.InStep or MirrorPhase.Streaming) || mirror.SlaveTid is null)
            return VerifyDue.Nothing;
        TimeSpan left = _notBefore - time.GetElapsedTime(_notBeforeFrom);
        bool full = fullEvery > TimeSpan.Zero && time.GetElapsedTime(_fullAt) >= fullEvery;
        bool quick = mirror.SlaveTid != _proven;
        if (!full && !quick)
        {
            if (fullEvery > TimeSpan.Zero) wait = fullEvery - time.GetElapsedTime(_fullAt);
            return VerifyDue.Nothing;
        }
        if (left > TimeSpan.Zero)
        {
            wait = left;
            return VerifyDue.Nothing;
        }
        return full ? VerifyDue.Full : VerifyDue.Quick;
    }

    /// <summary>A comparison has ended.</summary>
    /// <param name="full">Its form.</param>
    /// <param name="took">How long it took.</param>
    /// <param name="tid">What it compared; null if it could not.</param>
    internal void Done(bool full, TimeSpan took, string? tid)
    {
        _notBeforeFrom = time.GetTimestamp();
        _notBefore = tid is null ? times.RetryAfter : took * (1 / times.Share - 1);
        if (_notBefore < times.GapMin) _notBefore = times.GapMin;
        if (full && tid is not null) _fullAt = time.GetTimestamp();
        if (tid is not null) _proven = tid;
    }
}
