using System;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Mirror;

public sealed class MirrorPlanTests
{
    static readonly Guid A = Guid.NewGuid(), B = Guid.NewGuid();

    static PfsState State(Guid shared, bool slave, ulong end, ulong beg = 1) => new(shared, A, slave, beg, end);

    [Fact]
    public void Plan_is_decided_by_the_facts()
    {
        PfsState source = State(A, false, 100);
        Assert.IsType<MirrorPlan.Unrelated>(MirrorPlan.Of(source, State(B, true, 1)));
        Assert.IsType<MirrorPlan.TargetIsMaster>(MirrorPlan.Of(source, State(A, false, 1)));
        Assert.Equal(new MirrorPlan.SlaveAhead(101, 100), MirrorPlan.Of(source, State(A, true, 101)));
        Assert.Equal(new MirrorPlan.UpToDate(100), MirrorPlan.Of(source, State(A, true, 100)));
        Assert.Equal(new MirrorPlan.Send(7, 100), MirrorPlan.Of(source, State(A, true, 7)));
        Assert.True(MirrorPlan.Of(source, State(A, false, 1)).IsRefusal);
        Assert.False(MirrorPlan.Of(source, State(A, true, 1)).IsRefusal);
    }

    [Fact]
    public void Range_of_two_way_starts_behind_the_target()
    {
        Assert.Equal(new MirrorRange(8, 100), MirrorRange.Select(State(A, false, 100), 7));
        Assert.Equal(new MirrorRange(50, 100), MirrorRange.Select(State(A, false, 100, 50), 7));
        Assert.True(MirrorRange.Select(State(A, false, 100), 100).IsEmpty);
        Assert.True(MirrorRange.Select(State(A, false, 100), 99).IsEmpty);
        Assert.Equal(Tid.Max, MirrorRange.Select(State(A, false, 100), Tid.Max).Begin);
    }

    [Fact]
    public void Range_of_one_way_starts_at_the_beginning_or_where_told()
    {
        Assert.Equal(new MirrorRange(1, 100), MirrorRange.Select(State(A, false, 100), null));
        Assert.Equal(new MirrorRange(0, 40), MirrorRange.Select(State(A, false, 100, 0), null, 40));
        Assert.Equal(new MirrorRange(41, 60), MirrorRange.Select(State(A, false, 100), null, 60, 40));
        Assert.Equal(new MirrorRange(9, 100), MirrorRange.Select(State(A, false, 100), null, forcedBegin: 9));
    }

    [Theory]
    [InlineData("v6", "sst3")]
    [InlineData("v7", "st1")]
    public void Status_block_is_that_of_the_golden_volumes(string version, string key)
    {
        string golden = GoldenData.Json(version + "/mirror.info.json").GetProperty("pfs_status").GetProperty(key)
            .GetString()!;
        string Line(string name) =>
            golden[(golden.IndexOf(name, StringComparison.Ordinal) + name.Length)..].Split('\n')[0];
        var pfs = new PseudofsData
        {
            SyncBegTid = 1, SyncEndTid = GoldenData.ParseTid(Line("sync-end-tid=")),
            SharedUuid = Guid.Parse(Line("shared-uuid=")), UniqueUuid = Guid.Parse(Line("unique-uuid=")),
            MirrorFlags = golden.Contains("SLAVE", StringComparison.Ordinal) ? PseudofsData.FlagSlave : 0,
        };
        Assert.Equal(golden, PfsStatusText.Status(golden.Split('\t')[0], 1, pfs, 7));
    }

    [Theory]
    [InlineData("1d", 86400u, "1d")]
    [InlineData("2d/03:04:05", 183845u, "2d/03:04:05")]
    [InlineData("1:30", 5400u, "01:30:00")]
    [InlineData("0", 0u, "00:00:00")]
    [InlineData("99999999d", 0x7FFFFFFFu, "24855d/03:14:07")]
    public void Prune_min_is_parsed_and_printed(string text, uint seconds, string printed)
    {
        Assert.True(PfsStatusText.TryParsePruneMin(text, out uint got));
        Assert.Equal((seconds, printed), (got, PfsStatusText.PruneMinText(got)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("d")]
    [InlineData("1d2")]
    [InlineData("1:2:3:4")]
    [InlineData("x")]
    [InlineData("999999999999")]
    public void Prune_min_that_is_no_time_is_refused(string text) =>
        Assert.False(PfsStatusText.TryParsePruneMin(text, out _));

    [Fact]
    public void Label_is_cut_at_a_character()
    {
        Label64 label = default;
        PfsStatusText.SetLabel(ref label, new string('a', 62) + "\u00e9b");
        Assert.Equal(new string('a', 62), PfsStatusText.LabelText(label));
    }
}
