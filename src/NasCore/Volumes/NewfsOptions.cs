using System;
using System.Collections.Generic;

namespace NasCore.Volumes;

/// <summary>What newfs is asked to make (on-disk-format 9.1). Sizes are bytes and multiples of 16 KiB.</summary>
public sealed record NewfsOptions
{
    public const long BootBytesDefault = 32 << 10, BootBytesMax = 256L << 20;
    public const long MemoryLogBytesDefault = 256 << 10, MemoryLogBytesMax = 64L << 30;
    public const long UndoBytesMin = 512L << 20, UndoBytesMax = 1L << 30;
    public const long JunkBytesDefault = 256 << 10;
    /// <summary>A root volume with less usable space than this needs <see cref="Force"/>.</summary>
    public const long RootBytesMin = 10L << 30;
    /// <summary>Below this a warning is given.</summary>
    public const long RootBytesRecommended = 50L << 30;

    /// <summary>Label of the volumes and of PFS 0; at most 63 bytes of UTF-8 are kept.</summary>
    public required string Label { get; init; }
    /// <summary>1 to 7. Versions below 6 are for tests: this program mounts them read-only or without
    /// upgrade.</summary>
    public uint Version { get; init; } = 7;
    /// <summary>UUID as the 16 bytes on the medium; also the UUIDs of PFS 0.</summary>
    public required Guid FsId { get; init; }
    /// <summary>Time of the root directory, microseconds since 1970.</summary>
    public required ulong TimeUs { get; init; }
    public long BootBytes { get; init; } = BootBytesDefault;
    public long MemoryLogBytes { get; init; } = MemoryLogBytesDefault;
    /// <summary>Size of the UNDO FIFO; null: a thousandth of the root volume, at least 512 MiB.</summary>
    public long? UndoBytes { get; init; }
    /// <summary>Distance from the start of the device to the boot area.</summary>
    public long JunkBytes { get; init; } = JunkBytesDefault;
    /// <summary>Allow areas and volumes below the minimums.</summary>
    public bool Force { get; init; }
    /// <summary>Discard the devices first.</summary>
    public bool Discard { get; init; }
}

/// <summary>What newfs made; big-blocks are 8 MiB.</summary>
public sealed record NewfsResult
{
    public required uint Version { get; init; }
    public required int Volumes { get; init; }
    public required Guid FsId { get; init; }
    public required string Label { get; init; }
    /// <summary>Bytes of all buffer areas, whole big-blocks only.</summary>
    public required long TotalBytes { get; init; }
    /// <summary>Big-blocks usable for data when empty, and free now.</summary>
    public required long BigBlocks { get; init; }
    public required long FreeBigBlocks { get; init; }
    public required long BootBytes { get; init; }
    public required long MemoryLogBytes { get; init; }
    public required long UndoBytes { get; init; }
    /// <summary>Advice for the person who runs it, one sentence each.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}
