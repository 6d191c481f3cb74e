using System.Text.Json.Serialization;
using System.Threading;
using NasCore.Mirror;

namespace NasFirmware.Mirroring;

/// <summary>A comparison as it is told: over the control socket, and by `verify --json`.</summary>
sealed record VerifyView
{
    public required int Id { get; init; }
    public required string Mirror { get; init; }
    public required bool Full { get; init; }
    public bool Done { get; init; }
    /// <summary>"equal", "differs" or "not comparable"; null until it is done.</summary>
    public string? Outcome { get; init; }
    public string? Tid { get; init; }
    public long Records { get; init; }
    public long DataBytes { get; init; }
    public long WireBytes { get; init; }
    public string? Path { get; init; }
    public long? Offset { get; init; }
    public string? What { get; init; }
}

/// <summary>What `verify` asks for.</summary>
sealed record VerifyRequest(string Mirror, bool Full);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(VerifyView))]
[JsonSerializable(typeof(VerifyRequest))]
sealed partial class VerifyJson : JsonSerializerContext;

/// <summary>A comparison that waits, runs or is over. Thread-safe.</summary>
sealed class VerifyJob(int id, string mirror, bool full)
{
    VerifyView _view = new() { Id = id, Mirror = mirror, Full = full };

    internal int Id => id;
    internal string Mirror => mirror;
    internal bool Full => full;
    internal VerifyView View => Volatile.Read(ref _view);
    internal bool IsDone => View.Done;

    internal void Progress(long records, long bytes) =>
        Volatile.Write(ref _view, View with { Records = records, DataBytes = bytes });

    internal void Finish(VerifyResult result) => Volatile.Write(ref _view, View with
    {
        Done = true, Records = result.Records, DataBytes = result.DataBytes, WireBytes = result.WireBytes,
        Tid = result.Tid == 0 ? null : NasCore.Primitives.Tid.Format(result.Tid), Path = result.Path,
        Offset = result.Offset, What = result.What,
        Outcome = result.Outcome switch
        {
            VerifyOutcome.Equal => Equal, VerifyOutcome.Differs => Differs, _ => NotComparable,
        },
    });

    internal const string Equal = "equal", Differs = "differs", NotComparable = "not comparable";
}
