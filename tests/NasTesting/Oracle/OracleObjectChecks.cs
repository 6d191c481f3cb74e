using System;
using System.Collections.Generic;
using System.Linq;

namespace NasTesting.Oracle;

/// <summary>
/// Objects of each PFS as a file system: entries against inodes both ways, link counts, names, hashes, data
/// (on-disk-format Appendix C "Objects", observed.md 30 and 31). A master is looked at live, a slave as of its
/// sync_end_tid, since a broken-off batch may leave its live state half done.
/// </summary>
static class OracleObjectChecks
{
    internal static void Run(OracleChecker checker)
    {
        long inodes = 0;
        foreach (int pfs in checker.Volume.PfsIds)
        {
            bool slave = checker.Volume.PfsTable.TryGetValue(pfs, out OraclePfs? data) && data.IsSlave;
            OracleView view = checker.Volume.View(pfs, slave ? data!.SyncEndTid : null);
            inodes += checker.Volume.RecordsOf(pfs).Count(r => r.RecType == OracleRecord.Inode && r.IsLive);
            if (slave && view.Inodes.Count == 0) { continue; }
            CheckView(checker, view);
            if (!slave) { CheckLinkHistory(checker, pfs); }
        }
        checker.Check(checker.Medium.Root.StatInodes == inodes, "vol0_stat_inodes", "header",
            $"{checker.Medium.Root.StatInodes}, counted {inodes}");
    }

    static void CheckView(OracleChecker checker, OracleView view)
    {
        var links = new Dictionary<long, List<OracleDirEntry>>();
        foreach (OracleDirEntry entry in view.Entries.Values.SelectMany(e => e))
        {
            if (!links.TryGetValue(entry.Target, out List<OracleDirEntry>? list)) { links[entry.Target] = list = []; }
            list.Add(entry);
        }
        checker.Check(view.Inodes.TryGetValue(1, out OracleInode? root) && root.ObjType == 1
            && root.ParentObjId == 0, "root directory", $"PFS {view.Pfs}", "missing, no directory or with a parent");
        foreach ((long directory, List<OracleDirEntry> entries) in view.Entries)
        {
            CheckDirectory(checker, view, directory, entries);
        }
        foreach (OracleInode inode in view.Inodes.Values)
        {
            CheckLinks(checker, inode, links.GetValueOrDefault(inode.Record.ObjId, []));
        }
        CheckData(checker, view);
        CheckReachable(checker, view);
    }

    static void CheckDirectory(OracleChecker checker, OracleView view, long id, List<OracleDirEntry> entries)
    {
        if (!view.Inodes.TryGetValue(id, out OracleInode? directory) || directory.ObjType != 1)
        {
            checker.Report("entries belong to a directory", entries[0].Record.ToString(), "no such directory");
            return;
        }
        var names = new HashSet<string>();
        var keys = new HashSet<long>();
        foreach (OracleDirEntry entry in entries)
        {
            string where = $"{entry.Record} \"{OracleText.Decode(entry.Name)}\"";
            long hash = OracleNameHash.Key(entry.Name, directory.HashAlgorithm);
            checker.Check(entry.Record.Key >= hash && entry.Record.Key <= hash + OracleNameHash.Range(
                directory.HashAlgorithm), "name in its hash range", where, $"{hash:x16}");
            checker.Check((entry.Record.Localization & 0xFFFF) == directory.EntryLocalizationType,
                "entry localization as the directory's cap_flags say", where, $"{directory.CapFlags:x}");
            checker.Check(names.Add(OracleText.Decode(entry.Name)), "a name once", where, "twice");
            checker.Check(keys.Add(entry.Record.Key), "a visible key once", where, "twice");
            bool found = view.Inodes.TryGetValue(entry.Target, out OracleInode? target);
            checker.Check(found, "entry leads to an inode", where, $"{entry.Target:x16} is not there");
            checker.Check(!found || target!.ObjType == entry.Record.ObjType, "obj_type of entry and inode", where, "");
        }
    }

    static void CheckLinks(OracleChecker checker, OracleInode inode, List<OracleDirEntry> links)
    {
        string where = inode.Record.ToString();
        bool isRoot = inode.Record.ObjId == 1;
        ulong expected = (ulong)links.Count + (isRoot ? 1u : 0u);
        checker.Check(inode.Nlinks == expected, "nlinks", where, $"{inode.Nlinks}, entries {links.Count}");
        if (inode.ObjType != 1 || isRoot || links.Count == 0) { return; }
        checker.Check(links.Count == 1, "a directory has one name", where, $"{links.Count}");
        checker.Check(links[0].Directory == inode.ParentObjId, "parent_obj_id of a directory", where,
            $"{inode.ParentObjId:x16}, entry in {links[0].Directory:x16}");
    }

    static void CheckData(OracleChecker checker, OracleView view)
    {
        foreach ((long id, List<OracleRecord> data) in view.Data)
        {
            string where = $"PFS {view.Pfs} object {id:x16}";
            checker.Check(view.Inodes.TryGetValue(id, out OracleInode? inode) && inode.ObjType == 2,
                "data belong to a file", where, $"{data.Count} records");
            foreach ((OracleRecord left, OracleRecord right) in data.Zip(data.Skip(1)))
            {
                checker.Check(right.FileBase >= left.Key, "data do not overlap", right.ToString(), left.ToString());
            }
            long size = inode is null ? 0 : (long)inode.Size;
            long block = size < 1048576 ? 16384 : 65536;
            long end = (size + block - 1) / block * block;
            checker.Check(data[^1].FileBase < Math.Max(end, 1), "no data past the last block", data[^1].ToString(),
                $"size {size}");
        }
        foreach (OracleRecord record in view.Others.Where(r => r.RecType is OracleRecord.Fix or OracleRecord.Ext))
        {
            bool owned = view.Inodes.TryGetValue(record.ObjId, out OracleInode? inode)
                && (record.RecType != OracleRecord.Fix || inode.ObjType == 7);
            checker.Check(owned, "record belongs to an object", record.ToString(), "no such object");
        }
        foreach (OracleInode link in view.Inodes.Values.Where(i => i.ObjType == 7))
        {
            checker.Check((ulong)view.StoredTarget(link).Length == link.Size, "link target", link.Record.ToString(),
                $"size {link.Size}");
        }
    }

    // Every directory hangs under the root: counts alone would accept a ring.
    static void CheckReachable(OracleChecker checker, OracleView view)
    {
        var reached = new HashSet<long> { 1 };
        var todo = new Queue<long>([1]);
        while (todo.TryDequeue(out long id))
        {
            foreach (OracleDirEntry entry in view.Entries.GetValueOrDefault(id, []))
            {
                if (reached.Add(entry.Target) && view.Entries.ContainsKey(entry.Target)) { todo.Enqueue(entry.Target); }
            }
        }
        foreach (OracleInode inode in view.Inodes.Values.Where(i => i.Nlinks > 0))
        {
            checker.Check(reached.Contains(inode.Record.ObjId), "reachable from the root", inode.Record.ToString(), "");
        }
    }

    // For every inode record nlinks is the number of entries visible at its create_tid. Not on slaves: gap deletion
    // dates deletions later than the master did.
    static void CheckLinkHistory(OracleChecker checker, int pfs)
    {
        ILookup<long, OracleRecord> entries = checker.Volume.RecordsOf(pfs)
            .Where(r => r.RecType == OracleRecord.DirEntry).ToLookup(r => new OracleDirEntry(r).Target);
        foreach (OracleRecord record in checker.Volume.RecordsOf(pfs).Where(r => r.RecType == OracleRecord.Inode))
        {
            if (record.ObjId == 1) { continue; }
            int visible = entries[record.ObjId].Count(e => e.IsVisible(record.CreateTid));
            ulong stored = new OracleInode(record).Nlinks;
            checker.Check(stored == (ulong)visible, "nlinks at create_tid", record.ToString(), $"{stored}, {visible}");
        }
    }
}
