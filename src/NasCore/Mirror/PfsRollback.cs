using System;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// Takes a PFS back to the state before a TID (mirroring-and-operations 1.6): records created at or after it leave the
/// tree with their data, deletions at or after it are undone. With TID 0 everything goes. Works in holds of the
/// exclusive
/// lock with credits, over as many flush groups as it takes; doing it again goes on where it was interrupted.
/// </summary>
public sealed class PfsRollback(IMirrorWriteHost host, int pfsId, ulong truncTid)
{
    const int ItemNodes = 16;

    readonly BTreeCursor _cursor = host.NewCursor();
    int _at;
    bool _filled;
    long _wholeAt;

    /// <summary>Records taken out and records brought back.</summary>
    public long Removed { get; private set; }
    public long Revived { get; private set; }

    /// <summary>Runs to the end. Everything is durable after the caller's next wait.</summary>
    /// <param name="goOn">Asked between holds; false interrupts (EINTR).</param>
    public Errno Run(Func<bool> goOn)
    {
        var scan = new FilteredScan(host.Nodes, FilteredScan.FirstKey(pfsId), FilteredScan.LastKey(pfsId), truncTid);
        int waits = 0;
        while (goOn())
        {
            Errno result = Hold(scan);
            if (result == Errno.None) return result;
            if (result == Errno.Again)
            {
                waits = 0;
                continue;
            }
            if (++waits > 10) return Errno.NoSpc;
            result = host.WaitDurable();
            if (result.IsError) return result;
        }
        return Errno.Intr;
    }

    Errno Hold(FilteredScan scan)
    {
        host.EnterExclusive();
        try
        {
            NoteWhole();
            return HoldItems(scan);
        }
        catch (Exception e) when (host.Core.Writer.Changes != _wholeAt)
        {
            host.LatchHalfDone(e);
            throw;
        }
        finally
        {
            host.ExitExclusive();
        }
    }

    Errno HoldItems(FilteredScan scan)
    {
        if (!_filled)
        {
            scan.Fill(host.BTreeRoot);
            _filled = true;
            _at = 0;
        }
        for (; _at < scan.Count; _at++)
        {
            ref readonly ScanItem item = ref scan.Item(_at);
            if (item.IsSkip) continue;
            if (!host.Core.HasCredits(ItemNodes)) return Errno.NeedFlush;
            Roll(in item.Leaf.Base);
            NoteWhole();
        }
        _filled = false;
        return scan.AtEnd ? Errno.None : Errno.Again;
    }

    void Roll(in BaseElm key)
    {
        bool remove = key.CreateTid >= truncTid;
        if (remove && IsOwn(in key, truncTid) && truncTid != 0) return;
        if (!remove && (key.DeleteTid == 0 || key.DeleteTid < truncTid)) return;
        if (!_cursor.SeekExact(in key)) return;
        bool inode = key.RecType == RecType.Inode;
        host.Core.NoteChange();
        if (remove)
        {
            if (inode && _cursor.Elm.Base.DeleteTid == 0) host.CountInodes(-1);
            host.Core.Records.RemovePhysically(_cursor);
            Removed++;
            return;
        }
        if (inode) host.CountInodes(1);
        host.Core.Tree.SetDelete(_cursor, 0, 0);
        Revived++;
    }

    /// <summary>
    /// Differs: configuration, time marks, and snapshots of what stays carry TIDs of this copy, not of the stream;
    /// they outlive a promotion.
    /// </summary>
    internal static bool IsOwn(in BaseElm key, ulong truncTid) => key.RecType == RecType.Config
        || (key.RecType == RecType.Snapshot && unchecked((ulong)key.Key) <= truncTid);

    void NoteWhole() => _wholeAt = host.Core.Writer.Changes;
}
