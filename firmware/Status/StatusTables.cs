using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace NasFirmware.Status;

/// <summary>A table of the command line; cells are plain text.</summary>
sealed record StatusTable(string Title, IReadOnlyList<string> Heads, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>The status as tables, without a word about how they are drawn.</summary>
static class StatusTables
{
    /// <summary>The first line: name, state, and what the box is.</summary>
    internal static string Head(BoxStatus box)
    {
        string address = box.Address is null ? "" : ", " + box.Address;
        string activity = box.Activity == Activity.Pairing && box.PairingCode is { } code ? $", compare {code}"
            : box.LocateSecondsLeft is { } left ? $", to be found for {StatusWords.Seconds(left)}" : "";
        return $"{box.Name}: {box.State} ({SeverityWord(box.Severity)}{activity}){address}, "
            + $"nashammer {box.Version}, up {StatusWords.Seconds(box.UptimeSeconds)}";
    }

    internal static string SeverityWord(Severity severity) => severity switch
    {
        Severity.Good => "good", Severity.Degraded => "degraded", _ => "failed",
    };

    /// <summary>Tables that have rows.</summary>
    internal static IEnumerable<StatusTable> Of(BoxStatus box) => new[]
    {
        new StatusTable("Mirrors", ["MIRROR", "PEER", "STATE", "LAG", "LEFT", "SPEED", "PROVEN", "RESENT"],
            [.. box.Mirrors.Select(m => Row(m, box.Now))]),
        new StatusTable("File systems", ["FILE SYSTEM", "STATE", "MOUNT", "SIZE", "FREE", "REACHES BACK TO", "FULL IN"],
            [.. box.Volumes.Select(Row)]),
        new StatusTable("Peers", ["PEER", "ADDRESS", "STATE", "SEEN"], [.. box.Peers.Select(p => Row(p, box.Now))]),
        new StatusTable("Disks", ["DISK", "MODEL", "SERIAL", "SIZE", "TEMP", "STATE", "HOLDS"],
            [.. box.Disks.Select(Row)]),
    }.Where(t => t.Rows.Count > 0);

    internal static string PhaseWord(MirrorPhase phase) => phase switch
    {
        MirrorPhase.NoSource => "not there",
        MirrorPhase.Connecting => "connecting",
        MirrorPhase.Unreachable => "no peer",
        MirrorPhase.Refused => "refused",
        MirrorPhase.Hindered => "hindered",
        MirrorPhase.FirstLoad => "first load",
        MirrorPhase.Streaming => "streaming",
        _ => "in step",
    };

    static string[] Row(MirrorStatus m, DateTimeOffset now) =>
    [
        $"{m.Name} ({m.Pfs})", (m.IsSource ? "to " : "from ") + m.Peer,
        m.Differs is not null ? "differs" : PhaseWord(m.Phase),
        m.LagSeconds is { } lag ? StatusWords.Seconds(lag) : "-", Left(m),
        m.BytesPerSecond > 0 ? StatusWords.Bytes(m.BytesPerSecond) + "/s" : "-",
        Judgement.ProofAge(m, now) is { } age
            ? StatusWords.Seconds(age.TotalSeconds) + " ago" + (m.ProvenFull ? ", full" : "") : "-",
        StatusWords.Bytes(m.BytesResent),
    ];

    /// <summary>What a mirror still has to send: part, bytes and time, as far as known.</summary>
    internal static string Left(MirrorStatus m)
    {
        var parts = new List<string>(3);
        if (m.Progress is { } p) parts.Add((p * 100).ToString("0.#", CultureInfo.InvariantCulture) + " % done");
        if (m.BytesBehind is > 0 and var bytes) parts.Add(StatusWords.Bytes(bytes));
        if (m.SecondsLeft is { } left) parts.Add(StatusWords.Seconds(left));
        return parts.Count == 0 ? "-" : string.Join(", ", parts);
    }

    static string[] Row(VolumeStatus v) =>
    [
        v.Name, VolumeWord(v.State), v.Mount ?? "-",
        v.BytesTotal > 0 ? StatusWords.Bytes(v.BytesTotal) : "-",
        v.BytesTotal > 0 ? StatusWords.Bytes(v.BytesFree) : "-",
        v.OldestReachable is { } oldest ? StatusWords.Moment(oldest) : "-",
        v.FullInDays is { } days ? StatusWords.Days(days) : "-",
    ];

    internal static string VolumeWord(VolumeState state) => state switch
    {
        VolumeState.Missing => "missing", VolumeState.Mounting => "mounting", VolumeState.Mounted => "mounted",
        VolumeState.Latched => "read-only", _ => "failed",
    };

    static string[] Row(PeerStatus p, DateTimeOffset now) =>
    [
        p.Name, p.Address ?? "-", p.Summary ?? (p.IsReachable ? "there" : "not reachable"),
        p.LastSeen is { } seen ? StatusWords.Ago(seen, now) : "-",
    ];

    static string[] Row(DiskStatus d) =>
    [
        d.Device, d.Model ?? "-", d.Serial ?? "-", d.Bytes > 0 ? StatusWords.Bytes(d.Bytes) : "-",
        d.Celsius is { } c ? c.ToString(CultureInfo.InvariantCulture) + " C" : "-",
        d.Health == Severity.Good ? d.IsAsleep ? "asleep" : "good" : SeverityWord(d.Health), d.Volume ?? "-",
    ];
}
