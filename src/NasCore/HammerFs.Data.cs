using System;
using System.Collections.Generic;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

// File data (on-disk-format 5.5; architecture: life of a write)
//
// A write is cut at block boundaries. Whole blocks get reserved extents, are written to the device from the caller's
// bytes without the lock, and enter the B-Tree with their CRCs afterwards. The pieces at the ends go into the inode's
// dirty blocks: whole blocks in memory, read from the medium first if they exist there, which get an extent when the
// group closes or memory runs short. Block 0 of a file of at most 8 KiB becomes one small record.
public sealed partial class HammerFs
{
    /// <summary>Largest file: offsets are signed on the medium.</summary>
    const long SizeMax = long.MaxValue - HammerConst.XBufferBytes;

    readonly Stack<DirtyBlock> _spareBlocks = new();

    /// <summary>Pieces of 16 KiB that hold dirty blocks.</summary>
    int _dirtyPieces;

    /// <summary>Where the next relief of dirty blocks begins in the list of dirty objects.</summary>
    int _relieveAt;

    int DirtyPiecesMax => Math.Max(64, _cache.Capacity / 4);

    ref struct WriteArg
    {
        public Vnode Vnode;
        public long Offset;
        public ReadOnlySpan<byte> Source;
        public bool Append, KillSetId;
        public Span<HammerOff> Extents;
        public Span<uint> Crcs;
        /// <summary>Offset and length of the whole blocks in the middle.</summary>
        public long FullFrom, FullTo;
        public int Count;
        public bool Reserved;
    }

    public Errno Write(Vnode vnode, ulong offset, ReadOnlySpan<byte> source, bool append, bool killSetId,
        out int length)
    {
        length = 0;
        if (_core is null) return Errno.RoFs;
        if (!append && (offset > (ulong)SizeMax || (long)offset > SizeMax - source.Length)) return Errno.FBig;
        var arg = new WriteArg
        {
            Vnode = vnode, Offset = (long)offset, Source = source[..Math.Min(source.Length, WriteBytesMax)],
            Append = append, KillSetId = killSetId,
            Extents = stackalloc HammerOff[WriteBytesMax / HammerConst.BufferBytes + 1],
            Crcs = stackalloc uint[WriteBytesMax / HammerConst.BufferBytes + 1],
        };
        if (arg.Source.IsEmpty) return Errno.None;
        Errno e = WritePiece(ref arg);
        if (!e.IsError) length = arg.Source.Length;
        return e;
    }

    /// <summary>Bytes taken by one call: the extents of so many fit on the stack.</summary>
    const int WriteBytesMax = 2 << 20;

    Errno WritePiece(ref WriteArg arg)
    {
        Errno e = Mutate(16 + arg.Source.Length / HammerConst.BufferBytes * 2, ref arg, _writeBegin ??= WriteBegin);
        if (e.IsError || !arg.Reserved) return e;
        try
        {
            WriteExtents(ref arg);
        }
        catch
        {
            WriteAbandon(ref arg);
            throw;
        }
        // The reservation holds credits of space; if the group has filled up meanwhile it closes here, not in the
        // caller, because the data are on the medium already.
        for (int tries = 0; ; tries++)
        {
            e = Mutate(16 + arg.Count * 2, ref arg, _writeEnd ??= WriteEnd);
            if (e != Errno.NeedFlush) break;
            if (tries == 100) return WriteAbandon(ref arg);
            if (_core!.IsRunning) SyncAndWait();
            else _core.FlushOnce();
        }
        if (e == Errno.Again)
        {
            WriteAbandon(ref arg);
            arg.Reserved = false;
            return WritePiece(ref arg);
        }
        if (e.IsError) WriteAbandon(ref arg);
        return e;
    }

    Change<WriteArg>? _writeBegin;

    /// <summary>Checks, cuts, and reserves; a write without whole blocks is done here entirely.</summary>
    Errno WriteBegin(BTreeCursor cursor, ref WriteArg arg)
    {
        if (IsReadOnlyView(arg.Vnode)) return Errno.RoFs;
        Inode? inode = Live(cursor, arg.Vnode);
        if (inode is null) return Errno.NoEnt;
        if (inode.Type == ObjType.Directory) return Errno.IsDir;
        if (inode.Type != ObjType.RegFile) return Errno.Inval;
        if ((inode.Data.Uflags & UfImmutableAny) != 0) return Errno.Perm;
        if (arg.Append) arg.Offset = (long)Math.Min(inode.Data.Size, long.MaxValue);
        else if ((inode.Data.Uflags & UfAppendAny) != 0 && arg.Offset < (long)inode.Data.Size) return Errno.Perm;
        if (arg.Offset > SizeMax - arg.Source.Length) return Errno.FBig;
        Errno e = CheckSpace(arg.Source.Length + 2L * HammerConst.XBufferBytes
            + arg.Source.Length / HammerConst.BufferBytes * 192L);
        if (e.IsError) return e;
        WriteCut(ref arg);
        if (inode.IsFsynced && arg.Source.Length <= RedoWriteMax) arg.FullTo = arg.FullFrom;
        if (arg.FullTo <= arg.FullFrom) return WriteFinish(cursor, inode, ref arg);
        // The blocks at the ends are read while nothing has changed yet: if one cannot be, that is an error of this
        // write, not of the mount.
        long end = arg.Offset + arg.Source.Length;
        if (arg.FullFrom > arg.Offset)
            LoadBlock(cursor, inode, arg.Offset - arg.Offset % HammerConst.BlockBytesAt(arg.Offset));
        if (arg.FullTo < end) LoadBlock(cursor, inode, arg.FullTo);
        return WriteReserve(ref arg);
    }

    static void WriteCut(ref WriteArg arg)
    {
        long end = arg.Offset + arg.Source.Length;
        long from = RoundUpBlock(arg.Offset);
        long to = end - end % HammerConst.BlockBytesAt(end);
        // The last whole block may end exactly at the border where the block size changes.
        if (end == HammerConst.XDemarc) to = end;
        arg.FullFrom = from;
        arg.FullTo = Math.Max(from, to);
    }

    static long RoundUpBlock(long offset)
    {
        int block = HammerConst.BlockBytesAt(offset);
        return (offset + block - 1) / block * block;
    }

    Errno WriteReserve(ref WriteArg arg)
    {
        arg.Count = 0;
        for (long at = arg.FullFrom; at < arg.FullTo; at += HammerConst.BlockBytesAt(at))
        {
            if (_core!.Freemap.Reserve(Zone.LargeData, HammerConst.BlockBytesAt(at)) is not { } off)
            {
                for (int i = 0; i < arg.Count; i++) _core.Freemap.Unreserve(arg.Extents[i]);
                arg.Count = 0;
                return _core.Freemap.HoldsForGroup ? Errno.NeedFlush : Errno.NoSpc;
            }
            arg.Extents[arg.Count++] = off;
        }
        arg.Reserved = true;
        return Errno.None;
    }

    /// <summary>Outside the lock: bytes go to the device, neighbours in one transfer, and get their sums.</summary>
    void WriteExtents(ref WriteArg arg)
    {
        long at = arg.FullFrom;
        int i = 0;
        while (i < arg.Count)
        {
            int first = i;
            long start = at;
            HammerOff next = arg.Extents[i];
            while (i < arg.Count && arg.Extents[i] == next)
            {
                int block = HammerConst.BlockBytesAt(at);
                arg.Crcs[i] = HammerCrc.Sum(_volumes.Version,
                    arg.Source.Slice((int)(at - arg.Offset), block));
                next = next.Add(block);
                at += block;
                i++;
            }
            ReadOnlySpan<byte> bytes = arg.Source[(int)(start - arg.Offset)..(int)(at - arg.Offset)];
            _volumes.WriteExtents(arg.Extents[first], bytes);
        }
    }

    Errno WriteAbandon(ref WriteArg arg)
    {
        _lock.EnterWriteLock();
        try
        {
            for (int i = 0; i < arg.Count; i++) _core!.Freemap.Unreserve(arg.Extents[i]);
            arg.Count = 0;
            return Errno.Io;
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    Change<WriteArg>? _writeEnd;

    Errno WriteEnd(BTreeCursor cursor, ref WriteArg arg)
    {
        Inode? inode = Live(cursor, arg.Vnode);
        if (inode is null) return Errno.NoEnt;
        // Somebody else appended while our bytes went to the device: the end is elsewhere now, begin again.
        if (arg.Append && (long)inode.Data.Size != arg.Offset) return Errno.Again;
        // Their bytes are in extents already and in no REDO.
        NoRedo(inode);
        long at = arg.FullFrom;
        for (int i = 0; i < arg.Count; i++)
        {
            int block = HammerConst.BlockBytesAt(at);
            DropBlock(inode, at);
            DeleteData(cursor, inode, at, block);
            _core!.Freemap.Commit(arg.Extents[i], block);
            InsertData(inode, at, block, arg.Extents[i], arg.Crcs[i]);
            _core.Pace.NoteStored(block);
            at += block;
        }
        arg.Count = 0;
        return WriteFinish(cursor, inode, ref arg);
    }

    /// <summary>The partial blocks at both ends, size and times.</summary>
    Errno WriteFinish(BTreeCursor cursor, Inode inode, ref WriteArg arg)
    {
        long end = arg.Offset + arg.Source.Length;
        RedoTrack? redo = RedoOf(inode);
        if (arg.FullTo <= arg.FullFrom)
        {
            WritePartial(cursor, inode, arg.Offset, arg.Source);
        }
        else
        {
            if (arg.FullFrom > arg.Offset)
                WritePartial(cursor, inode, arg.Offset, arg.Source[..(int)(arg.FullFrom - arg.Offset)]);
            if (arg.FullTo < end)
                WritePartial(cursor, inode, arg.FullTo, arg.Source[(int)(arg.FullTo - arg.Offset)..]);
        }
        if (redo?.Write(arg.Offset, end) == false) NoRedo(inode);
        if (end > (long)inode.Data.Size)
        {
            inode.Data.Size = (ulong)end;
            MarkContent(inode);
        }
        if (arg.KillSetId) KillSetId(inode);
        _core!.Pace.NoteFresh(arg.Source.Length);
        TouchContent(inode);
        RelieveDirtyBlocks(cursor);
        return Errno.None;
    }

    void KillSetId(Inode inode)
    {
        int mode = inode.Data.Mode;
        int kept = mode & ~0x800;
        // Set-gid goes only where the group may execute; otherwise it means mandatory locking.
        if ((mode & 0x008) != 0) kept &= ~0x400;
        if (kept == mode) return;
        inode.Data.Mode = (ushort)kept;
        MarkDirty(inode);
    }

    void WritePartial(BTreeCursor cursor, Inode inode, long offset, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            int blockBytes = HammerConst.BlockBytesAt(offset);
            long fileBase = offset - offset % blockBytes;
            int n = (int)Math.Min(source.Length, fileBase + blockBytes - offset);
            DirtyBlock block = LoadBlock(cursor, inode, fileBase, whole: n == blockBytes);
            CopyIn(block, (int)(offset - fileBase), source[..n]);
            offset += n;
            source = source[n..];
        }
    }

    static void CopyIn(DirtyBlock block, int at, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            int inPiece = at % HammerConst.BufferBytes;
            int n = Math.Min(source.Length, HammerConst.BufferBytes - inPiece);
            source[..n].CopyTo(block.Pieces[at / HammerConst.BufferBytes].Span[inPiece..]);
            source = source[n..];
            at += n;
        }
    }

    /// <summary>The dirty block at a base; made from what the medium holds if there is none yet.</summary>
    /// <param name="whole">The caller overwrites all of it.</param>
    DirtyBlock LoadBlock(BTreeCursor cursor, Inode inode, long fileBase, bool whole = false)
    {
        inode.Blocks ??= [];
        if (inode.Blocks.TryGetValue(fileBase, out DirtyBlock? block)) return block;
        int bytes = HammerConst.BlockBytesAt(fileBase);
        Span<byte> old = Scratch2()[..bytes];
        if (fileBase < (long)inode.Data.Size && !whole)
        {
            ExtentPlan plan = default;
            FileReader.Plan(cursor, inode.PfsId, inode.ObjId, Tid.Max, fileBase, bytes, ref plan);
            _files.Fill(ref plan, fileBase, old, Scratch());
            long keep = (long)inode.Data.Size - fileBase;
            if (keep < bytes) old[(int)keep..].Clear();
        }
        else
        {
            old.Clear();
        }
        if (!_spareBlocks.TryPop(out block)) block = new DirtyBlock();
        block.Begin(fileBase);
        for (int at = 0; at < bytes; at += HammerConst.BufferBytes)
        {
            BufferMemory piece = _pool.Take();
            old.Slice(at, HammerConst.BufferBytes).CopyTo(piece.Span);
            block.Add(piece);
        }
        inode.Blocks.Add(fileBase, block);
        _dirtyPieces += block.Pieces.Length;
        block.Promised = bytes + HammerConst.NodeBytes;
        _promisedBytes += block.Promised;
        _core!.Promise(BlockNodes);
        MarkContent(inode);
        return block;
    }

    [ThreadStatic]
    static NasLinux.NativeSlab? t_scratch2;

    static Span<byte> Scratch2() =>
        (t_scratch2 ??= new NasLinux.NativeSlab(HammerConst.XBufferBytes)).Span(0, HammerConst.XBufferBytes);

    void DropBlock(Inode inode, long fileBase)
    {
        if (inode.Blocks is null || !inode.Blocks.Remove(fileBase, out DirtyBlock? block)) return;
        GiveBlock(block);
    }

    /// <summary>Nodes that a dirty block may need when it gets its record.</summary>
    const int BlockNodes = 4;

    void GiveBlock(DirtyBlock block)
    {
        // It has its record, or will never have one: what was promised for it does not fill the group any longer.
        _core!.Promise(-BlockNodes);
        foreach (BufferMemory piece in block.Pieces) _pool.Give(piece);
        _dirtyPieces -= block.Pieces.Length;
        _promisedBytes = Math.Max(0, _promisedBytes - block.Promised);
        if (_spareBlocks.Count < 1024) _spareBlocks.Push(block);
    }

    /// <summary>Forgets dirty blocks from a base on.</summary>
    void DropBlocks(Inode inode, long from)
    {
        if (inode.Blocks is null) return;
        for (int i = inode.Blocks.Count - 1; i >= 0 && inode.Blocks.GetKeyAtIndex(i) >= from; i--)
        {
            GiveBlock(inode.Blocks.GetValueAtIndex(i));
            inode.Blocks.RemoveAt(i);
        }
    }

    /// <summary>When dirty blocks use up their memory, the oldest inodes' blocks get their extents now.</summary>
    void RelieveDirtyBlocks(BTreeCursor cursor)
    {
        if (_dirtyPieces <= DirtyPiecesMax) return;
        // A quarter at a time, going round, so that a write pays for its own blocks only.
        int goal = DirtyPiecesMax * 3 / 4;
        for (int i = 0; i < _dirty.Count && _dirtyPieces > goal; i++)
        {
            if (_relieveAt >= _dirty.Count) _relieveAt = 0;
            WriteBlocks(cursor, _dirty[_relieveAt++]);
        }
    }

    /// <summary>Gives every dirty block of an inode its extent and record.</summary>
    void WriteBlocks(BTreeCursor cursor, Inode inode)
    {
        if (inode.Blocks is not { Count: > 0 } blocks) return;
        long size = (long)inode.Data.Size;
        Span<byte> bytes = Scratch2();
        foreach (DirtyBlock block in blocks.Values)
        {
            if (block.Base < size) WriteBlock(cursor, inode, block, size, bytes);
            GiveBlock(block);
        }
        blocks.Clear();
    }

    void WriteBlock(BTreeCursor cursor, Inode inode, DirtyBlock block, long size, Span<byte> bytes)
    {
        Span<byte> data = bytes[..block.Bytes];
        for (int i = 0; i < block.Pieces.Length; i++)
            block.Pieces[i].Span.CopyTo(data[(i * HammerConst.BufferBytes)..]);
        DeleteData(cursor, inode, block.Base, block.Bytes);
        if (block.Base == 0 && size <= HammerConst.SmallFileBytes)
        {
            data = data[..HammerConst.RoundData((int)size)];
            _core!.Pace.NoteStored(data.Length);
            BaseElm key = RecordKey.Data(inode.PfsId, inode.ObjId, data.Length);
            key.ObjType = ObjType.RegFile;
            Errno small = _core.Records.InsertSmall(key, data);
            if (small.IsError) throw new InvariantException($"broken invariant: promised space for data ({small})");
            return;
        }
        if (_core!.Freemap.Allocate(Zone.LargeData, block.Bytes) is not { } off)
            throw new InvariantException("broken invariant: promised space for a block");
        _volumes.WriteZone2(off, data);
        _core.Pace.NoteStored(block.Bytes);
        InsertData(inode, block.Base, block.Bytes, off, HammerCrc.Sum(_volumes.Version, data));
    }

    void InsertData(Inode inode, long fileBase, int bytes, HammerOff off, uint crc)
    {
        var elm = new LeafElm
        {
            Base = RecordKey.Data(inode.PfsId, inode.ObjId, fileBase + bytes),
            CreateTs = _core!.Records.NowSeconds,
            DataOffset = off.Value,
            DataLen = bytes,
            DataCrc = crc,
        };
        elm.Base.CreateTid = _core.Group.Tid;
        elm.Base.ObjType = ObjType.RegFile;
        Errno e = _core.Records.InsertElm(in elm);
        if (e.IsError) throw new InvariantException($"broken invariant: promised space for a record ({e})");
    }

    /// <summary>Deletes the live data records whose base lies in a block (on-disk-format 5.5, Write).</summary>
    void DeleteData(BTreeCursor cursor, Inode inode, long fileBase, int bytes)
    {
        BaseElm from = RecordKey.Data(inode.PfsId, inode.ObjId, fileBase + 1);
        from.CreateTid = 1;
        long end = fileBase + bytes;
        bool noHistory = IsNoHistory(inode);
        bool more = cursor.SeekFirst(in from);
        while (more)
        {
            LeafElm elm = cursor.Elm;
            if (elm.Base.Localization != from.Localization || elm.Base.ObjId != inode.ObjId
                || elm.Base.RecType != RecType.Data) return;
            long start = unchecked(elm.Base.Key - elm.DataLen);
            if (start >= end && elm.Base.Key - HammerConst.ExtentBytesMax >= end) return;
            if (start >= end || elm.Base.DeleteTid != 0)
            {
                more = cursor.NextFor(Tid.Max);
                continue;
            }
            if (start < fileBase)
                throw new HammerMediumException(elm.Data, $"data record {elm.Base} cuts into the block at {fileBase}");
            more = _core!.Records.Delete(cursor, noHistory) ? cursor.SeekFirst(in elm.Base) : cursor.NextFor(Tid.Max);
        }
    }
}
