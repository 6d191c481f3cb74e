using System;
using System.Collections.Generic;
using System.Globalization;
using System.Security.Cryptography;
using NasCore;
using NasCore.Primitives;
using NasTesting;
using NasTesting.Oracle;

namespace NasCampaign.Kit;

/// <summary>Walks a mounted file system through its facade and lists it in the shape of the golden manifests.</summary>
static class FsWalker
{
    public static List<ManifestEntry> Walk(IFileSystem fs, Vnode root)
    {
        var result = new List<ManifestEntry>();
        var pending = new Stack<(string Path, Vnode Vnode)>();
        pending.Push(("/", root));
        while (pending.TryPop(out var item))
        {
            Errno e = fs.GetAttr(item.Vnode, out FileAttr attr);
            if (e.IsError) throw new InvalidOperationException($"{item.Path}: {e}");
            result.Add(Entry(fs, item.Path, item.Vnode, in attr));
            if (attr.Type != ObjType.Directory) continue;
            foreach ((string name, byte[] raw) in Names(fs, item.Vnode))
            {
                Errno found = fs.Lookup(item.Vnode, raw, out Vnode child, out _);
                if (found.IsError) throw new InvalidOperationException($"{item.Path}/{name}: {found}");
                pending.Push((item.Path == "/" ? "/" + name : item.Path + "/" + name, child));
            }
        }
        return result;
    }

    static ManifestEntry Entry(IFileSystem fs, string path, Vnode vnode, in FileAttr attr) => new()
    {
        Path = path,
        Type = attr.Type switch
        {
            ObjType.Directory => "dir", ObjType.RegFile => "file", ObjType.SoftLink => "symlink",
            ObjType.CDev => "chr", ObjType.BDev => "blk", ObjType.Fifo => "fifo", ObjType.Socket => "sock",
            _ => attr.Type.ToString(),
        },
        Ino = (ulong)attr.ObjId,
        Mode = (int)attr.Mode,
        Uid = attr.Uid,
        Gid = attr.Gid,
        Nlink = attr.Nlinks,
        Size = attr.Size,
        MtimeUs = attr.Mtime,
        CtimeUs = attr.Ctime,
        Flags = attr.Uflags,
        Sha256 = attr.Type == ObjType.RegFile ? Digest(fs, vnode) : null,
        Target = attr.Type == ObjType.SoftLink ? Target(fs, vnode) : null,
        Rdev = attr.Type is ObjType.CDev or ObjType.BDev
            ? string.Create(CultureInfo.InvariantCulture, $"{attr.Rmajor}:{attr.Rminor}") : null,
    };

    static string Digest(IFileSystem fs, Vnode vnode)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        for (ulong at = 0; ;)
        {
            Errno e = fs.Read(vnode, at, buffer, out int n);
            if (e.IsError) throw new InvalidOperationException($"read at {at}: {e}");
            if (n == 0) break;
            hash.AppendData(buffer.AsSpan(0, n));
            at += (ulong)n;
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    static string Target(IFileSystem fs, Vnode vnode)
    {
        byte[] buffer = new byte[2048];
        Errno e = fs.ReadLink(vnode, buffer, out int n);
        if (e.IsError) throw new InvalidOperationException($"readlink: {e}");
        return OracleText.Decode(buffer.AsSpan(0, n));
    }

    public static List<(string Name, byte[] Raw)> Names(IFileSystem fs, Vnode dir)
    {
        var sink = new Sink([]);
        Errno e = fs.ReadDir(dir, 0, ref sink);
        if (e.IsError) throw new InvalidOperationException($"readdir: {e}");
        return sink.Found;
    }

    readonly struct Sink(List<(string Name, byte[] Raw)> found) : IDirSink
    {
        public List<(string Name, byte[] Raw)> Found => found;

        public bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie)
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                found.Add((OracleText.Decode(name), name.ToArray()));
            return true;
        }
    }
}
