using System;

namespace NasCampaign;

/// <summary>A clock that moves by itself a little at each look, the same in every run of a seed.</summary>
public sealed class CampaignTime : TimeProvider
{
    public DateTimeOffset Now { get; set; } = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
    public override DateTimeOffset GetUtcNow() => Now = Now.AddTicks(10);
    public override long GetTimestamp() => Now.Ticks;
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
}
