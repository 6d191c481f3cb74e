using System;
using System.Runtime.InteropServices;
using NasCore.Fuse.Abi;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>Files: opening, content, making durable.</summary>
public sealed partial class FuseDispatcher
{
    /*
     * A file handle carries no state of ours but two bits, so there is no table of open files: what was open is
     * told by the node id, and the file system counts opens itself.
     */
    const ulong HandleCapabilities = 1, HandleSetId = 2;

    /// <summary>An fsync on its way: who waits for it.</summary>
    sealed record DurableReply(IFuseTransport Transport, ulong Unique)
    {
        public static void Send(object? state, Errno result)
        {
            var waiting = (DurableReply)state!;
            ReplyError(waiting.Transport, waiting.Unique, result == Errno.NeedFlush ? Errno.Io : result);
        }
    }

    Errno Open(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseOpenIn request)) return Errno.Inval;
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        return OpenObject(head.NodeId, vnode, request.Flags, request.OpenFlags, CallerOf(in head), ref reply);
    }

    Errno OpenObject(ulong node, Vnode vnode, uint flags, uint openFlags, Caller caller, ref ReplyWriter reply)
    {
        // Linux truncates an O_RDONLY file too, if its user may write it.
        bool truncates = (flags & FuseBits.OTrunc) != 0;
        bool writes = (flags & FuseBits.OAccMode) != 0 || truncates;
        Errno error = _fs.GetAttr(vnode, out FileAttr attr);
        if (error.IsError) return Gone(error);
        if (writes && (!vnode.IsLive || _fs.IsReadOnly)) return Errno.RoFs;
        if (writes && !FlagsAllowOpen(attr.Uflags, flags)) return Errno.Perm;
        if (truncates)
        {
            var request = new AttrRequest { Change = AttrChange.Size };
            if ((openFlags & FuseBits.OpenKillSuidGid) != 0) request.Change |= AttrChange.KillSetId;
            error = DropCapabilities(vnode);
            if (error.IsError) return error;
            error = _fs.SetAttr(vnode, in request, caller, out attr);
            if (error.IsError) return Gone(error);
        }
        error = _fs.Open(vnode);
        if (error.IsError) return Gone(error);
        reply.Opened = vnode;
        ulong handle = 0;
        if (writes && (attr.Mode & (FuseBits.SIsUid | FuseBits.SIsGid)) != 0) handle |= HandleSetId;
        if (writes && HasCapabilities(vnode)) handle |= HandleCapabilities;
        bool same = _fs.IsImmutable(vnode) || _fs.ChangesOnlyHere(vnode) || _stamps.Note(node, in attr);
        reply.Put(new FuseOpenOut { Fh = handle, OpenFlags = same ? FuseOpenReply.KeepCache : FuseOpenReply.None });
        return Errno.None;
    }

    /// <summary>The kernel knows nothing of our flags: immutable files are not opened for writing, append-only ones
    /// for appending only.</summary>
    static bool FlagsAllowOpen(uint uflags, uint openFlags) => (uflags & (UfImmutable | SfImmutable)) == 0
        && ((uflags & (UfAppend | SfAppend)) == 0
            || (openFlags & (FuseBits.OAppend | FuseBits.OTrunc)) == FuseBits.OAppend);

    Errno Create(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseCreateIn request)) return Errno.Inval;
        Errno error = TakeNewName(ref body, out ReadOnlySpan<byte> name);
        if (error.IsError) return error;
        error = Target(in head, out Vnode dir);
        if (error.IsError) return error;
        Caller caller = CallerOf(in head, request.Umask);
        error = _fs.Create(dir, name, ObjType.RegFile, request.Mode & 0xFFF, 0, 0, caller, out Vnode child,
            out FileAttr attr);
        uint flags = request.Flags & ~FuseBits.OTrunc;
        if (error == Errno.Exist && (request.Flags & FuseBits.OExcl) == 0)
        {
            // The kernel did not know the name; somebody else made it meanwhile.
            error = _fs.Lookup(dir, name, out child, out attr);
            if (!error.IsError && attr.Type != ObjType.RegFile) error = Errno.Exist;
            flags = request.Flags;
        }
        return error.IsError
            ? error
            : EnterOpened(head.NodeId, name, child, in attr, flags, request.OpenFlags, caller, ref reply);
    }

    Errno TmpFile(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseCreateIn request)) return Errno.Inval;
        Errno error = Target(in head, out Vnode dir);
        if (error.IsError) return error;
        // It is born open: the count belongs to this reply.
        error = _fs.TmpFile(dir, request.Mode & 0xFFF, CallerOf(in head, request.Umask), out Vnode child,
            out FileAttr attr);
        if (error.IsError) return error;
        reply.Opened = child;
        error = Enter(head.NodeId, "."u8, child, in attr, ref reply);
        if (!error.IsError) reply.Put(new FuseOpenOut { OpenFlags = FuseOpenReply.KeepCache });
        else TakeBack(ref reply);
        return error;
    }

    /// <summary>Entry and open file in one reply (CREATE).</summary>
    Errno EnterOpened(ulong parentNode, scoped ReadOnlySpan<byte> name, Vnode child, in FileAttr attr, uint flags,
        uint openFlags, Caller caller, ref ReplyWriter reply)
    {
        // The entry is written last, because opening may truncate and because NeedFlush must leave nothing behind;
        // its place in the reply is kept free.
        Span<byte> entryPlace = reply.Free[..EntryBytes];
        reply.Advance(entryPlace.Length);
        Errno error = OpenObject((ulong)child.ObjId, child, flags, openFlags, caller, ref reply);
        if (error.IsError) return error;
        FileAttr now = attr;
        if ((flags & FuseBits.OTrunc) != 0) error = _fs.GetAttr(child, out now);
        ulong node = 0;
        if (!error.IsError) error = _nodes.Enter(parentNode, name, child, false, false, out node);
        if (error.IsError)
        {
            TakeBack(ref reply);
            return error;
        }
        reply.EntryNode = node;
        FuseEntryOut entry = default;
        FillEntry(ref entry, node, child, in now);
        MemoryMarshal.Write(entryPlace, in entry);
        return Errno.None;
    }

    Errno Release(in FuseInHeader head)
    {
        if (_nodes.Resolve(head.NodeId, out Vnode vnode, out _).IsError) return Errno.None;
        if (!_fs.IsImmutable(vnode) && !_fs.ChangesOnlyHere(vnode) &&
            !_fs.GetAttr(vnode, out FileAttr attr).IsError)
        {
            _ = _stamps.Note(head.NodeId, in attr);
        }
        _fs.Release(vnode);
        return Errno.None;
    }

    Errno Read(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseReadIn request) || request.Offset > long.MaxValue) return Errno.Inval;
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        int bytes = (int)Math.Min(request.Size, (uint)Limits.TransferBytesMax);
        // A short answer would mean the end of the file to the kernel, so ask until nothing more comes.
        for (int done = 0, length = 1; done < bytes && length > 0; done += length)
        {
            error = _fs.Read(vnode, request.Offset + (uint)done, reply.Free[..(bytes - done)], out length);
            if (error.IsError) return Gone(error);
            reply.Advance(length);
        }
        return Errno.None;
    }

    Errno Write(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseWriteIn request) || !body.TryTakeBytes(request.Size, out ReadOnlySpan<byte> data))
            return Errno.Inval;
        if (request.Offset + request.Size > long.MaxValue) return Errno.FBig;
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        if ((request.Fh & HandleCapabilities) != 0)
        {
            error = DropCapabilities(vnode);
            if (error.IsError) return error;
        }
        // Pages of a mapping come back with the flags of any open file, but their offset is meant.
        bool fromCache = (request.WriteFlags & FuseBits.WriteCache) != 0;
        bool append = !fromCache && (request.Flags & FuseBits.OAppend) != 0;
        bool kill = (request.WriteFlags & FuseBits.WriteKillSuidGid) != 0;
        error = _fs.Write(vnode, request.Offset, data, append, kill, out int length);
        if (error.IsError) return Gone(error);
        // The kernel would otherwise go on believing the set-id bits until the attributes expire.
        if (kill && !fromCache && (request.Fh & HandleSetId) != 0) Notifier?.InvalAttr(vnode);
        reply.Put(new FuseSizeOut { Size = (uint)length });
        return Errno.None;
    }

    Errno FAllocate(in FuseInHeader head, ref RequestCursor body)
    {
        if (!body.TryTake(out FuseFAllocateIn request)) return Errno.Inval;
        if (request.Length == 0 || request.Length > long.MaxValue || request.Offset + request.Length > long.MaxValue)
            return Errno.Inval;
        FallocateKind? kind = request.Mode switch
        {
            0 => FallocateKind.Extend,
            FuseBits.FallocKeepSize => FallocateKind.KeepSize,
            FuseBits.FallocPunchHole | FuseBits.FallocKeepSize => FallocateKind.PunchHole,
            FuseBits.FallocZeroRange => FallocateKind.ZeroRange,
            FuseBits.FallocZeroRange | FuseBits.FallocKeepSize => FallocateKind.ZeroRangeKeepSize,
            _ => null,
        };
        if (kind is null) return Errno.OpNotSupp;
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        if ((request.Fh & HandleCapabilities) != 0)
        {
            error = DropCapabilities(vnode);
            if (error.IsError) return error;
        }
        error = _fs.Fallocate(vnode, kind.Value, request.Offset, request.Length);
        return error.IsError ? Gone(error) : AfterFallocate(in head, vnode, request.Fh);
    }

    /// <summary>What changes content clears the set-id bits, unless root does it; FALLOCATE has no flag for that.
    /// </summary>
    Errno AfterFallocate(in FuseInHeader head, Vnode vnode, ulong handle)
    {
        if (head.Uid == 0 || (handle & HandleSetId) == 0) return Errno.None;
        var request = new AttrRequest { Change = AttrChange.KillSetId };
        Errno error = _fs.SetAttr(vnode, in request, CallerOf(in head), out _);
        if (!error.IsError) Notifier?.InvalAttr(vnode);
        return Gone(error);
    }

    Errno LSeek(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseLSeekIn request)) return Errno.Inval;
        if (request.Whence is not (FuseBits.SeekData or FuseBits.SeekHole)) return Errno.Inval;
        if (request.Offset > long.MaxValue) return Errno.NxIo;
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        error = _fs.Seek(vnode, request.Offset, request.Whence == FuseBits.SeekHole, out ulong found);
        if (error.IsError) return Gone(error);
        reply.Put(in found);
        return Errno.None;
    }

    /// <summary>The flusher answers; what is durable already is answered at once.</summary>
    Errno FSync(IFuseTransport transport, in FuseInHeader head, ref ReplyWriter reply)
    {
        Errno error = _nodes.Resolve(head.NodeId, out Vnode vnode, out bool isLink);
        if (error.IsError) return error;
        if (isLink || !vnode.IsLive) return Errno.None;
        if (_fs.GroupOf(vnode) <= _fs.DurableGroup) return Errno.None;
        reply.Silent = true;
        _fs.WhenSynced(vnode, DurableReply.Send, new DurableReply(transport, head.Unique));
        return Errno.None;
    }

    Errno SyncFs(IFuseTransport transport, in FuseInHeader head, ref ReplyWriter reply) =>
        _fs.IsReadOnly ? Errno.None : WhenDurable(_fs.OpenGroup, transport, head.Unique, ref reply);

    Errno WhenDurable(long group, IFuseTransport transport, ulong unique, ref ReplyWriter reply)
    {
        if (group <= _fs.DurableGroup) return Errno.None;
        reply.Silent = true;
        _fs.WhenDurable(group, DurableReply.Send, new DurableReply(transport, unique));
        return Errno.None;
    }
}
