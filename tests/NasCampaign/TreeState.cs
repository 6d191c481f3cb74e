using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO.Hashing;
using System.Linq;
using System.Text;
using NasCore;
using NasCore.Primitives;
using NasTesting.Model;
using NasTesting.Oracle;

namespace NasCampaign;

/// <summary>One name of a tree, with all that a user can see of its object.</summary>
/// <param name="Path">From the root of the view.</param>
/// <param name="Ino">Object id.</param>
/// <param name="Type">Type.</param>
/// <param name="Attrs">Mode, owner, flags, device number, link target, extended attributes.</param>
/// <param name="Nlinks">Names of the object.</param>
/// <param name="Content">Size and hash; empty for anything but a file.</param>
/// <param name="Mtime">Microseconds since 1970.</param>
/// <param name="Ctime">Microseconds since 1970.</param>
public sealed record TreeEntry(string Path, long Ino, ObjType Type, string Attrs, ulong Nlinks, string Content,
    ulong Mtime, ulong Ctime)
{
    /// <summary>Equal in everything but times.</summary>
    public bool EqualsButTimes(TreeEntry other) => (other with { Mtime = Mtime, Ctime = Ctime }).Equals(this);
}

/// <summary>A whole tree at one moment, as the facade shows it: what crashes are measured against.</summary>
public sealed class TreeState
{
    readonly SortedDictionary<string, TreeEntry> _entries = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, TreeEntry> Entries => _entries;
    public int Count => _entries.Count;

    const ulong KeptBytesMax = 8 << 20;

    readonly Dictionary<long, byte[]>? _bytes;

    TreeState(bool keepsBytes) => _bytes = keepsBytes ? [] : null;

    /// <summary>The bytes of a file, if they were kept.</summary>
    public byte[]? BytesOf(long ino) => _bytes?.GetValueOrDefault(ino);

    public IEnumerable<TreeEntry> OfIno(long ino) => _entries.Values.Where(e => e.Ino == ino);

    /// <summary>Names of a directory with what they lead to; null if it is not there.</summary>
    public List<(string, long)>? NamesIn(long dir)
    {
        TreeEntry? at = OfIno(dir).FirstOrDefault();
        if (at is null) return null;
        string prefix = at.Path == "/" ? "/" : at.Path + "/";
        return [.. _entries.Values.Where(e => e.Path.Length > prefix.Length
            && e.Path.StartsWith(prefix, StringComparison.Ordinal)
            && !e.Path.AsSpan(prefix.Length).Contains('/')).Select(e => (e.Path[prefix.Length..], e.Ino))];
    }

    public bool Equals(TreeState other) => Count == other.Count
        && _entries.Values.Zip(other._entries.Values).All(p => p.First.Equals(p.Second));

    /// <param name="fs">What is looked at.</param>
    /// <param name="asOf">The view.</param>
    /// <param name="pfsId">The PFS.</param>
    /// <param name="keepsBytes">Keeps the bytes of files beside their hashes.</param>
    public static TreeState Capture(HammerFs fs, ulong asOf = Tid.Max, int pfsId = 0, bool keepsBytes = false)
    {
        var state = new TreeState(keepsBytes);
        byte[] buffer = new byte[1 << 18];
        var pending = new Stack<(string Path, Vnode Vnode)>();
        pending.Push(("/", new Vnode(pfsId, asOf, HammerConst.RootObjId)));
        while (pending.TryPop(out (string Path, Vnode Vnode) at))
        {
            Must(fs.GetAttr(at.Vnode, out FileAttr attr), at.Path, "getattr");
            state._entries.Add(at.Path, Entry(fs, at.Path, at.Vnode, in attr, buffer, state._bytes));
            if (attr.Type != ObjType.Directory) continue;
            var sink = new Sink([]);
            Must(fs.ReadDir(at.Vnode, 0, ref sink), at.Path, "readdir");
            foreach (byte[] raw in sink.Found)
            {
                string path = (at.Path == "/" ? "/" : at.Path + "/") + OracleText.Decode(raw);
                Must(fs.Lookup(at.Vnode, raw, out Vnode child, out _), path, "lookup");
                pending.Push((path, child));
            }
        }
        return state;
    }

    static TreeEntry Entry(HammerFs fs, string path, Vnode vnode, in FileAttr attr, byte[] buffer,
        Dictionary<long, byte[]>? kept)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{attr.Mode:x}:{attr.Uid}:{attr.Gid}:{attr.Uflags:x}");
        if (attr.Type is ObjType.CDev or ObjType.BDev)
            text.Append(CultureInfo.InvariantCulture, $" {attr.Rmajor}:{attr.Rminor}");
        if (attr.Type == ObjType.SoftLink)
        {
            Must(fs.ReadLink(vnode, buffer, out int n), path, "readlink");
            text.Append(" -> ").Append(OracleText.Decode(buffer.AsSpan(0, n)));
        }
        AppendXattrs(text, fs, path, vnode, buffer);
        string content = attr.Type == ObjType.RegFile ? Content(fs, path, vnode, in attr, buffer, kept) : "";
        return new TreeEntry(path, attr.ObjId, attr.Type, text.ToString(), attr.Nlinks, content, attr.Mtime,
            attr.Ctime);
    }

    static void AppendXattrs(StringBuilder text, HammerFs fs, string path, Vnode vnode, byte[] buffer)
    {
        if (fs.ListXattr(vnode, buffer, out int length).IsError || length == 0) return;
        string[] names = OracleText.Decode(buffer.AsSpan(0, length)).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        foreach (string name in names.Order(StringComparer.Ordinal))
        {
            Must(fs.GetXattr(vnode, OracleText.Encode(name), buffer, out int n), path, "getxattr");
            text.Append(CultureInfo.InvariantCulture, $" {name}={n}:{XxHash3.HashToUInt64(buffer.AsSpan(0, n)):x}");
        }
    }

    static string Content(HammerFs fs, string path, Vnode vnode, in FileAttr attr, byte[] buffer,
        Dictionary<long, byte[]>? kept)
    {
        var hash = new XxHash3();
        byte[]? bytes = kept is null || attr.Size > KeptBytesMax ? null : kept[attr.ObjId] = new byte[attr.Size];
        for (ulong at = 0; ;)
        {
            Must(fs.Read(vnode, at, buffer, out int n), path, $"read at {at}");
            if (n == 0) break;
            hash.Append(buffer.AsSpan(0, n));
            if (bytes is not null) buffer.AsSpan(0, n).CopyTo(bytes.AsSpan((int)at));
            at += (ulong)n;
        }
        return string.Create(CultureInfo.InvariantCulture, $"{attr.Size}:{hash.GetCurrentHashAsUInt64():x16}");
    }

    static void Must(Errno e, string path, string what)
    {
        if (e.IsError) throw new CampaignFinding("a tree cannot be read", path, $"{what}: {e}");
    }

    /// <summary>What the model disagrees with, times and object numbers aside; empty if nothing.</summary>
    public string DifferencesFrom(ModelTree model)
    {
        var lines = new StringBuilder();
        int count = 0;
        foreach ((string path, ModelNode node) in model.Walk())
        {
            count++;
            string wanted = Shape(node);
            if (!_entries.TryGetValue(path, out TreeEntry? e)) lines.AppendLine($"missing: {path}");
            else if (wanted != Shape(e)) lines.AppendLine($"{path}: {Shape(e)}, not {wanted}");
        }
        if (count != Count)
            lines.AppendLine("too much: " + string.Join(" ", _entries.Keys.Where(p => model.Find(p) is null).Take(5)));
        return lines.ToString();
    }

    static string Shape(TreeEntry e) => $"{(int)e.Type} {e.Attrs} {e.Nlinks} {e.Content}";

    static string Shape(ModelNode node)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{(int)node.Type} {node.Mode:x}:{node.Uid}:{node.Gid}:");
        text.Append(CultureInfo.InvariantCulture, $"{node.Flags:x}");
        if (node.Type is ModelType.CharDevice or ModelType.BlockDevice)
            text.Append(CultureInfo.InvariantCulture, $" {node.Major}:{node.Minor}");
        if (node.Type == ModelType.Symlink) text.Append(" -> ").Append(node.Target);
        foreach ((string name, byte[] value) in node.Xattrs)
            text.Append(CultureInfo.InvariantCulture, $" {name}={value.Length}:{XxHash3.HashToUInt64(value):x}");
        text.Append(CultureInfo.InvariantCulture, $" {node.Nlink} ");
        if (node.Type == ModelType.File)
        {
            ulong hash = XxHash3.HashToUInt64(node.Content.Read(0, checked((int)node.Content.Size)));
            text.Append(CultureInfo.InvariantCulture, $"{node.Content.Size}:{hash:x16}");
        }
        return text.ToString();
    }

    /// <summary>First entries in which two trees differ, for a message.</summary>
    public static string Differences(TreeState expected, TreeState found)
    {
        IEnumerable<TreeEntry> missing = expected._entries.Values.Except(found._entries.Values).Take(4);
        IEnumerable<TreeEntry> surplus = found._entries.Values.Except(expected._entries.Values).Take(4);
        return "missing: " + string.Join("\n    ", missing) + "\n  found: " + string.Join("\n    ", surplus);
    }

    readonly struct Sink(List<byte[]> found) : IDirSink
    {
        public List<byte[]> Found => found;

        public bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie)
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8)) found.Add(name.ToArray());
            return true;
        }
    }
}
