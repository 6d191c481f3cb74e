using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using NasCore.Fuse.Abi;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/*
 * Symbolic links, and those that we make up: a live directory has one place in the kernel's tree, so a name such as
 * "@@-1:00001" anywhere but in the mount's root, or "@@-1" in a view of the past, is answered with a symbolic link
 * to that place (architecture R3). Its text is relative: up to the mount's root, into the PFS if it is not the
 * mount's own, down to the directory. It is composed at each READLINK, as directories can be renamed.
 */
public sealed partial class FuseDispatcher
{
    const int DepthMax = 2048;

    /// <summary>Keeps the name of one child.</summary>
    ref struct NameSink(long objId) : IDirSink
    {
        public byte[]? Name { get; private set; }

        public bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie)
        {
            bool found = child.ObjId == objId && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);
            if (found) Name = name.ToArray();
            return !found;
        }
    }

    Errno ReadLink(in FuseInHeader head, ref ReplyWriter reply)
    {
        Errno error = _nodes.Resolve(head.NodeId, out Vnode vnode, out bool isLink);
        if (error.IsError) return error;
        if (isLink) return ReadAliasLink(head.NodeId, vnode, ref reply);
        error = _fs.ReadLink(vnode, reply.Free[..4095], out int length);
        if (error.IsError) return Gone(error);
        reply.Advance(length);
        return Errno.None;
    }

    /// <summary>True if this name leads to a live directory (or the mount's root) from a place not its own.</summary>
    bool NeedsAliasLink(ulong parentNode, ReadOnlySpan<byte> name, Vnode child)
    {
        if (!AsOfName.TryParse(name, out _) || !(child.IsLive || child == _fs.Root)) return false;
        if (parentNode != NodeTable.RootNode || child == _fs.Root || child.ObjId != HammerConst.RootObjId)
            return true;
        Span<byte> own = stackalloc byte[16];
        return !name.SequenceEqual(own[..WritePfsName(child.PfsId, own)]);
    }

    static int WritePfsName(int pfsId, Span<byte> place) => Encoding.ASCII.GetBytes(
        "@@-1:" + pfsId.ToString("d5", CultureInfo.InvariantCulture), place);

    Errno ReadAliasLink(ulong node, Vnode target, ref ReplyWriter reply)
    {
        Errno error = LevelsUp(_nodes.ParentOf(node), out int levels);
        if (error.IsError) return error;
        error = PathDown(target, out List<byte[]> path);
        if (error.IsError) return error;
        if (target.PfsId != _fs.Root.PfsId || target.AsOf != _fs.Root.AsOf)
        {
            byte[] pfs = new byte[16];
            path.Add(pfs[..WritePfsName(target.PfsId, pfs)]);
        }
        for (int i = 0; i < levels; i++) path.Add([(byte)'.', (byte)'.']);
        if (path.Count == 0) path.Add([(byte)'.']);
        for (int i = path.Count - 1; i >= 0; i--)
        {
            if (reply.Length + path[i].Length + 1 > 4095) return Errno.NameTooLong;
            path[i].CopyTo(reply.Free);
            reply.Advance(path[i].Length);
            if (i == 0) break;
            reply.Free[0] = (byte)'/';
            reply.Advance(1);
        }
        return Errno.None;
    }

    /// <summary>How many directories a directory lies below the mount's root.</summary>
    Errno LevelsUp(ulong node, out int levels)
    {
        levels = 0;
        while (node != NodeTable.RootNode && levels < DepthMax)
        {
            ulong above = node == 0 ? 0 : _nodes.ParentOf(node);
            if (above == 0) break;
            node = above;
            levels++;
        }
        if (node == NodeTable.RootNode) return Errno.None;
        Errno error = _nodes.Resolve(node, out Vnode dir, out _);
        if (error.IsError || node == 0) return Errno.Stale;
        for (; dir.ObjId != HammerConst.RootObjId && levels < DepthMax; levels++)
        {
            error = _fs.Parent(dir, out Vnode parent);
            if (error.IsError) return Gone(error);
            dir = parent;
        }
        // The root of another PFS lies in the mount's root.
        if (dir != _fs.Root) levels++;
        return levels < DepthMax ? Errno.None : Errno.NameTooLong;
    }

    /// <summary>Names from the root of its PFS down to a live directory, the last one first.</summary>
    Errno PathDown(Vnode dir, out List<byte[]> path)
    {
        path = [];
        while (dir.ObjId != HammerConst.RootObjId)
        {
            Errno error = _fs.Parent(dir, out Vnode parent);
            if (error.IsError) return Gone(error);
            var sink = new NameSink(dir.ObjId);
            error = _fs.ReadDir(parent, 0, ref sink);
            if (error.IsError || sink.Name is null) return error.IsError ? Gone(error) : Errno.Stale;
            path.Add(sink.Name);
            if (path.Count >= DepthMax) return Errno.NameTooLong;
            dir = parent;
        }
        return Errno.None;
    }

    void PutLinkEntry(ref ReplyWriter reply, ulong node)
    {
        var entry = new FuseEntryOut { NodeId = node, Generation = _epoch };
        FillLinkAttr(ref entry.Attr, node);
        reply.Put(in entry);
    }

    static void FillLinkAttr(ref FuseAttr attr, ulong node)
    {
        attr.Ino = node ^ 0xC000_0000_0000_0000;
        attr.Mode = FuseBits.SIfLnk | 0x1FF;
        attr.Nlink = 1;
        attr.BlkSize = HammerConst.BufferBytes;
    }
}
