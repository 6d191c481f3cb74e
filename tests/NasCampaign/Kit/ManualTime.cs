using System;

namespace NasCampaign.Kit;

/// <summary>A clock that only tests move.</summary>
sealed class ManualTime : TimeProvider
{
    public DateTimeOffset Now { get; set; } = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
    /// <summary>It moves on by so much at each look.</summary>
    public TimeSpan Step { get; set; } = TimeSpan.FromTicks(10);
    public override DateTimeOffset GetUtcNow() => Now += TimeSpan.FromTicks(10);
    public override long GetTimestamp() => (Now += Step - TimeSpan.FromTicks(10)).Ticks;
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
}
