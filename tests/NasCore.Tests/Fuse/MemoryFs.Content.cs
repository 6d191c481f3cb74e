using System;
using System.Linq;
using System.Text;
using NasCore;
using NasCore.Primitives;

namespace NasCoreTests.Fuse;

sealed partial class MemoryFs
{
    public Errno Read(Vnode vnode, ulong offset, Span<byte> destination, out int length)
    {
        length = 0;
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            if (offset >= node.Size) return Errno.None;
            length = (int)Math.Min((ulong)destination.Length, node.Size - offset);
            for (int done = 0; done < length;)
            {
                long at = (long)offset + done;
                int inChunk = (int)(at % ChunkBytes);
                int n = Math.Min(length - done, ChunkBytes - inChunk);
                if (node.Chunks.TryGetValue(at / ChunkBytes, out byte[]? chunk))
                    chunk.AsSpan(inChunk, n).CopyTo(destination[done..]);
                else
                    destination.Slice(done, n).Clear();
                done += n;
            }
            return Errno.None;
        }
    }

    public Errno Write(Vnode vnode, ulong offset, ReadOnlySpan<byte> source, bool append, bool killSetId,
        out int length)
    {
        length = 0;
        lock (_lock)
        {
            Errno error = ForChange(vnode, out Node node);
            if (error.IsError) return error;
            if (append) offset = node.Size;
            if (killSetId) KillSetId(node);
            length = source.Length;
            node.Size = Math.Max(node.Size, offset + (ulong)length);
            node.Mtime = node.Ctime = Now();
            while (source.Length > 0)
            {
                int inChunk = (int)(offset % ChunkBytes);
                int n = Math.Min(source.Length, ChunkBytes - inChunk);
                if (!node.Chunks.TryGetValue((long)offset / ChunkBytes, out byte[]? chunk))
                    node.Chunks[(long)offset / ChunkBytes] = chunk = new byte[ChunkBytes];
                source[..n].CopyTo(chunk.AsSpan(inChunk));
                source = source[n..];
                offset += (ulong)n;
            }
            return Errno.None;
        }
    }

    public Errno Fallocate(Vnode vnode, FallocateKind kind, ulong offset, ulong length)
    {
        lock (_lock)
        {
            Errno error = ForChange(vnode, out Node node);
            if (error.IsError) return error;
            ulong end = offset + length;
            if (kind is FallocateKind.PunchHole or FallocateKind.ZeroRange or FallocateKind.ZeroRangeKeepSize)
                ZeroRange(node, (long)offset, (long)end);
            if (kind is FallocateKind.Extend or FallocateKind.ZeroRange) node.Size = Math.Max(node.Size, end);
            return Errno.None;
        }
    }

    static void ZeroRange(Node node, long from, long to)
    {
        foreach (long index in node.Chunks.Keys.ToArray())
        {
            long start = Math.Max(from, index * ChunkBytes), end = Math.Min(to, (index + 1) * ChunkBytes);
            if (start >= end) continue;
            if (end - start == ChunkBytes) node.Chunks.Remove(index);
            else node.Chunks[index].AsSpan((int)(start % ChunkBytes), (int)(end - start)).Clear();
        }
    }

    public Errno Seek(Vnode vnode, ulong offset, bool hole, out ulong found)
    {
        found = offset;
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            if (offset >= node.Size) return Errno.NxIo;
            long at = (long)found / ChunkBytes;
            if (hole)
                while (node.Chunks.ContainsKey(at)) at++;
            else
                at = node.Chunks.Keys.Where(k => k >= at).DefaultIfEmpty(long.MaxValue / ChunkBytes).Min();
            found = Math.Max(found, (ulong)at * ChunkBytes);
            found = Math.Min(found, node.Size);
            return !hole && found == node.Size ? Errno.NxIo : Errno.None;
        }
    }

    Node NewNode(ObjType type, uint mode, Caller caller, Node dir)
    {
        var node = new Node
        {
            ObjId = _nextId++, Type = type, Mode = mode & ~caller.Umask, Uid = caller.Uid, Gid = caller.Gid,
            Parent = dir.ObjId, Group = _open,
        };
        node.Mtime = node.Ctime = node.Atime = Now();
        if ((dir.Mode & 0x400) != 0)
        {
            node.Gid = dir.Gid;
            if (type == ObjType.Directory) node.Mode |= 0x400;
        }
        return node;
    }

    void AddEntry(Node dir, ReadOnlySpan<byte> name, long child)
    {
        long key = dir.NextKey++;
        dir.Entries[key] = (name.ToArray(), child);
        dir.ByName[Key(name)] = key;
        dir.Mtime = dir.Ctime = Now();
    }

    void RemoveEntry(Node dir, string name)
    {
        dir.Entries.Remove(dir.ByName[name]);
        dir.ByName.Remove(name);
        dir.Mtime = dir.Ctime = Now();
    }

    Errno Insert(Vnode dir, Node parent, ReadOnlySpan<byte> name, Node node, out Vnode child, out FileAttr attr)
    {
        child = dir with { ObjId = node.ObjId };
        _views[(dir.PfsId, dir.AsOf)][node.ObjId] = node;
        AddEntry(parent, name, node.ObjId);
        Fill(child, node, out attr);
        return Errno.None;
    }

    public Errno Create(Vnode dir, ReadOnlySpan<byte> name, ObjType type, uint mode, uint rmajor, uint rminor,
        Caller caller, out Vnode child, out FileAttr attr)
    {
        (child, attr) = (default, default);
        lock (_lock)
        {
            Errno error = ForChange(dir, out Node parent, directory: true);
            if (error.IsError) return error;
            if (parent.ByName.ContainsKey(Key(name))) return Errno.Exist;
            Node node = NewNode(type, mode, caller, parent);
            (node.Rmajor, node.Rminor) = (rmajor, rminor);
            return Insert(dir, parent, name, node, out child, out attr);
        }
    }

    public Errno Symlink(Vnode dir, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, Caller caller,
        out Vnode child, out FileAttr attr)
    {
        (child, attr) = (default, default);
        lock (_lock)
        {
            Errno error = ForChange(dir, out Node parent, directory: true);
            if (error.IsError) return error;
            if (parent.ByName.ContainsKey(Key(name))) return Errno.Exist;
            Node node = NewNode(ObjType.SoftLink, 0x1FF, caller with { Umask = 0 }, parent);
            node.Target = target.ToArray();
            node.Size = (ulong)target.Length;
            return Insert(dir, parent, name, node, out child, out attr);
        }
    }

    public Errno TmpFile(Vnode dir, uint mode, Caller caller, out Vnode child, out FileAttr attr)
    {
        (child, attr) = (default, default);
        lock (_lock)
        {
            Errno error = ForChange(dir, out Node parent, directory: true);
            if (error.IsError) return error;
            Node node = NewNode(ObjType.RegFile, mode, caller, parent);
            node.Nlinks = 0;
            node.Opens = 1;
            OpenCount++;
            child = dir with { ObjId = node.ObjId };
            _views[(dir.PfsId, dir.AsOf)][node.ObjId] = node;
            Fill(child, node, out attr);
            return Errno.None;
        }
    }

    public Errno Link(Vnode vnode, Vnode dir, ReadOnlySpan<byte> name, out FileAttr attr)
    {
        attr = default;
        lock (_lock)
        {
            Errno error = ForChange(dir, out Node parent, directory: true);
            if (error.IsError) return error;
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            if (node.Type == ObjType.Directory) return Errno.Perm;
            if (parent.ByName.ContainsKey(Key(name))) return Errno.Exist;
            AddEntry(parent, name, node.ObjId);
            node.Nlinks++;
            node.Ctime = Now();
            Fill(vnode, node, out attr);
            return Errno.None;
        }
    }

    public Errno Unlink(Vnode dir, ReadOnlySpan<byte> name) => Remove(dir, name, directory: false);

    public Errno Rmdir(Vnode dir, ReadOnlySpan<byte> name) => Remove(dir, name, directory: true);

    Errno Remove(Vnode dir, ReadOnlySpan<byte> name, bool directory)
    {
        lock (_lock)
        {
            Errno error = ForChange(dir, out Node parent, directory: true);
            if (error.IsError) return error;
            if (!parent.ByName.TryGetValue(Key(name), out long key)) return Errno.NoEnt;
            Vnode child = dir with { ObjId = parent.Entries[key].Child };
            Node node = Find(child)!;
            if (directory != (node.Type == ObjType.Directory)) return directory ? Errno.NotDir : Errno.IsDir;
            if (directory && node.Entries.Count > 0) return Errno.NotEmpty;
            RemoveEntry(parent, Key(name));
            Unref(child, node);
            return Errno.None;
        }
    }

    void Unref(Vnode vnode, Node node)
    {
        node.Nlinks--;
        node.Ctime = Now();
        Reap(vnode, node);
    }

    public Errno Rename(Vnode fromDir, ReadOnlySpan<byte> fromName, Vnode toDir, ReadOnlySpan<byte> toName,
        RenameKind kind)
    {
        lock (_lock)
        {
            Errno error = ForChange(fromDir, out Node from, directory: true);
            if (error.IsError) return error;
            if (Find(toDir) is not { } to) return Errno.NoEnt;
            if (!from.ByName.TryGetValue(Key(fromName), out long fromKey)) return Errno.NoEnt;
            Node node = Find(fromDir with { ObjId = from.Entries[fromKey].Child })!;
            bool exists = to.ByName.TryGetValue(Key(toName), out long toKey);
            Node? old = exists ? Find(toDir with { ObjId = to.Entries[toKey].Child }) : null;
            if (kind == RenameKind.NoReplace && exists) return Errno.Exist;
            if (kind == RenameKind.Exchange)
            {
                if (old is null) return Errno.NoEnt;
                (from.Entries[fromKey], to.Entries[toKey]) =
                    ((from.Entries[fromKey].Name, old.ObjId), (to.Entries[toKey].Name, node.ObjId));
                (node.Parent, old.Parent) = (to.ObjId, from.ObjId);
                return Errno.None;
            }
            if (node == old) return Errno.None;
            if (old is { Type: ObjType.Directory } && old.Entries.Count > 0) return Errno.NotEmpty;
            if (old is not null)
            {
                RemoveEntry(to, Key(toName));
                Unref(toDir with { ObjId = old.ObjId }, old);
            }
            RemoveEntry(from, Key(fromName));
            AddEntry(to, toName, node.ObjId);
            node.Parent = to.ObjId;
            node.Ctime = Now();
            return Errno.None;
        }
    }

    public Errno ReadDir<TSink>(Vnode dir, long cookie, ref TSink sink)
        where TSink : struct, IDirSink, allows ref struct
    {
        lock (_lock)
        {
            if (Find(dir) is not { } node) return Errno.NoEnt;
            if (node.Type != ObjType.Directory) return Errno.NotDir;
            if (cookie == 0 && !sink.Add("."u8, dir, ObjType.Directory, 1)) return Errno.None;
            if (cookie <= 1 && !sink.Add(".."u8, dir with { ObjId = node.Parent }, ObjType.Directory, 2))
                return Errno.None;
            foreach ((long key, (byte[] name, long child)) in node.Entries)
            {
                if (key < cookie) continue;
                Vnode vnode = dir with { ObjId = child };
                if (!sink.Add(name, vnode, Find(vnode)!.Type, key + 1)) break;
            }
            return Errno.None;
        }
    }

    public Errno GetXattr(Vnode vnode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            if (node.Xattrs.Count == 0 || !node.Xattrs.TryGetValue(Key(name), out byte[]? found)) return Errno.NoData;
            length = found.Length;
            return found.AsSpan().TryCopyTo(value) || value.IsEmpty ? Errno.None : Errno.Range;
        }
    }

    public Errno SetXattr(Vnode vnode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrKind kind)
    {
        lock (_lock)
        {
            Errno error = ForChange(vnode, out Node node);
            if (error.IsError) return error;
            bool exists = node.Xattrs.ContainsKey(Key(name));
            if (kind == XattrKind.Create && exists) return Errno.Exist;
            if (kind == XattrKind.Replace && !exists) return Errno.NoData;
            node.Xattrs[Key(name)] = value.ToArray();
            return Errno.None;
        }
    }

    public Errno ListXattr(Vnode vnode, Span<byte> names, out int length)
    {
        length = 0;
        lock (_lock)
        {
            if (Find(vnode) is not { } node) return Errno.NoEnt;
            byte[] all = [.. node.Xattrs.Keys.SelectMany(k => Encoding.Latin1.GetBytes(k + "\0"))];
            length = all.Length;
            return names.IsEmpty || all.AsSpan().TryCopyTo(names) ? Errno.None : Errno.Range;
        }
    }

    public Errno RemoveXattr(Vnode vnode, ReadOnlySpan<byte> name)
    {
        lock (_lock)
        {
            Errno error = ForChange(vnode, out Node node);
            if (error.IsError) return error;
            return node.Xattrs.Remove(Key(name)) ? Errno.None : Errno.NoData;
        }
    }
}
