using System;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>Can a record's data be where the element says (on-disk-format 1.4, 3.4)?</summary>
static class ShowPlace
{
    /// <summary>What is wrong with the place, or null.</summary>
    internal static string? Problem(in LeafElm elm)
    {
        HammerOff off = elm.Data;
        if (elm.DataLen is < 0 or > HammerConst.ExtentBytesMax) return "length";
        bool file = elm.Base.RecType is RecType.Data or RecType.Db;
        bool zone = file ? off.Zone is Zone.LargeData or Zone.SmallData : off.Zone == Zone.Meta;
        if (!zone) return "zone";
        if (off.Value % HammerConst.DataAlignBytes != 0) return "alignment";
        int rounded = HammerConst.RoundData(elm.DataLen);
        bool crosses = off.Zone == Zone.LargeData
            ? off.BigBlockOffset + rounded > HammerConst.BigBlockBytes
            : off.BufferOffset + rounded > HammerConst.BufferBytes;
        return crosses ? "crosses a boundary" : null;
    }
}

/// <summary>The decoded payload lines of `show`.</summary>
static class ShowPayload
{
    const string Indent = "                 ";

    internal static void Write(ShowText text, in BaseElm elm, ReadOnlySpan<byte> data, int verbose)
    {
        switch (elm.RecType)
        {
            case RecType.Inode when data.Length == InodeOndisk.Bytes:
                Inode(text, data);
                break;
            case RecType.DirEntry when data.Length > DirEntryHead.Bytes:
                DirEntryHead entry = MemoryMarshal.Read<DirEntryHead>(data);
                text.Put(Indent).Put($"dir-entry objid={entry.ObjId:x16} lo={entry.Localization:x8} name=\"");
                text.Name(data[DirEntryHead.Bytes..]).Put("\"").Line();
                break;
            case RecType.Fix when elm.ObjType == ObjType.SoftLink:
                text.Put(Indent).Put("fix-symlink name=\"").Name(data).Put("\"").Line();
                break;
            case RecType.Pfs when data.Length > 0:
                Pfs(text, data);
                break;
            case RecType.Snapshot when data.Length >= SnapshotData.Bytes:
                SnapshotData snapshot = MemoryMarshal.Read<SnapshotData>(data);
                text.Put(Indent).Put($"snapshot tid={snapshot.SnapTid:x16} label=\"");
                text.CString(snapshot.Label).Put("\"").Line();
                break;
            case RecType.Config when elm.Key == TimeMarks.RecordKey:
                text.Put(Indent).Put($"time-marks count={TimeMarks.Decode(data).Count}").Line();
                break;
            case RecType.Config when verbose > 0:
                text.Put(Indent).Put("config text=\"").CString(data).Put("\"").Line();
                break;
        }
    }

    static void Inode(ShowText text, ReadOnlySpan<byte> data)
    {
        InodeOndisk inode = MemoryMarshal.Read<InodeOndisk>(data);
        string mode = Convert.ToString(inode.Mode, 8).PadLeft(5, '0');
        text.Put(Indent).Put($"inode size={inode.Size} nlinks={inode.Nlinks} mode={mode} uflags={inode.Uflags:x8} ");
        text.Put($"caps={inode.CapFlags:x2} pobjid={inode.ParentObjId:x16} ot={inode.ObjTypeRaw:x2}").Line();
        text.Put(Indent).Put($"      ctime={inode.Ctime:x16} mtime={inode.Mtime:x16} atime={inode.Atime:x16}");
        if (inode.ObjTypeRaw == (byte)ObjType.SoftLink && inode.Size <= 24)
        {
            // The original prints up to a NUL, so a target of exactly 24 bytes runs on into the times behind it.
            text.Put(" symlink=\"").CString(data[88..]).Put("\"");
        }
        text.Line();
    }

    static void Pfs(ShowText text, ReadOnlySpan<byte> data)
    {
        PseudofsData pfs = default;
        Span<byte> whole = MemoryMarshal.AsBytes(new Span<PseudofsData>(ref pfs));
        data[..Math.Min(data.Length, whole.Length)].CopyTo(whole);
        text.Put(Indent).Put($"pfs sync_beg_tid={pfs.SyncBegTid:x16} sync_end_tid={pfs.SyncEndTid:x16}").Line();
        text.Put(Indent).Put($"    shared_uuid={pfs.SharedUuid}").Line();
        text.Put(Indent).Put($"    unique_uuid={pfs.UniqueUuid}").Line();
        text.Put(Indent).Put($"    mirror_flags={pfs.MirrorFlags:x8} label=\"").CString(pfs.Label).Put("\"").Line();
    }
}
