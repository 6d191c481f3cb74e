using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/*
 * Node ids: the names under which the kernel knows objects (architecture R3).
 *
 * In the live root PFS the node id is the object id itself; in other live PFSs it is bits 63 and 62, the PFS id and
 * the object id. Nothing is remembered for these. Everything else has a row in a table, and the node id is the row's
 * number with its incarnation and bit 63. A row costs 28 bytes and 4 in the hash index, and lives until the kernel
 * has forgotten it.
 *
 * The kernel allows a directory one place in its tree; a second name for the same node would make it move the
 * directory there. But a view of the past can be entered from anywhere (dir@@0x..., dir/@@0x..., @@0x.../dir), so a
 * directory of the past gets a row for each place: parent row, object and the as-of text by which it was reached.
 * Other objects of the past have one row per view. Directories of a live PFS other than the root PFS have one place
 * only, below @@-1:ddddd in the mount's root. Any other way to a live directory is answered by a row of kind Link, a
 * symbolic link to that place.
 *
 * Rows count the kernel's lookups and the rows below them. A live directory that has rows below it has an anchor
 * row, which the kernel never hears of. The names by which views were entered are kept, so that the kernel can be
 * told to drop them when there are too many rows.
 */

/// <summary>Translates node ids to vnodes and counts what the kernel remembers. Thread-safe.</summary>
public sealed class NodeTable
{
    public const ulong RootNode = 1;
    const ulong RowBit = 1UL << 63, LiveBit = 1UL << 62;
    const int LiveObjBits = 46;
    const long LiveObjMask = (1L << LiveObjBits) - 1;
    const int ChunkRows = 4096;
    const uint IncarnationMask = 0xFFF;
    /// <summary>Views take 20 bits.</summary>
    const int ViewsMax = 1 << 20;

    enum Kind : uint
    {
        Free = 0,
        Plain = 1,
        Link = 2,
        Anchor = 3,
    }

    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    struct Row
    {
        public long ObjId;
        public int Parent;           // row + 1, 0 for none
        public uint ViewAndAge;      // view in the upper 20 bits, incarnation in the lower 12
        public uint Alias;           // kind in the upper 2 bits, hash of the as-of text below
        public int Count;            // kernel lookups and rows below; for a free row the next free one + 1
        public int Next;             // hash chain, row + 1

        public readonly Kind Kind => (Kind)(Alias >> 30);
        public readonly bool HasAsOfText => (Alias & 0x3FFF_FFFF) != 0;
        public readonly int View => (int)(ViewAndAge >> 12);
    }

    sealed class View(Vnode root)
    {
        public readonly Vnode Root = root;
        public int Rows;
    }

    readonly Lock _lock = new();
    readonly Vnode _root;
    readonly bool _directLive;
    readonly List<Row[]> _chunks = [];
    readonly List<View?> _views = [];
    readonly Dictionary<(int Pfs, ulong AsOf), int> _viewOf = [];
    readonly Stack<int> _freeViews = new();
    readonly Dictionary<int, byte[]> _entryPoints = [];
    int[] _buckets = new int[1024];
    int _rowsUsed, _firstFree, _live;

    /// <param name="root">What node 1 is.</param>
    public NodeTable(Vnode root)
    {
        _root = root;
        _directLive = root is { PfsId: 0, IsLive: true };
    }

    /// <summary>Rows in use, for status and tests.</summary>
    public int Rows => Volatile.Read(ref _live);

    /// <summary>Bytes of memory that one remembered inode costs.</summary>
    public static int BytesPerRow => Unsafe.SizeOf<Row>() + sizeof(int);

    /// <summary>True if the node id names a row: it is good until the kernel forgets it, not over mounts.</summary>
    public static bool IsRow(ulong node) => (node & (RowBit | LiveBit)) == RowBit;

    /// <summary>The node id of an object that needs no row.</summary>
    bool TryStable(Vnode vnode, out ulong node)
    {
        node = RootNode;
        if (vnode == _root) return true;
        node = (ulong)vnode.ObjId;
        if (!vnode.IsLive) return false;
        if (_directLive && vnode.PfsId == 0) return true;
        node = RowBit | LiveBit | ((ulong)(uint)vnode.PfsId << LiveObjBits) | (ulong)vnode.ObjId;
        return vnode.ObjId is > 0 and <= LiveObjMask && vnode.PfsId is >= 0 and <= HammerConst.PfsIdMax;
    }

    /// <summary>The object of a node id that names no row.</summary>
    Errno ResolveStable(ulong node, out Vnode vnode)
    {
        vnode = _root;
        if (node == RootNode) return Errno.None;
        bool packed = (node & RowBit) != 0;
        vnode = packed
            ? new Vnode((int)(node >> LiveObjBits) & HammerConst.PfsIdMax, Tid.Max, (long)node & LiveObjMask)
            : new Vnode(0, Tid.Max, (long)node);
        return vnode.ObjId != 0 && (packed || _directLive) ? Errno.None : Errno.Stale;
    }

    /// <summary>The object behind a node id; ESTALE if the id is not known (any more).</summary>
    /// <param name="isLink">The node is a symbolic link that stands for the live directory given.</param>
    public Errno Resolve(ulong node, out Vnode vnode, out bool isLink)
    {
        isLink = false;
        if (!IsRow(node)) return ResolveStable(node, out vnode);
        vnode = _root;
        lock (_lock)
        {
            if (!TryRow(node, out int index)) return Errno.Stale;
            ref Row row = ref At(index);
            vnode = VnodeOf(in row);
            isLink = row.Kind == Kind.Link;
            return Errno.None;
        }
    }

    /// <summary>
    /// The node id of an object that the kernel is about to be told of; counts one lookup for it.
    /// ENFILE when there are too many views.
    /// </summary>
    /// <param name="parentNode">The directory in which it was found.</param>
    /// <param name="name">The name by which it was found.</param>
    /// <param name="aliasLink">The answer is a symbolic link to the live directory given.</param>
    public Errno Enter(ulong parentNode, ReadOnlySpan<byte> name, Vnode child, bool isDirectory, bool aliasLink,
        out ulong node)
    {
        node = 0;
        if (!aliasLink && TryStable(child, out node)) return Errno.None;
        lock (_lock)
        {
            int parent = 0;
            uint alias = (uint)(aliasLink ? Kind.Link : Kind.Plain) << 30;
            if (aliasLink || (isDirectory && !child.IsLive))
            {
                Errno error = AnchorOf(parentNode, out parent);
                if (error.IsError) return error;
                alias |= AsOfHash(name);
            }
            Errno entered = FindOrAdd(child, parent, alias, out int index);
            bool entryPoint = !entered.IsError && parent != 0 && !aliasLink && At(index).HasAsOfText;
            if (entryPoint && !_entryPoints.ContainsKey(index)) _entryPoints[index] = name.ToArray();
            if (parent != 0) Drop(parent - 1, 1);
            node = entered.IsError ? 0 : NodeOf(index);
            return entered;
        }
    }

    /// <summary>Counts one lookup more of a node that was resolved.</summary>
    public void Again(ulong node)
    {
        if (!IsRow(node)) return;
        lock (_lock)
        {
            if (TryRow(node, out int index)) At(index).Count++;
        }
    }

    /// <summary>
    /// The node by which the kernel may know an object, if that can be told; directories of the past have several.
    /// </summary>
    public bool TryFind(Vnode vnode, out ulong node)
    {
        if (TryStable(vnode, out node)) return true;
        lock (_lock)
        {
            if (!_viewOf.TryGetValue((vnode.PfsId, vnode.AsOf), out int view)) return false;
            int index = Find(vnode, view, 0, (uint)Kind.Plain << 30);
            if (index >= 0) node = NodeOf(index);
            return index >= 0;
        }
    }

    /// <summary>Nodes that show the past of a PFS, as many as fit; returns where to go on, -1 at the end.</summary>
    public int ListHistory(int pfsId, int from, Span<ulong> nodes, out int count)
    {
        count = 0;
        lock (_lock)
        {
            for (; from < _rowsUsed; from++)
            {
                ref Row row = ref At(from);
                if (row.Kind != Kind.Plain) continue;
                Vnode view = _views[row.View]!.Root;
                if (view.IsLive || view.PfsId != pfsId) continue;
                if (count == nodes.Length) return from;
                nodes[count++] = NodeOf(from);
            }
            return -1;
        }
    }

    /// <summary>Where views of the past were entered: the directory's node and the name.</summary>
    public (ulong Parent, byte[] Name)[] EntryPoints()
    {
        lock (_lock)
        {
            var places = new List<(ulong, byte[])>(_entryPoints.Count);
            foreach ((int index, byte[] name) in _entryPoints)
            {
                ulong parent = ParentOf(NodeOf(index));
                if (parent != 0) places.Add((parent, name));
            }
            return [.. places];
        }
    }

    /// <summary>The kernel no longer counts so many lookups of a node.</summary>
    public void Forget(ulong node, ulong lookups)
    {
        if (!IsRow(node)) return;
        lock (_lock)
        {
            if (TryRow(node, out int index)) Drop(index, (int)Math.Min(lookups, int.MaxValue));
        }
    }

    /// <summary>The node of the directory above, if a row knows it: 0 if not.</summary>
    public ulong ParentOf(ulong node)
    {
        if (!IsRow(node)) return 0;
        lock (_lock)
        {
            if (!TryRow(node, out int index) || At(index).Parent == 0) return 0;
            ref Row parent = ref At(At(index).Parent - 1);
            if (parent.Kind == Kind.Free) return 0;
            if (parent.Kind != Kind.Anchor) return NodeOf(At(index).Parent - 1);
            return TryStable(VnodeOf(in parent), out ulong above) ? above : 0;
        }
    }

    /// <summary>Hash of the part of a name that selects a moment, 0 for an ordinary name.</summary>
    static uint AsOfHash(ReadOnlySpan<byte> name)
    {
        if (name.IndexOf("@@"u8) < 0) return 0;
        uint hash = 2166136261;
        foreach (byte b in name) hash = (hash ^ b) * 16777619;
        return (hash ^ (hash >> 30)) & 0x3FFF_FFFF | 1;
    }

    /// <summary>The row that stands for a directory as a parent, with one count more; row + 1.</summary>
    Errno AnchorOf(ulong node, out int rowPlusOne)
    {
        rowPlusOne = 0;
        int index;
        if (IsRow(node))
        {
            if (!TryRow(node, out index)) return Errno.Stale;
            At(index).Count++;
        }
        else
        {
            Errno error = ResolveStable(node, out Vnode vnode);
            if (error.IsError) return error;
            error = FindOrAdd(vnode, 0, (uint)Kind.Anchor << 30, out index);
            if (error.IsError) return error;
        }
        rowPlusOne = index + 1;
        return Errno.None;
    }

    /// <summary>Finds or makes a row and counts one more; a new row counts one more at its parent too.</summary>
    Errno FindOrAdd(Vnode vnode, int parent, uint alias, out int index)
    {
        index = 0;
        if (!TryView(vnode, out int view)) return Errno.NFile;
        index = Find(vnode, view, parent, alias);
        if (index >= 0)
        {
            At(index).Count++;
            return Errno.None;
        }
        if (_live >= _buckets.Length) Rehash();
        uint hash = HashOf(vnode.ObjId, view, parent, alias);
        index = TakeFree();
        ref Row row = ref At(index);
        uint age = row.ViewAndAge & IncarnationMask;
        row = new Row
        {
            ObjId = vnode.ObjId, Parent = parent, ViewAndAge = ((uint)view << 12) | age, Alias = alias, Count = 1,
        };
        ref int bucket = ref _buckets[hash & (uint)(_buckets.Length - 1)];
        row.Next = bucket;
        bucket = index + 1;
        _views[view]!.Rows++;
        if (parent != 0) At(parent - 1).Count++;
        _live++;
        return Errno.None;
    }

    int Find(Vnode vnode, int view, int parent, uint alias)
    {
        uint hash = HashOf(vnode.ObjId, view, parent, alias);
        for (int next = _buckets[hash & (uint)(_buckets.Length - 1)]; next != 0; next = At(next - 1).Next)
        {
            ref Row row = ref At(next - 1);
            if (row.ObjId == vnode.ObjId && row.View == view && row.Parent == parent && row.Alias == alias)
                return next - 1;
        }
        return -1;
    }

    /// <summary>Takes counts away; rows that nobody counts any more go, and take one from their parents.</summary>
    void Drop(int index, int count)
    {
        while (true)
        {
            // A kernel that forgets more than it was told can free a row that has rows below it; those then find
            // their parent free or taken by another, and only the counts are wrong.
            ref Row row = ref At(index);
            if (row.Kind == Kind.Free) return;
            row.Count -= Math.Min(count, row.Count);
            if (row.Count > 0) return;
            int parent = row.Parent;
            Unlink(index);
            _entryPoints.Remove(index);
            DropView(row.View);
            uint age = (row.ViewAndAge + 1) & IncarnationMask;
            row = new Row { ViewAndAge = age, Count = _firstFree };
            _firstFree = index + 1;
            _live--;
            if (parent == 0) return;
            index = parent - 1;
            count = 1;
        }
    }

    void Unlink(int index)
    {
        ref Row row = ref At(index);
        uint hash = HashOf(row.ObjId, row.View, row.Parent, row.Alias);
        ref int link = ref _buckets[hash & (uint)(_buckets.Length - 1)];
        while (link != 0 && link != index + 1) link = ref At(link - 1).Next;
        if (link != 0) link = row.Next;
    }

    int TakeFree()
    {
        if (_firstFree != 0)
        {
            int index = _firstFree - 1;
            _firstFree = At(index).Count;
            return index;
        }
        if (_rowsUsed == _chunks.Count * ChunkRows) _chunks.Add(new Row[ChunkRows]);
        return _rowsUsed++;
    }

    void Rehash()
    {
        _buckets = new int[_buckets.Length * 2];
        for (int i = 0; i < _rowsUsed; i++)
        {
            ref Row row = ref At(i);
            if (row.Kind == Kind.Free) continue;
            uint hash = HashOf(row.ObjId, row.View, row.Parent, row.Alias);
            ref int bucket = ref _buckets[hash & (uint)(_buckets.Length - 1)];
            row.Next = bucket;
            bucket = i + 1;
        }
    }

    bool TryView(Vnode vnode, out int view)
    {
        if (_viewOf.TryGetValue((vnode.PfsId, vnode.AsOf), out view)) return true;
        if (!_freeViews.TryPop(out view))
        {
            if (_views.Count == ViewsMax) return false;
            view = _views.Count;
            _views.Add(null);
        }
        _views[view] = new View(vnode with { ObjId = HammerConst.RootObjId });
        _viewOf[(vnode.PfsId, vnode.AsOf)] = view;
        return true;
    }

    void DropView(int index)
    {
        View view = _views[index]!;
        if (--view.Rows > 0) return;
        _viewOf.Remove((view.Root.PfsId, view.Root.AsOf));
        _views[index] = null;
        _freeViews.Push(index);
    }

    bool TryRow(ulong node, out int index)
    {
        uint age = (uint)(node >> 32) & 0x7FFF_FFFF;
        index = (int)Math.Min((uint)node, (uint)int.MaxValue);
        if (index >= _rowsUsed) return false;
        ref Row row = ref At(index);
        return row.Kind != Kind.Free && (row.ViewAndAge & IncarnationMask) == age;
    }

    ulong NodeOf(int index) => RowBit | ((ulong)(At(index).ViewAndAge & IncarnationMask) << 32) | (uint)index;

    Vnode VnodeOf(in Row row) => _views[row.View]!.Root with { ObjId = row.ObjId };

    ref Row At(int index) => ref _chunks[index / ChunkRows][index % ChunkRows];

    static uint HashOf(long objId, int view, int parent, uint alias)
    {
        ulong x = (ulong)objId * 0x9E3779B97F4A7C15UL;
        x ^= ((ulong)(uint)view << 40) ^ ((ulong)(uint)parent << 17) ^ alias;
        x *= 0xD6E8FEB86659FD93UL;
        return (uint)(x >> 32);
    }
}
