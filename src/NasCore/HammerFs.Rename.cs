using System;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

/// <summary>Rename in all its forms; one change of one group.</summary>
public sealed partial class HammerFs
{
    ref struct RenameArg
    {
        public Vnode FromDir, ToDir;
        public ReadOnlySpan<byte> FromName, ToName;
        public RenameKind Kind;
        public EmptyScan? Scan;
    }

    public Errno Rename(Vnode fromDir, ReadOnlySpan<byte> fromName, Vnode toDir, ReadOnlySpan<byte> toName,
        RenameKind kind)
    {
        var arg = new RenameArg
        {
            FromDir = fromDir, FromName = fromName, ToDir = toDir, ToName = toName, Kind = kind,
        };
        try
        {
            Errno e;
            do
            {
                e = Mutate(NamesCredits * 2, ref arg, _rename ??= RenameLocked);
            }
            while (!e.IsError && arg.Scan is { IsPaused: true });
            return e;
        }
        finally
        {
            EndScan(arg.Scan);
        }
    }

    Change<RenameArg>? _rename;

    Errno RenameLocked(BTreeCursor cursor, ref RenameArg arg)
    {
        if (arg.FromDir.PfsId != arg.ToDir.PfsId || arg.FromDir.AsOf != arg.ToDir.AsOf)
            return IsReadOnlyView(arg.FromDir) || IsReadOnlyView(arg.ToDir) ? Errno.RoFs : Errno.XDev;
        Errno e = DirForChange(cursor, arg.FromDir, true, out Inode? fromDir);
        if (e.IsError) return e;
        e = DirForChange(cursor, arg.ToDir, arg.Kind.HasFlag(RenameKind.Exchange), out Inode? toDir);
        if (e.IsError) return e;
        if (!FindEntry(cursor, fromDir!, arg.FromName, out DirEntryHead fromEntry, out e)) return e;
        LeafElm fromElm = cursor.Elm;
        Inode? moved = Live(RentedSecond(), TargetOf(in fromEntry));
        if (moved is null) return Errno.NoEnt;
        if ((moved.Data.Uflags & (UfImmutableAny | UfAppendAny | UfNoUnlinkAny)) != 0) return Errno.Perm;
        bool exists = FindEntry(cursor, toDir!, arg.ToName, out DirEntryHead toEntry, out e);
        if (e == Errno.NameTooLong) return e;
        // In the kernel's order: an existing target that must not be replaced comes first.
        if (exists && arg.Kind.HasFlag(RenameKind.NoReplace)) return Errno.Exist;
        if (moved.Type == ObjType.Directory && IsBelow(toDir!, moved)) return Errno.Inval;
        LeafElm toElm = cursor.Elm;
        if (arg.Kind.HasFlag(RenameKind.Exchange))
        {
            if (!exists) return Errno.NoEnt;
            Inode? other = Live(RentedSecond(), TargetOf(in toEntry));
            return other is null ? Errno.NoEnt
                : RenameExchange(cursor, fromDir!, in fromElm, moved, toDir!, in toElm, other, ref arg);
        }
        if (exists && (toDir!.Data.Uflags & UfAppendAny) != 0) return Errno.Perm;
        if (!exists) return RenameMove(cursor, fromDir!, in fromElm, moved, toDir!, ref arg);
        return RenameReplace(cursor, fromDir!, in fromElm, moved, toDir!, in toElm, in toEntry, ref arg);
    }

    /// <summary>True if a directory is, or lies below, another: it cannot be moved into itself.</summary>
    bool IsBelow(Inode dir, Inode ancestor)
    {
        Inode? at = dir;
        for (int steps = 0; at is not null && steps < 100_000; steps++)
        {
            if (at.ObjId == ancestor.ObjId) return true;
            if (at.Data.ParentObjId == 0) return false;
            var up = new Vnode(at.PfsId, Tid.Max, at.Data.ParentObjId);
            if (_live.TryGetValue((up.PfsId, up.ObjId), out Inode? known))
            {
                at = known;
            }
            else
            {
                if (!_inodes.TryInode(RentedSecond(), up.PfsId, up.ObjId, Tid.Max, out InodeOndisk data)) return false;
                at = new Inode(up.PfsId, up.ObjId) { Data = data };
            }
        }
        return false;
    }

    Errno RenameMove(BTreeCursor cursor, Inode fromDir, in LeafElm fromElm, Inode moved, Inode toDir,
        ref RenameArg arg)
    {
        Errno e = CheckNewName(cursor, toDir, arg.ToName);
        if (e.IsError) return e;
        e = CheckSpace(4L * HammerConst.NodeBytes);
        if (e.IsError) return e;
        e = InsertEntry(toDir, arg.ToName, moved.PfsId, moved.ObjId, moved.Type);
        if (e.IsError) return e;
        Seek(cursor, in fromElm);
        DeleteEntry(cursor, fromDir);
        RenameTouch(moved, toDir);
        return Errno.None;
    }

    Errno RenameReplace(BTreeCursor cursor, Inode fromDir, in LeafElm fromElm, Inode moved, Inode toDir,
        in LeafElm toElm, in DirEntryHead toEntry, ref RenameArg arg)
    {
        Inode? victim = Live(RentedSecond(), TargetOf(in toEntry));
        // Two names of one object: POSIX does nothing.
        if (victim == moved) return Errno.None;
        if (victim is not null)
        {
            bool toIsDir = victim.Type == ObjType.Directory, fromIsDir = moved.Type == ObjType.Directory;
            if (toIsDir && !fromIsDir) return Errno.IsDir;
            if (!toIsDir && fromIsDir) return Errno.NotDir;
            Errno empty = toIsDir ? CheckEmptyDir(cursor, victim, ref arg.Scan) : Errno.None;
            if (empty.IsError || arg.Scan is { IsPaused: true }) return empty;
            if ((victim.Data.Uflags & (UfImmutableAny | UfAppendAny | UfNoUnlinkAny)) != 0) return Errno.Perm;
        }
        Errno e = CheckSpace(4L * HammerConst.NodeBytes);
        if (e.IsError) return e;
        Seek(cursor, in toElm);
        DeleteEntry(cursor, toDir);
        if (victim is not null) DropLink(victim);
        e = InsertEntry(toDir, arg.ToName, moved.PfsId, moved.ObjId, moved.Type);
        if (e.IsError) return e;
        Seek(cursor, in fromElm);
        DeleteEntry(cursor, fromDir);
        RenameTouch(moved, toDir);
        return Errno.None;
    }

    Errno RenameExchange(BTreeCursor cursor, Inode fromDir, in LeafElm fromElm, Inode moved, Inode toDir,
        in LeafElm toElm, Inode other, ref RenameArg arg)
    {
        if (moved == other) return Errno.None;
        if (other.Type == ObjType.Directory && IsBelow(fromDir, other)) return Errno.Inval;
        if ((other.Data.Uflags & (UfImmutableAny | UfAppendAny | UfNoUnlinkAny)) != 0) return Errno.Perm;
        Errno e = CheckSpace(8L * HammerConst.NodeBytes);
        if (e.IsError) return e;
        Seek(cursor, in toElm);
        DeleteEntry(cursor, toDir);
        Seek(cursor, in fromElm);
        DeleteEntry(cursor, fromDir);
        e = InsertEntry(toDir, arg.ToName, moved.PfsId, moved.ObjId, moved.Type);
        if (e.IsError) return e;
        e = InsertEntry(fromDir, arg.FromName, other.PfsId, other.ObjId, other.Type);
        if (e.IsError) return e;
        RenameTouch(moved, toDir);
        RenameTouch(other, fromDir);
        return Errno.None;
    }

    void RenameTouch(Inode moved, Inode toDir)
    {
        moved.Data.ParentObjId = toDir.ObjId;
        moved.Data.Ctime = _core!.Records.NowMicros;
        MarkDirty(moved);
        TouchContent(toDir);
    }
}
