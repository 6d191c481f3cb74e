using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using NasCampaign.Kit;
using NasCore;
using NasCore.Primitives;
using NasTesting.Oracle;

namespace NasCampaign.Faults;

/// <summary>What can be read of a damaged volume: each path with its attributes and bytes, or with its error.</summary>
sealed class SurvivingTree
{
    /// <summary>Given an object, an offset and up to 4 KiB of its content as read.</summary>
    public delegate void PieceSink(string path, long objId, long at, ReadOnlySpan<byte> bytes);

    readonly HammerFs _fs;
    readonly PieceSink? _sink;
    readonly SortedDictionary<string, string> _lines = new(StringComparer.Ordinal);
    readonly byte[] _buffer = new byte[65536];

    SurvivingTree(HammerFs fs, PieceSink? sink)
    {
        _fs = fs;
        _sink = sink;
    }

    /// <summary>One line a path, sorted.</summary>
    public string Text => string.Join("\n", _lines.Values);
    public IReadOnlyDictionary<string, string> Lines => _lines;
    /// <summary>Path and error of what could not be read.</summary>
    public List<(string Path, Exception Error)> Errors { get; } = [];

    public static SurvivingTree Read(HammerFs fs, PieceSink? sink = null, Vnode? root = null)
    {
        var tree = new SurvivingTree(fs, sink);
        tree.Walk(root ?? fs.Root);
        return tree;
    }

    void Walk(Vnode root)
    {
        var todo = new Stack<(string Path, Vnode Vnode)>([("/", root)]);
        var seen = new HashSet<long>();
        while (todo.TryPop(out (string Path, Vnode Vnode) at))
        {
            if (!Guarded(at.Path, () => Object(at.Path, at.Vnode), out ObjType type)) continue;
            // A stale directory may hold a cycle; nothing is walked twice.
            if (type != ObjType.Directory || !seen.Add(at.Vnode.ObjId)) continue;
            if (!Guarded(at.Path, () => FsWalker.Names(_fs, at.Vnode), out List<(string Name, byte[] Raw)>? names))
                continue;
            foreach ((string name, byte[] raw) in names!)
            {
                string path = at.Path == "/" ? "/" + name : at.Path + "/" + name;
                if (Guarded(path, () => Child(at.Vnode, raw, path), out Vnode child)) todo.Push((path, child));
            }
        }
    }

    Vnode Child(Vnode dir, byte[] raw, string path)
    {
        Errno e = _fs.Lookup(dir, raw, out Vnode child, out _);
        if (e.IsError) throw new IOException($"{path}: listed, but cannot be looked up: {e}");
        return child;
    }

    bool Guarded<T>(string path, Func<T> work, out T? result)
    {
        try
        {
            result = work();
            return true;
        }
        catch (Exception e) when (e is IOException or HammerMediumException)
        {
            Errors.Add((path, e));
            _lines[path + "\0"] = $"{path} error";
            result = default;
            return false;
        }
    }

    ObjType Object(string path, Vnode vnode)
    {
        Errno e = _fs.GetAttr(vnode, out FileAttr attr);
        if (e.IsError) throw new IOException($"{path}: {e}");
        var text = new StringBuilder();
        text.Append(path).Append(FormattableString.Invariant($" {attr.Type} {attr.ObjId:x} {attr.Mode:x} {attr.Uid}:"))
            .Append(FormattableString.Invariant($"{attr.Gid} n{attr.Nlinks} s{attr.Size} f{attr.Uflags}"));
        if (attr.Type == ObjType.SoftLink)
        {
            if (_fs.ReadLink(vnode, _buffer, out int length).IsError) throw new IOException($"{path}: readlink");
            text.Append(' ').Append(OracleText.Decode(_buffer.AsSpan(0, length)));
        }
        Xattrs(path, vnode, text);
        if (attr.Type == ObjType.RegFile) Content(path, vnode, (long)attr.Size, text);
        _lines[path] = text.ToString();
        return attr.Type;
    }

    void Xattrs(string path, Vnode vnode, StringBuilder text)
    {
        byte[] names = new byte[65536];
        if (_fs.ListXattr(vnode, names, out int length).IsError || length == 0) return;
        foreach (string name in OracleText.Decode(names.AsSpan(0, length)).Split('\0',
            StringSplitOptions.RemoveEmptyEntries))
        {
            if (_fs.GetXattr(vnode, OracleText.Encode(name), _buffer, out int n).IsError)
                throw new IOException($"{path}: attribute {name}");
            text.Append(' ').Append(name).Append('=').Append(OracleCrc.Old(_buffer.AsSpan(0, n)));
        }
    }

    void Content(string path, Vnode vnode, long size, StringBuilder text)
    {
        // A stale size may be anything that once was; none here was larger.
        uint sum = 0;
        for (long at = 0; at < size && at < 256L << 20;)
        {
            int n = 0;
            long from = at;
            if (!Guarded(path, () => ReadAt(path, vnode, from, out n), out bool _))
            {
                at += ContentHistory.Piece;
                continue;
            }
            if (n == 0) break;
            for (int i = 0; i < n; i += ContentHistory.Piece)
                _sink?.Invoke(path, vnode.ObjId, at + i, _buffer.AsSpan(i, Math.Min(ContentHistory.Piece, n - i)));
            sum = (sum * 31) + OracleCrc.Old(_buffer.AsSpan(0, n));
            at += n;
        }
        text.Append(FormattableString.Invariant($" {sum:x}"));
    }

    bool ReadAt(string path, Vnode vnode, long at, out int n)
    {
        // After an error in pieces, so that what is beside the damage is read too.
        int length = (int)(at % 16384 == 0 ? 16384 : Math.Min(4096, 16384 - at % 16384));
        Errno e = _fs.Read(vnode, (ulong)at, _buffer.AsSpan(0, length), out n);
        if (e.IsError) throw new IOException($"{path}: read at {at}: {e}");
        return true;
    }
}
