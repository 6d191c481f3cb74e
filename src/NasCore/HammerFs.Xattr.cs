using System;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

/// <summary>Extended attributes; layout in Objects/XattrFormat.</summary>
public sealed partial class HammerFs
{
    public Errno GetXattr(Vnode vnode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            if (!TryInodeLocked(cursor, vnode, out _)) return Errno.NoEnt;
            return GetXattrLocked(cursor, vnode, name, value, out length);
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    Errno GetXattrLocked(BTreeCursor cursor, Vnode vnode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        if (!FindXattr(cursor, vnode, name, out int valueBytes, out _)) return Errno.NoData;
        length = valueBytes;
        if (value.IsEmpty) return Errno.None;
        if (value.Length < valueBytes) return Errno.Range;
        long key = cursor.Elm.Base.Key;
        int at = 0;
        while (at < valueBytes)
        {
            using BufferRef data = _records.Pin(in cursor.Elm);
            ReadOnlySpan<byte> bytes = data.Bytes(cursor.Elm.DataLen);
            if (at == 0) bytes = bytes[(XattrFormat.HeadBytes + name.Length)..];
            int n = Math.Min(bytes.Length, valueBytes - at);
            bytes[..n].CopyTo(value[at..]);
            at += n;
            if (at == valueBytes) break;
            key++;
            if (n == 0 || !cursor.SeekAsOf(XattrFormat.Key(vnode.PfsId, vnode.ObjId, key), vnode.AsOf))
                throw new HammerMediumException(cursor.Elm.Data,
                    $"extended attribute of object {vnode.ObjId:x16}: "
                    + $"{valueBytes - at} bytes of the value are missing");
        }
        return Errno.None;
    }

    /// <summary>The cursor stands at piece 0 when found; else freeKey is where a new one may go.</summary>
    bool FindXattr(BTreeCursor cursor, Vnode vnode, ReadOnlySpan<byte> name, out int valueBytes, out long freeKey)
    {
        valueBytes = 0;
        freeKey = XattrFormat.FirstKey(name);
        BaseElm from = XattrFormat.Key(vnode.PfsId, vnode.ObjId, freeKey);
        from.CreateTid = 1;
        long last = freeKey + ((long)XattrFormat.CollisionsMax << 16);
        // Removed attributes leave holes among those of one hash, so all of them are looked at.
        for (bool more = cursor.SeekFirst(in from); more; more = cursor.Next())
        {
            ref BaseElm at = ref cursor.Elm.Base;
            if (at.Localization != from.Localization || at.ObjId != vnode.ObjId || at.RecType != RecType.Ext
                || at.Key > last) return false;
            if ((at.Key & 0xFFFF) != 0 || !Tid.Visible(at.CreateTid, at.DeleteTid, vnode.AsOf)) continue;
            if (at.Key == freeKey) freeKey += 1 << 16;
            using BufferRef data = _records.Pin(in cursor.Elm);
            ReadOnlySpan<byte> bytes = data.Bytes(cursor.Elm.DataLen);
            if (XattrFormat.TryHead(bytes, out int nameBytes, out valueBytes)
                && bytes.Slice(XattrFormat.HeadBytes, nameBytes).SequenceEqual(name)) return true;
        }
        return false;
    }

    public Errno ListXattr(Vnode vnode, Span<byte> names, out int length)
    {
        length = 0;
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            if (!TryInodeLocked(cursor, vnode, out _)) return Errno.NoEnt;
            BaseElm from = XattrFormat.Key(vnode.PfsId, vnode.ObjId, 0);
            from.CreateTid = 1;
            for (bool more = cursor.SeekFirst(in from); more; more = cursor.Next())
            {
                ref LeafElm elm = ref cursor.Elm;
                if (elm.Base.Localization != from.Localization || elm.Base.ObjId != vnode.ObjId
                    || elm.Base.RecType != RecType.Ext) break;
                if ((elm.Base.Key & 0xFFFF) != 0
                    || !Tid.Visible(elm.Base.CreateTid, elm.Base.DeleteTid, vnode.AsOf)) continue;
                using BufferRef data = _records.Pin(in elm);
                ReadOnlySpan<byte> bytes = data.Bytes(elm.DataLen);
                if (!XattrFormat.TryHead(bytes, out int nameBytes, out _)) continue;
                int at = length;
                length += nameBytes + 1;
                if (names.IsEmpty) continue;
                if (length > names.Length) return Errno.Range;
                bytes.Slice(XattrFormat.HeadBytes, nameBytes).CopyTo(names[at..]);
                names[at + nameBytes] = 0;
            }
            return Errno.None;
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    ref struct XattrArg
    {
        public Vnode Vnode;
        public ReadOnlySpan<byte> Name, Value;
        public XattrKind Kind;
        public bool Remove;
    }

    public Errno SetXattr(Vnode vnode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrKind kind)
    {
        if (name.Length is 0 or > 255) return Errno.Range;
        if (value.Length > XattrFormat.ValueBytesMax) return Errno.TooBig;
        var arg = new XattrArg { Vnode = vnode, Name = name, Value = value, Kind = kind };
        return Mutate(96, ref arg, _xattr ??= XattrLocked);
    }

    public Errno RemoveXattr(Vnode vnode, ReadOnlySpan<byte> name)
    {
        var arg = new XattrArg { Vnode = vnode, Name = name, Remove = true };
        return Mutate(96, ref arg, _xattr ??= XattrLocked);
    }

    Change<XattrArg>? _xattr;

    Errno XattrLocked(BTreeCursor cursor, ref XattrArg arg)
    {
        if (IsReadOnlyView(arg.Vnode)) return Errno.RoFs;
        Inode? inode = Live(cursor, arg.Vnode);
        if (inode is null) return Errno.NoEnt;
        if ((inode.Data.Uflags & (UfImmutableAny | UfAppendAny)) != 0) return Errno.Perm;
        // W14: DragonFly's rmdir would refuse a directory of the old kind with such records.
        if (inode.Type == ObjType.Directory && (inode.Data.CapFlags & InodeOndisk.CapDirLocalIno) == 0)
            return Errno.OpNotSupp;
        Errno e = CheckSpace(arg.Value.Length + 4L * HammerConst.NodeBytes, removal: arg.Remove);
        if (e.IsError) return e;
        bool exists = FindXattr(cursor, arg.Vnode, arg.Name, out int oldBytes, out long key);
        if (exists) key = cursor.Elm.Base.Key;
        else if (key > XattrFormat.FirstKey(arg.Name) + ((long)XattrFormat.CollisionsMax << 16)) return Errno.NoSpc;
        bool isAcl = PosixAcl.IsAccess(arg.Name) || arg.Name.SequenceEqual(PosixAcl.DefaultName);
        // An ACL always exists, if only as the mode: it can be removed and replaced.
        if (!exists && arg.Remove && isAcl) return Errno.None;
        if (!exists && !isAcl && (arg.Remove || arg.Kind.HasFlag(XattrKind.Replace))) return Errno.NoData;
        if (exists && arg.Kind.HasFlag(XattrKind.Create)) return Errno.Exist;
        if (!arg.Remove && PosixAcl.IsAccess(arg.Name))
        {
            // The mode's group bits are the mask of an ACL; a trivial one is the mode itself.
            if (!PosixAcl.TryMode(arg.Value, inode.Data.Mode, out ushort mode)) return Errno.Inval;
            inode.Data.Mode = mode;
        }
        if (exists) DeletePieces(cursor, inode, key, arg.Name.Length, oldBytes);
        if (!arg.Remove && !(isAcl && PosixAcl.IsMinimal(arg.Name, arg.Value)))
        {
            e = InsertXattr(inode, key, arg.Name, arg.Value);
            if (e.IsError) return e;
        }
        inode.Data.Ctime = _core!.Records.NowMicros;
        MarkDirty(inode);
        return Errno.None;
    }

    Errno InsertXattr(Inode inode, long key, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Span<byte> piece = Scratch()[..XattrFormat.PieceBytesMax];
        int head = XattrFormat.HeadBytes + name.Length;
        XattrFormat.WriteHead(piece, name.Length, value.Length);
        name.CopyTo(piece[XattrFormat.HeadBytes..]);
        do
        {
            int n = Math.Min(value.Length, XattrFormat.PieceBytesMax - head);
            value[..n].CopyTo(piece[head..]);
            BaseElm elm = XattrFormat.Key(inode.PfsId, inode.ObjId, key++);
            elm.ObjType = inode.Type;
            Errno e = _core!.Records.InsertMeta(elm, piece[..(head + n)]);
            if (e.IsError) return e;
            value = value[n..];
            head = 0;
        }
        while (value.Length > 0);
        return Errno.None;
    }

    void DeletePieces(BTreeCursor cursor, Inode inode, long key, int nameBytes, int valueBytes)
    {
        int head = XattrFormat.HeadBytes + nameBytes;
        int pieces = Math.Max(1, (head + valueBytes + XattrFormat.PieceBytesMax - 1) / XattrFormat.PieceBytesMax);
        for (int i = 0; i < pieces; i++)
        {
            if (cursor.SeekAsOf(XattrFormat.Key(inode.PfsId, inode.ObjId, key + i), Tid.Max))
                _core!.Records.Delete(cursor, IsNoHistory(inode));
        }
    }

    /// <summary>A default ACL of the directory becomes the new object's ACLs and replaces the umask.</summary>
    Errno CreateAcl(BTreeCursor cursor, Inode dir, long objId, ref InodeOndisk data, in CreateArg arg)
    {
        if (arg.Type == ObjType.SoftLink) return Errno.None;
        Span<byte> acl = stackalloc byte[PosixAcl.BytesMax];
        var dirNode = new Vnode(dir.PfsId, Tid.Max, dir.ObjId);
        Errno e = GetXattrLocked(cursor, dirNode, PosixAcl.DefaultName, acl, out int bytes);
        if (e.IsError)
        {
            data.Mode = (ushort)(data.Mode & ~(arg.Caller.Umask & 0x1FF));
            return e == Errno.NoData || e == Errno.Range ? Errno.None : e;
        }
        acl = acl[..bytes];
        var child = new Inode(dir.PfsId, objId) { Data = data };
        if (arg.Type == ObjType.Directory)
        {
            e = InsertXattr(child, XattrFormat.FirstKey(PosixAcl.DefaultName), PosixAcl.DefaultName, acl);
            if (e.IsError) return e;
        }
        bool extended = PosixAcl.Inherit(acl, ref data.Mode);
        return extended
            ? InsertXattr(child, XattrFormat.FirstKey(PosixAcl.AccessName), PosixAcl.AccessName, acl)
            : Errno.None;
    }
}
