using System;
using NasCore.Blockmap;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.BTree;

// Changing the B-Tree (on-disk-format 4.7, 4.11, 4.12)
//
// Insertion descends once from the root and splits every full node that it meets, so that a parent always has room
// for a split below it. Gaps that earlier removals left between a node's bound and its elements are closed on the
// way. Removal never rebalances: an empty leaf is detached, and with it every ancestor that has no other child; its
// key range falls to the left neighbour, or becomes a gap. mirror_tid only rises, from the leaf to the root, and stops
// rising at the first ancestor that already knows as much: the mirror's scan depends on it.

/// <summary>Insertion, removal and deletion marks; every call under the exclusive file system lock.</summary>
public sealed partial class BTreeIndex
{
    readonly NodeStore _nodes;
    readonly IMetaWriter _writer;
    readonly Freemap _freemap;
    readonly VolumeSet _volumes;
    CursorLevels _path;
    int _depth;

    public BTreeIndex(NodeStore nodes, IMetaWriter writer, Freemap freemap, VolumeSet volumes)
    {
        _nodes = nodes;
        _writer = writer;
        _freemap = freemap;
        _volumes = volumes;
    }

    HammerOff Root => new(_volumes.Root.Header.BTreeRoot);

    /// <summary>
    /// Inserts a record; its key must not exist. Returns false (and has changed at most the shape of the tree) if no
    /// space is left for a node.
    /// </summary>
    public bool Insert(in LeafElm elm)
    {
        if (!InsertDescend(in elm.Base)) return false;
        HammerOff leaf = _path[_depth - 1].Node;
        int index;
        using (NodeRef node = _nodes.Get(leaf))
        {
            index = BTreeCursor.LowerBound(in node, in elm.Base);
            if (index < node.Count && BaseElm.Compare(in node.Base(index), in elm.Base) == 0)
                throw new InvariantException($"broken invariant: record {elm.Base} is inserted twice");
        }
        ref NodeOndisk changed = ref _writer.ModifyNode(leaf);
        Span<LeafElm> slots = NodeOndisk.Leaves(ref changed);
        slots[index..changed.Count].CopyTo(slots[(index + 1)..]);
        slots[index] = elm;
        slots[index].Base.BType = BaseElm.BTypeRecord;
        changed.Count++;
        Raise(ref changed, Math.Max(elm.Base.CreateTid, elm.Base.DeleteTid));
        return true;
    }

    /// <summary>Replaces everything but the key of the record that the cursor stands at.</summary>
    public void Replace(BTreeCursor cursor, in LeafElm elm)
    {
        ref LeafElm slot = ref Slot(cursor);
        Invariant.Check(BaseElm.Compare(in slot.Base, in elm.Base) == 0, "a replaced record keeps its key");
        slot = elm;
        slot.Base.BType = BaseElm.BTypeRecord;
        cursor.Elm = slot;
        TakePath(cursor);
        Raise(ref _writer.ModifyNode(cursor.Leaf.Node), Math.Max(elm.Base.CreateTid, elm.Base.DeleteTid));
    }

    /// <summary>Marks the record that the cursor stands at deleted (or, with 0, live again: rollback only).</summary>
    public void SetDelete(BTreeCursor cursor, ulong deleteTid, uint deleteTs)
    {
        ref LeafElm slot = ref Slot(cursor);
        slot.Base.DeleteTid = deleteTid;
        slot.DeleteTs = deleteTs;
        cursor.Elm = slot;
        if (deleteTid == 0) return;
        TakePath(cursor);
        Raise(ref _writer.ModifyNode(cursor.Leaf.Node), deleteTid);
    }

    /// <summary>Takes the record that the cursor stands at out of the tree. The cursor is invalid afterwards.</summary>
    public void Remove(BTreeCursor cursor)
    {
        TakePath(cursor);
        HammerOff leaf = cursor.Leaf.Node;
        ref NodeOndisk node = ref _writer.ModifyNode(leaf);
        int index = cursor.Leaf.Index;
        Span<LeafElm> slots = NodeOndisk.Leaves(ref node);
        slots[(index + 1)..node.Count].CopyTo(slots[index..]);
        node.Count--;
        if (node.Count == 0) Detach(_depth - 1);
    }

    ref LeafElm Slot(BTreeCursor cursor)
    {
        ref CursorLevel leaf = ref cursor.Leaf;
        ref NodeOndisk node = ref _writer.ModifyNode(leaf.Node);
        Invariant.Check(node.IsLeaf && (uint)leaf.Index < (uint)node.Count, "a cursor stands at a record of a leaf");
        ref LeafElm slot = ref NodeOndisk.Leaves(ref node)[leaf.Index];
        Invariant.Check(BaseElm.Compare(in slot.Base, in cursor.Elm.Base) == 0, "a cursor is not used after a change");
        return ref slot;
    }

    void TakePath(BTreeCursor cursor)
    {
        _depth = cursor.Depth;
        for (int i = 0; i < _depth; i++) _path[i] = cursor.Level(i);
    }

    /// <summary>Raises mirror_tid of the leaf at the end of the path and of its ancestors.</summary>
    void Raise(ref NodeOndisk leaf, ulong tid)
    {
        if (leaf.MirrorTid >= tid) return;
        leaf.MirrorTid = tid;
        for (int depth = _depth - 2; depth >= 0; depth--)
        {
            ref CursorLevel level = ref _path[depth];
            using (NodeRef node = _nodes.Get(level.Node))
            {
                if (node.Internals[level.Index].MirrorTid >= tid) return;
            }
            ref NodeOndisk parent = ref _writer.ModifyNode(level.Node);
            NodeOndisk.Internals(ref parent)[level.Index].MirrorTid = tid;
            if (parent.MirrorTid >= tid) return;
            parent.MirrorTid = tid;
        }
    }

    bool InsertDescend(in BaseElm key)
    {
        _depth = 1;
        _path[0] = new CursorLevel { Node = Root, Left = BaseElm.GlobalLow, Right = BaseElm.GlobalHigh };
        using (NodeRef root = _nodes.Get(Root))
        {
            bool full = root.Count >= (root.IsLeaf ? HammerConst.LeafElmsMax : HammerConst.InternalElmsMax);
            if (full && !SplitRoot()) return false;
        }
        while (true)
        {
            HammerOff off = _path[_depth - 1].Node;
            using (NodeRef node = _nodes.Get(off))
            {
                if (node.IsLeaf) return true;
            }
            if (!InsertStep(off, in key)) return false;
        }
    }

    /// <summary>One level down: closes gaps, splits the child if it is full, follows.</summary>
    bool InsertStep(HammerOff off, in BaseElm key)
    {
        int index = InsertChild(off, in key);
        InternalElm elm;
        bool full;
        using (NodeRef node = _nodes.Get(off))
        {
            elm = node.Internals[index];
            using NodeRef child = _nodes.Get(elm.Subtree);
            if (child.Node.Parent != off.Value || child.Node.Type != elm.Base.BType)
                throw new HammerMediumException(elm.Subtree, "B-Tree node does not match its parent");
            full = child.Count >= (child.IsLeaf ? HammerConst.LeafElmsMax : HammerConst.InternalElmsMax);
        }
        if (full)
        {
            if (!SplitChild(off, index, in key)) return false;
            using NodeRef node = _nodes.Get(off);
            if (BaseElm.Compare(in key, in node.Base(index + 1)) >= 0) index++;
        }
        using NodeRef parent = _nodes.Get(off);
        Invariant.Check(_depth < BTreeCursor.DepthMax, "the B-Tree is at most 16 levels deep");
        _path[_depth - 1].Index = index;
        _path[_depth++] = new CursorLevel
        {
            Node = parent.Internals[index].Subtree,
            Parent = off,
            Type = parent.Base(index).BType,
            Left = parent.Base(index),
            Right = parent.Base(index + 1),
        };
        return true;
    }

    int InsertChild(HammerOff off, in BaseElm key)
    {
        int index;
        bool rightGap;
        int count;
        using (NodeRef node = _nodes.Get(off))
        {
            count = node.Count;
            index = BTreeCursor.ChildIndex(in node, in key);
            rightGap = BaseElm.Compare(in key, in node.Base(count)) >= 0;
        }
        if (index < 0)
        {
            // Left gap: the first element takes over the node's own bound.
            ref NodeOndisk changed = ref _writer.ModifyNode(off);
            ref BaseElm first = ref NodeOndisk.BaseAt(ref changed, 0);
            byte type = first.BType;
            first = _path[_depth - 1].Left;
            first.BType = type;
            return 0;
        }
        if (!rightGap) return index;
        ref NodeOndisk widened = ref _writer.ModifyNode(off);
        ref BaseElm boundary = ref NodeOndisk.BaseAt(ref widened, count);
        boundary = _path[_depth - 1].Right;
        boundary.BType = 0;
        return count - 1;
    }

    bool SplitRoot()
    {
        HammerOff oldOff = Root;
        if (_freemap.Allocate(Zone.BTree, HammerConst.NodeBytes) is not { } newOff) return false;
        byte type;
        ulong mirror;
        using (NodeRef old = _nodes.Get(oldOff))
        {
            type = old.Node.Type;
            mirror = old.Node.MirrorTid;
        }
        ref NodeOndisk root = ref _writer.NewNode(newOff);
        root.Type = BaseElm.BTypeInternal;
        root.Count = 1;
        root.MirrorTid = mirror;
        Span<InternalElm> elms = NodeOndisk.Internals(ref root);
        elms[0].Base = BaseElm.GlobalLow;
        elms[0].Base.BType = type;
        elms[0].MirrorTid = mirror;
        elms[0].SubtreeOffset = oldOff.Value;
        elms[1].Base = BaseElm.GlobalHigh;
        _writer.SetNodeParent(oldOff, newOff);
        _writer.ModifyHeader(VolumeOndisk.BTreeRootAt, 8).BTreeRoot = newOff.Value;
        _path[0].Node = newOff;
        return true;
    }

    /// <summary>Splits the full child at an index of a parent that has room.</summary>
    bool SplitChild(HammerOff parentOff, int index, in BaseElm key)
    {
        HammerOff childOff;
        using (NodeRef p = _nodes.Get(parentOff)) childOff = p.Internals[index].Subtree;
        SplitCheck(childOff);
        if (_freemap.Allocate(Zone.BTree, HammerConst.NodeBytes) is not { } newOff) return false;
        ref NodeOndisk child = ref _writer.ModifyNode(childOff);
        ref NodeOndisk added = ref _writer.NewNode(newOff);
        added.Type = child.Type;
        added.Parent = parentOff.Value;
        added.MirrorTid = child.MirrorTid;
        BaseElm separator = child.IsLeaf
            ? SplitLeaf(ref child, ref added, in key)
            : SplitInternal(ref child, ref added, in key);
        separator.DeleteTid = 0;
        separator.ObjTypeRaw = 0;
        separator.BType = child.Type;
        ref NodeOndisk parent = ref _writer.ModifyNode(parentOff);
        Span<InternalElm> slots = NodeOndisk.Internals(ref parent);
        slots[(index + 1)..(parent.Count + 1)].CopyTo(slots[(index + 2)..]);
        slots[index + 1] = new InternalElm
        {
            Base = separator, MirrorTid = added.MirrorTid, SubtreeOffset = newOff.Value,
        };
        parent.Count++;
        if (added.IsInternal) SplitAdopt(ref added, newOff);
        return true;
    }

    /// <summary>
    /// Children that move get a new parent pointer and with it a new CRC: a damaged one must be found before, or the
    /// damage would be sealed.
    /// </summary>
    void SplitCheck(HammerOff childOff)
    {
        using NodeRef child = _nodes.Get(childOff);
        if (child.IsLeaf) return;
        foreach (ref readonly InternalElm elm in child.Internals[..child.Count]) _nodes.Get(elm.Subtree).Dispose();
    }

    static BaseElm SplitLeaf(ref NodeOndisk child, ref NodeOndisk added, in BaseElm key)
    {
        int count = child.Count;
        Span<LeafElm> from = NodeOndisk.Leaves(ref child);
        bool atEnd = BaseElm.Compare(in key, in from[count - 1].Base) > 0;
        int split = atEnd ? (count + 1) * 3 / 4 : (count + 1) / 2;
        from[split..count].CopyTo(NodeOndisk.Leaves(ref added));
        added.Count = count - split;
        child.Count = split;
        return from[split].Base;
    }

    static BaseElm SplitInternal(ref NodeOndisk child, ref NodeOndisk added, in BaseElm key)
    {
        int count = child.Count;
        Span<InternalElm> from = NodeOndisk.Internals(ref child);
        bool atEnd = BaseElm.Compare(in key, in from[count - 1].Base) > 0;
        int split = atEnd ? (count + 1) * 3 / 4 : (count + 1) / 2;
        from[split..(count + 1)].CopyTo(NodeOndisk.Internals(ref added));
        added.Count = count - split;
        child.Count = split;
        BaseElm promoted = from[split].Base;
        from[split].Base.BType = 0;
        from[split].MirrorTid = 0;
        from[split].SubtreeOffset = 0;
        return promoted;
    }

    /// <summary>Every child that moved names its new parent.</summary>
    void SplitAdopt(ref NodeOndisk added, HammerOff newOff)
    {
        ReadOnlySpan<InternalElm> elms = NodeOndisk.Internals(ref added)[..added.Count];
        foreach (ref readonly InternalElm elm in elms) _writer.SetNodeParent(elm.Subtree, newOff);
    }

    /// <summary>Detaches the empty node at a depth of the path (on-disk-format 4.12).</summary>
    void Detach(int depth)
    {
        HammerOff off = _path[depth].Node;
        if (depth == 0)
        {
            ref NodeOndisk root = ref _writer.ModifyNode(off);
            root.Type = BaseElm.BTypeLeaf;
            root.Count = 0;
            return;
        }
        ref CursorLevel up = ref _path[depth - 1];
        ref NodeOndisk parent = ref _writer.ModifyNode(up.Node);
        int index = up.Index;
        if (parent.Count > 1)
        {
            DetachElement(ref parent, index);
        }
        else
        {
            parent.Count = 0;
            Detach(depth - 1);
        }
        ref NodeOndisk gone = ref _writer.ModifyNode(off);
        gone.Count = 0;
        gone.Type = BaseElm.BTypeDeleted;
        _freemap.Free(off, HammerConst.NodeBytes);
    }

    static void DetachElement(ref NodeOndisk parent, int index)
    {
        Span<InternalElm> slots = NodeOndisk.Internals(ref parent);
        ulong mirror = slots[index].MirrorTid;
        int heir = index > 0 ? index - 1 : index + 1;
        slots[heir].MirrorTid = Math.Max(slots[heir].MirrorTid, mirror);
        slots[(index + 1)..(parent.Count + 1)].CopyTo(slots[index..]);
        parent.Count--;
    }
}
