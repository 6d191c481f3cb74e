using System;
using System.Collections.Generic;
using System.Linq;
using NasTesting.Oracle;

namespace NasTesting.Model;

/// <summary>
/// A naive file system in memory with history: what the engine must look like from outside. Operations take absolute
/// paths and follow no links; they return the errno that the engine must return and change nothing if it is not Ok.
///
/// <see cref="Commit"/> freezes the tree as the version of a TID (a flush group became durable), <see cref="AsOf"/>
/// gives the tree that <c>/@@TID</c> must show, <see cref="Rollback"/> is a crash: back to the last committed version.
/// Trees are immutable and share what did not change, so a thousand versions are cheap.
///
/// Not modelled: permissions (the kernel's work), times beyond "now at the change" (compare without them), and the lost
/// past of nohistory files.
/// </summary>
public sealed class ModelFs
{
    const int NameMax = 255;
    const int TargetMax = 1023;
    const uint InheritedFlags = 0x1 | 0x40 | 0x400000; // UF_NODUMP, UF_NOHISTORY, SF_NOHISTORY

    readonly SortedList<ulong, ModelTree> _versions = [];
    readonly Dictionary<int, long> _open = [];
    ModelTree _committed;
    int _nextHandle = 1;

    public ModelFs() : this(ModelTree.New(0))
    {
    }

    /// <summary>A file system that begins with a tree; nothing is open.</summary>
    public ModelFs(ModelTree tree)
    {
        Tree = tree;
        _committed = tree;
    }

    /// <summary>The live tree.</summary>
    public ModelTree Tree { get; private set; }

    /// <summary>The clock, microseconds since 1970; the caller moves it.</summary>
    public ulong NowUs { get; set; }

    /// <summary>Committed versions by TID, oldest first.</summary>
    public IReadOnlyDictionary<ulong, ModelTree> Versions => _versions;

    /// <summary>Something changed since the last commit.</summary>
    public bool IsDirty => !ReferenceEquals(Tree, _committed);

    /// <summary>Freezes the live tree as the version of a TID, higher than all before.</summary>
    public void Commit(ulong tid)
    {
        if (_versions.Count > 0 && tid < _versions.Keys[^1])
        {
            throw new ArgumentOutOfRangeException(nameof(tid), $"0x{tid:x} is older than 0x{_versions.Keys[^1]:x}");
        }
        _versions[tid] = Tree;
        _committed = Tree;
    }

    /// <summary>The tree as of a TID: the newest version not above it; null before the first.</summary>
    public ModelTree? AsOf(ulong tid) => _versions.LastOrDefault(v => v.Key <= tid).Value;

    /// <summary>A crash: everything since the last commit is gone, and so is every open file.</summary>
    public void Rollback()
    {
        Tree = _committed;
        CloseAll();
    }

    /// <summary>A crash that lost committed versions above the TID too.</summary>
    public void RollbackTo(ulong tid)
    {
        foreach (ulong later in _versions.Keys.Where(k => k > tid).ToArray()) { _versions.Remove(later); }
        _committed = AsOf(tid) ?? ModelTree.New(0);
        Rollback();
    }

    /// <summary>Forgets open files and the objects that only they kept (unmount).</summary>
    public void CloseAll()
    {
        _open.Clear();
        foreach (ModelNode orphan in Tree.Nodes.Values.Where(n => n.Nlink == 0).ToArray()) { Drop(orphan.Id); }
    }

    public ModelErrno Create(string path, int mode) => Make(path, ModelType.File, n => n with { Mode = mode });

    public ModelErrno Mkdir(string path, int mode) => Make(path, ModelType.Directory, n => n with { Mode = mode });

    public ModelErrno Mknod(string path, ModelType type, int mode, uint major, uint minor) =>
        Make(path, type, n => n with { Mode = mode, Major = major, Minor = minor });

    public ModelErrno Symlink(string target, string path)
    {
        int length = OracleText.Encode(target).Length;
        if (length == 0) { return ModelErrno.NoEnt; }
        return length > TargetMax ? ModelErrno.NameTooLong
            : Make(path, ModelType.Symlink, n => n with { Mode = 0x1FF, Target = target });
    }

    public ModelErrno Link(string existing, string path)
    {
        ModelErrno error = Resolve(existing, out ModelNode node);
        if (error != ModelErrno.Ok) { return error; }
        error = ResolveParent(path, out ModelNode directory, out string name);
        if (error != ModelErrno.Ok) { return error; }
        if (directory.Entries.ContainsKey(name)) { return ModelErrno.Exist; }
        if (node.Type == ModelType.Directory) { return ModelErrno.Perm; }
        Put(node with { Nlink = node.Nlink + 1, Ctime = NowUs });
        AddName(directory.Id, name, node.Id);
        return ModelErrno.Ok;
    }

    public ModelErrno Unlink(string path)
    {
        ModelErrno error = Resolve(path, out ModelNode node);
        if (error != ModelErrno.Ok) { return error; }
        if (node.Type == ModelType.Directory) { return ModelErrno.IsDir; }
        RemoveName(path);
        return ModelErrno.Ok;
    }

    public ModelErrno Rmdir(string path)
    {
        ModelErrno error = Resolve(path, out ModelNode node);
        if (error != ModelErrno.Ok) { return error; }
        if (node.Type != ModelType.Directory) { return ModelErrno.NotDir; }
        if (!node.Entries.IsEmpty) { return ModelErrno.NotEmpty; }
        RemoveName(path);
        return ModelErrno.Ok;
    }

    public ModelErrno Rename(string from, string to, bool noReplace = false)
    {
        ModelErrno error = Resolve(from, out ModelNode node);
        if (error != ModelErrno.Ok) { return error; }
        error = ResolveParent(to, out ModelNode directory, out string name);
        if (error != ModelErrno.Ok) { return error; }
        ModelNode? old = directory.Entries.TryGetValue(name, out long oldId) ? Tree.Nodes[oldId] : null;
        if (old is not null && noReplace) { return ModelErrno.Exist; }
        if (IsInside(directory.Id, node)) { return ModelErrno.Inval; }
        if (old is not null)
        {
            if (old.Id == node.Id) { return ModelErrno.Ok; }
            error = MayReplace(node, old);
            if (error != ModelErrno.Ok) { return error; }
            RemoveName(to);
        }
        MoveName(from, to, node.Id);
        return ModelErrno.Ok;
    }

    static ModelErrno MayReplace(ModelNode node, ModelNode old) => (node.Type, old.Type) switch
    {
        (ModelType.Directory, not ModelType.Directory) => ModelErrno.NotDir,
        (not ModelType.Directory, ModelType.Directory) => ModelErrno.IsDir,
        _ => old.Entries.IsEmpty ? ModelErrno.Ok : ModelErrno.NotEmpty,
    };

    public ModelErrno Exchange(string first, string second)
    {
        ModelErrno error = Resolve(first, out ModelNode a);
        if (error != ModelErrno.Ok) { return error; }
        error = Resolve(second, out ModelNode b);
        if (error != ModelErrno.Ok) { return error; }
        _ = ResolveParent(first, out ModelNode aDirectory, out string aName);
        _ = ResolveParent(second, out ModelNode bDirectory, out string bName);
        if (IsInside(bDirectory.Id, a) || IsInside(aDirectory.Id, b)) { return ModelErrno.Inval; }
        if (a.Id == b.Id) { return ModelErrno.Ok; }
        AddName(aDirectory.Id, aName, b.Id);
        AddName(bDirectory.Id, bName, a.Id);
        Put(Tree.Nodes[a.Id] with { Ctime = NowUs });
        Put(Tree.Nodes[b.Id] with { Ctime = NowUs });
        return ModelErrno.Ok;
    }

    public ModelErrno Write(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        ModelErrno error = ResolveFile(path, out ModelNode node);
        if (error == ModelErrno.Ok)
        {
            Put(node with { Content = node.Content.Write(offset, bytes), Mtime = NowUs });
        }
        return error;
    }

    public ModelErrno Truncate(string path, long size)
    {
        ModelErrno error = ResolveFile(path, out ModelNode node);
        if (error == ModelErrno.Ok)
        {
            Put(node with { Content = node.Content.Truncate(size), Mtime = NowUs, Ctime = NowUs });
        }
        return error;
    }

    /// <summary>Zeros in a range within the file (FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE with KEEP_SIZE).</summary>
    public ModelErrno Zero(string path, long offset, long length)
    {
        ModelErrno error = ResolveFile(path, out ModelNode node);
        if (error == ModelErrno.Ok)
        {
            Put(node with { Content = node.Content.Zero(offset, length), Mtime = NowUs });
        }
        return error;
    }

    public ModelErrno Chmod(string path, int mode) => Change(path, n => n with { Mode = mode });

    public ModelErrno Chown(string path, uint uid, uint gid) => Change(path, n => n with { Uid = uid, Gid = gid });

    public ModelErrno Chflags(string path, uint flags) => Change(path, n => n with { Flags = flags });

    public ModelErrno Utimes(string path, ulong mtime)
    {
        ModelErrno error = Resolve(path, out ModelNode node);
        if (error == ModelErrno.Ok) { Put(node with { Mtime = mtime }); }
        return error;
    }

    public ModelErrno SetXattr(string path, string name, byte[] value, bool create = false, bool replace = false)
    {
        ModelErrno error = Resolve(path, out ModelNode node);
        if (error != ModelErrno.Ok) { return error; }
        bool exists = node.Xattrs.ContainsKey(name);
        if (create && exists) { return ModelErrno.Exist; }
        if (replace && !exists) { return ModelErrno.NoData; }
        Put(node with { Xattrs = node.Xattrs.SetItem(name, value), Ctime = NowUs });
        return ModelErrno.Ok;
    }

    public ModelErrno RemoveXattr(string path, string name)
    {
        ModelErrno error = Resolve(path, out ModelNode node);
        if (error != ModelErrno.Ok) { return error; }
        if (!node.Xattrs.ContainsKey(name)) { return ModelErrno.NoData; }
        Put(node with { Xattrs = node.Xattrs.Remove(name), Ctime = NowUs });
        return ModelErrno.Ok;
    }

    /// <summary>A handle that keeps the object alive without a name; 0 if there is no such object.</summary>
    public int Open(string path)
    {
        if (Resolve(path, out ModelNode node) != ModelErrno.Ok) { return 0; }
        _open[_nextHandle] = node.Id;
        return _nextHandle++;
    }

    /// <summary>The object of a handle, perhaps without a name by now.</summary>
    public ModelNode Opened(int handle) => Tree.Nodes[_open[handle]];

    public void WriteOpened(int handle, long offset, ReadOnlySpan<byte> bytes)
    {
        ModelNode node = Opened(handle);
        Put(node with { Content = node.Content.Write(offset, bytes), Mtime = NowUs });
    }

    public void Close(int handle)
    {
        _open.Remove(handle, out long id);
        bool last = Tree.Nodes.TryGetValue(id, out ModelNode? node) && node.Nlink == 0;
        if (last && !_open.ContainsValue(id)) { Drop(id); }
    }

    ModelErrno Make(string path, ModelType type, Func<ModelNode, ModelNode> fill)
    {
        ModelErrno error = ResolveParent(path, out ModelNode directory, out string name);
        if (error != ModelErrno.Ok) { return error; }
        if (directory.Entries.ContainsKey(name)) { return ModelErrno.Exist; }
        long id = Tree.NextId;
        Tree = Tree with { NextId = id + 1 };
        Put(fill(new ModelNode
        {
            Id = id,
            Type = type,
            Nlink = 1,
            Mtime = NowUs,
            Ctime = NowUs,
            Flags = directory.Flags & InheritedFlags,
        }));
        AddName(directory.Id, name, id);
        return ModelErrno.Ok;
    }

    ModelErrno Change(string path, Func<ModelNode, ModelNode> change)
    {
        ModelErrno error = Resolve(path, out ModelNode node);
        if (error == ModelErrno.Ok) { Put(change(node) with { Ctime = NowUs }); }
        return error;
    }

    ModelErrno Resolve(string path, out ModelNode node)
    {
        node = Tree.Root;
        if (path == "/") { return ModelErrno.Ok; }
        ModelErrno error = ResolveParent(path, out ModelNode directory, out string name);
        if (error != ModelErrno.Ok) { return error; }
        if (!directory.Entries.TryGetValue(name, out long id)) { return ModelErrno.NoEnt; }
        node = Tree.Nodes[id];
        return ModelErrno.Ok;
    }

    ModelErrno ResolveFile(string path, out ModelNode node)
    {
        ModelErrno error = Resolve(path, out node);
        if (error != ModelErrno.Ok) { return error; }
        return node.Type switch
        {
            ModelType.File => ModelErrno.Ok,
            ModelType.Directory => ModelErrno.IsDir,
            _ => ModelErrno.Inval,
        };
    }

    ModelErrno ResolveParent(string path, out ModelNode directory, out string name)
    {
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        directory = Tree.Root;
        name = names[^1];
        foreach (string step in names[..^1])
        {
            if (!directory.Entries.TryGetValue(step, out long id)) { return TooLongOr(step, ModelErrno.NoEnt); }
            directory = Tree.Nodes[id];
            if (directory.Type != ModelType.Directory) { return ModelErrno.NotDir; }
        }
        return TooLongOr(name, ModelErrno.Ok);
    }

    static ModelErrno TooLongOr(string name, ModelErrno otherwise) =>
        OracleText.Encode(name).Length > NameMax ? ModelErrno.NameTooLong : otherwise;

    // Whether a directory is the node or lies below it.
    bool IsInside(long directory, ModelNode node)
    {
        if (node.Type != ModelType.Directory) { return false; }
        for (long at = directory; ; at = Tree.Nodes[at].Parent)
        {
            if (at == node.Id) { return true; }
            if (at == ModelTree.RootId) { return false; }
        }
    }

    void Put(ModelNode node) => Tree = Tree with { Nodes = Tree.Nodes.SetItem(node.Id, node) };

    void Drop(long id) => Tree = Tree with { Nodes = Tree.Nodes.Remove(id) };

    void AddName(long directory, string name, long id)
    {
        ModelNode at = Tree.Nodes[directory];
        Put(at with { Entries = at.Entries.SetItem(name, id), Mtime = NowUs });
        Put(Tree.Nodes[id] with { Parent = directory });
    }

    void RemoveName(string path)
    {
        _ = ResolveParent(path, out ModelNode directory, out string name);
        ModelNode node = Tree.Nodes[directory.Entries[name]];
        Put(directory with { Entries = directory.Entries.Remove(name), Mtime = NowUs });
        Put(node with { Nlink = node.Nlink - 1, Ctime = NowUs });
        if (node.Nlink == 1 && !_open.ContainsValue(node.Id)) { Drop(node.Id); }
    }

    void MoveName(string from, string to, long id)
    {
        _ = ResolveParent(from, out ModelNode source, out string oldName);
        Put(source with { Entries = source.Entries.Remove(oldName), Mtime = NowUs });
        _ = ResolveParent(to, out ModelNode target, out string newName);
        AddName(target.Id, newName, id);
        Put(Tree.Nodes[id] with { Ctime = NowUs });
    }
}
