using System;
using System.Collections.Generic;
using System.Linq;
using NasCampaign;
using Xunit;

namespace NasCore.Tests.Campaign;

/// <summary>
/// Every campaign of NasCampaign, some short rounds with fixed seeds (make soak goes on from there), and the frame
/// that runs them.
/// </summary>
public sealed class CampaignTests
{
    /// <summary>Rounds of each campaign in make test; a power cut is tried in thousands of places.</summary>
    static ulong RoundsOf(ICampaign campaign) => campaign.Name switch
    {
        // A hundred cuts in all.
        "sim-load" => 14,
        "sim-pair" => 90,
        "sim-switch-pair" => 16,
        "sim-switch-chain" or "sim-switch-fan" => 8,
        "sim-return" => 5,
        var n when n.StartsWith("sim-", StringComparison.Ordinal) => 38,
        var n when n.StartsWith("power-", StringComparison.Ordinal) => 20,
        _ => 3,
    };

    /// <summary>Campaign and seed. The first row is the frame's own.</summary>
    public static TheoryData<string, ulong> RoundsOfEach
    {
        get
        {
            var rows = new TheoryData<string, ulong>();
            foreach (ICampaign campaign in All)
                for (ulong seed = 1; seed <= RoundsOf(campaign); seed++) rows.Add(campaign.Name, seed);
            return rows;
        }
    }

    static IEnumerable<ICampaign> All => [new CountingCampaign(), .. Campaigns.All];

    [Theory]
    [MemberData(nameof(RoundsOfEach))]
    public void Round_of_a_campaign_finds_nothing(string name, ulong seed)
    {
        var lines = new List<string>();
        var runner = new CampaignRunner(All, new CampaignOptions
        {
            Only = name, Seed = seed, Rounds = 1, IsSmoke = true, Time = TimeProvider.System, Print = lines.Add,
        });
        int findings = runner.Run();
        Assert.True(findings == 0, string.Join("\n", lines));
        TestContext.Current.SendDiagnosticMessage(string.Join("\n", runner.Summary("tested")));
    }

    [Fact]
    public void Names_of_campaigns_are_distinct() =>
        Assert.Equal(Campaigns.All.Count, Campaigns.All.Select(c => c.Name).Distinct().Count());

    [Fact]
    public void Finding_is_printed_with_the_line_that_replays_it()
    {
        var lines = new List<string>();
        var runner = new CampaignRunner([new CountingCampaign(), new FailingCampaign()], new CampaignOptions
        {
            Seed = 7, Rounds = 4, Time = TimeProvider.System, Print = lines.Add,
        });
        Assert.Equal(2, runner.Run());
        Assert.Equal(2, lines.Count);
        Assert.Contains("the byte is lost", lines[0], StringComparison.Ordinal);
        Assert.Contains("NasSoak --only failing --seed 8 --rounds 1", lines[0], StringComparison.Ordinal);
        Assert.Contains("boom", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("8 rounds, 2 findings", runner.Summary("x").Last(), StringComparison.Ordinal);
    }

    [Fact]
    public void Resumed_run_goes_on_with_the_next_seed_and_keeps_the_counts()
    {
        var campaign = new CountingCampaign();
        var options = new CampaignOptions
        {
            Seed = 5, Rounds = 2, Time = TimeProvider.System, Print = _ => { },
        };
        var first = new CampaignRunner([campaign], options);
        first.Run();
        CampaignState state = CampaignState.Parse(first.Closed().Text());
        new CampaignRunner([campaign], options with { Seed = 99, State = state }).Run();
        Assert.Equal([5, 6, 7, 8], campaign.Seeds);
        CampaignProgress progress = state.Of(campaign.Name);
        Assert.Equal(4, progress.NextRound);
        Assert.Equal(12, progress.Counts.Counts["tries"]);
    }

    /// <summary>Counts, and says whether a seed gives the same round twice.</summary>
    sealed class CountingCampaign : ICampaign
    {
        public List<ulong> Seeds { get; } = [];
        public string Name => "counting";

        public void RunRound(CampaignContext c)
        {
            Seeds.Add(c.Seed);
            int number = c.Random.Next();
            var again = new CampaignContext(c.Seed, c.IsSmoke, () => false, new CampaignCounts());
            if (again.Random.Next() != number) throw new CampaignFinding("the seed does not determine the round");
            c.Count("tries", 3);
            c.Image(BitConverter.GetBytes(number));
        }
    }

    sealed class FailingCampaign : ICampaign
    {
        public string Name => "failing";

        public void RunRound(CampaignContext c)
        {
            if (c.Seed == 8) throw new CampaignFinding("the byte is lost", "at 8", "it was 1");
            if (c.Seed == 9) throw new InvalidOperationException("boom");
        }
    }
}
