using System;
using System.Runtime.CompilerServices;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>One item of a filtered scan: a record, or a range that was not looked at.</summary>
public struct ScanItem
{
    public bool IsSkip;
    /// <summary>The record as it is in the tree.</summary>
    public LeafElm Leaf;
    /// <summary>Inclusive.</summary>
    public BaseElm SkipBeg;
    /// <summary>Exclusive.</summary>
    public BaseElm SkipEnd;
}

/// <summary>
/// Walks a key range of the B-Tree in ascending order and leaves out subtrees in which nothing happened since a TID:
/// every internal element carries a mirror_tid that is at least every TID below it (mirroring-and-operations 4.2).
///
/// Like HAMMER's scan it first goes down to the start by an ordinary search, so the first leaf is shown whatever its
/// age. From there on, an element with mirror_tid below the threshold starts a skip that takes in all its
/// followers in the same node that are as old; the skip begins at the node's left bound, given by its parent, if the
/// element is the first, and ends at the node's right bound if it is the last, so gaps between bounds belong to it.
///
/// No lock is held between fills, and no place in the tree is kept: a fill ends at a border of a leaf or of a skip and
/// the next one goes down to that key again, now with the filter at every step. So whatever the tree becomes between,
/// no key is met twice and none is missed, and an unchanged tree gives the same items however it is cut.
/// </summary>
public sealed class FilteredScan
{
    /// <summary>Nodes looked at in one fill at most: the shared lock is held for that long.</summary>
    const int FillNodesMax = 48;
    /// <summary>Room for the records of several leaves.</summary>
    const int ItemsMax = 4 * HammerConst.LeafElmsMax;

    readonly NodeStore _nodes;
    readonly ulong _threshold;
    readonly BaseElm _keyEnd;
    readonly ScanItem[] _items = new ScanItem[ItemsMax];
    readonly CursorLevel[] _levels = new CursorLevel[BTreeCursor.DepthMax];
    int _depth;
    BaseElm _next;
    bool _started, _unfiltered;

    /// <param name="nodes">Where nodes come from.</param>
    /// <param name="keyBeg">Inclusive.</param>
    /// <param name="keyEnd">Inclusive.</param>
    /// <param name="threshold">Subtrees whose mirror_tid is below are skipped.</param>
    public FilteredScan(NodeStore nodes, in BaseElm keyBeg, in BaseElm keyEnd, ulong threshold)
    {
        _nodes = nodes;
        _next = keyBeg;
        _keyEnd = keyEnd;
        _threshold = threshold;
    }

    /// <summary>Called for each node that is gone down to, under the lock.</summary>
    public NodeCheck? OnNode { get; init; }

    public delegate void NodeCheck(in NodeRef node);

    /// <summary>Items of the last fill.</summary>
    public int Count { get; private set; }
    /// <summary>Everything up to the end key has been given.</summary>
    public bool AtEnd { get; private set; }
    public long NodesVisited { get; private set; }

    public ref readonly ScanItem Item(int index) => ref _items[index];

    /// <summary>First key of a PFS.</summary>
    public static BaseElm FirstKey(int pfsId) => new()
    {
        Localization = Localization.OfPfs(pfsId).Value, ObjId = long.MinValue, Key = long.MinValue, CreateTid = 1,
    };

    /// <summary>Behind the last key of a PFS.</summary>
    public static BaseElm LastKey(int pfsId) => new()
    {
        Localization = Localization.OfPfs(pfsId).Value | Localization.TypeMask, ObjId = long.MaxValue,
        RecTypeRaw = 0xFFFF, Key = long.MaxValue, CreateTid = Tid.Max,
    };

    /// <summary>Gets the next items; none only at the end. The caller holds the file system lock.</summary>
    public void Fill(HammerOff root)
    {
        Count = 0;
        long nodesBefore = NodesVisited;
        while (Count == 0 && !AtEnd)
        {
            _unfiltered = !_started;
            _started = true;
            _depth = 0;
            Push(new CursorLevel { Node = root, Left = BaseElm.GlobalLow, Right = BaseElm.GlobalHigh });
            while (!AtEnd && Count + HammerConst.LeafElmsMax < ItemsMax && NodesVisited - nodesBefore < FillNodesMax)
            {
                Step();
            }
            nodesBefore = NodesVisited;
        }
    }

    void Push(in CursorLevel level)
    {
        if (_depth == _levels.Length)
        {
            throw new HammerMediumException(level.Node, $"the B-Tree is deeper than {_levels.Length} levels");
        }
        ref CursorLevel pushed = ref _levels[_depth++];
        pushed = level;
        NodesVisited++;
        using NodeRef node = _nodes.Get(pushed.Node);
        OnNode?.Invoke(in node);
        BTreeCursor.DescendCheck(in node, in pushed);
        if (node.IsLeaf)
        {
            pushed.Index = BTreeCursor.LowerBound(in node, in _next);
            return;
        }
        bool rightGap = BaseElm.Compare(in _next, in node.Base(node.Count)) >= 0;
        pushed.Index = rightGap ? node.Count : Math.Max(0, BTreeCursor.ChildIndex(in node, in _next));
    }

    void Pop()
    {
        _unfiltered = false;
        if (--_depth == 0) AtEnd = true;
        else _levels[_depth - 1].Index++;
    }

    // One leaf, one skip, or one step down or up.
    void Step()
    {
        ref CursorLevel level = ref _levels[_depth - 1];
        using NodeRef node = _nodes.Get(level.Node);
        if (node.IsLeaf)
        {
            StepLeaf(in node, in level);
            return;
        }
        if (level.Index >= node.Count)
        {
            Pop();
            return;
        }
        if (BaseElm.Compare(in node.Base(level.Index), in _keyEnd) > 0)
        {
            AtEnd = true;
            return;
        }
        ReadOnlySpan<InternalElm> elms = node.Internals;
        ref readonly InternalElm elm = ref elms[level.Index];
        if (!_unfiltered && elm.MirrorTid < _threshold)
        {
            StepSkip(in node, ref level);
            return;
        }
        Push(new CursorLevel
        {
            Node = elm.Subtree, Parent = node.Off, Type = elm.Base.BType, Left = elm.Base,
            Right = node.Base(level.Index + 1),
        });
    }

    void StepLeaf(scoped in NodeRef node, in CursorLevel level)
    {
        ReadOnlySpan<LeafElm> leaves = node.Leaves[..node.Count];
        for (int i = level.Index; i < leaves.Length; i++)
        {
            ref readonly LeafElm leaf = ref leaves[i];
            if (BaseElm.Compare(in leaf.Base, in _keyEnd) > 0)
            {
                AtEnd = true;
                return;
            }
            ref ScanItem item = ref _items[Count++];
            item.IsSkip = false;
            item.Leaf = leaf;
        }
        StepTo(in level.Right);
        Pop();
    }

    void StepSkip(scoped in NodeRef node, ref CursorLevel level)
    {
        ReadOnlySpan<InternalElm> elms = node.Internals;
        int first = level.Index, after = first + 1;
        while (after < node.Count && elms[after].MirrorTid < _threshold) after++;
        ref ScanItem item = ref _items[Count++];
        item.IsSkip = true;
        item.SkipBeg = first == 0 ? level.Left : elms[first].Base;
        item.SkipEnd = after == node.Count ? level.Right : elms[after].Base;
        if (BaseElm.Compare(in item.SkipBeg, in _next) < 0) item.SkipBeg = _next;
        if (BaseElm.Compare(in item.SkipEnd, in _keyEnd) > 0)
        {
            item.SkipEnd = _keyEnd;
            AtEnd = true;
        }
        level.Index = after;
        StepTo(in item.SkipEnd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    void StepTo(in BaseElm key)
    {
        if (BaseElm.Compare(in key, in _next) > 0) _next = key;
        if (BaseElm.Compare(in _next, in _keyEnd) > 0) AtEnd = true;
    }
}
