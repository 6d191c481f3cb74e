using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Pfs;

namespace NasCore.Maintenance;

/// <summary>How much of the past a PFS keeps: every version, then a state an hour, then one a day.</summary>
public sealed record HistoryPolicy
{
    /// <summary>Age up to which every version is kept.</summary>
    public TimeSpan EveryVersion { get; init; } = TimeSpan.FromDays(1);
    /// <summary>Age up to which a state an hour is kept.</summary>
    public TimeSpan Hourly { get; init; } = TimeSpan.FromDays(7);
    /// <summary>Age up to which a state a day is kept; older ones go, but for snapshots.</summary>
    public TimeSpan Daily { get; init; } = TimeSpan.FromDays(60);

    /// <summary>Highest degree of thinning when room is short.</summary>
    public const int LevelMax = 5;

    /// <summary>
    /// The same policy when room is short. 1: every version for an hour; 2: no hours; 3: a quarter of the days; 4: one
    /// day; 5: snapshots and the last quarter of an hour.
    /// </summary>
    public HistoryPolicy At(int level) => level switch
    {
        <= 0 => this,
        1 => this with { EveryVersion = Less(EveryVersion, TimeSpan.FromHours(1)) },
        2 => At(1) with { Hourly = TimeSpan.Zero },
        3 => At(2) with { Daily = Daily / 4 },
        4 => At(2) with { Daily = Less(Daily, TimeSpan.FromDays(1)) },
        _ => this with
        {
            EveryVersion = Less(EveryVersion, TimeSpan.FromMinutes(15)), Hourly = TimeSpan.Zero, Daily = TimeSpan.Zero,
        },
    };

    static TimeSpan Less(TimeSpan a, TimeSpan b) => a < b ? a : b;

    /// <summary>
    /// The prune that leaves what this policy keeps, at a moment; null if there is nothing old enough. The last state
    /// of an hour or a day stands for it, so the choice does not change as time goes on.
    /// </summary>
    /// <param name="marks">The PFS's moments, ascending.</param>
    /// <param name="snapshots">TIDs that stay whatever their age.</param>
    /// <param name="pruneMin">The PFS's own minimum of fine history.</param>
    /// <param name="now">The wall clock.</param>
    public PruneRule? Rule(IReadOnlyList<TimeMark> marks, IEnumerable<ulong> snapshots, TimeSpan pruneMin,
        DateTimeOffset now)
    {
        TimeSpan fine = pruneMin > EveryVersion ? pruneMin : EveryVersion;
        int border = marks.Count - 1;
        while (border >= 0 && now - marks[border].Time < fine) border--;
        if (border < 0) return null;
        var kept = new List<ulong>(snapshots) { marks[border].Tid };
        for (int i = 0; i < border; i++)
        {
            TimeSpan age = now - marks[i].Time;
            long hour = marks[i].Time.ToUnixTimeSeconds() / 3600, next = marks[i + 1].Time.ToUnixTimeSeconds() / 3600;
            bool isHour = age <= Hourly && hour != next, isDay = age <= Daily && hour / 24 != next / 24;
            if (isHour || isDay) kept.Add(marks[i].Tid);
        }
        return PruneRule.Keep(kept.Distinct(), marks[border].Tid);
    }
}
