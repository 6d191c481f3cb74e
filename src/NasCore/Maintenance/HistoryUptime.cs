using System;
using System.Collections.Generic;
using NasCore.Pfs;

namespace NasCore.Maintenance;

// Ages without a clock
//
// A box without internet and without a battery for its clock does not know the time, but it has to keep room free.
// What it knows: the order of TIDs, how long this mount lasts, and what time passed between stored marks when they were
// made.
// Out of this comes a time line of its own. Moments of this mount lie on it as the monotonic clock says; the newest
// mark of earlier mounts lies where this one begins, as if the box had never been off; between older marks lies what
// their times say, but never more than a day, since one of those clocks may have been wrong. So everything looks at
// most as old as it is, but for what lies before a jump of such a clock: that looks a day older.
//
// Moments of this mount are not stored: a mark without a time is none. After the next start what they stood for is kept
// as far as nobody thins.

/// <summary>The moments of a mount by the monotonic clock; see the page above. For one thread.</summary>
sealed class HistoryUptime(IHistoryHost host)
{
    static readonly TimeSpan s_gapMax = TimeSpan.FromDays(1);
    /// <summary>Where a mount without any mark begins.</summary>
    static readonly DateTimeOffset s_origin = new(2001, 1, 1, 0, 0, 0, TimeSpan.Zero);

    readonly Dictionary<int, List<TimeMark>> _moments = [];
    readonly long _begun = host.Time.GetTimestamp();

    /// <summary>The present on the line.</summary>
    internal DateTimeOffset Now => s_origin + host.Time.GetElapsedTime(_begun);

    /// <summary>A state of a PFS that is whole now.</summary>
    internal void Add(int pfsId, ulong tid)
    {
        if (!_moments.TryGetValue(pfsId, out List<TimeMark>? moments)) _moments[pfsId] = moments = [];
        // A PFS that went back: what lay behind is no more.
        moments.RemoveAll(m => m.Tid > tid);
        TimeMarks.Add(moments, new TimeMark(Now, tid, host.FreeBytes), thins: true);
    }

    /// <summary>The last state added of a PFS, or 0.</summary>
    internal ulong Newest(int pfsId) =>
        _moments.TryGetValue(pfsId, out List<TimeMark>? moments) && moments.Count > 0 ? moments[^1].Tid : 0;

    /// <summary>What a prune takes away is no state any more.</summary>
    internal void Thinned(int pfsId, PruneRule rule)
    {
        if (!_moments.TryGetValue(pfsId, out List<TimeMark>? moments)) return;
        var kept = new HashSet<ulong>(rule.Kept);
        moments.RemoveAll(m => m.Tid < rule.Limit && !kept.Contains(m.Tid));
    }

    /// <summary>All moments of a PFS on the line, ascending.</summary>
    internal List<TimeMark> Marks(int pfsId)
    {
        List<TimeMark> moments = _moments.GetValueOrDefault(pfsId) ?? [], stored = host.Marks(pfsId);
        if (moments.Count > 0) stored.RemoveAll(m => m.Tid >= moments[0].Tid);
        var marks = new List<TimeMark>(stored.Count + moments.Count);
        DateTimeOffset at = s_origin;
        for (int i = stored.Count - 1; i >= 0; i--)
        {
            if (i < stored.Count - 1)
            {
                TimeSpan gap = stored[i + 1].Time - stored[i].Time;
                at -= gap < s_gapMax ? gap : s_gapMax;
            }
            marks.Add(stored[i] with { Time = at });
        }
        marks.Reverse();
        marks.AddRange(moments);
        return marks;
    }
}
