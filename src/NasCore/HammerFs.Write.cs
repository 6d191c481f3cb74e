using System;
using NasCore.Blockmap;
using NasCore.Primitives;
using NasCore.Recovery;

namespace NasCore;

/// <summary>Changes.</summary>
public sealed partial class HammerFs
{
    readonly ReaderEpochs _epochs;
    ulong DurableTid => _volumes.Root.Header.NextTid;
    static ulong AvailBytes(ulong free) => free;
    void OpenWritable(UndoOutcome outcome) => throw new NotSupportedException();
    static ulong SlaveEnd(int pfsId, PfsState pfs) => pfs.Data.SyncEndTid;
    public Errno SetAttr(Vnode vnode, in AttrRequest request, Caller caller, out FileAttr attr) { attr = default; return Errno.RoFs; }
    public Errno Open(Vnode vnode) => Errno.None;
    public void Release(Vnode vnode) { }
    public Errno Write(Vnode vnode, ulong offset, ReadOnlySpan<byte> source, bool append, bool killSetId, out int length) { length = 0; return Errno.RoFs; }
    public Errno Fallocate(Vnode vnode, FallocateKind kind, ulong offset, ulong length) => Errno.RoFs;
    public Errno Create(Vnode dir, ReadOnlySpan<byte> name, ObjType type, uint mode, uint rmajor, uint rminor, Caller caller, out Vnode child, out FileAttr attr) { child = default; attr = default; return Errno.RoFs; }
    public Errno TmpFile(Vnode dir, uint mode, Caller caller, out Vnode child, out FileAttr attr) { child = default; attr = default; return Errno.RoFs; }
    public Errno Symlink(Vnode dir, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, Caller caller, out Vnode child, out FileAttr attr) { child = default; attr = default; return Errno.RoFs; }
    public Errno Link(Vnode vnode, Vnode dir, ReadOnlySpan<byte> name, out FileAttr attr) { attr = default; return Errno.RoFs; }
    public Errno Unlink(Vnode dir, ReadOnlySpan<byte> name) => Errno.RoFs;
    public Errno Rmdir(Vnode dir, ReadOnlySpan<byte> name) => Errno.RoFs;
    public Errno Rename(Vnode fromDir, ReadOnlySpan<byte> fromName, Vnode toDir, ReadOnlySpan<byte> toName, RenameKind kind) => Errno.RoFs;
    public Errno GetXattr(Vnode vnode, ReadOnlySpan<byte> name, Span<byte> value, out int length) { length = 0; return Errno.NoData; }
    public Errno SetXattr(Vnode vnode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrKind kind) => Errno.RoFs;
    public Errno ListXattr(Vnode vnode, Span<byte> names, out int length) { length = 0; return Errno.None; }
    public Errno RemoveXattr(Vnode vnode, ReadOnlySpan<byte> name) => Errno.RoFs;
    public long OpenGroup => 1;
    public long DurableGroup => 0;
    public long GroupOf(Vnode vnode) => 0;
    public void WhenDurable(long group, DurableCallback callback, object? state) => callback(state, Errno.None);
    public Errno SyncAndWait() => Errno.None;
    public void Dispose() { _cache.Dispose(); _pool.Dispose(); _volumes.Dispose(); _lock.Dispose(); }
}
