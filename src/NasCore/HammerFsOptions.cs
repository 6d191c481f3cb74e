using System;
using NasCore.Primitives;

namespace NasCore;

/// <summary>Which time a view of the past shows as mtime (architecture W12).</summary>
public enum TimesRule
{
    /// <summary>By the mark of the PFS: stored where our own writer kept it, else ctime.</summary>
    ByPfs,
    Stored,
    /// <summary>HAMMER's rule: mtime = atime = ctime in every read-only view.</summary>
    Ctime,
}

/// <summary>How a file system is opened.</summary>
public sealed record HammerFsOptions
{
    public bool ReadOnly { get; init; }
    public bool NoHistory { get; init; }
    /// <summary>View of the whole mount; <see cref="Tid.Max"/> is live, anything else is read-only.</summary>
    public ulong AsOf { get; init; } = Tid.Max;
    public TimesRule Times { get; init; }
    /// <summary>Buffers of metadata and small data to keep, in bytes.</summary>
    public long CacheBytes { get; init; } = 64L << 20;
    /// <summary>Time after which an open flush group with changes is closed.</summary>
    public TimeSpan FlushInterval { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>False: nothing runs by itself, groups close when the caller says so (tests, simulation).</summary>
    public bool RunFlusher { get; init; } = true;
    /// <summary>False: fsync always closes a group, REDO is never written.</summary>
    public bool Redo { get; init; } = true;
    /// <summary>Restored buffers, in bytes, that recovery of a read-write mount holds before it writes them
    /// back.</summary>
    public long RecoveryBytes { get; init; } = 64L << 20;
    public required TimeProvider Time { get; init; }
    /// <summary>Messages for the log; may come from any thread.</summary>
    public Action<string>? Log { get; init; }
}
