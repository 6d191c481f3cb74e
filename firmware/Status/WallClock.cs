using System;

namespace NasFirmware.Status;

/// <summary>What a wall clock may be believed: boards start in 1970, or wherever they were switched off.</summary>
static class WallClock
{
    /// <summary>Nothing of ours can have happened before.</summary>
    static readonly DateTimeOffset s_first = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The time if it can be, else null.</summary>
    internal static DateTimeOffset? Credible(DateTimeOffset time) => time >= s_first ? time : null;

    /// <summary>The time between two readings, null if one of them cannot be, or they stand the wrong way round.
    /// </summary>
    internal static TimeSpan? Since(DateTimeOffset? at, DateTimeOffset now) =>
        at >= s_first && now >= at ? now - at : null;

    /// <summary>The time so many seconds ago; null if the clock cannot be right.</summary>
    internal static DateTimeOffset? Before(DateTimeOffset now, double seconds) =>
        now >= s_first ? Credible(now - TimeSpan.FromSeconds(seconds)) : null;
}
