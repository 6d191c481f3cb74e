using System;
using System.Globalization;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// What must hold for one record of a mirror stream, whatever comes before it (mirroring-and-operations 3.2 to 3.4).
/// Each method returns what is wrong, or null.
/// </summary>
public static class MrecordCheck
{
    const uint FlagsKnown = MrecordHead.FlagCrcError | MrecordHead.FlagDataCrcBad | MrecordHead.FlagRecdCrcBad;

    /// <summary>Size and type of a head whose signature is right.</summary>
    public static string? HeadFault(in MrecordHead head)
    {
        if (head.RecSize < MrecordHead.Bytes || head.RecSize > MrecordHead.RecordBytesMax)
        {
            return Text($"rec_size {(uint)head.RecSize} is not in {MrecordHead.Bytes}..{MrecordHead.RecordBytesMax}");
        }
        uint flags = head.Type & ~0xFFu;
        if (head.Kind is MrecordType.Reserved or (> MrecordType.Idle and not MrecordType.Lineage))
            return $"unknown record type {head.Type:x8}";
        if ((flags & MrecordHead.FlagNoData) != 0)
        {
            return $"type {head.Type:x8}: a record without its data (NODATA) has no place in a stream";
        }
        if ((flags & ~FlagsKnown) != 0 || (flags != 0 && (head.Kind != MrecordType.Rec || !head.IsCrcError)))
        {
            return $"unknown flags in record type {head.Type:x8}";
        }
        return SizeFault(head);
    }

    static string? SizeFault(in MrecordHead head)
    {
        int expected = head.Kind switch
        {
            MrecordType.Pfsd => MrecordPfsd.Bytes,
            MrecordType.Update => MrecordUpdate.Bytes,
            MrecordType.Sync or MrecordType.Idle or MrecordType.Term => MrecordSync.Bytes,
            MrecordType.Skip => MrecordSkip.Bytes,
            MrecordType.Pass => MrecordRec.Bytes,
            _ => 0,
        };
        if (head.Kind == MrecordType.Lineage)
        {
            const int Max = MrecordHead.Bytes + Lineage.BytesMax;
            return head.RecSize <= Max ? null : Text($"{Name(head)} of {head.RecSize} bytes, at most {Max} expected");
        }
        if (expected == 0)
        {
            return head.RecSize >= MrecordRec.Bytes ? null
                : Text($"{Name(head)} of {head.RecSize} bytes, at least {MrecordRec.Bytes} expected");
        }
        return head.RecSize == expected ? null : Text($"{Name(head)} of {head.RecSize} bytes, {expected} expected");
    }

    /// <summary>The body of a record whose head and CRC are right.</summary>
    public static string? Fault(in MrecordHead head, ReadOnlySpan<byte> record) => head.Kind switch
    {
        MrecordType.Rec or MrecordType.Pass => LeafFault(head, MemoryMarshal.AsRef<MrecordRec>(record).Leaf),
        MrecordType.Skip => SkipFault(MemoryMarshal.AsRef<MrecordSkip>(record)),
        MrecordType.Pfsd => PfsdFault(MemoryMarshal.Read<MrecordPfsd>(record)),
        MrecordType.Lineage => Lineage.TryDecode(record[MrecordHead.Bytes..], out _) ? null
            : "LINEAGE that is no ascending list of segments",
        _ => null,
    };

    static string? LeafFault(in MrecordHead head, in LeafElm leaf)
    {
        if (leaf.Base.BType != BaseElm.BTypeRecord) return $"btype {leaf.Base.BType:x2} of a record, 52 expected";
        uint type = leaf.Base.Localization & Localization.TypeMask;
        if (type is not (Localization.InodeType or Localization.MiscType))
        {
            return $"localization {leaf.Base.Localization:x8} of a record: neither inode (1) nor misc (2) area";
        }
        if (leaf.Base.CreateTid is 0 or >= Tid.AllocLimit) return $"create_tid {leaf.Base.CreateTid:x16} of a record";
        if (leaf.Base.DeleteTid != 0 && leaf.Base.DeleteTid <= leaf.Base.CreateTid)
        {
            return $"delete_tid {leaf.Base.DeleteTid:x16} is not above create_tid {leaf.Base.CreateTid:x16}";
        }
        if (leaf.DataLen is < 0 or > HammerConst.ExtentBytesMax)
        {
            return Text($"data_len {leaf.DataLen} is not in 0..{HammerConst.ExtentBytesMax}");
        }
        if (head.Kind == MrecordType.Rec && !head.IsCrcError && head.RecSize < MrecordRec.Bytes + leaf.DataLen)
        {
            return Text($"rec_size {head.RecSize} of a record with {leaf.DataLen} bytes of data");
        }
        return TypeFault(leaf);
    }

    static string? TypeFault(in LeafElm leaf)
    {
        bool fits = leaf.Base.RecType switch
        {
            RecType.Inode => leaf.DataLen == InodeOndisk.Bytes,
            RecType.DirEntry => leaf.DataLen is > DirEntryHead.Bytes
                and <= DirEntryHead.Bytes + HammerConst.NameBytesMax,
            RecType.Data or RecType.Db or RecType.Ext or RecType.Fix or RecType.Pfs or RecType.Snapshot
                or RecType.Config => true,
            _ => false,
        };
        return fits ? null : Text($"record of type {leaf.Base.RecTypeRaw:x2} with {leaf.DataLen} bytes of data");
    }

    static string? SkipFault(in MrecordSkip skip) => BaseElm.Compare(skip.SkipBeg, skip.SkipEnd) <= 0 ? null
        : $"SKIP whose begin ({skip.SkipBeg}) lies behind its end ({skip.SkipEnd})";

    static string? PfsdFault(in MrecordPfsd pfsd) => pfsd.Version == MrecordPfsd.VersionValue ? null
        : Text($"PFSD of version {pfsd.Version}, only {MrecordPfsd.VersionValue} is known");

    /// <summary>The word of the reference for a record's type.</summary>
    public static string Name(in MrecordHead head) => head.IsCrcError ? "REC (bad CRC)" : Name(head.Kind);

    public static string Name(MrecordType kind) => kind switch
    {
        MrecordType.Rec => "REC",
        MrecordType.Pfsd => "PFSD",
        MrecordType.Update => "UPDATE",
        MrecordType.Sync => "SYNC",
        MrecordType.Skip => "SKIP",
        MrecordType.Pass => "PASS",
        MrecordType.Term => "TERM",
        MrecordType.Idle => "IDLE",
        MrecordType.Lineage => "LINEAGE",
        _ => "record of type " + ((int)kind).ToString(CultureInfo.InvariantCulture),
    };

    static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
