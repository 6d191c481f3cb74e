using System;

namespace NasCampaign.Kit;

/// <summary>A clock that only tests move.</summary>
sealed class ManualTime : TimeProvider
{
    public DateTimeOffset Now { get; set; } = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
    public override DateTimeOffset GetUtcNow() => Now = Now.AddTicks(10);
    public override long GetTimestamp() => Now.Ticks;
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
}
