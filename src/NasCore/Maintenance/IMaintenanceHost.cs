using System;
using System.Threading;
using NasCore.BTree;
using NasCore.Flush;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Maintenance;

/// <summary>What maintenance needs of a mounted file system; HammerFs implements it.</summary>
public interface IMaintenanceHost
{
    /// <summary>The clock for intervals and, rarely, for the time of day.</summary>
    TimeProvider Time { get; }
    WriteCore Core { get; }
    NodeStore Nodes { get; }
    RecordReader Records { get; }
    VolumeSet Volumes { get; }
    /// <summary>The root node; only under the lock.</summary>
    HammerOff BTreeRoot { get; }
    /// <summary>A cursor of one's own, for use under the lock.</summary>
    BTreeCursor NewCursor();

    /// <summary>Takes the shared lock and pins what can be reached now (architecture R1).</summary>
    int EnterShared();
    /// <summary>Gives the lock back; the pin stays until <see cref="LeaveEpoch"/>.</summary>
    void ExitShared();
    void LeaveEpoch(int epoch);

    /// <summary>
    /// Takes the exclusive lock; <see cref="MountCriticalException"/> if the mount is latched.
    /// </summary>
    void EnterExclusive();
    void ExitExclusive();
    /// <summary>An exception came in the middle of a change: the group must never become durable.</summary>
    void LatchHalfDone(Exception cause);

    /// <summary>
    /// Blocks until everything done so far is durable; <see cref="Errno.Intr"/> if it was stopped before. Not under
    /// the lock.
    /// </summary>
    Errno WaitDurable(CancellationToken stop);

    /// <summary>Writes file data to reserved space of the large-data zone; <see cref="HammerMediumException"/> if that
    /// fails. Not under the lock.</summary>
    void WriteLargeData(HammerOff off, ReadOnlySpan<byte> data);

    /// <summary>
    /// Free bytes that nobody has been promised (architecture W10); under the exclusive lock.
    /// </summary>
    long SpareBytes { get; }

    /// <summary>Bytes that writers leave free, so that deletion is always possible.</summary>
    long ReserveBytes { get; }

    /// <summary>The PFS record now, under the lock; false if there is no such PFS.</summary>
    bool TryPfs(int pfsId, out PseudofsData pfs);

    /// <summary>
    /// The TID up to which a PFS can no longer change: of the last durable group, or a slave's end in that group. Under
    /// the lock.
    /// </summary>
    ulong SafeTid(int pfsId);

    /// <summary>
    /// True if an object without a name is still open or is being destroyed: its records are left alone. Under the
    /// lock.
    /// </summary>
    bool IsGoing(int pfsId, long objId);

    /// <summary>
    /// True if somebody needs a version with these TIDs (<c>HammerFs.KeepHistory</c>). Under the lock.
    /// </summary>
    bool IsHistoryKept(int pfsId, ulong createTid, ulong deleteTid);
}
