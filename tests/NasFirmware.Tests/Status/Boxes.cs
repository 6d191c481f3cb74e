using System;
using System.Linq;
using NasFirmware.Status;

namespace NasFirmware.Tests.Status;

/// <summary>Boxes in states that tests and pictures need.</summary>
static class Boxes
{
    internal static readonly DateTimeOffset Now = new(2026, 11, 23, 8, 30, 0, TimeSpan.Zero);

    /// <summary>One file system, mirrored, proven, two disks.</summary>
    internal static readonly BoxStatus Good = new()
    {
        Name = "nas1", Version = "0.1.0", Address = "192.168.1.10", UptimeSeconds = 90000, Now = Now,
        Volumes =
        [
            new VolumeStatus
            {
                Name = "photos", State = VolumeState.Mounted, Mount = "/srv/photos", BytesTotal = 2L << 40,
                BytesFree = 1L << 40, OldestReachable = Now - TimeSpan.FromDays(60), FullInDays = 210,
            },
        ],
        Mirrors =
        [
            new MirrorStatus
            {
                Name = "family", IsSource = true, Peer = "nas2", Pfs = "photos/family", Phase = MirrorPhase.InStep,
                LagSeconds = 0, LagLimitSeconds = 60, MasterTid = "0x0000000100000008",
                SlaveTid = "0x0000000100000008", ProvenTid = "0x0000000100000008",
                ProvenAt = Now - TimeSpan.FromMinutes(12), ProvenAgeSeconds = 720, AgeSeconds = 2,
            },
        ],
        Peers = [new PeerStatus { Name = "nas2", IsReachable = true, Address = "192.168.1.20:7445", LastSeen = Now }],
        Disks =
        [
            new DiskStatus { Device = "sda", Volume = "photos", Celsius = 38, Bytes = 2L << 40, Model = "WD20EFRX" },
            new DiskStatus { Device = "mmcblk0", Bytes = 32L << 30 },
        ],
    };

    internal static readonly BoxStatus Asleep = Good with
    {
        Disks = [Good.Disks[0] with { IsAsleep = true, Celsius = null }, Good.Disks[1]],
    };

    internal static readonly BoxStatus Unreachable = Good with
    {
        Mirrors =
        [
            Good.Mirrors[0] with
            {
                Phase = MirrorPhase.Unreachable, LagSeconds = 40, Problem = "no route to host", BytesBehind = 3 << 20,
            },
        ],
        Peers = [Good.Peers[0] with { IsReachable = false, LastSeen = Now - TimeSpan.FromMinutes(5) }],
    };

    internal static readonly BoxStatus FirstLoad = Good with
    {
        Mirrors =
        [
            Good.Mirrors[0] with
            {
                Phase = MirrorPhase.FirstLoad, Progress = 0.42, SecondsLeft = 3 * 3600, BytesPerSecond = 30 << 20,
                BytesBehind = 320L << 30, LagSeconds = null, ProvenTid = null, ProvenAt = null, ProvenAgeSeconds = null,
            },
        ],
    };

    internal static readonly BoxStatus Missing = Good with
    {
        Volumes = [Good.Volumes.Single() with { State = VolumeState.Missing, BytesTotal = 0, BytesFree = 0 }],
    };

    internal static readonly BoxStatus Pairing = Good with { Activity = Activity.Pairing, PairingCode = "041 873" };
}
