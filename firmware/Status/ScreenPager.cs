using System;
using System.Collections.Generic;
using System.Linq;
using NasDevices.Leds;

namespace NasFirmware.Status;

/// <summary>What the display shows now.</summary>
/// <param name="Page">Null: it is dark.</param>
/// <param name="ShiftX">By how many dots the picture is moved.</param>
readonly record struct ScreenView(ScreenPage? Page, int ShiftX, int ShiftY);

/// <summary>
/// Which page the display shows: a function of the status and of time, without timers. Pages follow each other; news
/// (another state, another problem) show first and wake the display, which sleeps when there were none for a while, but
/// not over a failure that nobody has acknowledged. Each minute the picture moves by a dot, so that none is burnt in.
/// </summary>
/// <param name="pageTime">How long a page stands.</param>
/// <param name="sleepAfter">Dark after so long without news; zero: never.</param>
sealed class ScreenPager(TimeSpan pageTime, TimeSpan sleepAfter)
{
    const int AlertsMax = 5;

    static readonly (int X, int Y)[] s_shifts = [(0, 0), (1, 0), (1, 1), (0, 1)];

    (LightState Light, int Problems, Activity Activity, string? Code)? _news;
    TimeSpan _newsAt, _pageAt;
    int _index;

    /// <param name="now">Monotonic time; never goes back.</param>
    internal ScreenView Update(BoxStatus box, TimeSpan now)
    {
        // Problems are counted, not compared: their texts have numbers that change all the time.
        var news = (box.Light, box.Problems.Count, box.Activity, box.PairingCode);
        List<ScreenPage> pages = Pages(box);
        if (_news != news)
        {
            _news = news;
            _newsAt = _pageAt = now;
            _index = 0;
        }
        else if (now - _pageAt >= pageTime)
        {
            _pageAt = now;
            _index++;
        }
        (int x, int y) = s_shifts[(int)(now.TotalMinutes % s_shifts.Length)];
        bool dark = sleepAfter > TimeSpan.Zero && now - _newsAt >= sleepAfter && MaySleep(box);
        return new ScreenView(dark ? null : pages[_index % pages.Count], x, y);
    }

    static bool MaySleep(BoxStatus box) => box.Light != LightState.Failed && box.Activity == Activity.None;

    /// <summary>The pages of a status, in their order.</summary>
    internal static List<ScreenPage> Pages(BoxStatus box)
    {
        if (box.Activity == Activity.Pairing) return [new ScreenPage(ScreenPageKind.Pair)];
        if (box.Activity == Activity.Locating) return [new ScreenPage(ScreenPageKind.Locate)];
        List<ScreenPage> pages = [.. Enumerable.Range(0, Math.Min(AlertsMax, box.Problems.Count))
            .Select(i => new ScreenPage(ScreenPageKind.Alert, i))];
        pages.Add(new ScreenPage(ScreenPageKind.Mirror));
        if (box.Light == LightState.Failed) return pages;
        pages.Add(new ScreenPage(ScreenPageKind.Proof));
        pages.Add(new ScreenPage(ScreenPageKind.Past));
        if (box.Disks.Count > 0) pages.Add(new ScreenPage(ScreenPageKind.Disks));
        if (box.Peers.Count > 0) pages.Add(new ScreenPage(ScreenPageKind.Peer));
        pages.Add(new ScreenPage(ScreenPageKind.Box));
        return pages;
    }
}
