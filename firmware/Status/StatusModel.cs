using System;
using System.Collections.Generic;
using System.Text.Json.Serialization;
using NasDevices.Leds;

namespace NasFirmware.Status;

// StatusModel: the one model of how the box is. Services put what they know on the StatusBoard; light, display,
// command line and page are renderings of its snapshot and know nothing else. All of it is plain, immutable and goes
// through JSON unchanged. Times between events are measured with the monotonic clock by those who report them; wall
// times are for the eye only.

/// <summary>How good a thing is; the worst one decides.</summary>
enum Severity { Good, Degraded, Failed }

/// <summary>Where a file system stands.</summary>
enum VolumeState
{
    /// <summary>Its disks, or some of them, are not there.</summary>
    Missing,
    Mounting,
    Mounted,
    /// <summary>Latched: read-only after an error, see Problem.</summary>
    Latched,
    /// <summary>There, but not mountable, see Problem.</summary>
    Failed,
}

/// <summary>A file system of the configuration.</summary>
sealed record VolumeStatus
{
    public required string Name { get; init; }
    public required VolumeState State { get; init; }
    public string? FsId { get; init; }
    public string? Label { get; init; }
    public string? Mount { get; init; }
    public long BytesTotal { get; init; }
    public long BytesFree { get; init; }
    /// <summary>TID of the last durable flush group.</summary>
    public string? DurableTid { get; init; }
    /// <summary>The oldest moment of which all versions that the policy keeps are still there.</summary>
    public DateTimeOffset? OldestReachable { get; init; }
    /// <summary>At the rate of the last days; null if it does not fill.</summary>
    public double? FullInDays { get; init; }
    /// <summary>When the clean-up service was last through, and what it did.</summary>
    public string? LastCleanup { get; init; }
    public string? Problem { get; init; }
    public IReadOnlyList<string> Devices { get; init; } = [];
}

/// <summary>Where a mirror stands, seen from this box.</summary>
enum MirrorPhase
{
    /// <summary>The file system or PFS on this side is not there.</summary>
    NoSource,
    Connecting,
    /// <summary>The other box does not answer.</summary>
    Unreachable,
    /// <summary>The other box, or this one, says that this pair must not go on: see Problem.</summary>
    Refused,
    /// <summary>One of the boxes cannot go on for now (no room, its disk): see Problem; tried again.</summary>
    Hindered,
    FirstLoad,
    Streaming,
    /// <summary>Nothing to send: every durable change is durable there.</summary>
    InStep,
}

/// <summary>A mirror that this box sends or receives.</summary>
sealed record MirrorStatus
{
    public required string Name { get; init; }
    /// <summary>True on the box that sends.</summary>
    public required bool IsSource { get; init; }
    public required string Peer { get; init; }
    /// <summary>VOLUME or VOLUME/PFS on this box.</summary>
    public required string Pfs { get; init; }
    public required MirrorPhase Phase { get; init; }
    /// <summary>Seconds since the oldest change that is not durable on the slave; 0 in step. Null: not known here.
    /// </summary>
    public double? LagSeconds { get; init; }
    public double LagLimitSeconds { get; init; }
    /// <summary>TID up to which the master is durable, and the slave has it.</summary>
    public string? MasterTid { get; init; }
    public string? SlaveTid { get; init; }
    public long? BytesBehind { get; init; }
    public double BytesPerSecond { get; init; }
    /// <summary>Of a first load: what is done, 0 to 1, and how long the rest will take.</summary>
    public double? Progress { get; init; }
    public double? SecondsLeft { get; init; }
    public long BytesSent { get; init; }
    public long BytesResent { get; init; }
    public int Resumes { get; init; }
    public int Reconnects { get; init; }
    /// <summary>The TID up to which both sides were last proven equal, how, and when.</summary>
    public string? ProvenTid { get; init; }
    public DateTimeOffset? ProvenAt { get; init; }
    public bool ProvenFull { get; init; }
    /// <summary>A comparison found a difference: the first place.</summary>
    public string? Differs { get; init; }
    /// <summary>The difference was found by reading the data on both sides; only the same form can take it back.
    /// </summary>
    public bool DiffersFull { get; init; }
    public string? Problem { get; init; }
    /// <summary>The roles of the two sides are being exchanged: how far that is.</summary>
    public string? Switching { get; init; }
    /// <summary>Monotonic seconds since this was last reported, and since this proof was first: filled in by the board.
    /// </summary>
    public double AgeSeconds { get; init; }
    public double? ProvenAgeSeconds { get; init; }
    /// <summary>The proof is of an earlier run of the daemon; how old it was known to be when it came to the board.
    /// </summary>
    public bool IsProvenEarlier { get; init; }
    public double ProvenAgeBase { get; init; }
}

/// <summary>What comparisons of a mirror have come to, apart from its other numbers.</summary>
sealed record MirrorProof(string? Tid, DateTimeOffset? At, bool IsFull, bool IsHere, double AgeSeconds, string? Differs,
    bool DiffersFull)
{
    internal static MirrorProof Of(MirrorStatus m) => new(m.ProvenTid, m.ProvenAt, m.ProvenFull, !m.IsProvenEarlier,
        m.ProvenAgeBase, m.Differs, m.DiffersFull);

    internal MirrorStatus On(MirrorStatus m) => m with
    {
        ProvenTid = Tid, ProvenAt = At, ProvenFull = IsFull, IsProvenEarlier = !IsHere, ProvenAgeBase = AgeSeconds,
        Differs = Differs, DiffersFull = DiffersFull,
    };
}

/// <summary>Another box.</summary>
sealed record PeerStatus
{
    public required string Name { get; init; }
    public bool IsReachable { get; init; }
    public DateTimeOffset? LastSeen { get; init; }
    public string? Address { get; init; }
    /// <summary>What the peer says of itself in one line.</summary>
    public string? Summary { get; init; }
    public string? Problem { get; init; }
}

/// <summary>A disk.</summary>
sealed record DiskStatus
{
    public required string Device { get; init; }
    public string? Serial { get; init; }
    public string? Model { get; init; }
    public long Bytes { get; init; }
    public int? Celsius { get; init; }
    public bool IsAsleep { get; init; }
    public string? Volume { get; init; }
    public Severity Health { get; init; }
    public string? Problem { get; init; }
}

/// <summary>A light or display of the configuration.</summary>
sealed record PanelDeviceStatus
{
    public required string Name { get; init; }
    /// <summary>Why it shows nothing; null if it does.</summary>
    public string? Problem { get; init; }
}

/// <summary>What a volume has of the box's identity.</summary>
enum IdentityCopyState
{
    /// <summary>It is not mounted, or was not looked at yet.</summary>
    Unknown,
    Kept,
    /// <summary>None: mounted read-only, or it could not be written.</summary>
    NotKept,
    /// <summary>Its root PFS is mirrored to another box, where the key must not go.</summary>
    Never,
    /// <summary>The owner has taken it off, `peer id --forget`.</summary>
    Forgotten,
    /// <summary>It carries another key than this box has.</summary>
    Other,
    /// <summary>Left alone: written by a newer version, or not readable.</summary>
    Newer,
}

/// <summary>A place for a copy of the box's key and of what it learnt by pairing.</summary>
sealed record IdentityCopyStatus
{
    public required string Volume { get; init; }
    public IdentityCopyState State { get; init; }
    /// <summary>Of another identity: whose it is.</summary>
    public string? Box { get; init; }
    public string? Key { get; init; }
    public string? Problem { get; init; }
}

/// <summary>By what other boxes know this one.</summary>
sealed record IdentityStatus
{
    /// <summary>The hash of its key; null while it is looked for on the disks.</summary>
    public string? Key { get; init; }
    /// <summary>The key was made because no former one was found, and no other box knows it yet.</summary>
    public bool IsNew { get; init; }
    /// <summary>The box has mirrors or peers.</summary>
    public bool ConcernsOthers { get; init; }
    public string? Problem { get; init; }
    public IReadOnlyList<IdentityCopyStatus> Copies { get; init; } = [];
}

/// <summary>Where an update stands.</summary>
enum UpdatePhase { Trial, Good, Back, NotInstalled }

/// <summary>The last update of the program.</summary>
sealed record UpdateStatus
{
    public required UpdatePhase Phase { get; init; }
    public required string Old { get; init; }
    public required string New { get; init; }
    /// <summary>Why the former version came back.</summary>
    public string? Reason { get; init; }
    /// <summary>When the trial began, or ended.</summary>
    public DateTimeOffset? At { get; init; }
    /// <summary>The owner knows.</summary>
    public bool IsSeen { get; init; }
}

/// <summary>Something under way that the owner watches: pairing, locating, a safe shutdown.</summary>
enum Activity { None, Pairing, Locating, SafeToUnplug }

/// <summary>How the box is.</summary>
sealed record BoxStatus
{
    public required string Name { get; init; }
    public required string Version { get; init; }
    public string? Address { get; init; }
    public double UptimeSeconds { get; init; }
    public DateTimeOffset Now { get; init; }
    public Severity Severity { get; init; }
    /// <summary>The word for it: see <c>docs/OPERATING.md</c>.</summary>
    public string State { get; init; } = "";
    /// <summary>What the light says.</summary>
    public LightState Light { get; init; }
    /// <summary>The owner knows of the problems that there are.</summary>
    public bool IsAcknowledged { get; init; }
    public Activity Activity { get; init; }
    public string? PairingCode { get; init; }
    /// <summary>How long the box still says where it is; null: it does not.</summary>
    public double? LocateSecondsLeft { get; init; }
    /// <summary>What is wrong with the configuration file, if the one in force is an older one.</summary>
    public string? ConfigProblem { get; init; }
    /// <summary>What the system around the daemon has to tell.</summary>
    public IReadOnlyList<string> SystemProblems { get; init; } = [];
    public IdentityStatus? Identity { get; init; }
    public UpdateStatus? Update { get; init; }
    /// <summary>What the owner should know, although nothing is wrong.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];
    /// <summary>Everything that is wrong, worst first, each a sentence.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
    public IReadOnlyList<VolumeStatus> Volumes { get; init; } = [];
    public IReadOnlyList<MirrorStatus> Mirrors { get; init; } = [];
    public IReadOnlyList<PeerStatus> Peers { get; init; } = [];
    public IReadOnlyList<DiskStatus> Disks { get; init; } = [];
    public IReadOnlyList<PanelDeviceStatus> Panel { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(BoxStatus))]
sealed partial class StatusJson : JsonSerializerContext;
