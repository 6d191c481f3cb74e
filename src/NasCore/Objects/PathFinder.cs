using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Objects;

/// <summary>
/// Finds a path that leads to an object, for messages about damage: from the object to its parent, through the parent's
/// entries to its name, and so on up to the root of the PFS. What cannot be read on the way ends the search; so does
/// the bound on the work. Callers hold the file system lock, if there is one.
/// </summary>
/// <param name="inodes">Reads what the search needs.</param>
/// <param name="elements">Elements of the tree that all searches together may look at.</param>
public sealed class PathFinder(InodeReader inodes, long elements)
{
    const int DepthMax = 256;

    long _left = elements;

    /// <summary>
    /// If the parent that an object names cannot be read, or has no entry for it, all entries of the PFS are searched.
    /// </summary>
    public bool SearchesEverywhere { get; init; }

    /// <summary>"/dir/name", with the PFS behind it if that is not 0; null if no path was found.</summary>
    public string? Find(BTreeCursor cursor, int pfsId, long objId, ulong asOf)
    {
        var names = new List<string>();
        for (long at = objId; at != HammerConst.RootObjId;)
        {
            if (names.Count >= DepthMax || !TryName(cursor, pfsId, ref at, asOf, out string name)) return null;
            names.Add(name);
        }
        names.Reverse();
        return "/" + string.Join('/', names) + (pfsId == 0 ? "" : $" of PFS {pfsId}");
    }

    /// <summary>One step up: the object's name, and its directory.</summary>
    bool TryName(BTreeCursor cursor, int pfsId, ref long objId, ulong asOf, out string name)
    {
        name = "";
        if (--_left < 0) return false;
        try
        {
            if (inodes.TryInode(cursor, pfsId, objId, asOf, out InodeOndisk inode)
                && TryNameIn(cursor, pfsId, inode.ParentObjId, objId, asOf, out name))
            {
                objId = inode.ParentObjId;
                return true;
            }
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            // Damage is why we are here: there may be another way.
        }
        try
        {
            if (SearchesEverywhere) return TryNameAnywhere(cursor, pfsId, ref objId, asOf, out name);
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            // No path then: the message names the object by its number.
        }
        name = "";
        return false;
    }

    bool TryNameIn(BTreeCursor cursor, int pfsId, long dirId, long objId, ulong asOf, out string name)
    {
        name = "";
        if (!inodes.TryInode(cursor, pfsId, dirId, asOf, out InodeOndisk dir)) return false;
        BaseElm key = RecordKey.DirEntry(pfsId, dirId, dir.CapFlags, 0);
        key.CreateTid = 1;
        for (bool more = cursor.SeekFirst(in key); more && --_left >= 0; more = cursor.NextFor(asOf))
        {
            ref LeafElm elm = ref cursor.Elm;
            if (elm.Base.Localization != key.Localization || elm.Base.ObjId != dirId
                || elm.Base.RecType != RecType.DirEntry) return false;
            if (IsNameOf(in elm, pfsId, objId, asOf, out name)) return true;
        }
        return false;
    }

    bool TryNameAnywhere(BTreeCursor cursor, int pfsId, ref long objId, ulong asOf, out string name)
    {
        name = "";
        BaseElm key = RecordKey.Inode(pfsId, long.MinValue);
        for (bool more = cursor.SeekFirst(in key); more && --_left >= 0; more = cursor.NextFor(asOf))
        {
            ref LeafElm elm = ref cursor.Elm;
            if (new Localization(elm.Base.Localization).PfsId != pfsId) return false;
            if (elm.Base.RecType != RecType.DirEntry || !IsNameOf(in elm, pfsId, objId, asOf, out name)) continue;
            objId = elm.Base.ObjId;
            return true;
        }
        return false;
    }

    bool IsNameOf(in LeafElm elm, int pfsId, long objId, ulong asOf, out string name)
    {
        name = "";
        if (!Tid.Visible(elm.Base.CreateTid, elm.Base.DeleteTid, asOf)) return false;
        try
        {
            using BufferRef data = inodes.EntryData(in elm);
            ReadOnlySpan<byte> bytes = data.Bytes(elm.DataLen);
            DirEntryHead head = MemoryMarshal.Read<DirEntryHead>(bytes);
            if (head.ObjId != objId || new Localization(head.Localization).PfsId != pfsId) return false;
            name = Printable(bytes[DirEntryHead.Bytes..]);
            return true;
        }
        catch (HammerMediumException)
        {
            // A damaged entry names nobody.
            return false;
        }
    }

    /// <summary>A name on one line of a log.</summary>
    static string Printable(ReadOnlySpan<byte> name)
    {
        var text = new StringBuilder();
        foreach (char c in Encoding.UTF8.GetString(name)) text.Append(char.IsControl(c) || c == '\uFFFD' ? '?' : c);
        return text.ToString();
    }
}
