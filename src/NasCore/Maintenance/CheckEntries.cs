using System;
using System.IO;
using System.Runtime.InteropServices;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>
/// Second walk and its sums (phases 4 and 5): live entries against inodes both ways, names against their hashes,
/// records against the objects that own them, link counts, parents.
/// </summary>
sealed class CheckEntries(OfflineVolumes volumes, CheckReport report, CheckInodes inodes)
{
    internal void Record(in LeafElm elm, HammerOff leaf, int index)
    {
        ref readonly BaseElm e = ref elm.Base;
        if (e.DeleteTid != 0 || e.RecType is RecType.Inode or RecType.Snapshot or RecType.Config or RecType.Pfs) return;
        int pfsId = new Localization(e.Localization).PfsId;
        long owner = inodes.Find(pfsId, e.ObjId);
        if (owner < 0)
        {
            report.Finding("owner", leaf, $"live record {index} ({e}) belongs to an object that has no live inode",
                in e);
            return;
        }
        if (IsOrphanEntry(in e)) Orphan(in elm);
        else if (e.RecType == RecType.DirEntry) Entry(in elm, leaf, pfsId, owner);
        else if (inodes.At(owner).Type != e.ObjTypeRaw)
            report.Finding("owner", leaf,
                $"record {index} ({e}) has object type {e.ObjTypeRaw}, its inode {inodes.At(owner).Type}", in e);
    }

    // Our own list of objects to destroy at the next mount (docs/FORMAT.md 9).
    static bool IsOrphanEntry(in BaseElm e) => e.RecType == RecType.Ext && e.Key < 0
        && e.ObjId == HammerConst.RootObjId && new Localization(e.Localization).PfsId == 0;

    void Orphan(in LeafElm elm)
    {
        if (elm.DataLen != 16 || elm.DataOffset == 0 || ShowPlace.Problem(in elm) is not null)
        {
            report.Finding("orphan-list", elm.Data, $"orphan list entry {elm.Base} of {elm.DataLen} bytes: not 16",
                in elm.Base);
            return;
        }
        try
        {
            ReadOnlySpan<byte> data = volumes.Buffer(elm.Data);
            int pfsId = BitConverter.ToInt32(data);
            long objId = BitConverter.ToInt64(data[8..]);
            long listed = inodes.Find(pfsId, objId);
            string state = listed < 0 ? "is gone already" : $"has nlinks {inodes.At(listed).Nlinks}";
            report.Warning("orphan-list", elm.Data,
                $"object {objId:x16} of PFS {pfsId} {state}: the next read-write mount finishes its deletion");
        }
        catch (Exception x) when (x is IOException or HammerMediumException)
        {
            report.Finding("orphan-list", elm.Data, $"orphan list entry {elm.Base}: {x.Message}", in elm.Base);
        }
    }

    void Entry(in LeafElm elm, HammerOff leaf, int pfsId, long directory)
    {
        ref readonly BaseElm e = ref elm.Base;
        if (elm.DataLen <= DirEntryHead.Bytes || ShowPlace.Problem(in elm) is not null || elm.DataOffset == 0) return;
        ReadOnlySpan<byte> data;
        try
        {
            data = volumes.Buffer(elm.Data)[..elm.DataLen];
        }
        catch (Exception x) when (x is IOException or HammerMediumException)
        {
            // The first walk has reported it.
            return;
        }
        CheckInode dir = inodes.At(directory);
        if (dir.Type != (byte)ObjType.Directory)
        {
            report.Finding("entry", leaf, $"entry {e} lies in an object of type {dir.Type}, not in a directory", in e);
            return;
        }
        ReadOnlySpan<byte> name = data[DirEntryHead.Bytes..];
        EntryName(in e, leaf, in dir, name);
        DirEntryHead head = MemoryMarshal.Read<DirEntryHead>(data);
        int targetPfs = new Localization(head.Localization).PfsId;
        if (targetPfs != pfsId)
            report.Finding("entry", leaf,
                $"entry {e} \"{Printable(name)}\" names an object of PFS {targetPfs}, it lies in PFS {pfsId}", in e);
        long target = inodes.Find(targetPfs, head.ObjId);
        if (target < 0)
        {
            report.Finding("entry-target", leaf,
                $"entry {e} \"{Printable(name)}\" names object {head.ObjId:x16}, which has no live inode: "
                + "the name leads nowhere", in e);
            return;
        }
        ref CheckInode found = ref inodes.At(target);
        found.Names++;
        if (found.Parent == e.ObjId) found.InParent = true;
        if (found.Type != e.ObjTypeRaw)
            report.Finding("entry-type", leaf,
                $"entry {e} \"{Printable(name)}\" has object type {e.ObjTypeRaw}, its target {found.Type}", in e);
    }

    void EntryName(in BaseElm e, HammerOff leaf, in CheckInode dir, ReadOnlySpan<byte> name)
    {
        if (name.Length > HammerConst.NameBytesMax || name.ContainsAny((byte)0, (byte)'/') || name is [(byte)'.']
            || name is [(byte)'.', (byte)'.'])
        {
            report.Finding("entry-name", leaf,
                $"entry {e} has the name \"{Printable(name)}\" ({name.Length} bytes), which no system call "
                + "can reach", in e);
        }
        bool inInodeArea = new Localization(e.Localization).Type == Localization.InodeType;
        if (inInodeArea != ((dir.CapFlags & InodeOndisk.CapDirLocalIno) != 0))
            report.Finding("entry-area", leaf,
                $"entry {e} \"{Printable(name)}\" lies in the wrong area for cap flags {dir.CapFlags:x2}: "
                + "lookups do not find it", in e);
        if (DirHash.IsKnown(dir.CapFlags) && !DirHash.Admits(dir.CapFlags, name, e.Key))
            report.Finding("entry-hash", leaf,
                $"entry {e} \"{Printable(name)}\" should have a key from "
                + $"{DirHash.Key(dir.CapFlags, name):x16} on: lookups do not find it", in e);
    }

    static string Printable(ReadOnlySpan<byte> name)
    {
        Span<char> text = stackalloc char[Math.Min(name.Length, 80)];
        for (int i = 0; i < text.Length; i++) text[i] = name[i] is >= 0x20 and < 0x7F ? (char)name[i] : '?';
        return new string(text);
    }

    /// <summary>Link counts and parents of all live inodes.</summary>
    internal void Finish()
    {
        bool hasRoot = false;
        for (long i = 0; i < inodes.Count; i++)
        {
            CheckInode inode = inodes.At(i);
            string what = $"object {inode.ObjId:x16} of PFS {inode.PfsId}";
            if (inode.ObjId == HammerConst.RootObjId)
            {
                hasRoot |= inode.PfsId == 0;
                FinishRoot(in inode, what);
                continue;
            }
            if (inode.Nlinks != inode.Names)
                report.Finding("nlinks", HammerOff.Null,
                    $"{what} has nlinks {inode.Nlinks}, {inode.Names} entries name it", Of(in inode));
            else if (inode.Nlinks == 0)
                report.Warning("orphan", HammerOff.Null,
                    $"{what} is alive, but no entry names it: unlinked while open, or its rename was cut "
                    + "off by a crash; its data are kept");
            else if (inode.Type == (byte)ObjType.Directory && !inode.InParent)
                report.Finding("parent", HammerOff.Null,
                    $"directory {what} calls {inode.Parent:x16} its parent, which has no entry for it", Of(in inode));
        }
        if (!hasRoot) report.Finding("root", HammerOff.Null, $"PFS 0 has no root directory");
    }

    static BaseElm Of(in CheckInode inode) => RecordKey.Inode(inode.PfsId, inode.ObjId);

    void FinishRoot(in CheckInode inode, string what)
    {
        if (inode.Type != (byte)ObjType.Directory)
            report.Finding("root", HammerOff.Null, $"root {what} has type {inode.Type}, not directory", Of(in inode));
        if (inode.Nlinks != 1 + (ulong)inode.Names || inode.Names != 0)
            report.Finding("nlinks", HammerOff.Null,
                $"root {what} has nlinks {inode.Nlinks} and {inode.Names} entries that name it, not 1 and 0",
                Of(in inode));
        if (inode.Parent != 0)
            report.Finding("parent", HammerOff.Null, $"root {what} names {inode.Parent:x16} as its parent, not 0",
                Of(in inode));
    }
}
