using System;
using System.Collections.Generic;
using System.Linq;

namespace NasCore.Maintenance;

/// <summary>A moment worth remembering: a snapshot's TID and when it was made.</summary>
public readonly record struct KeptMoment(ulong Tid, DateTimeOffset Time);

/// <summary>
/// Which record versions a prune takes away (mirroring-and-operations 6.1). A version goes if it ended, at or before
/// the limit, and none of the kept TIDs shows it. This is the reference's rule of ranges with its boundary hazard
/// mended: a version created at a kept TID is visible there and stays.
/// Differs: a version deleted exactly at a kept TID is visible at none and goes; the original leaves it.
/// </summary>
public sealed class PruneRule
{
    readonly ulong[] _kept;

    PruneRule(ulong[] kept, ulong limit, bool everything)
    {
        _kept = kept;
        Limit = limit;
        IsEverything = everything;
    }

    /// <summary>Versions that ended after this TID stay.</summary>
    public ulong Limit { get; }
    /// <summary>prune-everything: snapshots go, too.</summary>
    public bool IsEverything { get; }
    /// <summary>Ascending.</summary>
    public IReadOnlyList<ulong> Kept => _kept;

    /// <summary>All that is not live (prune-everything), as far as it is durable when the prune begins.</summary>
    public static PruneRule Everything() => new([], ulong.MaxValue, everything: true);

    /// <summary>Keeps what is visible at any of these TIDs, and everything that ended after the limit.</summary>
    public static PruneRule Keep(IEnumerable<ulong> tids, ulong limit) =>
        new([.. tids.Where(t => t != 0).Distinct().Order()], limit, everything: false);

    /// <summary>
    /// The rule of `prune`: history since the newest snapshot that is at least prune-min old stays whole. Null if
    /// nothing can be pruned: without snapshots, or with the newest eligible one being the oldest.
    /// </summary>
    public static PruneRule? OfSnapshots(IReadOnlyCollection<KeptMoment> snapshots, TimeSpan pruneMin,
        DateTimeOffset now)
    {
        ulong limit = 0;
        foreach (KeptMoment moment in snapshots)
        {
            bool young = pruneMin > TimeSpan.Zero && now - moment.Time < pruneMin;
            if (!young && moment.Tid > limit) limit = moment.Tid;
        }
        bool hasOlder = snapshots.Any(m => m.Tid != 0 && m.Tid < limit);
        return hasOlder ? Keep(snapshots.Select(m => m.Tid), limit) : null;
    }

    /// <summary>True if a version with these TIDs goes.</summary>
    public bool Removes(ulong createTid, ulong deleteTid)
    {
        if (deleteTid == 0 || deleteTid > Limit) return false;
        // The first kept TID that is not below the version's start: does the version still live there?
        int low = 0, high = _kept.Length;
        while (low < high)
        {
            int mid = (low + high) >>> 1;
            if (_kept[mid] < createTid) low = mid + 1;
            else high = mid;
        }
        return low == _kept.Length || _kept[low] >= deleteTid;
    }

    /// <summary>The same rule without what ended after this TID.</summary>
    public PruneRule Capped(ulong limit) => new(_kept, Math.Min(Limit, limit), IsEverything);
}
