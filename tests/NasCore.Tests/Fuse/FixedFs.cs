using System;
using NasCore;
using NasCore.Primitives;

namespace NasCoreTests.Fuse;

/// <summary>One directory with one file, live and past, that allocates nothing; everything else fails.</summary>
sealed class FixedFs : IFileSystem
{
    public Vnode Root => new(0, Tid.Max, 1);
    public bool IsReadOnly => true;
    public MountHealth Health { get; } = new();
    public long OpenGroup => 1;
    public long DurableGroup => 0;

    public bool IsImmutable(Vnode vnode) => !vnode.IsLive;

    public Errno Lookup(Vnode dir, ReadOnlySpan<byte> name, out Vnode child, out FileAttr attr)
    {
        child = new Vnode(0, name.Length == 1 ? Tid.Max : 0x100000500, 77);
        return GetAttr(child, out attr);
    }

    public Errno GetAttr(Vnode vnode, out FileAttr attr)
    {
        attr = new FileAttr { ObjId = vnode.ObjId, Type = ObjType.RegFile, Nlinks = 1, Mode = 0x1A4 };
        if (vnode.ObjId == 1) attr.Type = ObjType.Directory;
        return Errno.None;
    }

    public Errno Parent(Vnode dir, out Vnode parent)
    {
        parent = Root;
        return Errno.None;
    }

    public Errno SetAttr(Vnode vnode, in AttrRequest request, Caller caller, out FileAttr attr)
    {
        attr = default;
        return Errno.RoFs;
    }

    public Errno ReadLink(Vnode vnode, Span<byte> buffer, out int length)
    {
        length = 0;
        return Errno.Inval;
    }

    public Errno Open(Vnode vnode) => Errno.None;

    public void Release(Vnode vnode)
    {
    }

    public Errno Read(Vnode vnode, ulong offset, Span<byte> destination, out int length)
    {
        length = 0;
        return Errno.None;
    }

    public Errno Write(Vnode vnode, ulong offset, ReadOnlySpan<byte> source, bool append, bool killSetId,
        out int length)
    {
        length = 0;
        return Errno.RoFs;
    }

    public Errno Fallocate(Vnode vnode, FallocateKind kind, ulong offset, ulong length) => Errno.RoFs;

    public Errno Seek(Vnode vnode, ulong offset, bool hole, out ulong found)
    {
        found = 0;
        return Errno.NxIo;
    }

    public Errno Create(Vnode dir, ReadOnlySpan<byte> name, ObjType type, uint mode, uint rmajor, uint rminor,
        Caller caller, out Vnode child, out FileAttr attr)
    {
        (child, attr) = (default, default);
        return Errno.RoFs;
    }

    public Errno TmpFile(Vnode dir, uint mode, Caller caller, out Vnode child, out FileAttr attr)
    {
        (child, attr) = (default, default);
        return Errno.RoFs;
    }

    public Errno Symlink(Vnode dir, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, Caller caller,
        out Vnode child, out FileAttr attr)
    {
        (child, attr) = (default, default);
        return Errno.RoFs;
    }

    public Errno Link(Vnode vnode, Vnode dir, ReadOnlySpan<byte> name, out FileAttr attr)
    {
        attr = default;
        return Errno.RoFs;
    }

    public Errno Unlink(Vnode dir, ReadOnlySpan<byte> name) => Errno.RoFs;

    public Errno Rmdir(Vnode dir, ReadOnlySpan<byte> name) => Errno.RoFs;

    public Errno Rename(Vnode fromDir, ReadOnlySpan<byte> fromName, Vnode toDir, ReadOnlySpan<byte> toName,
        RenameKind kind) => Errno.RoFs;

    public Errno ReadDir<TSink>(Vnode dir, long cookie, ref TSink sink)
        where TSink : struct, IDirSink, allows ref struct => Errno.None;

    public Errno GetXattr(Vnode vnode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        return Errno.NoData;
    }

    public Errno SetXattr(Vnode vnode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrKind kind) =>
        Errno.RoFs;

    public Errno ListXattr(Vnode vnode, Span<byte> names, out int length)
    {
        length = 0;
        return Errno.None;
    }

    public Errno RemoveXattr(Vnode vnode, ReadOnlySpan<byte> name) => Errno.RoFs;

    public Errno StatFs(out FsStat stat)
    {
        stat = default;
        return Errno.None;
    }

    public long GroupOf(Vnode vnode) => 0;

    public void WhenDurable(long group, DurableCallback callback, object? state) => callback(state, Errno.None);

    public Errno SyncAndWait() => Errno.None;
}
