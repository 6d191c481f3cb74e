using System;
using System.Linq;
using System.Threading;
using NasCampaign;
using NasCampaign.Simulation;
using Xunit;

namespace NasCore.Tests.Campaign;

/// <summary>The simulation itself: the same seed is the same run, and what is wrong is found.</summary>
public sealed class SimulationTests
{
    static CampaignContext Context(ulong seed) => new(seed, isSmoke: true, () => false, new CampaignCounts());

    [Theory]
    [InlineData(SimShape.Pair)]
    [InlineData(SimShape.Chain)]
    public void Same_seed_is_the_same_run_and_another_seed_is_not(SimShape shape)
    {
        ulong[] digests = [.. new ulong[] { 3, 3, 4, 4 }.Select(s => new MirrorSimulation(shape).Run(Context(s)))];
        Assert.Equal((digests[0], digests[2]), (digests[1], digests[3]));
        Assert.NotEqual(digests[0], digests[2]);
    }

    [Fact]
    public void Actors_that_wait_for_each_other_are_named()
    {
        var scheduler = new SimScheduler(new Random(1));
        bool a = false, b = false;
        var finding = Assert.Throws<CampaignFinding>(() => scheduler.Run(() =>
        {
            scheduler.Start("first", scheduler.World, () =>
            {
                scheduler.Block(() => b, SimScheduler.Never, "what second does");
                a = true;
            });
            scheduler.Start("second", scheduler.World, () =>
            {
                scheduler.Block(() => a, SimScheduler.Never, "what first does");
                b = true;
            });
            scheduler.Block(() => a && b, SimScheduler.Never, "both");
        }));
        Assert.Contains("all wait for each other", finding.Message, StringComparison.Ordinal);
        Assert.Contains("first: what second does", finding.Message, StringComparison.Ordinal);
        Assert.Contains("second: what first does", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Clock_jumps_to_the_next_time_when_nobody_can_run()
    {
        var scheduler = new SimScheduler(new Random(1));
        int fired = 0;
        scheduler.Run(() =>
        {
            using ITimer timer = scheduler.AddTimer(scheduler.World, () => fired++, TimeSpan.FromDays(1),
                TimeSpan.FromDays(1));
            scheduler.Sleep(TimeSpan.FromDays(10.5));
        });
        Assert.Equal((10, TimeSpan.FromDays(10.5).Ticks), (fired, scheduler.Now));
    }

    [Fact]
    public void Dead_box_unwinds_without_a_word_and_a_living_one_that_throws_is_a_finding()
    {
        var scheduler = new SimScheduler(new Random(1));
        var box = new SimProcess("box");
        bool unwound = false;
        var finding = Assert.Throws<CampaignFinding>(() => scheduler.Run(() =>
        {
            scheduler.Start("worker", box, () =>
            {
                try
                {
                    scheduler.Sleep(TimeSpan.FromDays(1));
                }
                finally
                {
                    unwound = true;
                }
            });
            scheduler.Sleep(TimeSpan.FromSeconds(1));
            box.IsDead = true;
            scheduler.Sleep(TimeSpan.FromSeconds(1));
            Assert.True(unwound);
            scheduler.Start("other", new SimProcess("living"), () => throw new InvalidOperationException("boom"));
            scheduler.Sleep(TimeSpan.FromSeconds(1));
        }));
        Assert.StartsWith("boom", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pair_whose_cable_stays_out_is_found_not_to_converge()
    {
        CampaignContext context = Context(1);
        var world = new SimWorld(context, ["nas1", "nas2"]);
        try
        {
            world.Mirror("nas1", "nas2", "family");
            var finding = Assert.Throws<CampaignFinding>(() => world.Scheduler.Run(() =>
            {
                world.Begin(10, 1000);
                world.Network.CutNext = () => 10;
                world.Converge(heals: false);
            }));
            Assert.Contains("the sides do not converge by themselves", finding.Message, StringComparison.Ordinal);
            Assert.Contains("nas1 MirrorStatus", finding.Message, StringComparison.Ordinal);
        }
        finally
        {
            world.Release();
        }
    }
}
