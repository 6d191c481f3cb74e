using NasCore.BTree;
using NasCore.Flush;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// What a mirror's target and the rollback of a PFS need of a mounted file system; HammerFs implements it.
/// </summary>
public interface IMirrorWriteHost
{
    WriteCore Core { get; }
    NodeStore Nodes { get; }
    BTreeCursor NewCursor();
    uint Version { get; }
    /// <summary>The root node; only under the lock.</summary>
    HammerOff BTreeRoot { get; }

    /// <summary>
    /// Takes the exclusive file system lock; <see cref="MountCriticalException"/> if the mount is latched.
    /// </summary>
    void EnterExclusive();
    void ExitExclusive();
    /// <summary>An exception came in the middle of a change: the group must never become durable.</summary>
    void LatchHalfDone(System.Exception cause);

    /// <summary>Blocks until everything done so far is durable. Not under the lock.</summary>
    Errno WaitDurable();

    /// <summary>
    /// The same after <see cref="StorePfs"/>: only now its new sync_end_tid is shown (architecture M1).
    /// </summary>
    Errno WaitPfsDurable(int pfsId);

    /// <summary>
    /// Writes file data to reserved space of the large-data zone; <see cref="HammerMediumException"/> if that fails.
    /// Not under the lock.
    /// </summary>
    void WriteLargeData(HammerOff off, System.ReadOnlySpan<byte> data);

    /// <summary>The PFS record now; under the lock or not.</summary>
    Errno ReadPfs(int pfsId, out PseudofsData pfs);

    /// <summary>
    /// Replaces the PFS record physically (W13). Under the exclusive lock; credits for 24 nodes were asked for.
    /// </summary>
    Errno StorePfs(int pfsId, in PseudofsData pfs);

    /// <summary>
    /// New contents for an existing PFS record, which keeps its key: for what a slave notes about a batch under way.
    /// Under the exclusive lock; credits for 8 nodes were asked for. NoSpc changes nothing.
    /// </summary>
    Errno PatchPfs(int pfsId, in PseudofsData pfs);

    /// <summary>Whose history a PFS has; not under the lock.</summary>
    Lineage? Lineage(int pfsId);

    /// <summary>
    /// Replaces that, or (null) forgets it. Under the exclusive lock; credits for
    /// <see cref="MirrorApply.LineageNodes"/> were asked for. NoSpc changes nothing.
    /// </summary>
    Errno StoreLineage(int pfsId, Lineage? lineage);

    /// <summary>
    /// Before the first batch of another source: what the former one left behind sync_end_tid goes, since the new one
    /// knows nothing of it and would not correct it. Nothing happens if the source is the same or unknown. Not under
    /// the lock; the caller has the right to write the PFS.
    /// </summary>
    Errno LeaveSource(int pfsId, System.Guid source);

    /// <summary>
    /// What is called under the exclusive lock when a group with changes closes, with credits promised by the
    /// callee; null ends it. Set and cleared under the lock.
    /// </summary>
    void SetAtClose(int pfsId, System.Action? atClose);

    /// <summary>The number of live inodes changes; under the exclusive lock.</summary>
    void CountInodes(int delta);
}
