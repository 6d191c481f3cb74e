using System;
using System.Threading;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>What a scan of a PFS finds, in ascending key order.</summary>
public enum MirrorItemKind
{
    /// <summary>A record version created in the range; its data are to be sent.</summary>
    Rec,
    /// <summary>A record version that is older than the range; for comparison.</summary>
    Pass,
    /// <summary>A key range in which nothing changed in the range of TIDs.</summary>
    Skip,
}

/// <summary>
/// A filtered scan of a PFS (mirroring-and-operations 4.3). No lock is held between calls. Trouble with the metadata
/// is a
/// <see cref="HammerMediumException"/>.
/// </summary>
public interface IMirrorScan : IDisposable
{
    /// <summary>Goes to the next item; false at the end of the PFS.</summary>
    bool MoveNext();
    MirrorItemKind Kind { get; }
    /// <summary>The record of a Rec or Pass as it is to be sent: a delete_tid beyond the range is 0 (M1).</summary>
    ref readonly LeafElm Leaf { get; }
    /// <summary>Inclusive.</summary>
    ref readonly BaseElm SkipBeg { get; }
    /// <summary>Exclusive.</summary>
    ref readonly BaseElm SkipEnd { get; }
    /// <summary>
    /// Reads the data of a Rec, Leaf.DataLen bytes; false if they fail their CRC or cannot be read (the span then
    /// holds what could be read).
    /// </summary>
    bool ReadData(Span<byte> destination);
    /// <summary>B-Tree nodes looked at so far.</summary>
    long NodesVisited { get; }
}

/// <summary>The PFS that a mirror stream is read from.</summary>
public interface IMirrorSource
{
    /// <summary>
    /// The PFS as of the last durable group (M1). sync_end_tid is the TID up to which a batch may go: of a master the
    /// safe TID, of a slave its durable sync_end_tid. <see cref="Errno.NoEnt"/> if there is no such PFS.
    /// </summary>
    Errno ReadPfs(out PseudofsData pfs);

    /// <summary>The same with whose history it is, of the same moment; null: that is not known.</summary>
    Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage);

    /// <summary>Scans the whole PFS for what happened in the range.</summary>
    IMirrorScan Scan(MirrorRange range);

    /// <summary>
    /// The same from a key on, whose PFS id does not count; what lies before it comes as one skip (architecture M8).
    /// </summary>
    IMirrorScan Scan(MirrorRange range, in BaseElm from);

    /// <summary>No prune has gone over what it was as of a TID: a batch can still end with it.</summary>
    bool IsWhole(ulong tid);

    /// <summary>An upper bound of what a scan of everything would send, in bytes.</summary>
    long BytesMax { get; }

    /// <summary>
    /// Waits until <see cref="ReadPfs(out PseudofsData)"/> would give a sync_end_tid above this one. False if the time
    /// ran out or it was stopped.
    /// </summary>
    bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop);
}
