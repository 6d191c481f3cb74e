using System;
using System.Runtime.InteropServices;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

/// <summary>
/// Names: creating, linking, removing, renaming. Each is one change of the open group: entry, inode and link count
/// become durable together (on-disk-format 8.3), so no view ever shows half of a rename (observed 13).
/// </summary>
public sealed partial class HammerFs
{
    const uint UfImmutableAny = InodeOndisk.UfImmutable | InodeOndisk.SfImmutable;
    const uint UfAppendAny = InodeOndisk.UfAppend | InodeOndisk.SfAppend;
    const uint UfNoUnlinkAny = InodeOndisk.UfNoUnlink | InodeOndisk.SfNoUnlink;
    const uint UfInherited = InodeOndisk.UfNoHistory | InodeOndisk.SfNoHistory | InodeOndisk.UfNoDump;
    const int NamesCredits = 40;

    ref struct CreateArg
    {
        public Vnode Dir;
        public ReadOnlySpan<byte> Name, Target;
        public ObjType Type;
        public uint Mode, Rmajor, Rminor;
        public Caller Caller;
        public bool Nameless;
        public Vnode Child;
        public FileAttr Attr;
    }

    public Errno Create(Vnode dir, ReadOnlySpan<byte> name, ObjType type, uint mode, uint rmajor, uint rminor,
        Caller caller, out Vnode child, out FileAttr attr)
    {
        var arg = new CreateArg
        {
            Dir = dir, Name = name, Type = type, Mode = mode, Rmajor = rmajor, Rminor = rminor, Caller = caller,
        };
        Errno e = Mutate(NamesCredits, ref arg, _create ??= CreateLocked);
        child = arg.Child;
        attr = arg.Attr;
        return e;
    }

    public Errno Symlink(Vnode dir, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, Caller caller,
        out Vnode child, out FileAttr attr)
    {
        child = default;
        attr = default;
        if (target.Length > HammerConst.SymlinkBytesMax) return Errno.NameTooLong;
        if (target.Length == 0) return Errno.NoEnt;
        var arg = new CreateArg
        {
            Dir = dir, Name = name, Target = target, Type = ObjType.SoftLink, Mode = 0x1FF, Caller = caller,
        };
        Errno e = Mutate(NamesCredits, ref arg, _create ??= CreateLocked);
        child = arg.Child;
        attr = arg.Attr;
        return e;
    }

    public Errno TmpFile(Vnode dir, uint mode, Caller caller, out Vnode child, out FileAttr attr)
    {
        var arg = new CreateArg { Dir = dir, Type = ObjType.RegFile, Mode = mode, Caller = caller, Nameless = true };
        Errno e = Mutate(NamesCredits, ref arg, _create ??= CreateLocked);
        child = arg.Child;
        attr = arg.Attr;
        return e;
    }

    Change<CreateArg>? _create;

    Errno CreateLocked(BTreeCursor cursor, ref CreateArg arg)
    {
        Errno e = DirForChange(cursor, arg.Dir, false, out Inode? dir);
        if (e.IsError) return e;
        if (!arg.Nameless)
        {
            e = CheckNewName(cursor, dir!, arg.Name);
            if (e.IsError) return e;
        }
        e = CheckSpace(4L * HammerConst.NodeBytes);
        if (e.IsError) return e;
        InodeOndisk data = CreateInode(dir!, in arg);
        long objId = _core!.Tids.NewObjId();
        // First what can still be refused: a hash may have no key left, and half a change would latch the mount.
        if (!arg.Nameless) e = InsertEntry(dir!, arg.Name, dir!.PfsId, objId, arg.Type);
        if (e.IsError) return e;
        e = CreateAcl(cursor, dir!, objId, ref data, in arg);
        if (e.IsError) return e;
        e = CreateRecords(dir!, objId, in data, ref arg);
        if (e.IsError) return e;
        arg.Child = new Vnode(dir!.PfsId, Tid.Max, objId);
        if (!arg.Nameless) TouchContent(dir);
        else CreateOrphan(arg.Child, in data);
        FillAttr(arg.Child, in data, out arg.Attr);
        return Errno.None;
    }

    /// <summary>Values of a new inode (on-disk-format 5.3); set-gid directories hand on their group.</summary>
    InodeOndisk CreateInode(Inode dir, in CreateArg arg)
    {
        ulong now = _core!.Records.NowMicros;
        bool setGidDir = (dir.Data.Mode & 0x400) != 0;
        uint mode = arg.Mode & 0xFFF;
        if (setGidDir && arg.Type == ObjType.Directory) mode |= 0x400;
        var data = new InodeOndisk
        {
            Version = 1,
            Mode = (ushort)mode,
            Uflags = dir.Data.Uflags & UfInherited,
            Ctime = now,
            Mtime = now,
            Atime = now,
            ParentObjId = dir.ObjId,
            UidUuid = InodeOndisk.UuidOf(arg.Caller.Uid),
            GidUuid = setGidDir ? dir.Data.GidUuid : InodeOndisk.UuidOf(arg.Caller.Gid),
            ObjTypeRaw = (byte)arg.Type,
            Nlinks = arg.Nameless ? 0UL : 1UL,
            Rmajor = arg.Rmajor,
            Rminor = arg.Rminor,
        };
        if (arg.Type == ObjType.Directory) data.CapFlags = NewDirCaps();
        if (arg.Type == ObjType.SoftLink)
        {
            data.Size = (ulong)arg.Target.Length;
            if (arg.Target.Length <= 24)
                arg.Target.CopyTo(MemoryMarshal.AsBytes(new Span<InlineSymlink>(ref data.Symlink)));
        }
        return data;
    }

    byte NewDirCaps() => _volumes.Version switch
    {
        >= 6 => InodeOndisk.CapDirLocalIno | InodeOndisk.CapHashAlg1,
        >= 2 => InodeOndisk.CapDirLocalIno,
        _ => 0,
    };

    Errno CreateRecords(Inode dir, long objId, in InodeOndisk data, ref CreateArg arg)
    {
        BaseElm key = RecordKey.Inode(dir.PfsId, objId);
        key.ObjType = arg.Type;
        Errno e = _core!.Records.InsertMeta(key, MemoryMarshal.AsBytes(new ReadOnlySpan<InodeOndisk>(in data)));
        if (e.IsError) return e;
        CountInodes(1);
        if (arg.Type == ObjType.SoftLink && arg.Target.Length > 24)
        {
            BaseElm fix = RecordKey.Misc(dir.PfsId, objId, RecType.Fix, 1);
            fix.ObjType = ObjType.SoftLink;
            e = _core.Records.InsertMeta(fix, arg.Target);
            if (e.IsError) return e;
        }
        return Errno.None;
    }

    // ------------------------------------------------------------------ entries

    /// <summary>The directory, in memory, if entries may be added, or removed, in it.</summary>
    Errno DirForChange(BTreeCursor cursor, Vnode vnode, bool removes, out Inode? dir)
    {
        dir = null;
        if (IsReadOnlyView(vnode)) return Errno.RoFs;
        dir = Live(cursor, vnode);
        if (dir is null) return Errno.NoEnt;
        if (dir.Type != ObjType.Directory) return Errno.NotDir;
        if (dir.Data.Nlinks == 0) return Errno.NoEnt;
        uint forbidding = removes ? UfImmutableAny | UfAppendAny : UfImmutableAny;
        return (dir.Data.Uflags & forbidding) != 0 ? Errno.Perm : Errno.None;
    }

    Errno CheckNewName(BTreeCursor cursor, Inode dir, ReadOnlySpan<byte> name)
    {
        if (name.Length > HammerConst.NameBytesMax) return Errno.NameTooLong;
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) return Errno.Exist;
        // A name that reads as an as-of name could never be looked up again.
        if (AsOfName.TryParse(name, out _)) return Errno.Inval;
        return _inodes.TryEntry(cursor, dir.PfsId, dir.ObjId, dir.Data.CapFlags, Tid.Max, name, out _)
            ? Errno.Exist
            : Errno.None;
    }

    /// <summary>Inserts an entry at the first key of its hash that no visible entry uses.</summary>
    Errno InsertEntry(Inode dir, ReadOnlySpan<byte> name, int pfsId, long objId, ObjType type)
    {
        BTreeCursor cursor = RentCursor();
        SpoilScans(dir);
        try
        {
            byte caps = dir.Data.CapFlags;
            long key = DirHash.Key(caps, name), end = InodeReader.HashEnd(caps, key);
            BaseElm from = RecordKey.DirEntry(dir.PfsId, dir.ObjId, caps, key);
            from.CreateTid = 1;
            for (bool more = cursor.SeekFirst(in from); more; more = cursor.NextFor(Tid.Max))
            {
                ref BaseElm at = ref cursor.Elm.Base;
                if (at.Localization != from.Localization || at.ObjId != dir.ObjId || at.RecType != RecType.DirEntry
                    || at.Key > key) break;
                // An entry deleted by this very group still occupies its key, as it does in HAMMER.
                if (at.Key == key && (at.DeleteTid == 0 || at.DeleteTid == _core!.Group.Tid))
                {
                    if (key == end) return Errno.NoSpc;
                    key++;
                }
            }
            from.Key = key;
            from.CreateTid = 0;
            from.ObjType = type;
            Span<byte> data = stackalloc byte[DirEntryHead.Bytes + HammerConst.NameBytesMax];
            var head = new DirEntryHead { ObjId = objId, Localization = Localization.OfPfs(pfsId).Value };
            MemoryMarshal.Write(data, in head);
            name.CopyTo(data[DirEntryHead.Bytes..]);
            return _core!.Records.InsertMeta(from, data[..(DirEntryHead.Bytes + name.Length)]);
        }
        finally
        {
            ReturnCursor(cursor);
        }
    }

    /// <summary>Deletes the entry that the cursor stands at (TryEntry found it).</summary>
    void DeleteEntry(BTreeCursor cursor, Inode dir)
    {
        _core!.Records.Delete(cursor, IsNoHistory(dir));
        TouchContent(dir);
    }

    // ------------------------------------------------------------------ link, unlink, rmdir

    ref struct NameArg
    {
        public Vnode Dir, Vnode;
        public ReadOnlySpan<byte> Name;
        public FileAttr Attr;
        public EmptyScan? Scan;
    }

    public Errno Link(Vnode vnode, Vnode dir, ReadOnlySpan<byte> name, out FileAttr attr)
    {
        var arg = new NameArg { Dir = dir, Vnode = vnode, Name = name };
        Errno e = Mutate(NamesCredits, ref arg, _link ??= LinkLocked);
        attr = arg.Attr;
        return e;
    }

    Change<NameArg>? _link;

    Errno LinkLocked(BTreeCursor cursor, ref NameArg arg)
    {
        if (arg.Vnode.PfsId != arg.Dir.PfsId || arg.Vnode.AsOf != arg.Dir.AsOf)
            return IsReadOnlyView(arg.Dir) ? Errno.RoFs : Errno.XDev;
        Errno e = DirForChange(cursor, arg.Dir, false, out Inode? dir);
        if (e.IsError) return e;
        Inode? inode = Live(cursor, arg.Vnode);
        if (inode is null) return Errno.NoEnt;
        if (inode.Type == ObjType.Directory) return Errno.Perm;
        if ((inode.Data.Uflags & (UfImmutableAny | UfAppendAny)) != 0) return Errno.Perm;
        // What is being destroyed cannot come back: part of it may be gone already.
        if (inode.Data.Nlinks == 0 && (!inode.IsOrphan || inode.IsDestroying)) return Errno.NoEnt;
        e = CheckNewName(cursor, dir!, arg.Name);
        if (e.IsError) return e;
        e = CheckSpace(4L * HammerConst.NodeBytes);
        if (e.IsError) return e;
        if (inode.IsNameless)
        {
            e = Restamp(cursor, inode);
            if (e.IsError) return e;
        }
        e = InsertEntry(dir!, arg.Name, inode.PfsId, inode.ObjId, inode.Type);
        if (e.IsError) return e;
        if (inode.IsOrphan) RemoveOrphan(cursor, inode);
        inode.IsNameless = false;
        inode.Data.Nlinks++;
        inode.Data.Ctime = _core!.Records.NowMicros;
        MarkDirty(inode);
        TouchContent(dir!);
        FillAttr(arg.Vnode, in inode.Data, out arg.Attr);
        return Errno.None;
    }

    /// <summary>
    /// A file that was made without a name enters the tree with its name: its data and attributes get the TID of now
    /// (W11). A large one takes several groups, and its first pieces the TID of the group in which linking began.
    /// </summary>
    Errno Restamp(BTreeCursor cursor, Inode inode)
    {
        if (inode.RestampTid == 0) inode.RestampTid = _core!.Group.Tid;
        BaseElm from = RecordKey.Misc(inode.PfsId, inode.ObjId, default, long.MinValue);
        from.CreateTid = 1;
        int done = 0;
        for (bool more = cursor.SeekFirst(in from); more;)
        {
            LeafElm elm = cursor.Elm;
            if (elm.Base.Localization != from.Localization || elm.Base.ObjId != inode.ObjId) break;
            if (elm.Base.DeleteTid != 0 || elm.Base.CreateTid >= inode.RestampTid)
            {
                more = cursor.Next();
                continue;
            }
            if (done++ == DestroyPieceRecords || !_core!.HasCredits(NamesCredits)) return Errno.NeedFlush;
            Errno e = _core.Records.Restamp(cursor);
            if (e.IsError) return e;
            more = cursor.SeekFirst(in elm.Base);
        }
        return Errno.None;
    }

    public Errno Unlink(Vnode dir, ReadOnlySpan<byte> name)
    {
        var arg = new NameArg { Dir = dir, Name = name };
        return Mutate(NamesCredits, ref arg, _unlink ??= UnlinkLocked);
    }

    Change<NameArg>? _unlink;

    Errno UnlinkLocked(BTreeCursor cursor, ref NameArg arg)
    {
        Errno e = DirForChange(cursor, arg.Dir, true, out Inode? dir);
        if (e.IsError) return e;
        e = CheckSpace(2L * HammerConst.NodeBytes, removal: true);
        if (e.IsError) return e;
        if (!FindEntry(cursor, dir!, arg.Name, out DirEntryHead entry, out e)) return e;
        Vnode target = TargetOf(in entry);
        LeafElm found = cursor.Elm;
        Inode? inode = Live(RentedSecond(), target);
        if (inode is { Type: ObjType.Directory }) return Errno.IsDir;
        if (inode is not null && (inode.Data.Uflags & (UfImmutableAny | UfAppendAny | UfNoUnlinkAny)) != 0)
            return Errno.Perm;
        Seek(cursor, in found);
        DeleteEntry(cursor, dir!);
        if (inode is not null) DropLink(inode);
        return Errno.None;
    }

    public Errno Rmdir(Vnode dir, ReadOnlySpan<byte> name)
    {
        var arg = new NameArg { Dir = dir, Name = name };
        try
        {
            Errno e;
            do
            {
                e = Mutate(NamesCredits, ref arg, _rmdir ??= RmdirLocked);
            }
            while (!e.IsError && arg.Scan is { IsPaused: true });
            return e;
        }
        finally
        {
            EndScan(arg.Scan);
        }
    }

    Change<NameArg>? _rmdir;

    Errno RmdirLocked(BTreeCursor cursor, ref NameArg arg)
    {
        if (arg.Name.SequenceEqual("."u8)) return Errno.Inval;
        if (arg.Name.SequenceEqual(".."u8)) return Errno.NotEmpty;
        Errno e = DirForChange(cursor, arg.Dir, true, out Inode? dir);
        if (e.IsError) return e;
        e = CheckSpace(2L * HammerConst.NodeBytes, removal: true);
        if (e.IsError) return e;
        if (!FindEntry(cursor, dir!, arg.Name, out DirEntryHead entry, out e)) return e;
        LeafElm found = cursor.Elm;
        Vnode target = TargetOf(in entry);
        Inode? inode = Live(RentedSecond(), target);
        if (inode is { Type: not ObjType.Directory }) return Errno.NotDir;
        if (inode is not null)
        {
            if ((inode.Data.Uflags & (UfImmutableAny | UfAppendAny | UfNoUnlinkAny)) != 0) return Errno.Perm;
            e = CheckEmptyDir(cursor, inode, ref arg.Scan);
            if (e.IsError || arg.Scan is { IsPaused: true }) return e;
        }
        Seek(cursor, in found);
        DeleteEntry(cursor, dir!);
        if (inode is not null) DropLink(inode);
        return Errno.None;
    }

    bool FindEntry(BTreeCursor cursor, Inode dir, ReadOnlySpan<byte> name, out DirEntryHead entry, out Errno error)
    {
        entry = default;
        error = name.Length > HammerConst.NameBytesMax ? Errno.NameTooLong : Errno.NoEnt;
        if (error == Errno.NameTooLong) return false;
        if (_inodes.TryEntry(cursor, dir.PfsId, dir.ObjId, dir.Data.CapFlags, Tid.Max, name, out entry)) return true;
        // file@@0x... can be looked up, but the past loses no names.
        if (AsOfName.TryParse(name, out _)) error = Errno.RoFs;
        return false;
    }

    static Vnode TargetOf(in DirEntryHead entry) =>
        new(new Localization(entry.Localization).PfsId, Tid.Max, entry.ObjId);

    /// <summary>A second cursor for a look-up in the middle of a change; owned by the lock.</summary>
    BTreeCursor RentedSecond() => _second ??= _inodes.NewCursor();

    BTreeCursor? _second;

    static void Seek(BTreeCursor cursor, in LeafElm elm)
    {
        if (!cursor.SeekExact(in elm.Base))
            throw new InvariantException($"broken invariant: record {elm.Base} is where it was a moment ago");
    }

    /// <summary>One name less; the last one starts the destruction, or makes an orphan of an open file.</summary>
    void DropLink(Inode inode)
    {
        if (inode.Data.Nlinks > 0) inode.Data.Nlinks--;
        inode.Data.Ctime = _core!.Records.NowMicros;
        MarkDirty(inode);
        if (inode.Data.Nlinks == 0) StartDestroy(inode);
    }
}
