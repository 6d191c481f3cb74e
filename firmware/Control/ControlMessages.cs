using System;
using System.Text.Json.Serialization;

namespace NasFirmware.Control;

// What goes over the control socket, as JSON. TIDs are hex strings with 0x, for JSON has no 64-bit numbers that
// every reader keeps.

/// <summary>What a mount is.</summary>
sealed record MountReply(string Label, string FsId, uint Version, bool ReadOnly, string DurableTid, string? Failure);

/// <summary>One PFS.</summary>
sealed record PfsReply
{
    public required int Id { get; init; }
    public required bool Exists { get; init; }
    public required uint VolumeVersion { get; init; }
    public required string SyncBegTid { get; init; }
    public required string SyncEndTid { get; init; }
    public required Guid SharedUuid { get; init; }
    public required Guid UniqueUuid { get; init; }
    public required bool Slave { get; init; }
    public required string Label { get; init; }
    public required string Snapshots { get; init; }
    public required uint PruneMin { get; init; }
    /// <summary>Of a promoted master: what pfs-rejoin of the former one wants to know.</summary>
    public string? Promotion { get; init; }
}

/// <summary>A new PFS; absent UUIDs are made up.</summary>
sealed record PfsCreateRequest(bool Slave);

/// <summary>Changes to a PFS; null leaves a field as it is.</summary>
sealed record PfsUpdateRequest
{
    public string? SyncBegTid { get; init; }
    public string? SyncEndTid { get; init; }
    public Guid? SharedUuid { get; init; }
    public Guid? UniqueUuid { get; init; }
    public string? Label { get; init; }
    public string? Snapshots { get; init; }
    public uint? PruneMin { get; init; }

    [JsonIgnore]
    public bool IsEmpty => this == new PfsUpdateRequest();
}

sealed record TidReply(string Tid);

/// <summary>Why a request failed: an error number of Linux and a sentence.</summary>
sealed record ErrorReply(int Errno, string Message);

/// <summary>How a mirror session ended.</summary>
sealed record MirrorResult(bool Ok, string? Error);

/// <summary>What a mirror session does, for display.</summary>
sealed record MirrorEvent
{
    /// <summary>scan, progress, batch, wait, delay, split, bad, resumed, restart.</summary>
    public required string Kind { get; init; }
    public string? Begin { get; init; }
    public string? End { get; init; }
    /// <summary>An object id; of "restart" the reason.</summary>
    public string? Obj { get; init; }
    public long Bytes { get; init; }
    public long Records { get; init; }
    public long Nodes { get; init; }
    public int Chunks { get; init; }
    /// <summary>synced, idle or broken.</summary>
    public string? Outcome { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(MountReply))]
[JsonSerializable(typeof(PfsReply))]
[JsonSerializable(typeof(PfsCreateRequest))]
[JsonSerializable(typeof(PfsUpdateRequest))]
[JsonSerializable(typeof(TidReply))]
[JsonSerializable(typeof(ErrorReply))]
[JsonSerializable(typeof(MirrorResult))]
[JsonSerializable(typeof(MirrorEvent))]
sealed partial class ControlJson : JsonSerializerContext;
