using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasLinux;

namespace NasCore;

/// <summary>Reading: inodes, links, files, directories.</summary>
public sealed partial class HammerFs
{
    /// <summary>Live objects that are open or changed, by (PFS, object). Guarded by the file system lock.</summary>
    readonly Dictionary<(int Pfs, long Obj), Inode> _live = [];

    [ThreadStatic]
    static NativeSlab? t_scratch;

    /// <summary>64 KiB of this thread's own, for extents that do not fit a reply as a whole.</summary>
    static Span<byte> Scratch() =>
        (t_scratch ??= new NativeSlab(HammerConst.XBufferBytes)).Span(0, HammerConst.XBufferBytes);

    /// <summary>Present values of an object in its view; false if it does not exist there.</summary>
    bool TryInodeLocked(BTreeCursor cursor, Vnode vnode, out InodeOndisk inode)
    {
        if (vnode.IsLive && _live.TryGetValue((vnode.PfsId, vnode.ObjId), out Inode? live))
        {
            inode = live.Data;
            return !live.IsDead;
        }
        return _inodes.TryInode(cursor, vnode.PfsId, vnode.ObjId, vnode.AsOf, out inode);
    }

    public Errno ReadLink(Vnode vnode, Span<byte> buffer, out int length)
    {
        length = 0;
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            if (!TryInodeLocked(cursor, vnode, out InodeOndisk inode)) return Errno.NoEnt;
            if (inode.ObjTypeRaw != (byte)ObjType.SoftLink) return Errno.Inval;
            scoped ReadOnlySpan<byte> target;
            if (inode.Size <= 24)
            {
                Span<byte> inline = stackalloc byte[24];
                MemoryMarshal.AsBytes(new Span<InlineSymlink>(ref inode.Symlink)).CopyTo(inline);
                target = inline[..(int)inode.Size];
                if (vnode.PfsId == 0 && vnode.IsLive && AsOfName.TryPfsLink(target, out int pfsId))
                {
                    PfsState pfs = PfsOf(pfsId);
                    if (pfs.Exists)
                        target = System.Text.Encoding.ASCII.GetBytes(
                            AsOfName.LinkText(pfs.Data.IsSlave, SlaveEnd(pfsId, pfs), pfsId));
                }
                length = Math.Min(target.Length, buffer.Length);
                target[..length].CopyTo(buffer);
                return Errno.None;
            }
            if (!cursor.SeekAsOf(RecordKey.Misc(vnode.PfsId, vnode.ObjId, RecType.Fix, 1), vnode.AsOf))
                throw new HammerMediumException(HammerOff.Null,
                    $"symlink {vnode.ObjId:x16} of PFS {vnode.PfsId} has no target record");
            using BufferRef data = _records.Pin(in cursor.Elm);
            target = data.Bytes(cursor.Elm.DataLen);
            length = Math.Min(target.Length, buffer.Length);
            target[..length].CopyTo(buffer);
            return Errno.None;
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    public Errno Read(Vnode vnode, ulong offset, Span<byte> destination, out int length)
    {
        try
        {
            return ReadPlain(vnode, offset, destination, out length);
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            throw NamedTrouble(vnode, offset, destination.Length, e);
        }
    }

    Errno ReadPlain(Vnode vnode, ulong offset, Span<byte> destination, out int length)
    {
        length = 0;
        BTreeCursor cursor = RentCursor();
        ExtentPlan plan = default;
        int epoch = -1;
        try
        {
            _lock.EnterReadLock();
            try
            {
                if (!TryInodeLocked(cursor, vnode, out InodeOndisk inode)) return Errno.NoEnt;
                if (inode.ObjTypeRaw == (byte)ObjType.Directory) return Errno.IsDir;
                if (inode.ObjTypeRaw != (byte)ObjType.RegFile) return Errno.Inval;
                if (offset >= inode.Size) return Errno.None;
                length = (int)Math.Min((ulong)destination.Length, inode.Size - offset);
                destination = destination[..length];
                FileReader.Plan(cursor, vnode.PfsId, vnode.ObjId, vnode.AsOf, (long)offset, length, ref plan);
                if (plan.End < (long)offset + length)
                {
                    length = (int)(plan.End - (long)offset);
                    destination = destination[..length];
                }
                Inode? live = vnode.IsLive ? _live.GetValueOrDefault((vnode.PfsId, vnode.ObjId)) : null;
                if (live is { HasBlocks: true } || FileReader.NeedsLock(ref plan))
                {
                    _files.Fill(ref plan, (long)offset, destination, Scratch());
                    if (live is { HasBlocks: true }) ReadOverlay(live, (long)offset, destination);
                    return Errno.None;
                }
                // The extents may be freed once the lock is gone; their big-blocks are not reused before this reader
                // has left (architecture R1).
                epoch = _epochs.Enter();
            }
            finally
            {
                _lock.ExitReadLock();
            }
            ReadOutside(vnode, cursor, ref plan, offset, destination);
            return Errno.None;
        }
        finally
        {
            if (epoch >= 0) _epochs.Leave(epoch);
            ReturnCursor(cursor);
        }
    }

    /// <summary>
    /// Reads extents without the lock. A mismatch is looked up again under the lock before it is believed: the extent
    /// may have been dropped meanwhile.
    /// </summary>
    void ReadOutside(Vnode vnode, BTreeCursor cursor, ref ExtentPlan plan, ulong offset, Span<byte> destination)
    {
        try
        {
            _files.Fill(ref plan, (long)offset, destination, Scratch());
        }
        catch (HammerMediumException)
        {
            _lock.EnterReadLock();
            try
            {
                FileReader.Plan(cursor, vnode.PfsId, vnode.ObjId, vnode.AsOf, (long)offset, destination.Length,
                    ref plan);
                _files.Fill(ref plan, (long)offset, destination, Scratch());
                if (_live.GetValueOrDefault((vnode.PfsId, vnode.ObjId)) is { HasBlocks: true } live && vnode.IsLive)
                    ReadOverlay(live, (long)offset, destination);
            }
            finally
            {
                _lock.ExitReadLock();
            }
        }
    }

    /// <summary>Puts changed blocks over what was read from the medium.</summary>
    static void ReadOverlay(Inode live, long offset, Span<byte> destination)
    {
        long end = offset + destination.Length;
        foreach (DirtyBlock block in live.Blocks!.Values)
        {
            if (block.Base >= end) break;
            for (int i = 0; i < block.Pieces.Length; i++)
            {
                long start = block.Base + (long)i * HammerConst.BufferBytes;
                long from = Math.Max(start, offset), to = Math.Min(start + HammerConst.BufferBytes, end);
                if (to <= from) continue;
                block.Pieces[i].Span[(int)(from - start)..(int)(to - start)]
                    .CopyTo(destination[(int)(from - offset)..]);
            }
        }
    }

    public Errno ReadDir<TSink>(Vnode dir, long cookie, ref TSink sink)
        where TSink : struct, IDirSink, allows ref struct
    {
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            if (!TryInodeLocked(cursor, dir, out InodeOndisk inode)) return Errno.NoEnt;
            if (inode.ObjTypeRaw != (byte)ObjType.Directory) return Errno.NotDir;
            if (cookie <= 0 && !sink.Add("."u8, dir, ObjType.Directory, 1)) return Errno.None;
            if (cookie <= 1)
            {
                Errno e = ParentLocked(cursor, dir, out Vnode parent);
                if (e.IsError) parent = dir;
                if (!sink.Add(".."u8, parent, ObjType.Directory, 2)) return Errno.None;
            }
            long from = Math.Max(cookie, 2);
            while (ReadDirEntries(cursor, dir, inode.CapFlags, ref from, ref sink))
            {
                // Names of the past are many: writers get their turn.
                Interlocked.Increment(ref _pauses);
                _lock.ExitReadLock();
                _lock.EnterReadLock();
            }
            return Errno.None;
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    /// <summary>Names that are not visible, stepped over in one hold of the lock.</summary>
    const int DeadNamesPerHold = 4096;

    /// <summary>True if there may be more from the key on; false at the end or when the sink is full.</summary>
    bool ReadDirEntries<TSink>(BTreeCursor cursor, Vnode dir, byte capFlags, ref long from, ref TSink sink)
        where TSink : struct, IDirSink, allows ref struct
    {
        int dead = 0;
        long given = 0;
        BaseElm key = RecordKey.DirEntry(dir.PfsId, dir.ObjId, capFlags, from);
        key.CreateTid = 1;
        for (bool more = cursor.SeekFirst(in key); more; more = cursor.NextFor(dir.AsOf))
        {
            ref LeafElm elm = ref cursor.Elm;
            if (elm.Base.Localization != key.Localization || elm.Base.ObjId != dir.ObjId
                || elm.Base.RecType != RecType.DirEntry) return false;
            if (!Tid.Visible(elm.Base.CreateTid, elm.Base.DeleteTid, dir.AsOf))
            {
                if (++dead < DeadNamesPerHold || elm.Base.Key <= from) continue;
                from = elm.Base.Key == given ? given + 1 : elm.Base.Key;
                return true;
            }
            if (!TryEntryData(in elm, out BufferRef data))
            {
                if (!ReadDirDamaged(dir, in elm, ref sink)) return false;
                given = elm.Base.Key;
                continue;
            }
            using BufferRef pinned = data;
            ReadOnlySpan<byte> bytes = data.Bytes(elm.DataLen);
            DirEntryHead head = MemoryMarshal.Read<DirEntryHead>(bytes);
            var child = new Vnode(new Localization(head.Localization).PfsId, dir.AsOf, head.ObjId);
            if (elm.Base.Key == long.MaxValue) return false;
            if (!sink.Add(bytes[DirEntryHead.Bytes..], child, elm.Base.ObjType, elm.Base.Key + 1)) return false;
            given = elm.Base.Key;
        }
        return false;
    }

    /// <summary>
    /// What a directory entry is listed as when its name cannot be read: the others shall be there, and whoever copies
    /// the directory shall learn that one is missing. Looking it up tells the trouble.
    /// </summary>
    const string DamagedName = "damaged-entry-";
    const int DamagedNameBytes = 14 + 16;

    bool TryEntryData(in LeafElm elm, out BufferRef data)
    {
        try
        {
            data = _inodes.EntryData(in elm);
            return true;
        }
        catch (HammerMediumException)
        {
            data = default;
            return false;
        }
    }

    static bool ReadDirDamaged<TSink>(Vnode dir, in LeafElm elm, ref TSink sink)
        where TSink : struct, IDirSink, allows ref struct
    {
        byte[] name = Encoding.ASCII.GetBytes(DamagedName
            + elm.Base.Key.ToString("x16", CultureInfo.InvariantCulture));
        // No object has the number of a hash: its attributes are those of nothing.
        var child = new Vnode(dir.PfsId, dir.AsOf, elm.Base.Key);
        return sink.Add(name, child, elm.Base.ObjType, elm.Base.Key + 1);
    }

    /// <summary>Throws if the name stands for a damaged entry of the directory.</summary>
    void LookupDamaged(BTreeCursor cursor, Vnode dir, byte capFlags, ReadOnlySpan<byte> name)
    {
        if (name.Length != DamagedNameBytes || !name.StartsWith("damaged-entry-"u8)) return;
        if (!long.TryParse(name[DamagedName.Length..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
            out long key)) return;
        if (!cursor.SeekAsOf(RecordKey.DirEntry(dir.PfsId, dir.ObjId, capFlags, key), dir.AsOf)) return;
        _inodes.EntryData(in cursor.Elm).Dispose();
    }

    public Errno Seek(Vnode vnode, ulong offset, bool hole, out ulong found)
    {
        found = offset;
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            if (!TryInodeLocked(cursor, vnode, out InodeOndisk inode)) return Errno.NoEnt;
            if (inode.ObjTypeRaw != (byte)ObjType.RegFile) return Errno.Inval;
            if (offset >= inode.Size) return Errno.NxIo;
            Inode? live = vnode.IsLive ? _live.GetValueOrDefault((vnode.PfsId, vnode.ObjId)) : null;
            long at = (long)offset, size = (long)inode.Size;
            while (at < size)
            {
                bool data = SeekSpan(cursor, vnode, live, at, size, out long end);
                if (data != hole)
                {
                    found = (ulong)at;
                    return Errno.None;
                }
                at = end;
                // A file with a long past, or of many pieces: writers get their turn.
                _lock.ExitReadLock();
                _lock.EnterReadLock();
                live = vnode.IsLive ? _live.GetValueOrDefault((vnode.PfsId, vnode.ObjId)) : null;
                if (live is not null) size = (long)live.Data.Size;
            }
            found = inode.Size;
            return hole ? Errno.None : Errno.NxIo;
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    /// <summary>
    /// True if there are data at a file offset; end is where that may change. One look takes in all the extents of a
    /// plan, and a hole of any size.
    /// </summary>
    static bool SeekSpan(BTreeCursor cursor, Vnode vnode, Inode? live, long at, long size, out long end)
    {
        ExtentPlan plan = default;
        FileReader.Plan(cursor, vnode.PfsId, vnode.ObjId, vnode.AsOf, at, size - at, ref plan);
        end = Math.Min(size, plan.End);
        bool data = false;
        for (int i = 0; i < plan.Count; i++)
        {
            ref LeafElm elm = ref plan.Extents[i];
            long start = elm.Base.Key - elm.DataLen;
            if (start > (data ? end : at))
            {
                if (!data) end = Math.Min(start, size);
                break;
            }
            data = true;
            end = Math.Min(elm.Base.Key, size);
        }
        if (live is not { HasBlocks: true }) return data;
        foreach (DirtyBlock block in live.Blocks!.Values)
        {
            long blockEnd = block.Base + block.Bytes;
            if (blockEnd <= at) continue;
            if (block.Base <= at)
            {
                end = Math.Min(blockEnd, size);
                return true;
            }
            if (!data) end = Math.Min(end, block.Base);
            break;
        }
        return data;
    }
}
