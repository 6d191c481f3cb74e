using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Globalization;
using System.Linq;
using NasTesting.Oracle;

namespace NasTesting.Model;

/// <summary>One object of the model; immutable.</summary>
public sealed record ModelNode
{
    public required long Id { get; init; }
    public required ModelType Type { get; init; }

    /// <summary>Permission, set-id and sticky bits.</summary>
    public int Mode { get; init; }
    public uint Uid { get; init; }
    public uint Gid { get; init; }

    /// <summary>Names of the object; always 1 for directories, as HAMMER counts.</summary>
    public int Nlink { get; init; }
    public ulong Mtime { get; init; }
    public ulong Ctime { get; init; }
    public uint Flags { get; init; }
    public uint Major { get; init; }
    public uint Minor { get; init; }
    public string Target { get; init; } = "";
    public ModelContent Content { get; init; } = ModelContent.Empty;

    /// <summary>Directory that holds the (last made) name.</summary>
    public long Parent { get; init; }
    public ImmutableSortedDictionary<string, long> Entries { get; init; } = NoEntries;
    public ImmutableSortedDictionary<string, byte[]> Xattrs { get; init; } = NoXattrs;

    static readonly ImmutableSortedDictionary<string, long> NoEntries =
        ImmutableSortedDictionary.Create<string, long>(StringComparer.Ordinal);

    static readonly ImmutableSortedDictionary<string, byte[]> NoXattrs =
        ImmutableSortedDictionary.Create<string, byte[]>(StringComparer.Ordinal);
}

/// <summary>A whole tree at one moment; immutable, so a version costs nothing but what it changed.</summary>
public sealed record ModelTree(ImmutableDictionary<long, ModelNode> Nodes, long NextId)
{
    public const long RootId = 1;

    public static ModelTree New(ulong now) => new(ImmutableDictionary<long, ModelNode>.Empty.Add(RootId, new ModelNode
    {
        Id = RootId,
        Type = ModelType.Directory,
        Mode = 0x1ED,
        Nlink = 1,
        Mtime = now,
        Ctime = now,
    }), 2);

    public ModelNode Root => Nodes[RootId];

    /// <summary>The object of a path, links not followed; null if there is none.</summary>
    public ModelNode? Find(string path)
    {
        ModelNode? at = Root;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (at is not { Type: ModelType.Directory } || !at.Entries.TryGetValue(name, out long id)) { return null; }
            at = Nodes[id];
        }
        return at;
    }

    /// <summary>Every path with its object, sorted by name within each directory; the root first.</summary>
    public IEnumerable<(string Path, ModelNode Node)> Walk()
    {
        var todo = new Stack<(string Path, ModelNode Node)>([("/", Root)]);
        while (todo.TryPop(out (string Path, ModelNode Node) at))
        {
            yield return at;
            foreach ((string name, long id) in at.Node.Entries.Reverse())
            {
                todo.Push(((at.Path == "/" ? "/" : at.Path + "/") + name, Nodes[id]));
            }
        }
    }

    /// <summary>The tree in the shape of the golden manifests. Object numbers are the model's own: compare with
    /// <see cref="ManifestIgnore.Ino"/>.</summary>
    /// <param name="timesAreCtime">As a read-only view reports them.</param>
    public List<ManifestEntry> Manifest(bool timesAreCtime = false) => [.. Walk().Select(p => new ManifestEntry
    {
        Path = p.Path,
        Type = p.Node.Type switch
        {
            ModelType.Directory => "dir",
            ModelType.File => "file",
            ModelType.Fifo => "fifo",
            ModelType.CharDevice => "chr",
            ModelType.BlockDevice => "blk",
            ModelType.Symlink => "symlink",
            _ => "sock",
        },
        Ino = (ulong)p.Node.Id,
        Mode = p.Node.Mode,
        Uid = p.Node.Uid,
        Gid = p.Node.Gid,
        Nlink = (ulong)p.Node.Nlink,
        Size = p.Node.Type switch
        {
            ModelType.File => (ulong)p.Node.Content.Size,
            ModelType.Symlink => (ulong)OracleText.Encode(p.Node.Target).Length,
            _ => 0,
        },
        MtimeUs = timesAreCtime ? p.Node.Ctime : p.Node.Mtime,
        CtimeUs = p.Node.Ctime,
        Flags = p.Node.Flags,
        Sha256 = p.Node.Type == ModelType.File ? p.Node.Content.Sha256 : null,
        Target = p.Node.Type == ModelType.Symlink ? p.Node.Target : null,
        Rdev = p.Node.Type is ModelType.CharDevice or ModelType.BlockDevice
            ? string.Create(CultureInfo.InvariantCulture, $"{p.Node.Major}:{p.Node.Minor}") : null,
    })];
}
