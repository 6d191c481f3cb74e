using System;
using System.Collections.Generic;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>What the keeper of history needs of a mounted file system; HammerFs implements it.</summary>
public interface IHistoryHost
{
    TimeProvider Time { get; }
    bool IsReadOnly { get; }
    MountHealth Health { get; }
    /// <summary>Name of the last durable state; without a look at the disk.</summary>
    ulong DurableTid { get; }
    /// <summary>Bytes in free big-blocks, and of the whole volume set; without a look at the disk.</summary>
    long FreeBytes { get; }
    long TotalBytes { get; }
    /// <summary>Bytes of big-blocks that became empty since the mount: only ever rises.</summary>
    long ReturnedBytes { get; }
    List<int> PfsIds();
    bool TryGetPfs(int pfsId, out PseudofsData data);
    List<TimeMark> Marks(int pfsId);
    List<SnapshotEntry> Snapshots(int pfsId);
    Errno AddMark(int pfsId, bool thins, out ulong tid);
    /// <summary>True if anything of a PFS but its marks has changed after a TID.</summary>
    bool HasChanged(int pfsId, ulong tid);
    Errno OpenPrune(int pfsId, PruneRule rule, BaseElm? resume, out Prune? prune);
}
