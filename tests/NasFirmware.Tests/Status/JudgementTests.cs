using System;
using System.Collections.Generic;
using System.Linq;
using NasDevices.Leds;
using NasFirmware.Status;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>Every row: the facts, and what severity, light and problem they make.</summary>
public sealed class JudgementTests
{
    static readonly StatusLimits s_limits = new();

    sealed record Case(string Name, BoxStatus Box, Severity Severity, LightState Light, string? Problem = null,
        string? Word = null);

    static BoxStatus Alter(Func<MirrorStatus, MirrorStatus> mirror) =>
        Boxes.Good with { Mirrors = [mirror(Boxes.Good.Mirrors[0])] };

    static BoxStatus AlterVolume(Func<VolumeStatus, VolumeStatus> volume) =>
        Boxes.Good with { Volumes = [volume(Boxes.Good.Volumes[0])] };

    static BoxStatus AlterDisk(Func<DiskStatus, DiskStatus> disk) =>
        Boxes.Good with { Disks = [disk(Boxes.Good.Disks[0]), Boxes.Good.Disks[1]] };

    static readonly Case[] s_cases =
    [
        new("proven", Boxes.Good, Severity.Good, LightState.InStepProven, Word: "In step"),
        new("asleep", Boxes.Asleep, Severity.Good, LightState.Asleep),
        new("one disk awake", Boxes.Asleep with
            {
                Disks = [.. Boxes.Asleep.Disks, new() { Device = "sdb", Volume = "b" }],
            }, Severity.Good, LightState.InStepProven),
        new("never compared", Alter(m => m with { ProvenTid = null, ProvenAt = null, ProvenAgeSeconds = null }),
            Severity.Good, LightState.InStepUnproven, Word: "Unproven"),
        new("newer changes than the proof", Alter(m => m with { SlaveTid = "0x0000000100000009" }),
            Severity.Good, LightState.InStepUnproven),
        new("proof of an earlier run too old by the wall clock", Alter(m => m with
            {
                ProvenAt = Boxes.Now - TimeSpan.FromDays(8), IsProvenEarlier = true,
            }), Severity.Good, LightState.InStepUnproven),
        new("proof made in 1970, the clock set since", Alter(m => m with { ProvenAt = DateTimeOffset.UnixEpoch }),
            Severity.Good, LightState.InStepProven),
        new("proof of an earlier run that had no clock", Alter(m => m with
            {
                ProvenAt = null, IsProvenEarlier = true,
            }), Severity.Good, LightState.InStepProven),
        new("proof of an earlier run that is in the future", Alter(m => m with
            {
                ProvenAt = Boxes.Now + TimeSpan.FromDays(900), IsProvenEarlier = true,
            }), Severity.Good, LightState.InStepProven),
        new("proof too old while the clock stood in 1970", Boxes.Good with
            {
                Now = DateTimeOffset.UnixEpoch,
                Mirrors = [Boxes.Good.Mirrors[0] with { ProvenAgeSeconds = 8 * 86400 }],
            }, Severity.Good, LightState.InStepUnproven),
        new("clock in 1970, proof fresh", Boxes.Good with { Now = DateTimeOffset.UnixEpoch },
            Severity.Good, LightState.InStepProven),
        new("no TID", Alter(m => m with { ProvenTid = "later" }), Severity.Good, LightState.InStepUnproven),
        new("asleep, not proven", Boxes.Asleep with
            {
                Mirrors = [Boxes.Good.Mirrors[0] with { ProvenTid = null }],
            }, Severity.Good, LightState.InStepUnproven),
        new("no mirror", Boxes.Good with { Mirrors = [] }, Severity.Good, LightState.InStepUnproven,
            Word: "No mirror"),
        new("streaming", Alter(m => m with { Phase = MirrorPhase.Streaming, LagSeconds = 1.5 }),
            Severity.Good, LightState.Streaming),
        new("first load", Alter(m => m with { Phase = MirrorPhase.FirstLoad, Progress = 0.25, LagSeconds = 9999 }),
            Severity.Degraded, LightState.FirstLoad,
            "mirror family to nas2: the first load is under way, 25 % are there"),
        new("connecting", Alter(m => m with { Phase = MirrorPhase.Connecting }),
            Severity.Degraded, LightState.Starting, "mirror family to nas2 is connecting"),
        new("lag", Alter(m => m with { Phase = MirrorPhase.Streaming, LagSeconds = 61 }),
            Severity.Degraded, LightState.Lagging, "mirror family to nas2 is 61 s behind"),
        new("unreachable", Boxes.Unreachable, Severity.Degraded, LightState.PeerUnreachable,
            "mirror family to nas2: the other box does not answer: no route to host"),
        new("refused", Alter(m => m with { Phase = MirrorPhase.Refused, Problem = "the target is ahead" }),
            Severity.Failed, LightState.Failed, "mirror family to nas2 is refused: the target is ahead"),
        new("hindered", Alter(m => m with { Phase = MirrorPhase.Hindered, Problem = "nas2 is full" }),
            Severity.Degraded, LightState.Attention, "mirror family to nas2 cannot go on for now: nas2 is full"),
        new("no source", Alter(m => m with { Phase = MirrorPhase.NoSource }),
            Severity.Degraded, LightState.Attention, "mirror family to nas2: photos/family is not there"),
        new("differs", Alter(m => m with { Differs = "a/b at byte 512" }), Severity.Failed, LightState.Failed,
            "mirror family to nas2: the two sides differ: a/b at byte 512"),
        new("mirror's trouble", Alter(m => m with { Problem = "stalled twice" }), Severity.Degraded,
            LightState.Attention, "mirror family to nas2: stalled twice"),
        new("silent loop", Alter(m => m with { AgeSeconds = 91 }), Severity.Degraded, LightState.Lagging,
            "mirror family to nas2: nothing was heard of it for 91 s"),
        new("silent, and known to be unreachable", Boxes.Unreachable with
            {
                Mirrors = [Boxes.Unreachable.Mirrors[0] with { AgeSeconds = 3600 }],
            }, Severity.Degraded, LightState.PeerUnreachable,
            "mirror family to nas2: the other box does not answer: no route to host"),
        new("incoming", Alter(m => m with { IsSource = false, Phase = MirrorPhase.Unreachable }), Severity.Degraded,
            LightState.PeerUnreachable, "mirror family from nas2: the other box does not answer"),
        new("volume missing", Boxes.Missing, Severity.Failed, LightState.Failed,
            "file system photos: its disks are not there"),
        new("volume failed", AlterVolume(v => v with { State = VolumeState.Failed, Problem = "bad header" }),
            Severity.Failed, LightState.Failed, "file system photos cannot be mounted: bad header"),
        new("latched", AlterVolume(v => v with { State = VolumeState.Latched, Problem = "flush failed" }),
            Severity.Failed, LightState.Failed, "file system photos is read-only after an error: flush failed"),
        new("mounting", AlterVolume(v => v with { State = VolumeState.Mounting }),
            Severity.Degraded, LightState.Starting, "file system photos is being mounted"),
        new("nearly full", AlterVolume(v => v with { BytesFree = v.BytesTotal / 25 }),
            Severity.Degraded, LightState.Attention, "file system photos is nearly full: 4 % are free"),
        new("full soon", AlterVolume(v => v with { FullInDays = 6 }),
            Severity.Degraded, LightState.Attention, "file system photos will be full in 6 days"),
        new("volume's trouble", AlterVolume(v => v with { Problem = "history shortened" }),
            Severity.Degraded, LightState.Attention, "file system photos: history shortened"),
        new("nothing at all", new BoxStatus { Name = "nas1", Version = "1" },
            Severity.Degraded, LightState.Attention, "no file system is configured"),
        new("disk failed", AlterDisk(d => d with { Health = Severity.Failed, Problem = "gone" }),
            Severity.Failed, LightState.Failed, "disk sda has failed: gone"),
        new("disk predicted", AlterDisk(d => d with { Health = Severity.Degraded, Problem = "8 sectors pending" }),
            Severity.Degraded, LightState.Attention, "disk sda is not well: 8 sectors pending"),
        new("disk warm", AlterDisk(d => d with { Celsius = 56 }), Severity.Degraded, LightState.Attention,
            "disk sda is too warm: 56 degrees Celsius"),
        new("peer's trouble", Boxes.Good with { Peers = [Boxes.Good.Peers[0] with { Problem = "its key changed" }] },
            Severity.Degraded, LightState.Attention, "peer nas2: its key changed"),
        new("light's trouble", Boxes.Good with { Panel = [new() { Name = "light", Problem = "not there" }] },
            Severity.Degraded, LightState.Attention, "light: not there"),
        new("configuration's trouble", Boxes.Good with { ConfigProblem = "the configuration has mistakes" },
            Severity.Degraded, LightState.Attention, "the configuration has mistakes"),
        new("acknowledged", Boxes.Missing with { IsAcknowledged = true }, Severity.Failed,
            LightState.FailedAcknowledged, "file system photos: its disks are not there"),
        new("acknowledged, but well", Boxes.Good with { IsAcknowledged = true }, Severity.Good,
            LightState.InStepProven),
        new("pairing", Boxes.Pairing, Severity.Good, LightState.Pairing),
        new("locating", Boxes.Missing with { Activity = Activity.Locating }, Severity.Failed, LightState.Locating,
            "file system photos: its disks are not there"),
        new("safe", Boxes.Good with { Activity = Activity.SafeToUnplug }, Severity.Good, LightState.SafeToUnplug),
    ];

    public static TheoryData<string> Names => [.. s_cases.Select(c => c.Name)];

    [Theory, MemberData(nameof(Names))]
    public void Facts_make_severity_light_and_problems(string name)
    {
        Case row = s_cases.Single(c => c.Name == name);
        BoxStatus judged = Judgement.Of(row.Box, s_limits);
        Assert.Equal(row.Light, judged.Light);
        Assert.Equal(row.Severity, judged.Severity);
        Assert.Equal(row.Word ?? LightTable.Of(row.Light).Word, judged.State);
        if (row.Problem is null) Assert.Empty(judged.Problems);
        else Assert.Equal([row.Problem], judged.Problems);
    }

    [Fact]
    public void Every_state_of_the_light_has_a_case() =>
        Assert.Equal(Enum.GetValues<LightState>().ToHashSet(), [.. s_cases.Select(c => c.Light)]);

    [Fact]
    public void Problems_stand_worst_first()
    {
        BoxStatus box = Boxes.Unreachable with
        {
            Volumes = [Boxes.Good.Volumes[0] with { FullInDays = 2 }, Boxes.Missing.Volumes[0] with { Name = "b" }],
        };
        BoxStatus judged = Judgement.Of(box, s_limits);
        Assert.Equal(LightState.Failed, judged.Light);
        Assert.Collection(judged.Problems,
            p => Assert.Contains("disks are not there", p, StringComparison.Ordinal),
            p => Assert.Contains("full in 2 days", p, StringComparison.Ordinal),
            p => Assert.Contains("does not answer", p, StringComparison.Ordinal));
    }

    [Fact]
    public void No_two_states_share_a_rhythm_on_one_light()
    {
        var seen = new Dictionary<string, LightState>();
        foreach (LightRow row in LightTable.Rows)
        {
            if (row.State == LightState.FailedAcknowledged) continue;
            string rhythm = string.Join(' ', row.Rhythm.Steps) + row.Rhythm.IsOnce;
            Assert.True(seen.TryAdd(rhythm, row.State), $"{row.State} looks like {seen[rhythm]}");
        }
        Assert.Equal(LightTable.Of(LightState.Failed).Rhythm,
            LightTable.RhythmOf(LightState.FailedAcknowledged, LightColour.Green));
        Assert.Equal(Rhythm.Solid, LightTable.RhythmOf(LightState.FailedAcknowledged, LightColour.Amber));
    }
}
