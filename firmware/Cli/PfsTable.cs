using System.Collections.Generic;
using NasCore;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasFirmware.Cli;

/// <summary>One PFS of a file system.</summary>
readonly record struct PfsEntry(int Id, PseudofsData Data, int Snapshots);

/// <summary>The PFSs that exist, found by their records rather than by trying all 65536 ids.</summary>
static class PfsTable
{
    internal static List<PfsEntry> List(HammerFs fs)
    {
        var ids = fs.Shared(FindIds);
        var list = new List<PfsEntry>();
        foreach (int id in ids)
        {
            if (!fs.TryGetPfs(id, out PseudofsData data)) continue;
            list.Add(new PfsEntry(id, data, fs.Shared(cursor => CountSnapshots(cursor, id))));
        }
        return list;
    }

    static List<int> FindIds(BTreeCursor cursor)
    {
        var ids = new List<int>();
        BaseElm key = RecordKey.Pfs(0);
        key.CreateTid = 1;
        for (bool more = cursor.SeekFirst(in key); more; more = cursor.Next())
        {
            BaseElm e = cursor.Elm.Base;
            if (e.Localization != key.Localization || e.ObjId != key.ObjId || e.RecType != RecType.Pfs) break;
            if (e.DeleteTid == 0) ids.Add((int)((e.Key >> 16) & HammerConst.PfsIdMax));
        }
        return ids;
    }

    static int CountSnapshots(BTreeCursor cursor, int pfsId)
    {
        int count = 0;
        // Keys are TIDs taken as signed numbers.
        BaseElm key = RecordKey.Snapshot(pfsId, 0);
        key.Key = long.MinValue;
        key.CreateTid = 1;
        for (bool more = cursor.SeekFirst(in key); more; more = cursor.Next())
        {
            BaseElm e = cursor.Elm.Base;
            if (e.Localization != key.Localization || e.ObjId != key.ObjId || e.RecType != RecType.Snapshot) break;
            if (e.DeleteTid == 0) count++;
        }
        return count;
    }
}
