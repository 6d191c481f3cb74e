using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>Takes a node that has been read.</summary>
delegate void CheckNodeVisitor(HammerOff off);

/// <summary>Takes a record in key order.</summary>
delegate void CheckRecordVisitor(in LeafElm elm, HammerOff leaf, int index);

/// <summary>
/// Walks the whole tree in key order and checks what concerns nodes (phase 3). With <see cref="Quiet"/> it only walks:
/// the same places are skipped, nothing is reported twice.
/// </summary>
sealed class CheckTree(OfflineVolumes volumes, CheckReport report, CancellationToken cancel)
{
    const int ProgressEveryNodes = 4096;

    CheckNodeVisitor? _node;
    CheckRecordVisitor? _record;
    BaseElm _previous;
    bool _hasPrevious;
    int _leafDepth = -1;
    long _nodesLeft;
    long _visited;

    internal bool Quiet { get; init; }
    internal Action? Progress { get; init; }
    /// <summary>Some part could not be read, so sums over the tree mean nothing.</summary>
    internal bool Truncated { get; private set; }

    /// <summary>Walks; true if the tree is the single leaf of a fresh volume.</summary>
    internal bool Run(CheckNodeVisitor? node, CheckRecordVisitor record)
    {
        _node = node;
        _record = record;
        foreach (var volume in volumes.Volumes.All) _nodesLeft += volume.UsableBytes / HammerConst.NodeBytes;
        Visit(new HammerOff(volumes.Header.BTreeRoot), default, BaseElm.GlobalLow, BaseElm.GlobalHigh, ulong.MaxValue,
            0, 0);
        return _visited == 1 && _isFresh;
    }

    bool _isFresh;

    void Visit(HammerOff off, HammerOff parent, BaseElm left, BaseElm right, ulong parentMirror, byte type, int depth)
    {
        if ((++_visited & (ProgressEveryNodes - 1)) == 0)
        {
            cancel.ThrowIfCancellationRequested();
            Progress?.Invoke();
        }
        if (depth >= BTreeCursor.DepthMax || --_nodesLeft < 0)
        {
            Truncated = true;
            Finding("tree", off, $"the tree is deeper or larger than the volumes allow: not followed");
            return;
        }
        if (!VisitRead(off, out NodeOndisk node)) return;
        if (!Quiet) report.Result.Nodes++;
        _node?.Invoke(off);
        VisitNode(in node, off, parent, parentMirror, type);
        int max = node.IsLeaf ? HammerConst.LeafElmsMax : HammerConst.InternalElmsMax;
        bool typed = node.IsLeaf || node.IsInternal;
        if (!typed || node.Count < 0 || node.Count > max || (node.IsInternal && node.Count == 0))
        {
            Truncated = true;
            Finding("node", off,
                $"node of type {node.Type:x2} with {node.Count} elements: not a node that can be read");
            return;
        }
        if (node.IsLeaf) VisitLeaf(ref node, off, in left, in right, depth);
        else VisitInternal(ref node, off, in left, in right, depth);
    }

    bool VisitRead(HammerOff off, out NodeOndisk node)
    {
        node = default;
        try
        {
            if (off.Zone != Zone.BTree || off.BufferOffset % HammerConst.NodeBytes != 0)
                throw new HammerMediumException(off, "no address of a B-Tree node");
            node = MemoryMarshal.Read<NodeOndisk>(volumes.Buffer(off));
            return true;
        }
        catch (HammerMediumException e)
        {
            Finding("node", e.Where, $"{e.What}: everything below is not reachable");
        }
        catch (IOException e)
        {
            Finding("node", off, $"{e.Message}: everything below is not reachable");
        }
        Truncated = true;
        return false;
    }

    void VisitNode(in NodeOndisk node, HammerOff off, HammerOff parent, ulong parentMirror, byte type)
    {
        if (Quiet) return;
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<NodeOndisk>(in node));
        if (!HammerCrc.NodeMatches(volumes.Version, bytes))
            Finding("node-crc", off,
                $"B-Tree node: wrong CRC {node.Crc:x8}, computed "
                + $"{HammerCrc.Node(volumes.Version, bytes):x8}: DragonFly answers EIO here");
        if (node.Parent != parent.Value)
            Finding("node-parent", off, $"node names {node.Parent:x16} as its parent, it was reached from {parent}");
        if (type != 0 && type != node.Type)
            Finding("node-type", off, $"node has type {node.Type:x2}, its parent says {type:x2}");
        if (node.MirrorTid > parentMirror)
            Finding("mirror-tid", off,
                $"node's mirror_tid {node.MirrorTid:x16} is above its parent's {parentMirror:x16}: "
                + "mirroring would miss changes");
    }

    void VisitInternal(ref NodeOndisk node, HammerOff off, in BaseElm left, in BaseElm right, int depth)
    {
        Span<InternalElm> elms = NodeOndisk.Internals(ref node);
        for (int i = 0; i <= node.Count; i++)
        {
            ref BaseElm e = ref elms[i].Base;
            bool boundary = i == node.Count;
            if (BaseElm.Compare(in e, in left) < 0 || BaseElm.Compare(in e, in right) > (boundary ? 0 : -1))
                Finding("bounds", off, $"element {i} ({e}) lies outside the node's bounds");
            if (i > 0 && BaseElm.Compare(in elms[i - 1].Base, in e) >= 0)
                Finding("order", off, $"element {i} ({e}) does not follow the one before it");
            if (!boundary && elms[i].MirrorTid > node.MirrorTid)
                Finding("mirror-tid", off,
                    $"element {i} has mirror_tid {elms[i].MirrorTid:x16}, the node {node.MirrorTid:x16}");
        }
        for (int i = 0; i < node.Count; i++)
        {
            ref InternalElm e = ref elms[i];
            Visit(e.Subtree, off, e.Base, elms[i + 1].Base, e.MirrorTid, e.Base.BType, depth + 1);
        }
    }

    void VisitLeaf(ref NodeOndisk node, HammerOff off, in BaseElm left, in BaseElm right, int depth)
    {
        if (_leafDepth < 0) _leafDepth = depth;
        if (depth != _leafDepth)
            Finding("depth", off, $"leaf at depth {depth}, the first one lies at {_leafDepth}");
        _isFresh = depth == 0 && node.MirrorTid == 0 && node.Count == 2;
        Span<LeafElm> elms = NodeOndisk.Leaves(ref node);
        for (int i = 0; i < node.Count; i++)
        {
            ref LeafElm elm = ref elms[i];
            if (!Quiet) VisitLeafElm(in elm, in node, off, i, in left, in right);
            _record!(in elm, off, i);
            _previous = elm.Base;
            _hasPrevious = true;
        }
    }

    void VisitLeafElm(in LeafElm elm, in NodeOndisk node, HammerOff off, int i, in BaseElm left, in BaseElm right)
    {
        report.Result.Records++;
        ref readonly BaseElm e = ref elm.Base;
        if (BaseElm.Compare(in e, in left) < 0 || BaseElm.Compare(in e, in right) >= 0)
            Finding("bounds", off, $"record {i} ({e}) lies outside the leaf's bounds", in e);
        if (e.BType != BaseElm.BTypeRecord)
            Finding("btype", off, $"record {i} ({e}) has btype {e.BType:x2}, not R", in e);
        if (e.CreateTid == 0 || (e.DeleteTid != 0 && e.DeleteTid <= e.CreateTid))
            Finding("lifetime", off, $"record {i} ({e}) was deleted at {e.DeleteTid:x16}, not after its creation",
                in e);
        if (!_isFresh && (e.CreateTid > node.MirrorTid || e.DeleteTid > node.MirrorTid))
            Finding("mirror-tid", off,
                $"record {i} ({e} del={e.DeleteTid:x16}) is newer than the leaf's mirror_tid "
                + $"{node.MirrorTid:x16}", in e);
        if (!_hasPrevious) return;
        int order = BaseElm.Compare(in _previous, in e);
        if (order >= 0)
            Finding("order", off, $"record {i} ({e}) does not follow the one before it ({_previous})", in e);
        else if (order == -1 && (_previous.DeleteTid == 0 || _previous.DeleteTid > e.CreateTid))
            Finding("lifetime", off,
                $"record {i} ({e}) overlaps the version before it, which ended at {_previous.DeleteTid:x16}", in e);
    }

    void Finding(string rule, HammerOff where, string text, in BaseElm of)
    {
        if (!Quiet) report.Finding(rule, where, text, in of);
    }

    void Finding(string rule, HammerOff where, string text)
    {
        if (!Quiet) report.Finding(rule, where, text);
    }
}
