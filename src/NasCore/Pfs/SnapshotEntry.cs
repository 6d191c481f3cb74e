namespace NasCore.Pfs;

/// <summary>A snapshot record of a PFS (mirroring-and-operations 5.2).</summary>
/// <param name="Tid">The state it names.</param>
/// <param name="TimeMicros">When it was made, microseconds since 1970.</param>
/// <param name="Label">Its note, perhaps empty.</param>
public readonly record struct SnapshotEntry(ulong Tid, ulong TimeMicros, string Label);
