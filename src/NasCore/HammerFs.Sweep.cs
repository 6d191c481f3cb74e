using System.Collections.Generic;
using System.Threading;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

// Sweeps: removing a range of a file (architecture W7)
//
// Data records are deleted from the end backwards, some hundred in one hold of the lock, since each fills the group.
// Between the live records lie those of the past, perhaps a million of them, which cost time and nothing else: a
// number of records looked at ends the hold as well, and the next one goes on at the same place. When the group is
// full the caller comes back later; where it was is kept for it, or it would step over its own deletions again.

/// <summary>Deletion of live data records, in pieces.</summary>
public sealed partial class HammerFs
{
    /// <summary>Times that the lock was given up in the middle of an operation, so that others get their
    /// turn.</summary>
    public long Pauses => Interlocked.Read(ref _pauses);
    long _pauses;

    /// <summary>How a piece of a sweep ended.</summary>
    enum SweepEnd
    {
        /// <summary>Nothing live is left in the range.</summary>
        Done,
        /// <summary>The group has no room for more: flush, then go on.</summary>
        Full,
        /// <summary>Enough records looked at: give up the lock, then go on.</summary>
        Pause,
    }

    /// <summary>A range of a file whose live records go.</summary>
    struct DataSweep(long from, long to)
    {
        /// <summary>Records with a base below this stay.</summary>
        public long From = from;
        /// <summary>Records with a key (end) above this are gone, or were never meant.</summary>
        public long At = to;
        /// <summary>Size of the file when the sweep stopped there, for truncations: another size, another
        /// sweep.</summary>
        public long Size = -1;
        /// <summary>Where it began.</summary>
        public readonly long To = to;
        readonly bool _isSome = true;

        public readonly bool IsNone => !_isSome;
    }

    /// <summary>Sweeps whose callers will come back, by object; a cache: without it they begin at the end.</summary>
    readonly Dictionary<(int PfsId, long ObjId), DataSweep> _sweeps = [];
    const int SweepsMax = 256;

    void KeepSweep(Inode inode, in DataSweep sweep)
    {
        if (_sweeps.Count >= SweepsMax) _sweeps.Clear();
        _sweeps[(inode.PfsId, inode.ObjId)] = sweep;
    }

    /// <summary>The sweep that this one goes on with, if the file is as that one left it.</summary>
    bool TakeSweep(Inode inode, long from, long to, ref DataSweep sweep)
    {
        if (!_sweeps.Remove((inode.PfsId, inode.ObjId), out DataSweep kept)) return false;
        bool resized = to == long.MaxValue && kept.Size != (long)inode.Data.Size;
        if (kept.From != from || kept.To != to || resized) return false;
        sweep = kept;
        return true;
    }

    /// <summary>Deletes live data records of a range, last first.</summary>
    SweepEnd DeleteData(BTreeCursor cursor, Inode inode, ref DataSweep sweep)
    {
        BaseElm end = RecordKey.Data(inode.PfsId, inode.ObjId, sweep.At);
        end.CreateTid = Tid.Max;
        bool noHistory = IsNoHistory(inode);
        int deleted = 0, visited = 0;
        for (bool more = cursor.SeekLastBefore(in end); more;)
        {
            LeafElm elm = cursor.Elm;
            if (elm.Base.Localization != end.Localization || elm.Base.ObjId != inode.ObjId
                || elm.Base.RecType != RecType.Data || elm.Base.Key <= sweep.From) return SweepEnd.Done;
            sweep.At = elm.Base.Key;
            if (elm.Base.DeleteTid != 0 || elm.Base.Key - elm.DataLen < sweep.From)
            {
                if (++visited == ElementsPerHold)
                {
                    Interlocked.Increment(ref _pauses);
                    return SweepEnd.Pause;
                }
                more = cursor.PrevLive();
                continue;
            }
            if (deleted == TruncatePieceRecords || !_core!.HasCredits(8)) return SweepEnd.Full;
            deleted++;
            more = _core.Records.Delete(cursor, noHistory) ? cursor.SeekLastBefore(in elm.Base) : cursor.PrevLive();
        }
        return SweepEnd.Done;
    }
}
