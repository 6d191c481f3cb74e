using System;

namespace NasCampaign.Kit;

/// <summary>A clock that only tests move.</summary>
sealed class ManualTime : TimeProvider
{
    public DateTimeOffset Now { get; set; } = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
    /// <summary>It moves on by so much at each look.</summary>
    public TimeSpan Step { get; set; } = TimeSpan.FromTicks(10);
    /// <summary>The wall clock is off by so much; the monotonic one is not.</summary>
    public TimeSpan Wall { get; set; }
    public override DateTimeOffset GetUtcNow() => (Now += TimeSpan.FromTicks(10)) + Wall;
    public override long GetTimestamp() => (Now += Step - TimeSpan.FromTicks(10)).Ticks;
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
}
