using System;
using NasCore.Primitives;

namespace NasCore;

/// <summary>
/// One object in one view: PFS, point in time, object id. Live objects carry <see cref="Tid.Max"/>. A vnode is a
/// name, not a resource: nothing has to be released but what <see cref="IFileSystem.Open"/> opened.
/// </summary>
public readonly record struct Vnode(int PfsId, ulong AsOf, long ObjId)
{
    public bool IsLive => AsOf == Tid.Max;
}

/// <summary>What stat shows, in the medium's units.</summary>
public struct FileAttr
{
    public long ObjId;
    public ObjType Type;
    /// <summary>Permission bits with set-id and sticky, no type bits.</summary>
    public uint Mode;
    public ulong Nlinks;
    public uint Uid, Gid;
    public ulong Size;
    /// <summary>Microseconds since 1970.</summary>
    public ulong Mtime, Ctime, Atime;
    public uint Rmajor, Rminor;
    /// <summary>BSD file flags (UF_, SF_).</summary>
    public uint Uflags;
    /// <summary>HAMMER's 32-bit device number of this view: shared UUID and TID (mirroring-and-operations
    /// 2.3).</summary>
    public uint ViewDev;
    /// <summary>Bytes that the file occupies by HAMMER's rule of rounding the size.</summary>
    public ulong AllocatedBytes;
}

/// <summary>Who asks; permission checks themselves are the kernel's (default_permissions).</summary>
public readonly record struct Caller(uint Uid, uint Gid, int Pid)
{
    /// <summary>File creation mask, to be applied unless a default ACL holds.</summary>
    public uint Umask { get; init; }
}

[Flags]
public enum AttrChange
{
    None = 0,
    Mode = 1,
    Uid = 2,
    Gid = 4,
    Size = 8,
    Atime = 16,
    Mtime = 32,
    Uflags = 64,
    /// <summary>Clear set-id bits as a write by an unprivileged user does.</summary>
    KillSetId = 128,
    Ctime = 256,
}

/// <summary>A change of attributes; only the fields named in <see cref="Change"/> count.</summary>
public struct AttrRequest
{
    public AttrChange Change;
    public uint Mode, Uid, Gid;
    public ulong Size;
    /// <summary>Microseconds since 1970.</summary>
    public ulong Atime, Mtime, Ctime;
    /// <summary>Both times are the present: allowed on append-only files, whose content changes too.</summary>
    public bool TimesAreNow;
    public uint Uflags;
}

[Flags]
public enum RenameKind
{
    Replace = 0,
    NoReplace = 1,
    Exchange = 2,
}

[Flags]
public enum XattrKind
{
    Any = 0,
    Create = 1,
    Replace = 2,
}

/// <summary>How much of a file a fallocate changes.</summary>
public enum FallocateKind
{
    /// <summary>Space cannot be reserved on this medium; only the size may grow.</summary>
    Extend,
    /// <summary>Like Extend without change of size: nothing.</summary>
    KeepSize,
    PunchHole,
    /// <summary>Zeros in the range; the size may grow.</summary>
    ZeroRange,
    ZeroRangeKeepSize,
}

/// <summary>What statfs shows.</summary>
public struct FsStat
{
    /// <summary>Bytes.</summary>
    public ulong TotalBytes, FreeBytes, AvailBytes;
    public ulong Inodes;
    public uint FsId0, FsId1;
    public string Label;
}

/// <summary>Takes directory entries; returns false when it is full (the entry was not taken).</summary>
public interface IDirSink
{
    /// <param name="name">Bytes of the name, valid during the call only.</param>
    /// <param name="child">The object named.</param>
    /// <param name="type">Its type.</param>
    /// <param name="nextCookie">Where to go on after this entry.</param>
    bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie);
}

/// <summary>
/// What a mounted file system can do. Implemented by HammerFs; the FUSE dispatcher, the control socket and the
/// tests talk to nothing else. Every method is safe for concurrent callers and never waits for a flush, unless its
/// name says so. Mutating methods may return <see cref="Errno.NeedFlush"/>: nothing was changed, the caller parks
/// the request with <see cref="WhenDurable"/> of <see cref="OpenGroup"/> and repeats it then.
/// A view that cannot change (as-of, slave, read-only mount) answers <see cref="Errno.RoFs"/> to changes.
/// </summary>
public interface IFileSystem
{
    /// <summary>Root directory of the mount's own view.</summary>
    Vnode Root { get; }
    bool IsReadOnly { get; }
    /// <summary>True if the view of this vnode can never change (R4): it may be cached for long.</summary>
    bool IsImmutable(Vnode vnode);
    /// <summary>
    /// True if only calls of this interface change the live object, so that a caller who sees them all may cache it;
    /// false where a mirror may write underneath.
    /// </summary>
    bool ChangesOnlyHere(Vnode vnode) => vnode.PfsId == 0;
    MountHealth Health { get; }

    /// <summary>
    /// Finds a name, "." and ".." included. Understands as-of components (mirroring-and-operations 2.1).
    /// </summary>
    Errno Lookup(Vnode dir, ReadOnlySpan<byte> name, out Vnode child, out FileAttr attr);
    /// <summary>Parent directory in the same view; the root of a PFS is its own parent.</summary>
    Errno Parent(Vnode dir, out Vnode parent);
    Errno GetAttr(Vnode vnode, out FileAttr attr);
    Errno SetAttr(Vnode vnode, in AttrRequest request, Caller caller, out FileAttr attr);
    Errno ReadLink(Vnode vnode, Span<byte> buffer, out int length);

    /// <summary>Keeps the object alive although it may lose its last name. Balanced by <see cref="Release"/>.</summary>
    Errno Open(Vnode vnode);
    void Release(Vnode vnode);
    /// <summary>Reads at most destination.Length bytes, fewer at the end of the file; holes read as zeros.</summary>
    Errno Read(Vnode vnode, ulong offset, Span<byte> destination, out int length);
    /// <summary>
    /// Writes source, up to 2 MiB of it in one call, or fails. With append the offset is ignored and the end of file
    /// used.
    /// </summary>
    Errno Write(Vnode vnode, ulong offset, ReadOnlySpan<byte> source, bool append, bool killSetId, out int length);
    Errno Fallocate(Vnode vnode, FallocateKind kind, ulong offset, ulong length);
    /// <summary>SEEK_DATA (hole false) or SEEK_HOLE (hole true); ENXIO beyond the end.</summary>
    Errno Seek(Vnode vnode, ulong offset, bool hole, out ulong found);

    /// <summary>Creates a file, device, fifo, socket or directory. Mode without type bits; Caller.Umask
    /// applies.</summary>
    Errno Create(Vnode dir, ReadOnlySpan<byte> name, ObjType type, uint mode, uint rmajor, uint rminor, Caller caller,
        out Vnode child, out FileAttr attr);
    /// <summary>A file without a name; it must be opened before this returns to the kernel (it is, by this
    /// call).</summary>
    Errno TmpFile(Vnode dir, uint mode, Caller caller, out Vnode child, out FileAttr attr);
    Errno Symlink(Vnode dir, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, Caller caller, out Vnode child,
        out FileAttr attr);
    Errno Link(Vnode vnode, Vnode dir, ReadOnlySpan<byte> name, out FileAttr attr);
    Errno Unlink(Vnode dir, ReadOnlySpan<byte> name);
    Errno Rmdir(Vnode dir, ReadOnlySpan<byte> name);
    Errno Rename(Vnode fromDir, ReadOnlySpan<byte> fromName, Vnode toDir, ReadOnlySpan<byte> toName, RenameKind kind);

    /// <summary>
    /// Entries in key order from a cookie: 0 starts (".", ".." come first), later the nextCookie of the last entry.
    /// Cookies stay valid whatever changes in between. The sink is called under the shared lock.
    /// </summary>
    Errno ReadDir<TSink>(Vnode dir, long cookie, ref TSink sink) where TSink : struct, IDirSink, allows ref struct;

    Errno GetXattr(Vnode vnode, ReadOnlySpan<byte> name, Span<byte> value, out int length);
    Errno SetXattr(Vnode vnode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrKind kind);
    /// <summary>NUL-terminated names one after the other; with an empty span only the length.</summary>
    Errno ListXattr(Vnode vnode, Span<byte> names, out int length);
    Errno RemoveXattr(Vnode vnode, ReadOnlySpan<byte> name);

    Errno StatFs(out FsStat stat);

    /// <summary>Number of the flush group that takes changes now; groups count up from 1 at mount.</summary>
    long OpenGroup { get; }
    /// <summary>The last group whose changes no crash can take back.</summary>
    long DurableGroup { get; }
    /// <summary>The group that must be durable for everything done to this object so far to be safe.</summary>
    long GroupOf(Vnode vnode);
    /// <summary>
    /// Asks the flusher to close groups up to this one soon and calls back when it is durable (at once, on this
    /// thread, if it already is).
    /// </summary>
    void WhenDurable(long group, DurableCallback callback, object? state);
    /// <summary>
    /// fsync: calls back when everything done to this object up to now survives a crash, in whichever way is cheapest.
    /// </summary>
    void WhenSynced(Vnode vnode, DurableCallback callback, object? state) =>
        WhenDurable(GroupOf(vnode), callback, state);
    /// <summary>Blocks until everything done before the call is durable.</summary>
    Errno SyncAndWait();
}
