using System;
using System.Collections.Generic;
using System.Linq;
using NasFirmware.Status;
using Xunit;

namespace NasFirmware.Tests.Status;

public sealed class ScreenPagerTests
{
    static BoxStatus Judged(BoxStatus box) => Judgement.Of(box, new StatusLimits());

    readonly ScreenPager _pager = new(TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5));
    double _seconds;

    string See(BoxStatus box, double after = 0)
    {
        _seconds += after;
        ScreenPage? page = _pager.Update(Judged(box), TimeSpan.FromSeconds(_seconds)).Page;
        return page is not { } p ? "dark" : p.Kind == ScreenPageKind.Alert ? "Alert" + p.Index : p.Kind.ToString();
    }

    [Fact]
    public void Pages_follow_each_other_and_begin_anew()
    {
        var seen = new List<string> { See(Boxes.Good) };
        for (int i = 0; i < 6; i++) seen.Add(See(Boxes.Good, 5));
        Assert.Equal(["Mirror", "Proof", "Past", "Disks", "Peer", "Box", "Mirror"], seen);
        Assert.Equal("Mirror", See(Boxes.Good, 4.9));
    }

    [Fact]
    public void Alert_comes_at_once_wherever_the_pages_are()
    {
        See(Boxes.Good);
        See(Boxes.Good, 5);
        Assert.Equal("Alert0", See(Boxes.Unreachable, 0.5));
        Assert.Equal("Mirror", See(Boxes.Unreachable, 5));
        Assert.Equal("Proof", See(Boxes.Unreachable, 5));
        Assert.Equal("Pair", See(Boxes.Pairing, 0.5));
        Assert.Equal("Pair", See(Boxes.Pairing, 60));
        Assert.Equal("Mirror", See(Boxes.Good, 0.5));
    }

    [Fact]
    public void Failure_shows_its_problems_and_the_mirror_only()
    {
        BoxStatus box = Boxes.Missing with { Peers = [Boxes.Good.Peers[0] with { Problem = "odd" }] };
        string[] seen = [See(box), See(box, 5), See(box, 5), See(box, 5)];
        Assert.Equal(["Alert0", "Alert1", "Mirror", "Alert0"], seen);
    }

    [Fact]
    public void Display_sleeps_without_news_and_wakes_by_them()
    {
        See(Boxes.Good);
        Assert.NotEqual("dark", See(Boxes.Good, 299));
        Assert.Equal("dark", See(Boxes.Good, 1));
        Assert.Equal("dark", See(Boxes.Good with { Disks = [] }, 1000));
        Assert.Equal("Alert0", See(Boxes.Unreachable, 1));
        // The lag grows, and that is no news.
        for (int i = 1; i < 300; i++)
        {
            BoxStatus lagging = Boxes.Unreachable with
            {
                Mirrors = [Boxes.Unreachable.Mirrors[0] with { LagSeconds = i / 10.0 }],
            };
            Assert.NotEqual("dark", See(lagging, 1));
        }
        Assert.Equal("dark", See(Boxes.Unreachable, 1));
        Assert.Equal("Mirror", See(Boxes.Good, 1));
    }

    [Fact]
    public void Display_does_not_sleep_over_a_failure_until_it_is_acknowledged()
    {
        See(Boxes.Missing);
        Assert.NotEqual("dark", See(Boxes.Missing, 100000));
        BoxStatus known = Boxes.Missing with { IsAcknowledged = true };
        See(known);
        Assert.Equal("dark", See(known, 301));
    }

    [Fact]
    public void Picture_moves_every_minute_by_a_dot()
    {
        ScreenView At(double minutes) => _pager.Update(Judged(Boxes.Good), TimeSpan.FromMinutes(minutes));
        (int, int)[] seen = [.. new[] { 0.5, 1.5, 2.5, 3.5, 4.5 }.Select(m => (At(m).ShiftX, At(m).ShiftY))];
        Assert.Equal([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)], seen);
    }
}
