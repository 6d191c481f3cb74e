using System;
using System.Runtime.CompilerServices;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.BTree;

/// <summary>One step of a descent: the node, the element followed or stood at, and the node's inherited
/// bounds.</summary>
public struct CursorLevel
{
    public HammerOff Node;
    public int Index;
    /// <summary>What the parent says of the node: its address and the child's type (0: any, the root).</summary>
    public HammerOff Parent;
    public byte Type;
    public BaseElm Left, Right;
}

[InlineArray(BTreeCursor.DepthMax)]
struct CursorLevels
{
    CursorLevel _first;
}

/// <summary>
/// A place in the B-Tree: the path from the root to an element of a leaf (on-disk-format 4.10).
/// A cursor is valid while the file system lock is held and nothing is inserted or removed but through it; across
/// lock releases one goes on by key. It pins no buffer between calls.
/// Every descent checks what a single node cannot know: child type, parent pointer, bounds, depth. So a damaged or
/// hostile tree gives an error, never an endless walk.
/// </summary>
public sealed class BTreeCursor
{
    /// <summary>62 to the power of 16 leaves are more than an exbibyte holds.</summary>
    public const int DepthMax = 16;

    readonly NodeStore _nodes;
    readonly Func<HammerOff> _root;
    CursorLevels _levels;

    public BTreeCursor(NodeStore nodes, Func<HammerOff> root)
    {
        _nodes = nodes;
        _root = root;
    }

    /// <summary>Number of nodes on the path; the leaf is the last.</summary>
    public int Depth { get; private set; }
    /// <summary>The record stood at; meaningful after a call that returned true.</summary>
    public LeafElm Elm;

    public NodeStore Nodes => _nodes;
    public ref CursorLevel Level(int depth) => ref _levels[depth];
    public ref CursorLevel Leaf => ref _levels[Depth - 1];

    /// <summary>Goes to the first record at or after the key. Returns false at the end of the tree.</summary>
    public bool SeekFirst(in BaseElm key)
    {
        Descend(in key);
        return Settle();
    }

    /// <summary>
    /// Goes to the leaf in which the key belongs, empty or not; the index is that of the first record not below the
    /// key, and the leaf's count if there is none in it. <see cref="Elm"/> is not loaded.
    /// </summary>
    public void SeekLeaf(in BaseElm key) => Descend(in key);

    /// <summary>Goes to the record with exactly this key, create_tid included.</summary>
    public bool SeekExact(in BaseElm key)
    {
        Descend(in key);
        ref CursorLevel leaf = ref Leaf;
        using NodeRef node = _nodes.Get(leaf.Node);
        if (leaf.Index >= node.Count || BaseElm.Compare(in node.Base(leaf.Index), in key) != 0) return false;
        Elm = node.Leaves[leaf.Index];
        return true;
    }

    /// <summary>
    /// Goes to the version of the key that is visible as of a TID (create_tid of the key is ignored). Versions may be
    /// spread over leaves, and gaps may lie between them, so the search steps backwards from the place where a
    /// version created at the TID would stand (on-disk-format 4.10, the simple method; observed 29).
    /// </summary>
    public bool SeekAsOf(BaseElm key, ulong asOf)
    {
        key.CreateTid = asOf == 0 ? Tid.Max : asOf;
        Descend(in key);
        ref CursorLevel leaf = ref Leaf;
        using (NodeRef node = _nodes.Get(leaf.Node))
        {
            if (leaf.Index < node.Count && BaseElm.Compare(in key, in node.Base(leaf.Index)) == 0) leaf.Index++;
        }
        // Versions of one key follow each other: behind the newest one that is old enough there is hardly another. A
        // few more are looked at all the same, never all of a record that was rewritten a hundred thousand times.
        for (int versions = 0; versions <= RunMax && Prev(); versions++)
        {
            int order = BaseElm.Compare(in key, in Elm.Base);
            if (order > 1) return false;
            if (Tid.Visible(Elm.Base.CreateTid, Elm.Base.DeleteTid, asOf)) return true;
        }
        return false;
    }

    /// <summary>Versions of one key that a walk steps over one by one before it jumps.</summary>
    const int RunMax = 8;

    /// <summary>Versions of one key stepped over by the walk under way.</summary>
    int _run;

    static bool IsSameKey(in BaseElm a, in BaseElm b) => BaseElm.Compare(in a, in b) is >= -1 and <= 1;

    /// <summary>
    /// Goes on to the next record for a walk that wants what is visible as of a TID. A long run of versions of one key
    /// is jumped over, so that a record rewritten a hundred thousand times costs a search and not a walk; nothing
    /// visible is missed, since the versions of one key do not overlap. Returns false at the end of the tree.
    /// </summary>
    public bool NextFor(ulong asOf)
    {
        BaseElm here = Elm.Base;
        if (!Next()) return false;
        if (!IsSameKey(in here, in Elm.Base))
        {
            _run = 0;
            return true;
        }
        if (++_run < RunMax) return true;
        _run = 0;
        ulong tid = asOf == 0 ? Tid.Max : asOf;
        BaseElm key = Elm.Base;
        bool tooYoung = key.CreateTid > tid;
        key.CreateTid = tooYoung || tid == Tid.Max ? Tid.Max : tid + 1;
        // Either behind all versions, or at the newest one that is old enough.
        return tooYoung ? SeekFirst(in key) : SeekLastBefore(in key);
    }

    /// <summary>
    /// Goes back to the previous record for a walk that wants live records: only the newest version of a key can be
    /// live, so a long run of older ones is jumped over. Returns false at the start of the tree.
    /// </summary>
    public bool PrevLive()
    {
        BaseElm here = Elm.Base;
        if (!Prev()) return false;
        if (!IsSameKey(in here, in Elm.Base))
        {
            _run = 0;
            return true;
        }
        if (++_run < RunMax) return true;
        _run = 0;
        here.CreateTid = 1;
        return SeekLastBefore(in here);
    }

    /// <summary>Goes to the next record. Returns false at the end of the tree.</summary>
    public bool Next()
    {
        Leaf.Index++;
        return Settle();
    }

    /// <summary>Goes to the last record before the key. Returns false if there is none.</summary>
    public bool SeekLastBefore(in BaseElm key)
    {
        Descend(in key);
        return Prev();
    }

    /// <summary>Goes to the previous record. Returns false at the start of the tree.</summary>
    public bool Prev()
    {
        while (true)
        {
            ref CursorLevel leaf = ref Leaf;
            if (--leaf.Index >= 0)
            {
                using NodeRef node = _nodes.Get(leaf.Node);
                if (leaf.Index >= node.Count) leaf.Index = node.Count - 1;
                if (leaf.Index < 0) continue;
                Elm = node.Leaves[leaf.Index];
                return true;
            }
            if (!PrevLeaf()) return false;
        }
    }

    /// <summary>Index of the element at or before which the key belongs: the first element not below it.</summary>
    internal static int LowerBound(scoped in NodeRef node, in BaseElm key)
    {
        int low = 0, high = node.Count;
        while (low < high)
        {
            int mid = (low + high) >>> 1;
            if (BaseElm.Compare(in node.Base(mid), in key) < 0) low = mid + 1;
            else high = mid;
        }
        return low;
    }

    /// <summary>Index of the child to follow: the last element not above the key; -1 in the left gap.</summary>
    internal static int ChildIndex(scoped in NodeRef node, in BaseElm key)
    {
        int low = 0, high = node.Count;
        while (low < high)
        {
            int mid = (low + high) >>> 1;
            if (BaseElm.Compare(in node.Base(mid), in key) <= 0) low = mid + 1;
            else high = mid;
        }
        return low - 1;
    }

    /// <summary>
    /// Descends to the leaf position of a key. In a gap between a node's bound and its elements the descent goes on
    /// with the first leaf right of the gap (observed 35).
    /// </summary>
    void Descend(in BaseElm key)
    {
        DescendRoot();
        while (true)
        {
            ref CursorLevel level = ref Leaf;
            using NodeRef node = _nodes.Get(level.Node);
            DescendCheck(in node, in level);
            if (node.IsLeaf)
            {
                level.Index = LowerBound(in node, in key);
                return;
            }
            int index = ChildIndex(in node, in key);
            if (index < 0)
            {
                level.Index = 0;
                DescendLeftmost(0);
                return;
            }
            if (BaseElm.Compare(in key, in node.Base(node.Count)) >= 0)
            {
                // Right gap: everything here is before the key.
                level.Index = node.Count;
                DescendGapRight();
                return;
            }
            level.Index = index;
            Push(in node, index);
        }
    }

    void DescendRoot()
    {
        Depth = 1;
        _levels[0] = new CursorLevel { Node = _root(), Left = BaseElm.GlobalLow, Right = BaseElm.GlobalHigh };
    }

    /// <summary>From the internal node at the end of the path down to its first leaf below element index.</summary>
    void DescendLeftmost(int index)
    {
        while (true)
        {
            ref CursorLevel level = ref Leaf;
            using NodeRef node = _nodes.Get(level.Node);
            if (node.IsLeaf)
            {
                level.Index = 0;
                return;
            }
            level.Index = index;
            Push(in node, index);
            index = 0;
            using NodeRef child = _nodes.Get(Leaf.Node);
            DescendCheck(in child, in Leaf);
        }
    }

    /// <summary>Right gap: the next leaf to the right, or, at the end of the tree, the last leaf's end.</summary>
    void DescendGapRight()
    {
        int saved = Depth;
        while (Depth > 1)
        {
            Depth--;
            ref CursorLevel up = ref Leaf;
            using NodeRef parent = _nodes.Get(up.Node);
            if (up.Index + 1 >= parent.Count) continue;
            DescendLeftmost(up.Index + 1);
            return;
        }
        Depth = saved;
        using (NodeRef node = _nodes.Get(Leaf.Node)) Leaf.Index = node.Count - 1;
        DescendRightmost();
        using NodeRef last = _nodes.Get(Leaf.Node);
        Leaf.Index = last.Count;
    }

    void DescendRightmost()
    {
        while (true)
        {
            ref CursorLevel level = ref Leaf;
            using NodeRef node = _nodes.Get(level.Node);
            level.Index = node.Count - 1;
            if (node.IsLeaf) return;
            Push(in node, level.Index);
            using NodeRef child = _nodes.Get(Leaf.Node);
            DescendCheck(in child, in Leaf);
        }
    }

    void Push(scoped in NodeRef node, int index)
    {
        if (Depth == DepthMax)
            throw new HammerMediumException(node.Off, $"the B-Tree is deeper than {DepthMax} levels");
        ref readonly InternalElm elm = ref node.Internals[index];
        _levels[Depth] = new CursorLevel
        {
            Node = elm.Subtree,
            Parent = node.Off,
            Type = elm.Base.BType,
            Left = elm.Base,
            Right = node.Base(index + 1),
        };
        Depth++;
    }

    /// <summary>What the path knows of a node: parent, type in the parent, bounds (on-disk-format 4.8).</summary>
    internal static void DescendCheck(scoped in NodeRef node, in CursorLevel level)
    {
        if (node.Node.Parent != level.Parent.Value)
            throw new HammerMediumException(node.Off,
                $"B-Tree node names {node.Node.Parent:x16} as its parent, it was reached from {level.Parent}");
        if (level.Type != 0 && level.Type != node.Node.Type)
            throw new HammerMediumException(node.Off,
                $"B-Tree node has type {(char)node.Node.Type}, its parent says {(char)level.Type}");
        if (node.Count == 0) return;
        bool leftBad = BaseElm.Compare(in node.Base(0), in level.Left) < 0;
        bool rightBad = node.IsLeaf
            ? BaseElm.Compare(in node.Base(node.Count - 1), in level.Right) >= 0
            : BaseElm.Compare(in node.Base(node.Count), in level.Right) > 0;
        if (leftBad || rightBad)
            throw new HammerMediumException(node.Off,
                "B-Tree node holds keys outside the bounds that its parent gives");
    }

    /// <summary>Loads the element stood at, moving right over ends of leaves and empty leaves.</summary>
    bool Settle()
    {
        while (true)
        {
            ref CursorLevel leaf = ref Leaf;
            using (NodeRef node = _nodes.Get(leaf.Node))
            {
                if (leaf.Index < node.Count)
                {
                    Elm = node.Leaves[leaf.Index];
                    return true;
                }
            }
            if (!NextLeaf()) return false;
        }
    }

    /// <summary>Moves to the start of the next leaf; false (and no move) at the end of the tree.</summary>
    public bool NextLeaf()
    {
        for (int depth = Depth - 1; depth >= 1; depth--)
        {
            ref CursorLevel up = ref _levels[depth - 1];
            using NodeRef parent = _nodes.Get(up.Node);
            if (up.Index + 1 >= parent.Count) continue;
            Depth = depth;
            DescendLeftmost(up.Index + 1);
            return true;
        }
        return false;
    }

    bool PrevLeaf()
    {
        for (int depth = Depth - 1; depth >= 1; depth--)
        {
            ref CursorLevel up = ref _levels[depth - 1];
            if (up.Index == 0) continue;
            Depth = depth;
            up.Index--;
            using (NodeRef parent = _nodes.Get(up.Node)) Push(in parent, up.Index);
            using (NodeRef child = _nodes.Get(Leaf.Node)) DescendCheck(in child, in Leaf);
            DescendRightmost();
            using NodeRef leaf = _nodes.Get(Leaf.Node);
            Leaf.Index = leaf.Count;
            return true;
        }
        return false;
    }
}
