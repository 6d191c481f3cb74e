using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using NasDevices.Displays;
using NasDevices.Leds;

namespace NasFirmware.Status;

/// <summary>What the small display can show; `--page` takes these names.</summary>
enum ScreenPageKind { Mirror, Proof, Past, Disks, Peer, Box, Pair, Locate, Alert }

/// <summary>A page; alerts are numbered.</summary>
readonly record struct ScreenPage(ScreenPageKind Kind, int Index = 0);

/// <summary>
/// Draws the pages of a display of 128x64 dots: a head, and up to five rows of 21 letters. The last column and row stay
/// free, since the picture moves by a dot now and then.
/// </summary>
static class ScreenPages
{
    const int RowLetters = 21, RowsTop = 18, RowPitch = 9, RowCount = 5, UsableWidth = 127;

    internal static void Draw(ScreenPage page, BoxStatus box, Canvas to)
    {
        to.Clear();
        switch (page.Kind)
        {
            case ScreenPageKind.Mirror: Mirror(box, to); break;
            case ScreenPageKind.Pair: Pair(box, to); break;
            case ScreenPageKind.Locate: Locate(box, to); break;
            case ScreenPageKind.Alert: Alert(box, page.Index, to); break;
            default:
                Head(to, page.Kind.ToString(), box.State);
                Rows(to, page.Kind switch
                {
                    ScreenPageKind.Proof => Proof(box),
                    ScreenPageKind.Past => Past(box),
                    ScreenPageKind.Disks => Disks(box),
                    ScreenPageKind.Peer => Peer(box),
                    _ => Box(box),
                });
                break;
        }
    }

    static void Head(Canvas to, string left, string right)
    {
        to.Fill(0, 0, UsableWidth, 11);
        to.Text(2, 2, Cut(left, 12), lit: false);
        right = Cut(right, 20 - Math.Min(left.Length, 12));
        to.Text(UsableWidth - 1 - right.Length * Font.Advance, 2, right, lit: false);
    }

    static void Rows(Canvas to, IEnumerable<string> rows)
    {
        int y = RowsTop;
        foreach (string row in rows.Take(RowCount))
        {
            to.Text(0, y, Cut(row, RowLetters));
            y += RowPitch;
        }
    }

    static void Mirror(BoxStatus box, Canvas to)
    {
        to.LargeText(0, 0, Cut(box.State, 10));
        switch (box.Mirrors.Count)
        {
            case 0:
                Rows(to, ["no mirror configured"]);
                break;
            case 1:
                Mirror(box.Mirrors[0], to);
                break;
            default:
                Rows(to, box.Mirrors.OrderByDescending(m => m.LagSeconds ?? double.MaxValue).Select(m =>
                    Ends(m.Name, m.Differs is null ? StatusTables.PhaseWord(m.Phase) : "differs")));
                break;
        }
    }

    static void Mirror(MirrorStatus m, Canvas to)
    {
        string lag = m.LagSeconds is { } seconds ? "lag " + StatusWords.Seconds(seconds) : "lag not known";
        var rows = new List<string>
        {
            $"{m.Name} {(m.IsSource ? "to" : "from")} {m.Peer}",
            m.BytesPerSecond > 0 ? Ends(lag, StatusWords.Bytes(m.BytesPerSecond) + "/s") : lag,
        };
        if (m.BytesBehind is > 0 and var left) rows.Add("left " + StatusWords.Bytes(left));
        if (m.SecondsLeft is { } eta) rows.Add("done in " + StatusWords.Seconds(eta));
        if (m.Progress is not { } part)
        {
            if (rows.Count < 4 && m.ProvenAgeSeconds is { } age) rows.Add($"equal {StatusWords.Seconds(age)} ago");
            Rows(to, rows);
            return;
        }
        Rows(to, rows.Take(RowCount - 1));
        int y = RowsTop + (RowCount - 1) * RowPitch;
        string percent = (part * 100).ToString("0", CultureInfo.InvariantCulture) + "%";
        to.Bar(0, y, UsableWidth - 26, 8, part);
        to.Text(UsableWidth - percent.Length * Font.Advance, y, percent);
    }

    static IEnumerable<string> Proof(BoxStatus box)
    {
        if (box.Mirrors.Count == 0) return ["no mirror configured"];
        return box.Mirrors.SelectMany(m => m.Differs is { } place ? [m.Name + " DIFFERS", place]
            : m.ProvenTid is null ? [m.Name, "not yet compared"]
            : new[] { Ends(m.Name, m.ProvenFull ? "full" : "quick"), m.ProvenTid, Age(m, box.Now) });
    }

    static string Age(MirrorStatus m, DateTimeOffset now) =>
        $"equal {StatusWords.Seconds(Judgement.ProofAge(m, now)?.TotalSeconds ?? 0)} ago";

    static IEnumerable<string> Past(BoxStatus box)
    {
        if (box.Volumes.Count == 0) return ["no file system"];
        return box.Volumes.SelectMany(v => v.State != VolumeState.Mounted
            ? [Ends(v.Name, StatusTables.VolumeWord(v.State))]
            : new[]
            {
                Ends(v.Name, StatusWords.Bytes(v.BytesFree) + " free"),
                v.OldestReachable is { } oldest ? "to " + StatusWords.Moment(oldest) : "no history",
                v.FullInDays is { } days ? "full in " + StatusWords.Days(days) : "does not fill up",
            });
    }

    static IEnumerable<string> Disks(BoxStatus box) => box.Disks.OrderBy(d => d.Volume is null).Select(d =>
        Ends(Cut(d.Device, 10), (d.Celsius is { } c ? c.ToString(CultureInfo.InvariantCulture) + "C " : "")
            + (d.Health != Severity.Good ? StatusTables.SeverityWord(d.Health) : d.IsAsleep ? "asleep" : "good")));

    static IEnumerable<string> Peer(BoxStatus box) => box.Peers.SelectMany(p => new[]
    {
        Ends(p.Name, p.IsReachable ? "there" : "no answer"),
        p.Problem ?? p.Summary ?? (p.LastSeen is { } seen ? "seen " + StatusWords.Ago(seen, box.Now)
            : p.Address ?? "never seen"),
    });

    static string[] Box(BoxStatus box) =>
    [
        box.Name, box.Address ?? "no network",
        "nashammer " + box.Version + (box.Update is { Phase: UpdatePhase.Trial } ? " trial" : ""),
        "up " + StatusWords.Seconds(box.UptimeSeconds),
        box.Identity is { IsNew: true } ? "NEW KEY" + (box.Identity.ConcernsOthers ? ": pair it" : "")
            : StatusWords.Moment(box.Now) + " UTC",
    ];

    static void Pair(BoxStatus box, Canvas to)
    {
        to.LargeText(0, 0, LightTable.Of(LightState.Pairing).Word);
        to.LargeText(16, 24, box.PairingCode ?? "...");
        to.Text(0, RowsTop + 4 * RowPitch, "same on both boxes?");
    }

    static void Locate(BoxStatus box, Canvas to)
    {
        to.LargeText(0, 0, LightTable.Of(LightState.Locating).Word);
        to.LargeText(0, 24, Cut(box.Name, 10));
        to.Text(0, RowsTop + 4 * RowPitch, Cut(box.Address ?? "", RowLetters));
    }

    static void Alert(BoxStatus box, int index, Canvas to)
    {
        int count = box.Problems.Count;
        Head(to, box.State, count > 1 ? $"{index + 1}/{count}" : "!");
        Rows(to, index < count ? Wrap(box.Problems[index]) : ["all is well"]);
    }

    /// <summary>Two words at the ends of a row.</summary>
    static string Ends(string left, string right)
    {
        right = Cut(right, RowLetters - 4);
        return Cut(left, RowLetters - 1 - right.Length).PadRight(RowLetters - right.Length) + right;
    }

    static string Cut(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "~";

    /// <summary>Lines broken between words where there are any.</summary>
    internal static IEnumerable<string> Wrap(string text)
    {
        while (text.Length > RowLetters)
        {
            int at = text.LastIndexOf(' ', RowLetters);
            int end = at > 0 ? at : RowLetters;
            yield return text[..end];
            text = text[end..].TrimStart();
        }
        if (text.Length > 0) yield return text;
    }
}
