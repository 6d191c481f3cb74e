using System;
using System.Linq;
using NasDevices.Leds;
using NasFirmware.Status;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Status;

public sealed class StatusBoardTests
{
    readonly ManualClock _time = new();

    [Fact]
    public void Report_that_is_not_renewed_is_not_good_for_ever()
    {
        var board = new StatusBoard(_time);
        var reporter = new StatusReporter(board, "nas1", "1", () => new StatusLimits(), _time);
        board.Put(Boxes.Good.Volumes[0]);
        board.Put(Boxes.Good.Mirrors[0] with { ProvenAt = _time.GetUtcNow() });
        Assert.Equal(LightState.InStepProven, reporter.Now().Light);
        _time.Advance(TimeSpan.FromSeconds(89));
        Assert.Equal(Severity.Good, reporter.Now().Severity);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(LightState.Lagging, reporter.Now().Light);
        board.Renew("family", isSource: true);
        Assert.Equal(Severity.Good, reporter.Now().Severity);
    }

    [Fact]
    public void A_box_that_is_looked_for_says_so_until_the_time_is_over_and_pairing_comes_first()
    {
        var board = new StatusBoard(_time);
        var reporter = new StatusReporter(board, "nas1", "1", () => new StatusLimits(), _time);
        board.Put(Boxes.Missing.Volumes[0]);
        board.Locate(TimeSpan.FromMinutes(5));
        Assert.Equal((LightState.Locating, Severity.Failed), (reporter.Now().Light, reporter.Now().Severity));
        Assert.Equal([new ScreenPage(ScreenPageKind.Locate)], ScreenPager.Pages(reporter.Now()));
        board.Show(Activity.Pairing, "041 873");
        Assert.Equal(LightState.Pairing, reporter.Now().Light);
        board.Show(Activity.None);
        _time.Advance(TimeSpan.FromSeconds(299));
        Assert.Equal(Activity.Locating, reporter.Now().Activity);
        Assert.Contains("to be found for 1 s", StatusTables.Head(reporter.Now()), StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((LightState.Failed, null), (reporter.Now().Light, reporter.Now().LocateSecondsLeft));
        board.Locate(TimeSpan.FromMinutes(5));
        board.Locate(TimeSpan.Zero);
        Assert.Equal(Activity.None, reporter.Now().Activity);
    }

    [Fact]
    public void Proof_grows_old_though_the_report_is_renewed()
    {
        var board = new StatusBoard(_time);
        MirrorStatus mirror = Boxes.Good.Mirrors[0] with { ProvenAt = null };
        board.Put(mirror);
        _time.Advance(TimeSpan.FromDays(3));
        board.Put(mirror);
        Assert.Equal(3 * 86400, board.Snapshot("a", "1").Mirrors.Single().ProvenAgeSeconds);
        board.Put(mirror with { ProvenTid = "0x0000000100000009" });
        Assert.Equal(0, board.Snapshot("a", "1").Mirrors.Single().ProvenAgeSeconds);
        // Who reports the stream knows nothing of proofs: they stay.
        board.Put(mirror with { ProvenTid = null, BytesSent = 7 });
        Assert.Equal("0x0000000100000009", board.Snapshot("a", "1").Mirrors.Single().ProvenTid);
        board.UpdateMirror("family", isSource: true, m => m with { ProvenTid = null });
        Assert.Null(board.Snapshot("a", "1").Mirrors.Single().ProvenAgeSeconds);
        board.SetLive("family", isSource: true, m => m with { LagSeconds = 4 });
        Assert.Equal(4, board.Snapshot("a", "1").Mirrors.Single().LagSeconds);
        board.RemoveMirror("family", isSource: true);
        Assert.Empty(board.Snapshot("a", "1").Mirrors);
    }

    [Fact]
    public void Proof_of_an_earlier_run_counts_on_and_a_first_load_ends_it()
    {
        var board = new StatusBoard(_time);
        MirrorStatus mirror = Boxes.Good.Mirrors[0] with { ProvenTid = null, ProvenAt = null };
        MirrorStatus Now() => board.Snapshot("a", "1").Mirrors.Single();
        board.Recall("family", isSource: true, new MirrorProof(mirror.SlaveTid, null, true, false, 600, null, false));
        board.Put(mirror);
        _time.Advance(TimeSpan.FromSeconds(60));
        board.Put(mirror with { BytesSent = 1 });
        Assert.Equal((mirror.SlaveTid, true, 660d), (Now().ProvenTid, Now().IsProvenEarlier, Now().ProvenAgeSeconds));
        Assert.True(Judgement.IsProven(Now(), DateTimeOffset.UnixEpoch, new StatusLimits()));
        int begun = 0;
        board.FirstLoadBegan += (name, isSource) => begun += name == "family" && isSource ? 1 : 100;
        board.Put(mirror with { Phase = MirrorPhase.FirstLoad });
        board.Put(mirror with { Phase = MirrorPhase.FirstLoad, BytesSent = 2 });
        board.Put(mirror);
        Assert.Equal((null, null, 1), (Now().ProvenTid, Now().ProvenAgeSeconds, begun));
    }

    [Fact]
    public void What_the_owner_knows_of_ends_with_the_failure_and_one_more_problem_is_news()
    {
        var board = new StatusBoard(_time);
        var reporter = new StatusReporter(board, "nas1", "1", () => new StatusLimits(), _time);
        board.Put(Boxes.Missing.Volumes[0]);
        Assert.Equal(LightState.Failed, reporter.Now().Light);
        board.Acknowledge();
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        board.Put(new DiskStatus { Device = "sda", Problem = "odd" });
        Assert.Equal(LightState.Failed, reporter.Now().Light);
        board.Acknowledge();
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        board.Put(Boxes.Good.Volumes[0]);
        Assert.Equal(LightState.Attention, reporter.Now().Light);
        board.Put(Boxes.Missing.Volumes[0]);
        Assert.Equal(LightState.Failed, reporter.Now().Light);
    }

    [Fact]
    public void Second_failure_is_news_though_the_first_has_gone_and_changed_numbers_are_none()
    {
        var board = new StatusBoard(_time);
        var reporter = new StatusReporter(board, "nas1", "1", () => new StatusLimits(), _time);
        board.Put(Boxes.Missing.Volumes[0]);
        MirrorStatus late = Boxes.Good.Mirrors[0] with { Phase = MirrorPhase.Streaming };
        board.Put(late with { LagSeconds = 75 });
        board.Acknowledge();
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        board.Put(late with { LagSeconds = 7500, Peer = "nas2" });
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        // One failure goes, another comes at the same moment: as many as before.
        board.Put(Boxes.Good.Volumes[0]);
        board.Put(Boxes.Missing.Volumes[0] with { Name = "music" });
        Assert.Equal((LightState.Failed, false), (reporter.Now().Light, reporter.Now().IsAcknowledged));
        board.Acknowledge();
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        // What was well for long and fails again is news; what only flickers is not.
        board.Put(late with { LagSeconds = 1 });
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        _time.Advance(TimeSpan.FromSeconds(60));
        board.Put(late with { LagSeconds = 80 });
        Assert.Equal(LightState.FailedAcknowledged, reporter.Now().Light);
        board.Put(late with { LagSeconds = 1 });
        _time.Advance(TimeSpan.FromMinutes(11));
        board.Put(late with { LagSeconds = 80 });
        Assert.Equal(LightState.Failed, reporter.Now().Light);
    }

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(0.42, "0.4 s")]
    [InlineData(61, "61 s")]
    [InlineData(600, "10 min")]
    [InlineData(10000, "2.8 h")]
    [InlineData(30e6, "347 days")]
    public void Spans_are_short(double seconds, string text) => Assert.Equal(text, StatusWords.Seconds(seconds));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1 KB")]
    [InlineData(1536, "1.5 KB")]
    [InlineData(20.0 * (1 << 20), "20 MB")]
    [InlineData(2.0 * (1L << 40), "2 TB")]
    public void Bytes_are_short(double bytes, string text) => Assert.Equal(text, StatusWords.Bytes(bytes));
}
