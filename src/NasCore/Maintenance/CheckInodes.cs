using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace NasCore.Maintenance;

/// <summary>What is kept of a live inode: 40 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct CheckInode
{
    internal long ObjId;
    internal long Parent;
    internal ulong Nlinks;
    /// <summary>Entries that name it.</summary>
    internal uint Names;
    internal ushort PfsId;
    internal byte Type;
    internal byte CapFlags;
    /// <summary>The directory that it calls its parent has an entry for it.</summary>
    internal bool InParent;
}

/// <summary>
/// All live inodes, in key order as the walk meets them, in pieces so that growing copies nothing. Looked up by
/// binary search, the last hit first.
/// </summary>
sealed class CheckInodes
{
    const int PieceInodes = 4096;

    readonly List<CheckInode[]> _pieces = [];
    long _last;

    internal long Count { get; private set; }

    internal void Add(in CheckInode inode)
    {
        if (Count % PieceInodes == 0) _pieces.Add(new CheckInode[PieceInodes]);
        _pieces[^1][Count++ % PieceInodes] = inode;
    }

    internal ref CheckInode At(long index) => ref _pieces[(int)(index / PieceInodes)][index % PieceInodes];

    /// <summary>A damaged tree may have delivered them out of order; lookups need order.</summary>
    internal void Finish()
    {
        for (long i = 1; i < Count; i++)
        {
            if (Order(in At(i - 1), At(i).PfsId, At(i).ObjId) < 0) continue;
            FinishSort();
            return;
        }
    }

    void FinishSort()
    {
        var all = new List<CheckInode>();
        for (long i = 0; i < Count; i++) all.Add(At(i));
        all.Sort((a, b) => Order(in a, b.PfsId, b.ObjId));
        for (int i = 0; i < all.Count; i++) At(i) = all[i];
    }

    static int Order(in CheckInode a, int pfsId, long objId) =>
        a.PfsId != pfsId ? ((int)a.PfsId).CompareTo(pfsId) : a.ObjId.CompareTo(objId);

    /// <summary>Index of an inode, or -1.</summary>
    internal long Find(int pfsId, long objId)
    {
        if (_last < Count && Order(in At(_last), pfsId, objId) == 0) return _last;
        long low = 0, high = Count - 1;
        while (low <= high)
        {
            long mid = low + (high - low) / 2;
            int order = Order(in At(mid), pfsId, objId);
            if (order == 0) return _last = mid;
            if (order < 0) low = mid + 1;
            else high = mid - 1;
        }
        return -1;
    }
}
