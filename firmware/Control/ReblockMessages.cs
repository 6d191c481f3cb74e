using System.Text.Json.Serialization;

namespace NasFirmware.Control;

// Reblocking over the control socket. Keys are texts of NasCore.Maintenance.KeyText.

/// <summary>A bounded piece of a reblock. Repeated with the reply's key until it is done.</summary>
sealed record ReblockPiece
{
    /// <summary>Any of btree, inodes, dirs, data.</summary>
    public string[] Classes { get; init; } = [];
    /// <summary>Percent.</summary>
    public int Fill { get; init; } = 100;
    public bool AllPfs { get; init; }
    /// <summary>Where the last piece ended; null begins.</summary>
    public string? Resume { get; init; }
    /// <summary>Time for this piece.</summary>
    public int Milliseconds { get; init; } = 40;
}

sealed record ReblockReply
{
    /// <summary>The whole range is done, and durable.</summary>
    public bool Done { get; init; }
    /// <summary>Error number, 0 for none; what was counted is done all the same.</summary>
    public int Errno { get; init; }
    public string Next { get; init; } = "";
    public long Nodes { get; init; }
    public long NodeMoves { get; init; }
    public long Records { get; init; }
    public long RecordMoves { get; init; }
    public long Bytes { get; init; }
    public long ByteMoves { get; init; }
    /// <summary>Sentences about what could not be moved.</summary>
    public string[] Complaints { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(ReblockPiece))]
[JsonSerializable(typeof(ReblockReply))]
sealed partial class ReblockJson : JsonSerializerContext;
