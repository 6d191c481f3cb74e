using System;
using System.Collections.Generic;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Objects;

/// <summary>
/// A file block with changes that have no extent yet: the whole block, 16 or 64 KiB, in pieces of 16 KiB. It changes
/// in place until the flush gives it an extent (architecture W2).
/// </summary>
public sealed class DirtyBlock
{
    readonly BufferMemory[] _pieces = new BufferMemory[HammerConst.XBufferBytes / HammerConst.BufferBytes];
    int _count;

    public long Base { get; private set; }
    public ReadOnlySpan<BufferMemory> Pieces => _pieces.AsSpan(0, _count);
    public int Bytes => _count * HammerConst.BufferBytes;

    /// <summary>Begins a new life of this object: blocks are reused, so that writing allocates nothing.</summary>
    public void Begin(long fileBase)
    {
        Base = fileBase;
        _count = 0;
    }

    public void Add(BufferMemory piece) => _pieces[_count++] = piece;
    /// <summary>Bytes promised for this block's data and records (architecture W10).</summary>
    public long Promised { get; set; }
}

/// <summary>
/// A live object in memory: kept while it is open or has changes that are not in the B-Tree yet. Guarded by the file
/// system lock.
/// </summary>
public sealed class Inode(int pfsId, long objId)
{
    public int PfsId { get; } = pfsId;
    public long ObjId { get; } = objId;
    /// <summary>The present values, ahead of the record in the tree while <see cref="IsDirty"/>.</summary>
    public InodeOndisk Data;
    public int OpenCount;
    /// <summary>The record in the tree is to be replaced when the group closes.</summary>
    public bool IsDirty;
    /// <summary>Only mtime or atime changed; counts where the PFS has no times mark (HAMMER's in-place rule).</summary>
    public bool OnlyTimesDirty;
    /// <summary>Blocks with changes, by file offset of their base.</summary>
    public SortedList<long, DirtyBlock>? Blocks;
    /// <summary>The last flush group in which anything of this object changed.</summary>
    public long ChangedGroup;
    /// <summary>The last flush group in which it changed in a way that REDO cannot repeat.</summary>
    public long NoRedoGroup;
    /// <summary>What has changed in the content since it was logged as REDO; made at the first need.</summary>
    public RedoTrack? Redo;
    /// <summary>Somebody has called fsync: small writes stay in dirty blocks, so that REDO can carry them.</summary>
    public bool IsFsynced;
    /// <summary>Made by O_TMPFILE and not linked yet, or unlinked while open: on the orphan list.</summary>
    public bool IsOrphan;
    /// <summary>Made by O_TMPFILE and not linked yet: no view shows any of its records.</summary>
    public bool IsNameless;
    /// <summary>Key of its record on the orphan list.</summary>
    public long OrphanKey;
    /// <summary>TID of the group in which linking a nameless file began; its older records are stamped anew.</summary>
    public ulong RestampTid;
    /// <summary>Destroyed: no record is left; only open handles keep the memory.</summary>
    public bool IsDead;
    /// <summary>Node of the list of dirty inodes.</summary>
    public bool InDirtyList;
    /// <summary>Waits for its destruction in pieces.</summary>
    public bool IsDestroying;
    /// <summary>Records of the object behind this key are gone: where its destruction goes on.</summary>
    public BaseElm? DestroyAt;

    public ObjType Type => (ObjType)Data.ObjTypeRaw;
    public bool HasBlocks => Blocks is { Count: > 0 };
}
