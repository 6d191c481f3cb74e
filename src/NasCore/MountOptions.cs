using System;
using NasCore.Primitives;

namespace NasCore;

/// <summary>Which modification time views of the past report (architecture W12).</summary>
public enum TimesRule
{
    /// <summary>The rule that the mark in the PFS record names.</summary>
    Default,
    /// <summary>The stored mtime; atime is shown as mtime.</summary>
    Stored,
    /// <summary>HAMMER's rule: mtime and atime are shown as ctime in every view of the past.</summary>
    Ctime,
}

/// <summary>How a volume set is to be mounted: the part of the mount options that concerns the engine.</summary>
public sealed record MountOptions
{
    public static readonly TimeSpan FlushIntervalDefault = TimeSpan.FromSeconds(5);
    public const long CacheBytesDefault = 32L << 20;
    public const long CacheBytesMin = 4L << 20;

    /// <summary>Nothing is written, recovery happens in memory.</summary>
    public bool ReadOnly { get; init; }
    /// <summary>Overwritten and deleted data are dropped at once instead of becoming history.</summary>
    public bool NoHistory { get; init; }
    /// <summary>The whole mount shows this moment; <see cref="Tid.Max"/> is now.</summary>
    public ulong AsOf { get; init; } = Tid.Max;
    public TimesRule Times { get; init; }
    /// <summary>Longest time that a change waits for its flush group to close.</summary>
    public TimeSpan FlushInterval { get; init; } = FlushIntervalDefault;
    /// <summary>Size of the buffer cache in bytes.</summary>
    public long CacheBytes { get; init; } = CacheBytesDefault;
}
