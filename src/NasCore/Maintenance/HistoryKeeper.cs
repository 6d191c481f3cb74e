using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Maintenance;

// The keeper of history
//
// It marks moments while something changes, thins the past of each PFS once in a period by its policy, and more when
// room is short. Its owner (a service of the daemon, a test, a simulation) calls Plan and Run now and then, from one
// thread; nothing else turns it. Rules:
//   - Nothing changed since the last time: nothing is done, and no disk is looked at. Its own marks do not count.
//   - Time is the wall clock, which on a board may be wrong for a while. Nothing is thinned before the clock is set
//     and has agreed with the monotonic one for ClockSettle, for a day after a jump of more than two days (a box that
//     was away for long, or a clock that is wrong). Marks are made meanwhile: later ones mend earlier ones.
//   - Room does not wait for a clock: where it is short and the clock is not set, or has jumped far, history goes by
//     the order of TIDs and the time of this mount (HistoryUptime).
//   - Below the floor of free space each further pass thins more (HistoryPolicy.At), but only if what was pruned and
//     waits for reblock would not do. Above the floor with room to spare the policy holds again.
//   - Snapshots are the owner's: the keeper never removes one.

/// <summary>How the keeper works.</summary>
public sealed record HistoryKeeperOptions
{
    /// <summary>The policy of a PFS; null leaves its past alone.</summary>
    public required Func<int, HistoryPolicy?> PolicyOf { get; init; }
    /// <summary>Bytes in free big-blocks that shall be there.</summary>
    public long FreeFloorBytes { get; init; }
    /// <summary>Time between two thinnings.</summary>
    public TimeSpan Period { get; init; } = TimeSpan.FromDays(1);
    /// <summary>Time for which the clock must have been steady; a sixth of it when room is short.</summary>
    public TimeSpan ClockSettle { get; init; } = TimeSpan.FromHours(1);
    public Action<string>? Log { get; init; }
}

/// <summary>What the keeper would do now.</summary>
/// <param name="IsDue">False: nothing; do not call Run.</param>
/// <param name="Marks">Moments are to be marked.</param>
/// <param name="Thins">History is to be thinned, or the thinning under way goes on.</param>
/// <param name="Level">0 by policy, above: more, since room is short.</param>
/// <param name="Reason">For the log and the status.</param>
public readonly record struct HistoryPlan(bool IsDue, bool Marks, bool Thins, int Level, string Reason);

/// <summary>How a run ended.</summary>
public enum HistoryRunEnd
{
    /// <summary>Everything that was due is done.</summary>
    Done,
    /// <summary>The budget is used up; there is more.</summary>
    Budget,
    Stopped,
    /// <summary>It could not go on; see <see cref="HistoryStatus.Problem"/>. Tried again after a period.</summary>
    Failed,
}

/// <summary>What the keeper knows, for display.</summary>
public sealed record HistoryStatus
{
    /// <summary>The oldest state, of any PFS, that is still whole; null before the first mark.</summary>
    public DateTimeOffset? OldestReachable { get; init; }
    /// <summary>At the rate of the last week; null if it does not fill, or nobody can know yet.</summary>
    public double? FullInDays { get; init; }
    public DateTimeOffset? LastThinned { get; init; }
    /// <summary>Of the last thinning that came to its end.</summary>
    public long RecordsRemoved { get; init; }
    public long BytesRemoved { get; init; }
    public int Level { get; init; }
    /// <summary>Of the pruned bytes those whose big-blocks have not become empty.</summary>
    public long WaitingBytes { get; init; }
    /// <summary>Pruned bytes lie in big-blocks that are not empty: reblock would give them back.</summary>
    public bool WantsReblock { get; init; }
    public string? Problem { get; init; }
}

/// <summary>Marks moments, thins the past, keeps room free. See the page above. For one thread.</summary>
public sealed class HistoryKeeper(IHistoryHost host, HistoryKeeperOptions options)
{
    static readonly TimeSpan s_jump = TimeSpan.FromMinutes(2), s_farJump = TimeSpan.FromDays(2),
        s_rateOver = TimeSpan.FromDays(7), s_rateAtLeast = TimeSpan.FromHours(6);

    ulong _seen;
    long _markedAt, _thinnedAt, _steadyAt, _lookedAt;
    DateTimeOffset _lookedWall;
    bool _hasThinned, _hasMarked, _jumpedFar;
    int _level;
    /// <summary>Pruned, and not yet among the free bytes: their big-blocks hold other things, too.</summary>
    long _waitingBytes;
    long _returnedBytes;
    List<int>? _left;
    Prune? _prune;
    long _records, _bytes;
    readonly HistoryUptime _uptime = new(host);
    /// <summary>The thinning under way goes by uptime, not by the wall clock.</summary>
    bool _byUptime;

    /// <summary>What is known now; replaced as a whole, readable from any thread.</summary>
    public HistoryStatus Status => Volatile.Read(ref _status);
    HistoryStatus _status = new();

    // ------------------------------------------------------------------ plan

    /// <summary>
    /// The file system has come to rest: the moment is marked earlier, so that it need not be when its disk sleeps.
    /// </summary>
    public bool IsQuiet { get; set; }

    /// <summary>
    /// Other options from now on. What they want is looked for at once; a thinning under way goes on.
    /// </summary>
    public void Renew(HistoryKeeperOptions now)
    {
        options = now;
        _hasThinned = false;
        _seen = 0;
    }

    /// <summary>What is due now. Looks at memory only, never at a disk.</summary>
    public HistoryPlan Plan()
    {
        PlanClock();
        if (host.IsReadOnly || host.Health.IsCritical) return new HistoryPlan(false, false, false, 0, "not writable");
        bool underWay = _left is not null, isShort = host.FreeBytes < options.FreeFloorBytes;
        // A full disk takes no change any more: what is missing must come without one.
        bool isNew = host.DurableTid != _seen || (isShort && _level < HistoryPolicy.LevelMax && IsMissing);
        if (!underWay && !isNew) return new HistoryPlan(false, false, false, _level, "nothing new");
        bool marks = _markedAt == 0 || host.Time.GetElapsedTime(_markedAt)
            >= (IsQuiet ? TimeMarks.RestInterval : TimeMarks.Interval);
        bool clock = IsClockCertain(isShort);
        bool thins = underWay || ((clock || GoesByUptime(isShort)) && PlanThins(isShort));
        string reason = underWay ? "going on" : !thins ? clock ? "moments only" : "the clock is not certain yet"
            : isShort ? clock ? "room is short" : "room is short, and there is no clock" : "the period is over";
        return new HistoryPlan(marks || thins, marks, thins, PlanLevel(isShort), reason);
    }

    bool IsClockSet => host.Time.GetUtcNow() >= TimeMarks.ClockIsSetFrom;

    bool IsClockCertain(bool isShort)
    {
        TimeSpan settle = _jumpedFar ? options.ClockSettle * 24 : isShort ? options.ClockSettle / 6
            : options.ClockSettle;
        return IsClockSet && _steadyAt != 0 && host.Time.GetElapsedTime(_steadyAt) >= settle;
    }

    /// <summary>A clock that is about to be certain is waited for.</summary>
    bool GoesByUptime(bool isShort) => isShort && !IsClockCertain(isShort) && (!IsClockSet || _jumpedFar);

    /// <summary>The floor will not be reached by what was pruned already.</summary>
    bool IsMissing => host.FreeBytes + _waitingBytes < options.FreeFloorBytes;

    // Wall clock and monotonic clock must go on together; a jump of the wall clock begins the wait anew.
    void PlanClock()
    {
        DateTimeOffset wall = host.Time.GetUtcNow();
        long now = host.Time.GetTimestamp();
        TimeSpan jump = _lookedAt == 0 ? TimeSpan.Zero
            : (wall - _lookedWall - host.Time.GetElapsedTime(_lookedAt, now)).Duration();
        if (_lookedAt == 0 || jump > s_jump) _steadyAt = now;
        if (jump > s_jump) _jumpedFar = jump > s_farJump;
        _lookedAt = now;
        _lookedWall = wall;
    }

    bool PlanThins(bool isShort)
    {
        if (!_hasThinned || host.Time.GetElapsedTime(_thinnedAt) >= options.Period) return true;
        if (!isShort || !IsMissing) return false;
        // A pass has just been; another one helps only if it may take more. At the end it may take what has grown old
        // since, if that is worth the work: a disk that is full of live data is not gone through for nothing.
        bool isLast = _level >= HistoryPolicy.LevelMax;
        if (isLast && _bytes < HammerConst.BigBlockBytes) return false;
        return host.Time.GetElapsedTime(_thinnedAt) >= (isLast ? TimeMarks.Interval * 4 : TimeMarks.Interval);
    }

    int PlanLevel(bool isShort)
    {
        if (_left is not null) return _level;
        if (!isShort) return host.FreeBytes >= options.FreeFloorBytes + options.FreeFloorBytes / 4 ? 0 : _level;
        bool more = _hasThinned && IsMissing;
        return more ? Math.Min(_level + 1, HistoryPolicy.LevelMax) : _level;
    }

    // ------------------------------------------------------------------ run

    /// <summary>Does what is due within a budget; stops within 100 ms when asked.</summary>
    public HistoryRunEnd Run(in StepBudget budget, CancellationToken stop)
    {
        HistoryPlan plan = Plan();
        if (!plan.IsDue) return HistoryRunEnd.Done;
        try
        {
            string? problem = plan.Marks ? RunMarks() : null;
            HistoryRunEnd end = HistoryRunEnd.Done;
            // The first marks may have told that the clock has been away for long.
            bool isShort = host.FreeBytes < options.FreeFloorBytes;
            bool thins = plan.Thins
                && (_left is not null || IsClockCertain(isShort) || GoesByUptime(isShort));
            if (problem is null && thins) end = RunThin(plan.Level, in budget, stop, ref problem);
            if (problem is not null) end = HistoryRunEnd.Failed;
            if (end is HistoryRunEnd.Done or HistoryRunEnd.Failed) RunSeen();
            RunStatus(problem);
            return end;
        }
        catch (Exception e) when (e is HammerMediumException or MountCriticalException or System.IO.IOException)
        {
            _left = null;
            _prune = null;
            _returnedBytes = 0;
            _hasThinned = true;
            _thinnedAt = host.Time.GetTimestamp();
            _seen = host.DurableTid;
            Volatile.Write(ref _status, _status with { Problem = e.Message });
            options.Log?.Invoke($"history: {e.Message}; tried again after {options.Period}");
            return HistoryRunEnd.Failed;
        }
    }

    string? RunMarks()
    {
        foreach (int pfsId in host.PfsIds())
        {
            if (options.PolicyOf(pfsId) is null) continue;
            if (!_hasMarked && host.Marks(pfsId) is { Count: > 0 } known)
                _jumpedFar |= host.Time.GetUtcNow() - known[^1].Time > s_farJump;
            Errno e = host.AddMark(pfsId, IsClockCertain(isShort: false), out ulong tid);
            if (tid != 0) _uptime.Add(pfsId, tid);
            // Again: the clock is not set. A full disk: the marks there are do.
            if (e.IsError && e != Errno.Again && e != Errno.NoSpc && e != Errno.NoEnt)
                return $"marking a moment of PFS#{pfsId}: {e}";
        }
        _hasMarked = true;
        _markedAt = host.Time.GetTimestamp();
        return null;
    }

    HistoryRunEnd RunThin(int level, in StepBudget budget, CancellationToken stop, ref string? problem)
    {
        if (_left is null)
        {
            _level = level;
            _byUptime = !IsClockCertain(host.FreeBytes < options.FreeFloorBytes);
            _left = [.. host.PfsIds().Where(id => options.PolicyOf(id) is not null)];
            _records = _bytes = 0;
        }
        long from = host.Time.GetTimestamp();
        while (_left.Count > 0)
        {
            if (_prune is null && !RunThinOpen(_left[0], ref problem))
            {
                _left.RemoveAt(0);
                continue;
            }
            StepBudget rest = budget with { TimeMax = budget.TimeMax - host.Time.GetElapsedTime(from) };
            long returned = host.ReturnedBytes;
            StepEnd end = _prune!.Step(in rest, stop);
            _returnedBytes += host.ReturnedBytes - returned;
            if (end == StepEnd.Stopped) return HistoryRunEnd.Stopped;
            if (end == StepEnd.Budget) return HistoryRunEnd.Budget;
            RunThinClose(end, ref problem);
        }
        _left = null;
        _hasThinned = true;
        _thinnedAt = host.Time.GetTimestamp();
        return HistoryRunEnd.Done;
    }

    /// <summary>False if nothing of a PFS is to be pruned.</summary>
    bool RunThinOpen(int pfsId, ref string? problem)
    {
        if (options.PolicyOf(pfsId) is not { } policy || (!host.TryGetPfs(pfsId, out var pfs) && pfsId != 0))
            return false;
        List<TimeMark> marks = _byUptime ? _uptime.Marks(pfsId) : host.Marks(pfsId);
        PruneRule? rule = policy.At(_level).Rule(marks, host.Snapshots(pfsId).Select(s => s.Tid),
            TimeSpan.FromSeconds(pfs.PruneMin), _byUptime ? _uptime.Now : host.Time.GetUtcNow());
        if (rule is null) return false;
        Errno e = host.OpenPrune(pfsId, rule, null, out _prune);
        if (!e.IsError)
        {
            _uptime.Thinned(pfsId, rule);
            return true;
        }
        // A PFS may have gone meanwhile.
        if (e != Errno.NoEnt) problem = $"pruning PFS#{pfsId}: {e}";
        return false;
    }

    void RunThinClose(StepEnd end, ref string? problem)
    {
        if (end != StepEnd.Done) problem = $"pruning PFS#{_left![0]}: {end}";
        if (_prune!.Damaged > 0)
            problem = $"PFS#{_left![0]}: {_prune.Damaged} damaged records or nodes were left alone; run check";
        _records += _prune.RecordsRemoved + _prune.EntriesRemoved;
        _bytes += _prune.BytesChanged;
        // Big-blocks that became empty are free bytes already; they may hold what was pruned at other times.
        _waitingBytes = Math.Max(0, _waitingBytes + _prune.BytesChanged - _returnedBytes);
        _returnedBytes = 0;
        _prune = null;
        _left!.RemoveAt(0);
    }

    /// <summary>
    /// What has been done here is nothing new, but what others did meanwhile is. The nodes asked for have just been in
    /// use: this costs no access.
    /// </summary>
    void RunSeen()
    {
        ulong durable = host.DurableTid;
        foreach (int pfsId in host.PfsIds())
        {
            if (options.PolicyOf(pfsId) is null) continue;
            List<TimeMark> marks = host.Marks(pfsId);
            // Without a clock no mark is stored, but the moment is known.
            ulong newest = Math.Max(marks.Count > 0 ? marks[^1].Tid : 0, _uptime.Newest(pfsId));
            if (newest > 0 && host.HasChanged(pfsId, newest)) return;
        }
        _seen = durable;
    }

    /// <summary>
    /// Tells that reblock has gone through, or found no room to work in: what was pruned has come back as far as it
    /// can, and what is missing must come from further pruning.
    /// </summary>
    public void NoteReblocked()
    {
        _waitingBytes = 0;
        Volatile.Write(ref _status, _status with { WantsReblock = false, WaitingBytes = 0 });
    }

    // ------------------------------------------------------------------ status

    void RunStatus(string? problem)
    {
        var marks = new List<TimeMark>();
        DateTimeOffset? oldest = null;
        foreach (int pfsId in host.PfsIds())
        {
            List<TimeMark> own = host.Marks(pfsId);
            marks.AddRange(own);
            if (own.Count > 0 && !(oldest <= own[0].Time)) oldest = own[0].Time;
            foreach (SnapshotEntry snapshot in host.Snapshots(pfsId))
            {
                if (snapshot.TimeMicros is 0 or > long.MaxValue / 10) continue;
                var made = new DateTimeOffset(DateTimeOffset.UnixEpoch.Ticks + (long)snapshot.TimeMicros * 10,
                    TimeSpan.Zero);
                if (!(oldest <= made)) oldest = made;
            }
        }
        bool thinned = _hasThinned && _left is null;
        Volatile.Write(ref _status, new HistoryStatus
        {
            OldestReachable = oldest, FullInDays = FullInDays(marks, host.Time.GetUtcNow(), host.FreeBytes),
            LastThinned = thinned ? host.Time.GetUtcNow() - host.Time.GetElapsedTime(_thinnedAt) : _status.LastThinned,
            RecordsRemoved = thinned ? _records : _status.RecordsRemoved,
            BytesRemoved = thinned ? _bytes : _status.BytesRemoved,
            Level = _level, WaitingBytes = _waitingBytes, WantsReblock = _waitingBytes > 0,
            Problem = problem,
        });
    }

    /// <summary>
    /// Days until nothing is free, by the straight line through the marks of the last week; null if the line does not
    /// fall, or spans less than six hours.
    /// </summary>
    public static double? FullInDays(IEnumerable<TimeMark> marks, DateTimeOffset now, long freeBytes)
    {
        double n = 0, sumX = 0, sumY = 0, sumXx = 0, sumXy = 0, first = double.MaxValue, last = double.MinValue;
        foreach (TimeMark mark in marks.Append(new TimeMark(now, 0, freeBytes)))
        {
            if (now - mark.Time > s_rateOver) continue;
            double x = (mark.Time - now).TotalDays, y = mark.FreeBytes;
            (n, sumX, sumY, sumXx, sumXy) = (n + 1, sumX + x, sumY + y, sumXx + x * x, sumXy + x * y);
            (first, last) = (Math.Min(first, x), Math.Max(last, x));
        }
        double spread = n * sumXx - sumX * sumX;
        if (n < 2 || last - first < s_rateAtLeast.TotalDays || spread <= 0) return null;
        double perDay = (n * sumXy - sumX * sumY) / spread;
        return perDay < 0 ? freeBytes / -perDay : null;
    }
}
