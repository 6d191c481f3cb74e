using System;
using System.Runtime.InteropServices;
using NasCore.Fuse.Abi;
using NasCore.Objects;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>Extended attributes, ACLs among them, and file flags.</summary>
public sealed partial class FuseDispatcher
{
    const uint GetFlags = 0x80086601, SetFlags = 0x40086602, FsGetXattr = 0x801C581F, FsSetXattr = 0x401C5820;
    const uint FlImmutable = 0x10, FlAppend = 0x20, FlNoDump = 0x40;
    const uint XflImmutable = 0x08, XflAppend = 0x10, XflNoDump = 0x80;
    const uint UfNoDump = 0x1, UfImmutable = 0x2, UfAppend = 0x4, SfImmutable = 0x20000, SfAppend = 0x40000;

    Errno GetXattr(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseGetXattrIn request) || !body.TryTakeString(out ReadOnlySpan<byte> name))
            return Errno.Inval;
        Errno error = _nodes.Resolve(head.NodeId, out Vnode vnode, out bool isLink);
        if (error.IsError) return error;
        if (isLink) return Errno.NoData;
        error = XattrNames.Check(name);
        if (error.IsError) return error;
        Span<byte> value = reply.Free[..(int)Math.Min(request.Size, (uint)Limits.TransferBytesMax)];
        error = _fs.GetXattr(vnode, name, value, out int length);
        return FinishXattr(error, request.Size, length, ref reply);
    }

    Errno ListXattr(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseGetXattrIn request)) return Errno.Inval;
        Errno error = _nodes.Resolve(head.NodeId, out Vnode vnode, out bool isLink);
        if (error.IsError) return error;
        int length = 0;
        if (isLink) return FinishXattr(error, request.Size, length, ref reply);
        // What is trusted is hidden from others than root, so for them the whole list is made here, to be shortened.
        uint room = head.Uid == 0 ? request.Size : (uint)Limits.TransferBytesMax;
        Span<byte> names = reply.Free[..(int)Math.Min(room, (uint)Limits.TransferBytesMax)];
        error = _fs.ListXattr(vnode, names, out length);
        if (head.Uid != 0 && !error.IsError) length = XattrNames.HideTrusted(names[..length]);
        return FinishXattr(error, request.Size, length, ref reply);
    }

    /// <summary>Size 0 asks for the length only.</summary>
    static Errno FinishXattr(Errno error, uint size, int length, ref ReplyWriter reply)
    {
        if (size == 0 && (error == Errno.None || error == Errno.Range))
        {
            reply.Put(new FuseSizeOut { Size = (uint)length });
            return Errno.None;
        }
        if (error.IsError) return Gone(error);
        if ((uint)length > size) return Errno.Range;
        reply.Advance(length);
        return Errno.None;
    }

    Errno SetXattr(in FuseInHeader head, ref RequestCursor body)
    {
        uint xattrFlags = 0;
        if (!body.TryTake(out uint size) || !body.TryTake(out uint flags)) return Errno.Inval;
        if (_setXattrExt && !(body.TryTake(out xattrFlags) && body.TryTake(out uint _))) return Errno.Inval;
        if (!body.TryTakeString(out ReadOnlySpan<byte> name) ||
            !body.TryTakeBytes(size, out ReadOnlySpan<byte> value)) return Errno.Inval;
        XattrKind? kind = flags switch
        {
            0 => XattrKind.Any,
            FuseBits.XattrCreate => XattrKind.Create,
            FuseBits.XattrReplace => XattrKind.Replace,
            _ => null,
        };
        if (kind is null) return Errno.Inval;
        Errno error = XattrNames.Check(name);
        if (error.IsError) return error;
        error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        error = _fs.SetXattr(vnode, name, value, kind.Value);
        if (error.IsError || (xattrFlags & FuseBits.SetXattrAclKillSgid) == 0) return Gone(error);
        // An ACL set by somebody outside the file's group takes the set-gid bit, as chmod would.
        error = _fs.GetAttr(vnode, out FileAttr attr);
        if (error.IsError || (attr.Mode & FuseBits.SIsGid) == 0) return Gone(error);
        var request = new AttrRequest { Change = AttrChange.Mode, Mode = attr.Mode & ~FuseBits.SIsGid };
        return _fs.SetAttr(vnode, in request, CallerOf(in head), out _);
    }

    /// <summary>
    /// A change of mode goes to the access ACL too: owner and others to their entries, the group bits to the mask, or
    /// to the owning group where there is none.
    /// </summary>
    Errno ChangeAclMode(Vnode vnode, uint mode)
    {
        const int headBytes = 4, entryBytes = 8;
        const ushort userObj = 1, groupObj = 4, mask = 0x10, other = 0x20;
        Span<byte> acl = stackalloc byte[PosixAcl.BytesMax];
        if (_fs.GetXattr(vnode, PosixAcl.AccessName, acl, out int length).IsError) return Errno.None;
        acl = acl[..length];
        bool hasMask = false;
        for (int at = headBytes; at + entryBytes <= length; at += entryBytes)
            hasMask |= MemoryMarshal.Read<ushort>(acl[at..]) == mask;
        for (int at = headBytes; at + entryBytes <= length; at += entryBytes)
        {
            ushort tag = MemoryMarshal.Read<ushort>(acl[at..]);
            int shift = tag == userObj ? 6 : tag == (hasMask ? mask : groupObj) ? 3 : tag == other ? 0 : -1;
            if (shift < 0) continue;
            ushort permissions = (ushort)((mode >> shift) & 7);
            MemoryMarshal.Write(acl[(at + 2)..], in permissions);
        }
        return _fs.SetXattr(vnode, PosixAcl.AccessName, acl, XattrKind.Replace);
    }

    Errno RemoveXattr(in FuseInHeader head, ref RequestCursor body)
    {
        if (!body.TryTakeString(out ReadOnlySpan<byte> name)) return Errno.Inval;
        Errno error = XattrNames.Check(name);
        if (error.IsError) return error;
        error = Target(in head, out Vnode vnode);
        return error.IsError ? error : Gone(_fs.RemoveXattr(vnode, name));
    }

    /// <summary>
    /// The FS_IOC flags that have a BSD flag: immutable, append-only and no-dump. The kernel has checked who may
    /// change them (FS_IOC_SETFLAGS never reaches a file system unchecked since Linux 5.14). The nohistory flag has
    /// no counterpart there; it is set by a command of ours.
    /// </summary>
    Errno Ioctl(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        if (!body.TryTake(out FuseIoctlIn request)) return Errno.Inval;
        if (request.Cmd is not (GetFlags or SetFlags or FsGetXattr or FsSetXattr)) return Errno.NoTty;
        if (!body.TryTakeBytes(request.InSize, out ReadOnlySpan<byte> input)) return Errno.Inval;
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        error = _fs.GetAttr(vnode, out FileAttr attr);
        if (error.IsError) return Gone(error);
        bool extended = request.Cmd is FsGetXattr or FsSetXattr;
        int bytes = extended ? 28 : 4;
        if (request.Cmd is GetFlags or FsGetXattr)
        {
            int room = (int)Math.Min(request.OutSize, 64);
            if (room < bytes) return Errno.Inval;
            reply.Put(new FuseIoctlOut());
            Span<byte> output = reply.Free[..room];
            output.Clear();
            uint shown = extended ? ToLinux(attr.Uflags, XflImmutable, XflAppend, XflNoDump)
                : ToLinux(attr.Uflags, FlImmutable, FlAppend, FlNoDump);
            MemoryMarshal.Write(output, in shown);
            reply.Advance(room);
            return Errno.None;
        }
        if (input.Length < bytes) return Errno.Inval;
        uint wanted = ReadUInt32(input);
        uint known = extended ? XflImmutable | XflAppend | XflNoDump : FlImmutable | FlAppend | FlNoDump;
        if ((wanted & ~known) != 0 || (extended && input[4..28].ContainsAnyExcept((byte)0))) return Errno.OpNotSupp;
        uint flags = attr.Uflags;
        flags = Apply(flags, (wanted & (extended ? XflImmutable : FlImmutable)) != 0, SfImmutable, UfImmutable);
        flags = Apply(flags, (wanted & (extended ? XflAppend : FlAppend)) != 0, SfAppend, UfAppend);
        flags = Apply(flags, (wanted & (extended ? XflNoDump : FlNoDump)) != 0, UfNoDump, 0);
        if (flags != attr.Uflags)
        {
            var change = new AttrRequest { Change = AttrChange.Uflags, Uflags = flags };
            error = _fs.SetAttr(vnode, in change, CallerOf(in head), out _);
            if (error.IsError) return Gone(error);
        }
        reply.Put(new FuseIoctlOut());
        return Errno.None;
    }

    static uint ToLinux(uint bsd, uint immutable, uint append, uint noDump) =>
        ((bsd & (SfImmutable | UfImmutable)) != 0 ? immutable : 0) |
        ((bsd & (SfAppend | UfAppend)) != 0 ? append : 0) |
        ((bsd & UfNoDump) != 0 ? noDump : 0);

    /// <summary>Sets the first flag unless one of both is set already; clears both.</summary>
    static uint Apply(uint flags, bool on, uint first, uint second)
    {
        if (!on) return flags & ~(first | second);
        return (flags & (first | second)) != 0 ? flags : flags | first;
    }
}
