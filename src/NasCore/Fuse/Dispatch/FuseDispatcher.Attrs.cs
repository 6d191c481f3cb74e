using System;
using NasCore.Fuse.Abi;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>Attributes: what stat shows and what chmod, chown, truncate and utimens change.</summary>
public sealed partial class FuseDispatcher
{
    const ulong MicrosPerSecond = 1_000_000;

    Errno GetAttr(in FuseInHeader head, ref ReplyWriter reply)
    {
        Errno error = _nodes.Resolve(head.NodeId, out Vnode vnode, out bool isLink);
        if (error.IsError) return error;
        if (isLink)
        {
            FuseAttrOut link = default;
            FillLinkAttr(ref link.Attr, head.NodeId);
            reply.Put(in link);
            return Errno.None;
        }
        error = _fs.GetAttr(vnode, out FileAttr attr);
        if (error.IsError) return Gone(error);
        PutAttr(ref reply, vnode, in attr);
        return Errno.None;
    }

    Errno SetAttr(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseSetAttrIn set)) return Errno.Inval;
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        var request = new AttrRequest();
        FuseAttrValid valid = set.Valid;
        if (valid.HasFlag(FuseAttrValid.Mode))
        {
            request.Change |= AttrChange.Mode;
            request.Mode = set.Mode & 0xFFF;
            error = ChangeAclMode(vnode, set.Mode);
            if (error.IsError) return Gone(error);
        }
        if (valid.HasFlag(FuseAttrValid.Uid))
        {
            request.Change |= AttrChange.Uid;
            request.Uid = set.Uid;
        }
        if (valid.HasFlag(FuseAttrValid.Gid))
        {
            request.Change |= AttrChange.Gid;
            request.Gid = set.Gid;
        }
        if (valid.HasFlag(FuseAttrValid.Size))
        {
            request.Change |= AttrChange.Size;
            request.Size = set.Size;
        }
        SetAttrTimes(in set, ref request);
        error = SetAttrPrivileges(vnode, valid, ref request);
        if (error.IsError) return error;
        error = request.Change == AttrChange.None
            ? _fs.GetAttr(vnode, out FileAttr attr)
            : _fs.SetAttr(vnode, in request, CallerOf(in head), out attr);
        if (error.IsError) return Gone(error);
        PutAttr(ref reply, vnode, in attr);
        return Errno.None;
    }

    void SetAttrTimes(in FuseSetAttrIn set, ref AttrRequest request)
    {
        if (set.Valid.HasFlag(FuseAttrValid.Atime))
        {
            request.Change |= AttrChange.Atime;
            request.Atime = set.Valid.HasFlag(FuseAttrValid.AtimeNow) ? Now() : Micros(set.Atime, set.AtimeNsec);
        }
        if (set.Valid.HasFlag(FuseAttrValid.Mtime))
        {
            request.Change |= AttrChange.Mtime;
            request.Mtime = set.Valid.HasFlag(FuseAttrValid.MtimeNow) ? Now() : Micros(set.Mtime, set.MtimeNsec);
        }
        request.TimesAreNow = set.Valid.HasFlag(FuseAttrValid.AtimeNow) && set.Valid.HasFlag(FuseAttrValid.MtimeNow);
    }

    /// <summary>
    /// With HANDLE_KILLPRIV_V2 the set-id bits are ours to clear: when the kernel says so (truncation by somebody
    /// without CAP_FSETID), and at every change of owner or group of anything but a directory. File capabilities go
    /// with them.
    /// </summary>
    Errno SetAttrPrivileges(Vnode vnode, FuseAttrValid valid, ref AttrRequest request)
    {
        // Nothing to change is chown(path, -1, -1), which counts as a change of owner.
        bool nothing = (valid & ~(FuseAttrValid.Fh | FuseAttrValid.LockOwner)) == 0;
        if (nothing)
        {
            request.Change = AttrChange.Ctime;
            request.Ctime = Now();
        }
        bool owner = nothing || (valid & (FuseAttrValid.Uid | FuseAttrValid.Gid)) != 0;
        if (!owner && !valid.HasFlag(FuseAttrValid.Size) && !valid.HasFlag(FuseAttrValid.KillSuidGid))
            return Errno.None;
        Errno error = _fs.GetAttr(vnode, out FileAttr attr);
        if (error.IsError) return Gone(error);
        if (IsDirectory(attr.Type)) return Errno.None;
        if (owner || valid.HasFlag(FuseAttrValid.KillSuidGid)) request.Change |= AttrChange.KillSetId;
        return DropCapabilities(vnode);
    }

    /// <summary>Removes security.capability, as every local file system does when a file is changed.</summary>
    Errno DropCapabilities(Vnode vnode) =>
        HasCapabilities(vnode) && _fs.RemoveXattr(vnode, "security.capability"u8) == Errno.NeedFlush
            ? Errno.NeedFlush
            : Errno.None;

    bool HasCapabilities(Vnode vnode)
    {
        Span<byte> value = stackalloc byte[64];
        Errno error = _fs.GetXattr(vnode, "security.capability"u8, value, out _);
        return error == Errno.None || error == Errno.Range;
    }

    void PutAttr(ref ReplyWriter reply, Vnode vnode, in FileAttr attr)
    {
        FuseAttrOut answer = default;
        answer.AttrValid = CachePolicy.For(_fs, vnode, attr.Type).AttrSeconds;
        FillAttr(ref answer.Attr, vnode, in attr);
        reply.Put(in answer);
    }

    static void FillAttr(ref FuseAttr answer, Vnode vnode, in FileAttr attr)
    {
        answer.Ino = InodeNumber(vnode, attr.ViewDev);
        answer.Size = attr.Size;
        answer.Blocks = (attr.AllocatedBytes + 511) / 512;
        (answer.Atime, answer.AtimeNsec) = Seconds(attr.Atime);
        (answer.Mtime, answer.MtimeNsec) = Seconds(attr.Mtime);
        (answer.Ctime, answer.CtimeNsec) = Seconds(attr.Ctime);
        answer.Mode = TypeBits(attr.Type) | (attr.Mode & 0xFFF);
        answer.Nlink = (uint)Math.Min(attr.Nlinks, uint.MaxValue);
        answer.Uid = attr.Uid;
        answer.Gid = attr.Gid;
        if (attr.Type is ObjType.CDev or ObjType.BDev)
            answer.Rdev = (attr.Rminor & 0xFF) | ((attr.Rmajor & 0xFFF) << 8) | ((attr.Rminor & 0xFFF00) << 12);
        answer.BlkSize = HammerConst.BufferBytes;
    }

    /// <summary>
    /// st_ino (architecture R2): the object id in the live root PFS. Elsewhere HAMMER's device number of the view is
    /// mixed in, since a FUSE mount has one st_dev, and a file and its older version must not look like one file.
    /// </summary>
    static ulong InodeNumber(Vnode vnode, uint viewDev) => vnode is { PfsId: 0, IsLive: true }
        ? (ulong)vnode.ObjId
        : (ulong)vnode.ObjId ^ ((ulong)viewDev << 32);

    static uint TypeBits(ObjType type) => type switch
    {
        ObjType.Directory or ObjType.PseudoFs => FuseBits.SIfDir,
        ObjType.SoftLink => FuseBits.SIfLnk,
        ObjType.Fifo => FuseBits.SIfIfo,
        ObjType.CDev => FuseBits.SIfChr,
        ObjType.BDev => FuseBits.SIfBlk,
        ObjType.Socket => FuseBits.SIfSock,
        _ => FuseBits.SIfReg,
    };

    static bool IsDirectory(ObjType type) => type is ObjType.Directory or ObjType.PseudoFs;

    static (ulong Seconds, uint Nanoseconds) Seconds(ulong micros) =>
        (micros / MicrosPerSecond, (uint)(micros % MicrosPerSecond) * 1000);

    /// <summary>Microseconds of a time of the kernel; before 1970 becomes 1970, the medium has no sign.</summary>
    static ulong Micros(ulong seconds, uint nanoseconds)
    {
        const long secondsMax = long.MaxValue / (long)MicrosPerSecond - 1;
        long signed = (long)seconds;
        if (signed < 0) return 0;
        return (ulong)Math.Min(signed, secondsMax) * MicrosPerSecond + Math.Min(nanoseconds, 999_999_999) / 1000;
    }

    ulong Now() => (ulong)((_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);
}
