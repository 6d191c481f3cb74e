using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Threading;
using NasCore;
using NasCore.Primitives;

namespace NasCoreTests.Fuse;

/// <summary>
/// A small file system in memory with history, to test the FUSE side without an engine: one lock, whole-tree copies
/// as versions, and flush groups that become durable when the test (or its flusher thread) says so.
/// </summary>
sealed partial class MemoryFs : IFileSystem, IDisposable
{
    const int ChunkBytes = 16384;
    const long FirstKey = 0x1_0000_0000;

    internal sealed class Node
    {
        public long ObjId;
        public ObjType Type;
        public uint Mode, Uid, Gid, Rmajor, Rminor, Uflags;
        public ulong Size, Mtime, Ctime, Atime, Nlinks = 1;
        public long Parent, NextKey = FirstKey;
        public byte[] Target = [];
        public Dictionary<long, byte[]> Chunks = [];
        public SortedDictionary<long, (byte[] Name, long Child)> Entries = [];
        public Dictionary<string, long> ByName = [];
        public Dictionary<string, byte[]> Xattrs = [];
        public int Opens;
        public long Group;

        public Node Copy()
        {
            var copy = (Node)MemberwiseClone();
            copy.Chunks = Chunks.ToDictionary(c => c.Key, c => (byte[])c.Value.Clone());
            copy.Entries = new(Entries);
            copy.ByName = new(ByName);
            copy.Xattrs = new(Xattrs);
            return copy;
        }
    }

    readonly Lock _lock = new();
    readonly Dictionary<(int Pfs, ulong AsOf), Dictionary<long, Node>> _views = [];
    readonly TimeProvider _time;
    readonly bool _manualFlush;
    readonly List<(long Group, DurableCallback Callback, object? State)> _waiters = [];
    readonly Thread? _flusher;
    long _nextId = 0x1_0000_0001, _open = 1, _durable, _wanted;
    bool _closed;

    public MemoryFs(bool manualFlush = false, TimeProvider? time = null)
    {
        _manualFlush = manualFlush;
        _time = time ?? TimeProvider.System;
        AddPfs(0);
        if (manualFlush) return;
        _flusher = new Thread(FlusherLoop) { IsBackground = true, Name = "memory-flusher" };
        _flusher.Start();
    }

    public Vnode Root { get; init; } = new(0, Tid.Max, 1);
    public bool IsReadOnly { get; init; }
    public MountHealth Health { get; } = new();
    /// <summary>Changes that the open group still takes before it says NeedFlush.</summary>
    public int Room { get; set; } = int.MaxValue;
    /// <summary>Called at the start of every GetAttr, to throw.</summary>
    public Action<Vnode>? OnGetAttr { get; set; }
    public int OpenCount { get; private set; }
    public int SyncRequests { get; private set; }

    public void AddPfs(int pfs)
    {
        var root = new Node { ObjId = 1, Type = ObjType.Directory, Mode = 0x1ED, Parent = 1 };
        root.Mtime = root.Ctime = root.Atime = Now();
        lock (_lock) _views[(pfs, Tid.Max)] = new() { [1] = root };
    }

    /// <summary>Keeps the present state of a PFS as a version.</summary>
    public void Snapshot(int pfs, ulong tid)
    {
        lock (_lock) _views[(pfs, tid)] = _views[(pfs, Tid.Max)].ToDictionary(n => n.Key, n => n.Value.Copy());
    }

    public bool IsImmutable(Vnode vnode) => !vnode.IsLive;

    ulong Now() => (ulong)((_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);

    static string Key(ReadOnlySpan<byte> name) => Encoding.Latin1.GetString(name);

    Node? Find(Vnode vnode) =>
        _views.TryGetValue((vnode.PfsId, vnode.AsOf), out var tree) ? tree.GetValueOrDefault(vnode.ObjId) : null;

    Errno ForChange(Vnode vnode, out Node node, bool directory = false)
    {
        node = null!;
        if (!vnode.IsLive || IsReadOnly) return Errno.RoFs;
        if (Find(vnode) is not { } found) return Errno.NoEnt;
        if (directory && found.Type != ObjType.Directory) return Errno.NotDir;
        if (Room <= 0) return Errno.NeedFlush;
        if (Room != int.MaxValue) Room--;
        node = found;
        node.Group = _open;
        return Errno.None;
    }

    void Fill(Vnode vnode, Node node, out FileAttr attr)
    {
        _ = _open;
        attr = new FileAttr
        {
            ObjId = node.ObjId, Type = node.Type, Mode = node.Mode, Nlinks = node.Nlinks, Uid = node.Uid,
            Gid = node.Gid, Size = node.Size, Mtime = node.Mtime, Ctime = node.Ctime, Atime = node.Atime,
            Rmajor = node.Rmajor, Rminor = node.Rminor, Uflags = node.Uflags,
            ViewDev = ((uint)vnode.AsOf ^ (uint)(vnode.AsOf >> 32)) + 0x1000 * (uint)vnode.PfsId,
            AllocatedBytes = (ulong)node.Chunks.Count * ChunkBytes,
        };
    }

    public Errno Lookup(Vnode dir, ReadOnlySpan<byte> name, out Vnode child, out FileAttr attr)
    {
        attr = default;
        child = dir;
        lock (_lock)
        {
            string text = Key(name);
            int at = text.IndexOf("@@", StringComparison.Ordinal);
            if (at >= 0 && ParseView(text[(at + 2)..], dir, out Vnode view, out bool hasPfs))
            {
                child = at == 0 && hasPfs ? view with { ObjId = 1 } : dir with { AsOf = view.AsOf };
                text = at == 0 ? "." : text[..at];
            }
            if (Find(child) is not { } node) return Errno.NoEnt;
            if (text == "..") child = child with { ObjId = node.Parent };
            else if (text != ".")
            {
                if (node.Type != ObjType.Directory) return Errno.NotDir;
                if (!node.ByName.TryGetValue(text, out long key)) return Errno.NoEnt;
                child = child with { ObjId = node.Entries[key].Child };
            }
            if (Find(child) is not { } found) return Errno.NoEnt;
            Fill(child, found, out attr);
            return Errno.None;
        }
    }

    static bool ParseView(string suffix, Vnode dir, out Vnode view, out bool hasPfs)
    {
        view = dir;
        hasPfs = false;
        string[] parts = suffix.Split(':');
        ulong tid = Tid.Max;
        if (parts[0] != "-1" && (parts[0].Length != 18 || !ulong.TryParse(parts[0][2..], NumberStyles.HexNumber,
            CultureInfo.InvariantCulture, out tid))) return false;
        hasPfs = parts.Length == 2;
        int pfs = hasPfs ? int.Parse(parts[1], CultureInfo.InvariantCulture) : dir.PfsId;
        view = new Vnode(pfs, tid, dir.ObjId);
        return true;
    }

    public Errno Parent(Vnode dir, out Vnode parent)
    {
        lock (_lock)
        {
            parent = dir;
            if (Find(dir) is not { } node) return Errno.NoEnt;
            parent = dir with { ObjId = node.Parent };
            return Errno.None;
        }
    }

    public Errno GetAttr(Vnode vnode, out FileAttr attr)
    {
        OnGetAttr?.Invoke(vnode);
        attr = default;
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            Fill(vnode, node, out attr);
            return Errno.None;
        }
    }

    public Errno SetAttr(Vnode vnode, in AttrRequest request, Caller caller, out FileAttr attr)
    {
        attr = default;
        lock (_lock)
        {
            Errno error = ForChange(vnode, out Node node);
            if (error.IsError) return error;
            if (request.Change.HasFlag(AttrChange.KillSetId)) KillSetId(node);
            if (request.Change.HasFlag(AttrChange.Mode)) node.Mode = request.Mode;
            if (request.Change.HasFlag(AttrChange.Uid)) node.Uid = request.Uid;
            if (request.Change.HasFlag(AttrChange.Gid)) node.Gid = request.Gid;
            if (request.Change.HasFlag(AttrChange.Uflags)) node.Uflags = request.Uflags;
            node.Ctime = Now();
            if (request.Change.HasFlag(AttrChange.Size))
            {
                if (node.Type != ObjType.RegFile) return Errno.Inval;
                if (request.Size < node.Size) ZeroRange(node, (long)request.Size, (long)node.Size);
                node.Size = request.Size;
                node.Mtime = node.Ctime;
            }
            if (request.Change.HasFlag(AttrChange.Atime)) node.Atime = request.Atime;
            if (request.Change.HasFlag(AttrChange.Mtime)) node.Mtime = request.Mtime;
            Fill(vnode, node, out attr);
            return Errno.None;
        }
    }

    static void KillSetId(Node node)
    {
        node.Mode &= ~0x800u;
        if ((node.Mode & 8) != 0) node.Mode &= ~0x400u;
    }

    public Errno ReadLink(Vnode vnode, Span<byte> buffer, out int length)
    {
        length = 0;
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            if (node.Type != ObjType.SoftLink) return Errno.Inval;
            length = Math.Min(node.Target.Length, buffer.Length);
            node.Target.AsSpan(0, length).CopyTo(buffer);
            return Errno.None;
        }
    }

    public Errno Open(Vnode vnode)
    {
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            node.Opens++;
            OpenCount++;
            return Errno.None;
        }
    }

    public void Release(Vnode vnode)
    {
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return;
            node.Opens--;
            OpenCount--;
            Reap(vnode, node);
        }
    }

    void Reap(Vnode vnode, Node node)
    {
        if (node.Nlinks == 0 && node.Opens == 0) _views[(vnode.PfsId, vnode.AsOf)].Remove(node.ObjId);
    }

    public Errno StatFs(out FsStat stat)
    {
        lock (_lock)
        {
            stat = new FsStat
            {
                TotalBytes = 1L << 40, FreeBytes = 1L << 39, AvailBytes = 1L << 39, Label = "memory",
                Inodes = (ulong)_views[(0, Tid.Max)].Count,
            };
            return Errno.None;
        }
    }

    public long OpenGroup
    {
        get { lock (_lock) return _open; }
    }

    public long DurableGroup
    {
        get { lock (_lock) return _durable; }
    }

    public long GroupOf(Vnode vnode)
    {
        lock (_lock) return Find(vnode)?.Group ?? _open;
    }

    public void WhenDurable(long group, DurableCallback callback, object? state)
    {
        lock (_lock)
        {
            SyncRequests++;
            if (group > _durable)
            {
                _waiters.Add((group, callback, state));
                _wanted = Math.Max(_wanted, group);
                return;
            }
        }
        callback(state, Errno.None);
    }

    /// <summary>Closes the open group, makes it durable, gives room again and calls the waiters.</summary>
    public void Flush(int room = int.MaxValue, Errno result = default)
    {
        List<(long Group, DurableCallback Callback, object? State)> due;
        lock (_lock)
        {
            _durable = _open++;
            Room = room;
            due = [.. _waiters.Where(w => w.Group <= _durable)];
            _waiters.RemoveAll(w => w.Group <= _durable);
        }
        foreach (var waiter in due) waiter.Callback(waiter.State, result);
    }

    public int Waiters
    {
        get { lock (_lock) return _waiters.Count; }
    }

    void FlusherLoop()
    {
        while (!Volatile.Read(ref _closed))
        {
            bool due;
            lock (_lock) due = _wanted > _durable;
            if (due) Flush();
            else Thread.Sleep(1);
        }
    }

    public Errno SyncAndWait()
    {
        Flush();
        return Errno.None;
    }

    public void Dispose()
    {
        Volatile.Write(ref _closed, true);
        _flusher?.Join();
        if (!_manualFlush) Flush();
    }
}
