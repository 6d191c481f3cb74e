using System;
using NasCore.Fuse.Abi;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>Entries of directories: finding, making, removing, renaming.</summary>
public sealed partial class FuseDispatcher
{
    Errno Lookup(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        Errno error = TakeName(ref body, out ReadOnlySpan<byte> name);
        if (error.IsError) return error;
        error = _nodes.Resolve(head.NodeId, out Vnode dir, out bool isLink);
        if (error.IsError) return error;
        if (name.SequenceEqual("."u8)) return LookupSelf(head.NodeId, dir, isLink, ref reply);
        if (isLink) return Errno.NotDir;
        if (name.SequenceEqual(".."u8)) return LookupParent(head.NodeId, dir, ref reply);

        error = _fs.Lookup(dir, name, out Vnode child, out FileAttr attr);
        if (error == Errno.NoEnt && _fs.IsImmutable(dir) && name.IndexOf("@@"u8) < 0)
        {
            // A miss in a view that cannot change may be remembered; others are not, since PFS commands make and
            // remove names without the kernel.
            reply.Put(new FuseEntryOut { EntryValid = CachePolicy.For(_fs, dir, ObjType.Directory).EntrySeconds });
            return Errno.None;
        }
        return error.IsError ? error : Enter(head.NodeId, name, child, in attr, ref reply);
    }

    /// <summary>LOOKUP of "." revives an NFS handle, of files as well.</summary>
    Errno LookupSelf(ulong node, Vnode vnode, bool isLink, ref ReplyWriter reply)
    {
        if (isLink)
        {
            PutLinkEntry(ref reply, node);
        }
        else
        {
            Errno error = _fs.GetAttr(vnode, out FileAttr attr);
            if (error.IsError) return Gone(error);
            PutEntry(ref reply, node, vnode, in attr);
        }
        _nodes.Again(node);
        reply.EntryNode = node;
        return Errno.None;
    }

    /// <summary>LOOKUP of ".." reconnects an NFS handle to the tree.</summary>
    Errno LookupParent(ulong node, Vnode dir, ref ReplyWriter reply)
    {
        ulong above = _nodes.ParentOf(node);
        Vnode parent = _fs.Root;
        if (above != 0)
        {
            Errno error = _nodes.Resolve(above, out parent, out _);
            return error.IsError ? error : LookupSelf(above, parent, false, ref reply);
        }
        if (dir.ObjId != HammerConst.RootObjId)
        {
            Errno error = _fs.Parent(dir, out parent);
            if (error.IsError) return Gone(error);
        }
        Errno got = _fs.GetAttr(parent, out FileAttr attr);
        return got.IsError ? Gone(got) : Enter(node, ".."u8, parent, in attr, ref reply);
    }

    /// <summary>Tells the kernel of a child: counts the lookup, decides about aliases, writes the entry.</summary>
    Errno Enter(ulong parentNode, scoped ReadOnlySpan<byte> name, Vnode child, in FileAttr attr,
        ref ReplyWriter reply)
    {
        bool directory = IsDirectory(attr.Type);
        bool link = directory && NeedsAliasLink(parentNode, name, child);
        Errno error = _nodes.Enter(parentNode, name, child, directory, link, out ulong node);
        if (error.IsError) return error;
        reply.EntryNode = node;
        if (link) PutLinkEntry(ref reply, node);
        else PutEntry(ref reply, node, child, in attr);
        return Errno.None;
    }

    Errno MkNod(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseMkNodIn request)) return Errno.Inval;
        ObjType type = (request.Mode & FuseBits.SIfMt) switch
        {
            FuseBits.SIfReg or 0 => ObjType.RegFile,
            FuseBits.SIfIfo => ObjType.Fifo,
            FuseBits.SIfChr => ObjType.CDev,
            FuseBits.SIfBlk => ObjType.BDev,
            FuseBits.SIfSock => ObjType.Socket,
            _ => ObjType.Unknown,
        };
        if (type == ObjType.Unknown) return Errno.Inval;
        bool device = type is ObjType.CDev or ObjType.BDev;
        uint major = device ? (request.Rdev >> 8) & 0xFFF : 0;
        uint minor = device ? (request.Rdev & 0xFF) | ((request.Rdev >> 12) & 0xFFF00) : 0;
        return Make(in head, ref body, type, request.Mode, major, minor, request.Umask, ref reply);
    }

    Errno MkDir(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseMkDirIn request)) return Errno.Inval;
        return Make(in head, ref body, ObjType.Directory, request.Mode, 0, 0, request.Umask, ref reply);
    }

    Errno Make(in FuseInHeader head, ref RequestCursor body, ObjType type, uint mode, uint major, uint minor,
        uint umask, ref ReplyWriter reply)
    {
        Errno error = TakeNewName(ref body, out ReadOnlySpan<byte> name);
        if (error.IsError) return error;
        error = Target(in head, out Vnode dir);
        if (error.IsError) return error;
        error = _fs.Create(dir, name, type, mode & 0xFFF, major, minor, CallerOf(in head, umask), out Vnode child,
            out FileAttr attr);
        return error.IsError ? error : Enter(head.NodeId, name, child, in attr, ref reply);
    }

    Errno Symlink(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        Errno error = TakeNewName(ref body, out ReadOnlySpan<byte> name);
        if (error.IsError) return error;
        if (!body.TryTakeString(out ReadOnlySpan<byte> target)) return Errno.Inval;
        if (target.Length > HammerConst.SymlinkBytesMax) return Errno.NameTooLong;
        error = Target(in head, out Vnode dir);
        if (error.IsError) return error;
        error = _fs.Symlink(dir, name, target, CallerOf(in head), out Vnode child, out FileAttr attr);
        return error.IsError ? error : Enter(head.NodeId, name, child, in attr, ref reply);
    }

    Errno Link(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out ulong oldNode)) return Errno.Inval;
        Errno error = TakeNewName(ref body, out ReadOnlySpan<byte> name);
        if (error.IsError) return error;
        error = Target(in head, out Vnode dir);
        if (error.IsError) return error;
        error = _nodes.Resolve(oldNode, out Vnode vnode, out bool isLink);
        if (error.IsError) return error;
        if (isLink || vnode.PfsId != dir.PfsId || vnode.AsOf != dir.AsOf) return Errno.XDev;
        error = _fs.Link(vnode, dir, name, out FileAttr attr);
        return error.IsError ? error : Enter(head.NodeId, name, vnode, in attr, ref reply);
    }

    Errno Remove(in FuseInHeader head, ref RequestCursor body, bool directory)
    {
        Errno error = TakeNewName(ref body, out ReadOnlySpan<byte> name);
        if (error.IsError) return error;
        error = Target(in head, out Vnode dir);
        if (error.IsError) return error;
        return directory ? _fs.Rmdir(dir, name) : _fs.Unlink(dir, name);
    }

    Errno Rename(in FuseInHeader head, ref RequestCursor body, bool hasFlags)
    {
        uint flags = 0;
        if (!body.TryTake(out ulong newDir)) return Errno.Inval;
        if (hasFlags && !(body.TryTake(out flags) && body.TryTake(out uint _))) return Errno.Inval;
        RenameKind? kind = flags switch
        {
            0 => RenameKind.Replace,
            FuseBits.RenameNoReplace => RenameKind.NoReplace,
            FuseBits.RenameExchange => RenameKind.Exchange,
            _ => null,
        };
        if (kind is null) return Errno.Inval;
        Errno error = TakeNewName(ref body, out ReadOnlySpan<byte> fromName);
        if (error.IsError) return error;
        error = TakeNewName(ref body, out ReadOnlySpan<byte> toName);
        if (error.IsError) return error;
        error = Target(in head, out Vnode fromDir);
        if (error.IsError) return error;
        error = _nodes.Resolve(newDir, out Vnode toDir, out bool isLink);
        if (error.IsError) return error;
        if (isLink || fromDir.PfsId != toDir.PfsId || fromDir.AsOf != toDir.AsOf) return Errno.XDev;
        return _fs.Rename(fromDir, fromName, toDir, toName, kind.Value);
    }

    Errno Forget(in FuseInHeader head, ref RequestCursor body)
    {
        if (body.TryTake(out ulong lookups)) _nodes.Forget(head.NodeId, lookups);
        return Errno.None;
    }

    Errno BatchForget(ref RequestCursor body)
    {
        if (!body.TryTake(out FuseBatchForgetIn request)) return Errno.None;
        for (uint i = 0; i < request.Count && body.TryTake(out FuseForgetOne one); i++)
            _nodes.Forget(one.NodeId, one.Lookups);
        return Errno.None;
    }

    void PutEntry(ref ReplyWriter reply, ulong node, Vnode vnode, in FileAttr attr)
    {
        FuseEntryOut entry = default;
        FillEntry(ref entry, node, vnode, in attr);
        reply.Put(in entry);
    }

    void FillEntry(ref FuseEntryOut entry, ulong node, Vnode vnode, in FileAttr attr)
    {
        CachePolicy policy = CachePolicy.For(_fs, vnode, attr.Type);
        entry.NodeId = node;
        // Object ids are never given twice, so that handles of them stay good over mounts; rows are not so stable.
        entry.Generation = NodeTable.IsRow(node) ? _epoch : 1;
        entry.EntryValid = policy.EntrySeconds;
        entry.AttrValid = policy.AttrSeconds;
        FillAttr(ref entry.Attr, vnode, in attr);
    }
}
