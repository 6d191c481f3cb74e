using System;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

/// <summary>Attributes, truncation, holes.</summary>
public sealed partial class HammerFs
{
    /// <summary>Data records removed in one hold of the lock by a truncation.</summary>
    const int TruncatePieceRecords = 200;

    /// <summary>Records looked at in one hold of the lock: what was deleted long ago is stepped over too.</summary>
    const int ElementsPerHold = 4096;

    ref struct SetAttrArg
    {
        public Vnode Vnode;
        public AttrRequest Request;
        public FileAttr Attr;
        /// <summary>The lock is given up for a moment; the change goes on from here.</summary>
        public bool HasMore;
        public DataSweep Sweep;
    }

    public Errno SetAttr(Vnode vnode, in AttrRequest request, Caller caller, out FileAttr attr)
    {
        var arg = new SetAttrArg { Vnode = vnode, Request = request };
        Errno e;
        do
        {
            arg.HasMore = false;
            e = Mutate(48, ref arg, _setAttr ??= SetAttrLocked);
        }
        while (arg.HasMore && !e.IsError);
        attr = arg.Attr;
        return e;
    }

    Change<SetAttrArg>? _setAttr;

    Errno SetAttrLocked(BTreeCursor cursor, ref SetAttrArg arg)
    {
        if (IsReadOnlyView(arg.Vnode)) return Errno.RoFs;
        Inode? inode = Live(cursor, arg.Vnode);
        if (inode is null) return Errno.NoEnt;
        ref AttrRequest r = ref arg.Request;
        bool flagsOnly = (r.Change & ~(AttrChange.Uflags | AttrChange.Ctime)) == 0;
        bool touches = r.TimesAreNow && r.Change == (AttrChange.Atime | AttrChange.Mtime);
        uint forbidding = flagsOnly ? 0 : touches ? UfImmutableAny : UfImmutableAny | UfAppendAny;
        if ((inode.Data.Uflags & forbidding) != 0) return Errno.Perm;
        // Lowering attributes must stay possible on a full disk, or nothing could be emptied.
        Errno e = SetAttrSpace(inode, in r);
        if (e.IsError) return e;
        if (Has(r.Change, AttrChange.Size))
        {
            e = Resize(cursor, inode, r.Size, ref arg);
            if (e.IsError || arg.HasMore) return e;
        }
        SetAttrFields(inode, in r);
        FillAttr(arg.Vnode, in inode.Data, out arg.Attr);
        return Errno.None;
    }

    /// <summary>Enum.HasFlag makes objects in builds without optimisation.</summary>
    static bool Has(AttrChange change, AttrChange flag) => (change & flag) != 0;

    /// <summary>Cutting a file at a border of its blocks writes no data and is possible to the last.</summary>
    Errno SetAttrSpace(Inode inode, in AttrRequest r)
    {
        bool resizes = Has(r.Change, AttrChange.Size);
        bool grows = resizes && r.Size > inode.Data.Size;
        bool writes = !resizes || grows || r.Size % HammerConst.BufferBytes != 0
            || (r.Size > HammerConst.XDemarc && r.Size % HammerConst.XBufferBytes != 0);
        return CheckSpace(writes ? HammerConst.XBufferBytes : RemovalBytesMax, removal: !grows);
    }

    void SetAttrFields(Inode inode, in AttrRequest r)
    {
        ref InodeOndisk d = ref inode.Data;
        AttrChange c = r.Change;
        if (Has(c, AttrChange.KillSetId)) KillSetId(inode);
        if (Has(c, AttrChange.Mode)) d.Mode = (ushort)(r.Mode & 0xFFF);
        if (Has(c, AttrChange.Uid)) d.UidUuid = InodeOndisk.UuidOf(r.Uid);
        if (Has(c, AttrChange.Gid)) d.GidUuid = InodeOndisk.UuidOf(r.Gid);
        if (Has(c, AttrChange.Uflags)) d.Uflags = r.Uflags;
        if (Has(c, AttrChange.Atime)) d.Atime = r.Atime;
        if (Has(c, AttrChange.Mtime)) d.Mtime = r.Mtime;
        const AttrChange versioned = AttrChange.Mode | AttrChange.Uid | AttrChange.Gid | AttrChange.Uflags
            | AttrChange.Size | AttrChange.Ctime;
        const AttrChange times = AttrChange.Atime | AttrChange.Mtime;
        if ((c & versioned) == 0 && (c & times) != 0 && !TimesAreHistory(inode.PfsId))
        {
            // HAMMER's rule: times alone are changed in place and make no version.
            inode.ChangedGroup = _core!.OpenGroup;
            NoRedo(inode);
            if (inode.IsDirty) return;
            inode.IsDirty = true;
            inode.OnlyTimesDirty = true;
            EnterDirtyList(inode);
            return;
        }
        if (c == AttrChange.None) return;
        d.Ctime = Has(c, AttrChange.Ctime) ? r.Ctime : _core!.Records.NowMicros;
        // A size alone, and what goes with it, can be repeated by REDO.
        if ((c & ~(AttrChange.Size | AttrChange.KillSetId)) == 0) MarkContent(inode);
        else MarkDirty(inode);
    }

    /// <summary>
    /// Truncates or extends. Truncation goes from the end backwards in pieces; the stored size falls with each piece
    /// in the same group (architecture W7), so a crash in between leaves a shorter file, never a wrong one.
    /// </summary>
    Errno Resize(BTreeCursor cursor, Inode inode, ulong newSize, ref SetAttrArg arg)
    {
        if (inode.Type == ObjType.Directory) return Errno.IsDir;
        if (inode.Type != ObjType.RegFile) return Errno.Inval;
        if (newSize > (ulong)SizeMax) return Errno.FBig;
        // A damaged size may be beyond what is possible; all that it could name goes.
        long size = (long)newSize, old = (long)Math.Min(inode.Data.Size, long.MaxValue);
        RedoTrack? redo = RedoOf(inode);
        if (size < old)
        {
            long keep = RoundUpBlock(size);
            // The block that is cut is read before anything is deleted: if it cannot be, nothing has happened.
            bool cut = size % HammerConst.BlockBytesAt(size) != 0;
            if (cut) LoadTail(cursor, inode, size);
            DropBlocks(inode, keep);
            SweepEnd end = ResizeSweep(cursor, inode, keep, size, old, ref arg.Sweep);
            arg.HasMore = end == SweepEnd.Pause;
            if (end != SweepEnd.Done) return arg.HasMore ? Errno.None : Errno.NeedFlush;
            if (cut) ZeroTail(cursor, inode, size);
        }
        if (size < old) redo?.Truncate(size);
        if (size == old) return ResizeTouch(inode);
        // Growing dirties the block of the old end, as in HAMMER: what lay behind the end becomes zeros for certain.
        if (size > old && old % HammerConst.BlockBytesAt(old) != 0) ZeroTail(cursor, inode, old);
        inode.Data.Size = newSize;
        MarkContent(inode);
        return ResizeTouch(inode);
    }

    /// <summary>
    /// Deletes what lies behind the new end, as much as one hold of the lock may; the size falls with it. What was
    /// found to be deleted already is not looked at again while the size stays what this truncation made it.
    /// </summary>
    SweepEnd ResizeSweep(BTreeCursor cursor, Inode inode, long keep, long size, long old, ref DataSweep sweep)
    {
        bool goesOn = sweep.IsNone ? TakeSweep(inode, keep, long.MaxValue, ref sweep) : sweep.Size == old;
        if (!goesOn) sweep = new DataSweep(keep, long.MaxValue);
        SweepEnd end = DeleteData(cursor, inode, ref sweep);
        if (end == SweepEnd.Done) return end;
        inode.Data.Size = (ulong)Math.Clamp(sweep.At, size, old);
        sweep.Size = (long)inode.Data.Size;
        MarkDirty(inode);
        KeepSweep(inode, in sweep);
        return end;
    }

    Errno ResizeTouch(Inode inode)
    {
        TouchContent(inode);
        return Errno.None;
    }

    /// <summary>The block that the new end cuts is written again with zeros behind it, if it holds anything.</summary>
    void ZeroTail(BTreeCursor cursor, Inode inode, long size)
    {
        if (LoadTail(cursor, inode, size) is { } block) ZeroIn(block, (int)(size - block.Base), block.Bytes);
    }

    /// <summary>The block that holds an offset, in memory; null if it is a hole.</summary>
    DirtyBlock? LoadTail(BTreeCursor cursor, Inode inode, long size)
    {
        int blockBytes = HammerConst.BlockBytesAt(size);
        long fileBase = size - size % blockBytes;
        bool dirty = inode.Blocks is not null && inode.Blocks.ContainsKey(fileBase);
        if (!dirty && !HasData(cursor, inode, fileBase, blockBytes)) return null;
        return LoadBlock(cursor, inode, fileBase);
    }

    static bool HasData(BTreeCursor cursor, Inode inode, long fileBase, int bytes)
    {
        ExtentPlan plan = default;
        FileReader.Plan(cursor, inode.PfsId, inode.ObjId, Tid.Max, fileBase, bytes, ref plan);
        return plan.Count > 0;
    }

    static void ZeroIn(DirtyBlock block, int from, int to)
    {
        for (int at = from; at < to;)
        {
            int inPiece = at % HammerConst.BufferBytes;
            int n = Math.Min(to - at, HammerConst.BufferBytes - inPiece);
            block.Pieces[at / HammerConst.BufferBytes].Span.Slice(inPiece, n).Clear();
            at += n;
        }
    }

    ref struct FallocateArg
    {
        public Vnode Vnode;
        public FallocateKind Kind;
        public long Offset, End;
        /// <summary>The lock is given up for a moment; the change goes on from here.</summary>
        public bool HasMore;
        public DataSweep Sweep;
    }

    public Errno Fallocate(Vnode vnode, FallocateKind kind, ulong offset, ulong length)
    {
        if (length == 0) return Errno.Inval;
        if (offset > (ulong)SizeMax || length > (ulong)SizeMax - offset) return Errno.FBig;
        var arg = new FallocateArg { Vnode = vnode, Kind = kind, Offset = (long)offset, End = (long)(offset + length) };
        Errno e;
        do
        {
            arg.HasMore = false;
            e = Mutate(64, ref arg, _fallocate ??= FallocateLocked);
        }
        while (arg.HasMore && !e.IsError);
        return e;
    }

    Change<FallocateArg>? _fallocate;

    Errno FallocateLocked(BTreeCursor cursor, ref FallocateArg arg)
    {
        if (IsReadOnlyView(arg.Vnode)) return Errno.RoFs;
        Inode? inode = Live(cursor, arg.Vnode);
        if (inode is null) return Errno.NoEnt;
        if (inode.Type == ObjType.Directory) return Errno.IsDir;
        if (inode.Type != ObjType.RegFile) return Errno.NoDev;
        if ((inode.Data.Uflags & (UfImmutableAny | UfAppendAny)) != 0) return Errno.Perm;
        bool punch = arg.Kind == FallocateKind.PunchHole;
        Errno e = CheckSpace(2L * HammerConst.XBufferBytes, removal: punch);
        if (e.IsError) return e;
        bool zeroes = arg.Kind is FallocateKind.PunchHole or FallocateKind.ZeroRange
            or FallocateKind.ZeroRangeKeepSize;
        if (zeroes)
        {
            NoRedo(inode);
            e = Punch(cursor, inode, arg.Offset, Math.Min(arg.End, (long)inode.Data.Size), ref arg);
            if (e.IsError || arg.HasMore) return e;
        }
        bool grows = arg.Kind is FallocateKind.Extend or FallocateKind.ZeroRange;
        // Differs: a reservation cannot be kept on a medium that never overwrites; the size is all that changes. That
        // there is room for the whole range now is checked, so that a program learns early.
        if (arg.Kind is FallocateKind.Extend or FallocateKind.KeepSize)
        {
            e = CheckSpace(arg.End - arg.Offset);
            if (e.IsError) return e;
        }
        if (!zeroes) RedoOf(inode);
        if (grows && arg.End > (long)inode.Data.Size) inode.Data.Size = (ulong)arg.End;
        else if (!zeroes) return Errno.None;
        MarkContent(inode);
        TouchContent(inode);
        return Errno.None;
    }

    /// <summary>Makes a range read as zeros: whole blocks lose their records, the ends are zeroed in memory.</summary>
    Errno Punch(BTreeCursor cursor, Inode inode, long from, long to, ref FallocateArg arg)
    {
        if (from >= to) return Errno.None;
        bool toEnd = to >= (long)inode.Data.Size;
        long fullFrom = RoundUpBlock(from);
        long fullTo = toEnd ? RoundUpBlock(to) : to - to % HammerConst.BlockBytesAt(to);
        if (fullFrom > fullTo)
        {
            PunchPart(cursor, inode, from, to);
            return Errno.None;
        }
        if (from < fullFrom) PunchPart(cursor, inode, from, Math.Min(fullFrom, to));
        if (to > fullTo) PunchPart(cursor, inode, fullTo, to);
        return PunchBlocks(cursor, inode, fullFrom, fullTo, ref arg.Sweep, ref arg.HasMore);
    }

    void PunchPart(BTreeCursor cursor, Inode inode, long from, long to)
    {
        int blockBytes = HammerConst.BlockBytesAt(from);
        long fileBase = from - from % blockBytes;
        bool dirty = inode.Blocks is not null && inode.Blocks.ContainsKey(fileBase);
        if (!dirty && !HasData(cursor, inode, fileBase, blockBytes)) return;
        DirtyBlock block = LoadBlock(cursor, inode, fileBase);
        ZeroIn(block, (int)(from - fileBase), (int)(to - fileBase));
    }

    Errno PunchBlocks(BTreeCursor cursor, Inode inode, long from, long to, ref DataSweep sweep, ref bool hasMore)
    {
        if (inode.Blocks is not null)
        {
            for (int i = inode.Blocks.Count - 1; i >= 0; i--)
            {
                long at = inode.Blocks.GetKeyAtIndex(i);
                if (at < from || at >= to) continue;
                GiveBlock(inode.Blocks.GetValueAtIndex(i));
                inode.Blocks.RemoveAt(i);
            }
        }
        if (sweep.IsNone && !TakeSweep(inode, from, to, ref sweep)) sweep = new DataSweep(from, to);
        SweepEnd end = DeleteData(cursor, inode, ref sweep);
        if (end == SweepEnd.Done) return Errno.None;
        // Punching is repeatable: what is gone already is a hole.
        MarkDirty(inode);
        TouchContent(inode);
        KeepSweep(inode, in sweep);
        hasMore = end == SweepEnd.Pause;
        return hasMore ? Errno.None : Errno.NeedFlush;
    }
}
