using System.Collections.Generic;
using System.Linq;

namespace NasCampaign.Faults;

/// <summary>The n-th read, write or flush of a workload fails: <see cref="FailNth"/>.</summary>
sealed class FailNthCampaign : ICampaign
{
    public string Name => "fault-nth";

    public void RunRound(CampaignContext c) =>
        c.Count("faults", FailNth.Round(c.Seed, c.IsSmoke ? 20 : int.MaxValue, () => c.TimeIsUp));
}

/// <summary>Two disks of one file system, one of which fails alone, and the power cut between them.</summary>
sealed class DiskSetCampaign : ICampaign
{
    public string Name => "fault-disk-set";

    public void RunRound(CampaignContext c)
    {
        c.Count("faults", FailNth.Round(c.Seed, c.IsSmoke ? 8 : 200, () => c.TimeIsUp, volumes: 2));
        c.Count("cuts", SetPowerCuts.Round(c.Seed, c.IsSmoke ? 8 : int.MaxValue, () => c.TimeIsUp));
    }
}

/// <summary>Disks that lie: writes dropped or led astray, flushes that do nothing: <see cref="LyingRun"/>.</summary>
sealed class LyingDiskCampaign : ICampaign
{
    public string Name => "fault-lies";

    public void RunRound(CampaignContext c)
    {
        int max = c.IsSmoke ? 12 : int.MaxValue;
        List<string> silent = [];
        Count(c, Lies.Writes(c.Seed, FaultKind.Stale, max, () => c.TimeIsUp, silent.Add));
        Count(c, Lies.Writes(c.Seed, FaultKind.Misdirected, max, () => c.TimeIsUp, silent.Add));
        Count(c, Lies.Flushes(c.Seed, c.IsSmoke ? 12 : 300, () => c.TimeIsUp, silent.Add));
        if (silent.Count == 0) return;
        throw Finding.Of(silent[0], $"{silent.Count} lies were noticed by nobody");
    }

    static void Count(CampaignContext c, Dictionary<LieOutcome, int> outcomes)
    {
        c.Count("lies", outcomes.Values.Sum());
        foreach ((LieOutcome outcome, int n) in outcomes) c.Count("lies " + outcome.ToString().ToLowerInvariant(), n);
    }
}

/// <summary>One bit of one structure turns over: <see cref="BitRot"/>.</summary>
sealed class BitRotCampaign : ICampaign
{
    public string Name => "fault-bit-rot";

    public void RunRound(CampaignContext c)
    {
        List<RotOutcome> outcomes = BitRot.Round(c.Seed, c.IsSmoke ? 1 : 20, () => c.TimeIsUp);
        c.Count("bits", outcomes.Count);
        c.Count("bits in the FIFO", RotOfFifo.Round(c.Seed, c.IsSmoke ? 2 : 30, c.IsSmoke ? 5 : 40, () => c.TimeIsUp));
        foreach (RotOutcome outcome in outcomes.Where(o => !o.CheckTold))
            throw Finding.Of($"seed {c.Seed} {outcome}", "check does not notice a turned bit");
    }
}
