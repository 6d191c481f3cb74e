using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using NasDevices.Leds;
using NasFirmware.Update;

namespace NasFirmware.Status;

/// <summary>From where on a number is a problem.</summary>
sealed record StatusLimits
{
    /// <summary>A comparison older than this proves nothing about today.</summary>
    internal TimeSpan ProofAge { get; init; } = TimeSpan.FromDays(7);

    /// <summary>A mirror loop that has not reported for so long is not believed, whatever it said.</summary>
    internal TimeSpan ReportAge { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>Part of a file system that must be free.</summary>
    internal double FreeMin { get; init; } = 0.05;

    /// <summary>A file system that will be full in so many days.</summary>
    internal double FullInDaysMin { get; init; } = 7;

    /// <summary>A disk this warm, in degrees Celsius.</summary>
    internal int CelsiusMax { get; init; } = 55;
}

/// <summary>
/// The judgement of the box: severity, word, light and the list of what is wrong, as a pure function of the facts. The
/// worst fact decides. "Good" has to be earned by every part: a file system must be mounted, a mirror must be in step
/// or streaming within its limit, and must have said so lately. Nothing known at all is not good.
/// </summary>
static class Judgement
{
    /// <summary>One thing that is so: how bad, what the light says of it, and a sentence if it is a problem.</summary>
    readonly record struct Fact(Severity Severity, LightState Light, string? Problem = null);

    /// <summary>The box with severity, state, light and problems filled in.</summary>
    internal static BoxStatus Of(BoxStatus box, StatusLimits limits)
    {
        List<Fact> facts =
        [
            .. OfBox(box),
            .. OfIdentity(box.Identity),
            .. OfUpdate(box.Update),
            .. box.Volumes.SelectMany(v => OfVolume(v, limits)),
            .. box.Mirrors.SelectMany(m => OfMirror(m, box.Now, limits)),
            .. box.Peers.Where(p => p.Problem is not null).Select(p => new Fact(Severity.Degraded,
                LightState.Attention, $"peer {p.Name}: {p.Problem}")),
            .. box.Disks.SelectMany(d => OfDisk(d, limits)),
            .. box.Panel.Where(p => p.Problem is not null).Select(p => new Fact(Severity.Degraded,
                LightState.Attention, $"{p.Name}: {p.Problem}")),
        ];
        Severity severity = facts.Max(f => f.Severity);
        LightState light = LightOf(box, facts);
        return box with
        {
            Severity = severity,
            Light = light,
            Notices = [.. Notices(box)],
            State = box.Mirrors.Count == 0 && light == LightState.InStepUnproven
                ? "No mirror" : LightTable.Of(light).Word,
            // Stable: equals keep the order in which they stand in the model.
            Problems = [.. facts.Where(f => f.Problem is not null).OrderByDescending(f => f.Severity)
                .ThenByDescending(f => f.Light).Select(f => f.Problem!)],
        };
    }

    static LightState LightOf(BoxStatus box, List<Fact> facts)
    {
        switch (box.Activity)
        {
            case Activity.Pairing: return LightState.Pairing;
            case Activity.Locating: return LightState.Locating;
            case Activity.SafeToUnplug: return LightState.SafeToUnplug;
        }
        LightState light = facts.Max(f => f.Light);
        if (light == LightState.Failed && box.IsAcknowledged) return LightState.FailedAcknowledged;
        bool asleep = box.Disks.Any(d => d.Volume is not null)
            && box.Disks.Where(d => d.Volume is not null).All(d => d.IsAsleep);
        return light == LightState.InStepProven && asleep ? LightState.Asleep : light;
    }

    static IEnumerable<Fact> OfBox(BoxStatus box)
    {
        if (box.Volumes.Count == 0)
            yield return new Fact(Severity.Degraded, LightState.Attention, "no file system is configured");
        else if (box.Mirrors.Count == 0)
            yield return new Fact(Severity.Good, LightState.InStepUnproven);
        if (box.ConfigProblem is { } problem)
            yield return new Fact(Severity.Degraded, LightState.Attention, problem);
        foreach (string told in box.SystemProblems)
            yield return new Fact(Severity.Degraded, LightState.Attention, told);
    }

    const string NewKey = "this box has a new key: no former one was found on its card or its disks";

    internal const string KeyOnCardAlone = "the key of this box is on its card alone, since no file system may keep a "
        + "copy: if the card dies it has to be paired anew. A root that is mirrored keeps none; mirror a PFS instead, "
        + "or add a volume";

    static IEnumerable<string> Notices(BoxStatus box)
    {
        if (box.Identity is { IsNew: true, ConcernsOthers: false }) yield return NewKey;
        if (box.Identity is { Key: not null, ConcernsOthers: true, Copies: { Count: > 0 } copies }
            && copies.All(c => c.State is IdentityCopyState.Never or IdentityCopyState.Forgotten
                or IdentityCopyState.NotKept))
        {
            yield return KeyOnCardAlone;
        }
        if (box.Update is { Phase: UpdatePhase.Trial } update) yield return UpdateState.Sentence(update);
    }

    // That a version is on trial is no problem; that it came back is one until the owner knows.
    static IEnumerable<Fact> OfUpdate(UpdateStatus? update)
    {
        if (update is { Phase: UpdatePhase.Back, IsSeen: false })
            yield return new Fact(Severity.Degraded, LightState.Attention, UpdateState.Sentence(update));
    }

    static IEnumerable<Fact> OfIdentity(IdentityStatus? identity)
    {
        if (identity is null) yield break;
        if (identity.Key is null)
        {
            yield return new Fact(Severity.Degraded, LightState.Starting,
                "the key of this box is looked for on its disks");
        }
        else if (identity is { IsNew: true, ConcernsOthers: true })
        {
            yield return new Fact(Severity.Degraded, LightState.Attention, $"{NewKey}; other boxes do not know it: "
                + "nashammer peer pair, or nashammer panel --acknowledge");
        }
        if (identity.Problem is { } problem) yield return new Fact(Severity.Degraded, LightState.Attention, problem);
        foreach (IdentityCopyStatus copy in identity.Copies)
        {
            if (copy.State == IdentityCopyState.Other)
            {
                yield return new Fact(Severity.Degraded, LightState.Attention, $"file system {copy.Volume} carries "
                    + $"another key, of box {copy.Box}; this box stays what it is. nashammer peer id --replace "
                    + $"{copy.Volume}: it belongs to this box; --take {copy.Volume}: this box is that one");
            }
            else if (copy.Problem is { } fault)
            {
                yield return new Fact(Severity.Degraded, LightState.Attention,
                    $"the copy of the box's key on file system {copy.Volume}: {fault}");
            }
        }
    }

    static IEnumerable<Fact> OfVolume(VolumeStatus v, StatusLimits limits)
    {
        string because = v.Problem is null ? "" : ": " + v.Problem;
        switch (v.State)
        {
            case VolumeState.Missing:
                yield return new Fact(Severity.Failed, LightState.Failed,
                    $"file system {v.Name}: its disks are not there{because}");
                yield break;
            case VolumeState.Failed:
                yield return new Fact(Severity.Failed, LightState.Failed,
                    $"file system {v.Name} cannot be mounted{because}");
                yield break;
            case VolumeState.Latched:
                yield return new Fact(Severity.Failed, LightState.Failed,
                    $"file system {v.Name} is read-only after an error{because}");
                yield break;
            case VolumeState.Mounting:
                yield return new Fact(Severity.Degraded, LightState.Starting,
                    $"file system {v.Name} is being mounted{because}");
                yield break;
        }
        yield return new Fact(Severity.Good, LightState.InStepProven);
        if (v.Problem is not null)
            yield return new Fact(Severity.Degraded, LightState.Attention, $"file system {v.Name}{because}");
        if (v.BytesTotal > 0 && v.BytesFree < v.BytesTotal * limits.FreeMin)
        {
            yield return new Fact(Severity.Degraded, LightState.Attention,
                $"file system {v.Name} is nearly full: {Percent((double)v.BytesFree / v.BytesTotal)} are free");
        }
        else if (v.FullInDays < limits.FullInDaysMin)
        {
            yield return new Fact(Severity.Degraded, LightState.Attention,
                $"file system {v.Name} will be full in {StatusWords.Days(v.FullInDays.Value)}");
        }
    }

    static IEnumerable<Fact> OfMirror(MirrorStatus m, DateTimeOffset now, StatusLimits limits)
    {
        string name = $"mirror {m.Name} {(m.IsSource ? "to" : "from")} {m.Peer}";
        string because = m.Problem is null ? "" : ": " + m.Problem;
        if (m.Differs is not null)
            yield return new Fact(Severity.Failed, LightState.Failed, $"{name}: the two sides differ: {m.Differs}");
        if (m.Switching is not null)
            yield return new Fact(Severity.Degraded, LightState.Attention, $"{name}: {m.Switching}");
        if (m.Phase >= MirrorPhase.FirstLoad && m.AgeSeconds > limits.ReportAge.TotalSeconds)
        {
            yield return new Fact(Severity.Degraded, LightState.Lagging,
                $"{name}: nothing was heard of it for {StatusWords.Seconds(m.AgeSeconds)}{because}");
            yield break;
        }
        switch (m.Phase)
        {
            case MirrorPhase.Refused:
                yield return new Fact(Severity.Failed, LightState.Failed, $"{name} is refused{because}");
                yield break;
            case MirrorPhase.NoSource:
                yield return new Fact(Severity.Degraded, LightState.Attention,
                    $"{name}: {m.Pfs} is not there{because}");
                yield break;
            case MirrorPhase.Unreachable:
                yield return new Fact(Severity.Degraded, LightState.PeerUnreachable,
                    $"{name}: the other box does not answer{because}");
                break;
            case MirrorPhase.Hindered:
                yield return new Fact(Severity.Degraded, LightState.Attention,
                    $"{name} cannot go on for now{because}");
                break;
            case MirrorPhase.Connecting:
                yield return new Fact(Severity.Degraded, LightState.Starting, $"{name} is connecting{because}");
                break;
            case MirrorPhase.FirstLoad:
                yield return new Fact(Severity.Degraded, LightState.FirstLoad,
                    $"{name}: the first load is under way{Progress(m)}{because}");
                break;
            default:
                yield return new Fact(Severity.Good, InStepOrNot(m, now, limits));
                if (m.Problem is not null)
                    yield return new Fact(Severity.Degraded, LightState.Attention, name + because);
                break;
        }
        if (m.Phase != MirrorPhase.FirstLoad && m.LagLimitSeconds > 0 && m.LagSeconds > m.LagLimitSeconds)
        {
            yield return new Fact(Severity.Degraded, LightState.Lagging,
                $"{name} is {StatusWords.Seconds(m.LagSeconds.Value)} behind");
        }
    }

    static LightState InStepOrNot(MirrorStatus m, DateTimeOffset now, StatusLimits limits)
    {
        if (m.Phase == MirrorPhase.Streaming) return LightState.Streaming;
        return IsProven(m, now, limits) ? LightState.InStepProven : LightState.InStepUnproven;
    }

    /// <summary>Whether a comparison within the limit covers what the slave has.</summary>
    internal static bool IsProven(MirrorStatus m, DateTimeOffset now, StatusLimits limits)
    {
        if (m.Differs is not null || !TryTid(m.ProvenTid, out ulong proven)) return false;
        if (TryTid(m.SlaveTid, out ulong slave) && proven < slave) return false;
        return ProofAge(m, now) <= limits.ProofAge;
    }

    /// <summary>
    /// How old the proof is. One of this run: by the monotonic clock alone, since a board may start in 1970 and be told
    /// the time later. One of an earlier run: what was counted while the daemon ran, or what the wall clock says if
    /// that is more and can be. TIDs know no time (on-disk-format 7). Null: nobody knows.
    /// </summary>
    internal static TimeSpan? ProofAge(MirrorStatus m, DateTimeOffset now)
    {
        if (m.ProvenTid is null) return null;
        TimeSpan? wall = WallClock.Since(m.ProvenAt, now);
        if (m.ProvenAgeSeconds is not { } seconds) return wall;
        TimeSpan counted = TimeSpan.FromSeconds(seconds);
        return m.IsProvenEarlier && wall > counted ? wall : counted;
    }

    static bool TryTid(string? text, out ulong tid)
    {
        tid = 0;
        if (text is null) return false;
        ReadOnlySpan<char> digits = text.StartsWith("0x", StringComparison.Ordinal) ? text.AsSpan(2) : text;
        return ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out tid);
    }

    static string Progress(MirrorStatus m) => m.Progress is { } part ? $", {Percent(part)} are there" : "";

    static IEnumerable<Fact> OfDisk(DiskStatus d, StatusLimits limits)
    {
        string because = d.Problem is null ? "" : ": " + d.Problem;
        if (d.Health == Severity.Failed)
        {
            yield return new Fact(Severity.Failed, LightState.Failed, $"disk {d.Device} has failed{because}");
            yield break;
        }
        if (d.Health == Severity.Degraded || d.Problem is not null)
            yield return new Fact(Severity.Degraded, LightState.Attention, $"disk {d.Device} is not well{because}");
        if (d.Celsius > limits.CelsiusMax)
        {
            yield return new Fact(Severity.Degraded, LightState.Attention,
                $"disk {d.Device} is too warm: {d.Celsius} degrees Celsius");
        }
    }

    static string Percent(double part) => (part * 100).ToString("0.#", CultureInfo.InvariantCulture) + " %";
}
