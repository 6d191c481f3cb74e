using System;
using System.Collections.Generic;
using NasCore.Objects;
using NasCore.Primitives;
using NasCore.Undo;

namespace NasCore;

// fsync by REDO: which changes allow it, and what is logged (architecture W9; Undo/RedoLog.cs tells the whole).
//
// The rule is kept the safe way round: MarkDirty, by which every change of an object goes, forbids REDO of it for the
// open group. Only the changes that REDO can repeat (writes into dirty blocks, truncation, extension) go by MarkContent
// instead, and note in the object's RedoTrack what they did, beginning with its first change in the group.
public sealed partial class HammerFs
{
    /// <summary>More bytes than this cost less as a group than twice.</summary>
    const long RedoBytesMax = 256 * 1024;

    /// <summary>Writes of at most this size into a file that is fsynced stay in dirty blocks, whole ones too.</summary>
    const int RedoWriteMax = 64 * 1024;

    /// <summary>The group in which the record of a PFS changed last, by its id. Guarded by the lock.</summary>
    readonly Dictionary<int, long> _pfsChanged = [];

    public void WhenSynced(Vnode vnode, DurableCallback callback, object? state)
    {
        long group = GroupOf(vnode);
        if (_core is null) callback(state, Errno.None);
        else if (CanRedo(vnode)) _core.WhenSynced(vnode.PfsId, vnode.ObjId, group, callback, state);
        else _core.WhenDurable(group, callback, state);
    }

    /// <summary>A first look: directories and new files go to the group without a turn of the flusher.</summary>
    bool CanRedo(Vnode vnode)
    {
        if (!_options.Redo || !vnode.IsLive) return false;
        _lock.EnterReadLock();
        try
        {
            if (!_live.TryGetValue((vnode.PfsId, vnode.ObjId), out Inode? inode)) return false;
            // Whoever calls fsync will do so again.
            inode.IsFsynced = true;
            return IsRedoable(inode);
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>True if all that the open group did to an object can be, or is, in REDO; nothing counts, too.</summary>
    bool IsRedoable(Inode inode)
    {
        long group = _core!.OpenGroup;
        if (inode.ChangedGroup < group) return true;
        return inode.Type == ObjType.RegFile && !inode.IsDead && inode.NoRedoGroup != group
            && inode.Redo is { } track && track.Group == group
            && _pfsChanged.GetValueOrDefault(inode.PfsId) != group;
    }

    /// <summary>
    /// What notes a change of content that is about to be made; null if the object has changed otherwise in this group,
    /// so that its fsync needs the group anyway.
    /// </summary>
    RedoTrack? RedoOf(Inode inode)
    {
        long group = _core!.OpenGroup;
        if (!_options.Redo || inode.NoRedoGroup == group) return null;
        // What is not open is not fsynced before it is opened.
        if (inode.Redo is not { } track || track.Group != group)
        {
            if (inode.ChangedGroup >= group || inode.OpenCount == 0 || inode.Data.Size > SizeMax) return NoRedo(inode);
            track = inode.Redo ??= new RedoTrack();
            track.Begin(group, (long)inode.Data.Size);
        }
        return track;
    }

    /// <summary>A change that REDO cannot repeat: this group's fsync of the object needs the group.</summary>
    RedoTrack? NoRedo(Inode inode)
    {
        inode.NoRedoGroup = _core!.OpenGroup;
        return null;
    }

    /// <summary>Lays down REDO of an object for <see cref="Flush.WriteCore.OnRedo"/>; all of it or nothing.</summary>
    bool LogRedo(int pfsId, long objId)
    {
        if (!_live.TryGetValue((pfsId, objId), out Inode? inode) || !IsRedoable(inode)) return false;
        if (inode.ChangedGroup < _core!.OpenGroup) return true;
        RedoTrack track = inode.Redo!;
        long bytes = track.Bytes;
        if (bytes > RedoBytesMax || !IsInMemory(inode, track)) return false;
        if (!_core.HasRedoCredits(bytes, track.Count + 2)) return false;
        UndoLog log = _core.Log;
        uint localization = Localization.OfPfs(pfsId).Value;
        long size = track.LoggedSize;
        if (track.LowSize < size)
        {
            size = track.LowSize;
            log.AppendRedoTrunc(objId, localization, (ulong)size);
        }
        for (int i = 0; i < track.Count; i++)
        {
            (long from, long to) = track[i];
            LogRedoRange(log, inode, localization, from, to);
            size = Math.Max(size, to);
        }
        long now = (long)inode.Data.Size;
        if (size != now) log.AppendRedoTrunc(objId, localization, (ulong)now);
        track.Logged(now);
        return true;
    }

    /// <summary>
    /// False if a range speaks of a block that has left memory for its extent because memory ran short, or in an
    /// operation that failed on the way. One that was read again since then serves as well.
    /// </summary>
    static bool IsInMemory(Inode inode, RedoTrack track)
    {
        for (int i = 0; i < track.Count; i++)
        {
            (long from, long to) = track[i];
            while (from < to)
            {
                int blockBytes = HammerConst.BlockBytesAt(from);
                long fileBase = from - from % blockBytes;
                if (inode.Blocks is null || !inode.Blocks.ContainsKey(fileBase)) return false;
                from = fileBase + blockBytes;
            }
        }
        return true;
    }

    /// <summary>The bytes as they are in the dirty blocks, cut where HAMMER's buffers end.</summary>
    static void LogRedoRange(UndoLog log, Inode inode, uint localization, long from, long to)
    {
        while (from < to)
        {
            long fileBase = from - from % HammerConst.BlockBytesAt(from);
            DirtyBlock block = inode.Blocks![fileBase];
            int at = (int)(from - fileBase), inPiece = at % HammerConst.BufferBytes;
            int n = (int)Math.Min(to - from, HammerConst.BufferBytes - inPiece);
            log.AppendRedoWrite(inode.ObjId, localization, from,
                block.Pieces[at / HammerConst.BufferBytes].Span.Slice(inPiece, n));
            from += n;
        }
    }
}
