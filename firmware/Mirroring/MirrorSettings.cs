namespace NasFirmware.Mirroring;

/// <summary>What the mirror verbs were asked for, with hammer(8)'s letters.</summary>
sealed record MirrorSettings
{
    internal bool TwoWay { get; init; }
    internal bool Stream { get; init; }
    internal bool DialectA { get; init; }
    internal bool Yes { get; init; }
    internal int Verbose { get; init; }
    /// <summary>Bytes a second; 0 is no limit.</summary>
    internal long Bandwidth { get; init; }
    /// <summary>Seconds.</summary>
    internal int Delay { get; init; } = 5;
    /// <summary>Seconds; 0 is no limit.</summary>
    internal int TimeLimit { get; init; }
    /// <summary>Null is the default size, 0 no splitting.</summary>
    internal long? ChunkBytes { get; init; }
    /// <summary>The size as it was given, for a remote source.</summary>
    internal string? ChunkText { get; init; }
    internal string? Begin { get; init; }
    internal string? Port { get; init; }
    internal bool Compress { get; init; }
}
