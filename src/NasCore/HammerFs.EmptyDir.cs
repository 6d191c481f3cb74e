using System.Collections.Generic;
using System.Threading;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

/// <summary>
/// Is a directory empty? One that had a million names has a million records of the past, and all of them are looked at:
/// in several holds of the lock, between which somebody may add a name. Then the look begins anew.
/// </summary>
public sealed partial class HammerFs
{
    sealed class EmptyScan(int pfsId, long objId)
    {
        public readonly int PfsId = pfsId;
        public readonly long ObjId = objId;
        /// <summary>Keys below this hold no live entry.</summary>
        public long From = long.MinValue;
        /// <summary>The lock is given up for a moment; the same call goes on.</summary>
        public bool IsPaused;
    }

    /// <summary>Looks under way; guarded by the file system lock.</summary>
    readonly List<EmptyScan> _scans = [];

    /// <summary>
    /// None if no live entry is left, NOTEMPTY, or None with a paused scan: then the change is called again.
    /// </summary>
    Errno CheckEmptyDir(BTreeCursor cursor, Inode dir, ref EmptyScan? scan)
    {
        if (scan is null || scan.PfsId != dir.PfsId || scan.ObjId != dir.ObjId)
        {
            if (scan is not null) _scans.Remove(scan);
            scan = new EmptyScan(dir.PfsId, dir.ObjId);
        }
        scan.IsPaused = false;
        BaseElm from = RecordKey.DirEntry(dir.PfsId, dir.ObjId, dir.Data.CapFlags, scan.From);
        from.CreateTid = 1;
        int visited = 0;
        for (bool more = cursor.SeekFirst(in from); more; more = cursor.NextFor(Tid.Max))
        {
            ref BaseElm at = ref cursor.Elm.Base;
            if (at.Localization != from.Localization || at.ObjId != dir.ObjId || at.RecType != RecType.DirEntry)
                return Errno.None;
            if (at.DeleteTid == 0) return Errno.NotEmpty;
            if (++visited < ElementsPerHold || at.Key == scan.From) continue;
            if (scan.From == long.MinValue) _scans.Add(scan);
            scan.From = at.Key;
            scan.IsPaused = true;
            Interlocked.Increment(ref _pauses);
            return Errno.None;
        }
        return Errno.None;
    }

    /// <summary>A name is about to be added to a directory.</summary>
    void SpoilScans(Inode dir)
    {
        foreach (EmptyScan scan in _scans)
        {
            if (scan.ObjId == dir.ObjId && scan.PfsId == dir.PfsId) scan.From = long.MinValue + 1;
        }
    }

    void EndScan(EmptyScan? scan)
    {
        // Only one that has paused was entered in the list.
        if (scan is null || scan.From == long.MinValue) return;
        _lock.EnterWriteLock();
        try
        {
            _scans.Remove(scan);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }
}
