using System.Text.Json.Serialization;

namespace NasFirmware.Control;

// History over the control socket. TIDs are hex strings, keys are texts of NasCore.Maintenance.KeyText.

/// <summary>PFSs of a file system.</summary>
sealed record PfsIdsReply(int[] Ids);

/// <summary>A registered snapshot.</summary>
sealed record SnapshotItem(string Tid, long TimeMicros, string Label);

sealed record SnapshotsReply(SnapshotItem[] Snapshots);

/// <summary>Registers a TID; without one, the present state, which becomes durable first.</summary>
sealed record SnapshotRequest(string? Tid = null, string? Label = null);

/// <summary>Takes a TID off.</summary>
sealed record SnapshotRemoval(string Tid);

/// <summary>The configuration text; null if there is none.</summary>
sealed record ConfigReply(string? Text = null);

sealed record ConfigRequest(string Text);

/// <summary>A softlink's TID with its time, unix seconds.</summary>
sealed record PruneMoment(string Tid, long Seconds);

/// <summary>A bounded piece of a prune. Repeated with the reply's key and limit until it is done.</summary>
sealed record PruneRequest
{
    /// <summary>Snapshots known to the caller, in addition to the records.</summary>
    public PruneMoment?[]? Softlinks { get; init; }
    public bool Everything { get; init; }
    /// <summary>Where the last piece ended; null begins.</summary>
    public string? Resume { get; init; }
    /// <summary>History that ended after this TID stays; from the first reply.</summary>
    public string? Limit { get; init; }
    /// <summary>Time for this piece; 40 if not given.</summary>
    public int? Milliseconds { get; init; }
}

sealed record PruneReply
{
    /// <summary>False: nothing can be pruned by this rule.</summary>
    public required bool Possible { get; init; }
    /// <summary>Distinct TIDs that were kept.</summary>
    public string[] Kept { get; init; } = [];
    public string Limit { get; init; } = "";
    public uint PruneMin { get; init; }
    public bool Done { get; init; }
    public string Next { get; init; } = "";
    public long Scanned { get; init; }
    public long Records { get; init; }
    public long Entries { get; init; }
    public long Bytes { get; init; }
    public long Held { get; init; }
    public long Damaged { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PfsIdsReply))]
[JsonSerializable(typeof(SnapshotsReply))]
[JsonSerializable(typeof(SnapshotRequest))]
[JsonSerializable(typeof(SnapshotRemoval))]
[JsonSerializable(typeof(ConfigReply))]
[JsonSerializable(typeof(ConfigRequest))]
[JsonSerializable(typeof(PruneRequest))]
[JsonSerializable(typeof(PruneReply))]
sealed partial class HistoryJson : JsonSerializerContext;
