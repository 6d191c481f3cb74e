using System;
using System.IO;
using System.Runtime.InteropServices;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>
/// First walk (phase 3): each record by itself, the extents of each file, space charges, and the live inodes.
/// </summary>
sealed class CheckRecords(OfflineVolumes volumes, CheckReport report, CheckOptions options, CheckFreemap? freemap,
    CheckInodes inodes)
{
    readonly byte[] _scratch = new byte[HammerConst.XBufferBytes];
    BaseElm _file;
    long _fileEnd;

    /// <summary>The highest create or delete TID met.</summary>
    internal ulong HighestTid { get; private set; }

    internal void Node(HammerOff off)
    {
        BaseElm nobody = default;
        freemap?.Charge(off, HammerConst.NodeBytes, in nobody);
    }

    internal void First(in LeafElm elm, HammerOff leaf, int index)
    {
        ref readonly BaseElm e = ref elm.Base;
        HighestTid = Math.Max(HighestTid, Math.Max(e.CreateTid, e.DeleteTid));
        FirstKey(in elm, leaf, index);
        if (elm.DataOffset == 0 && elm.DataLen != 0)
            report.Finding("record", leaf,
                $"record {index} ({e}) has {elm.DataLen} bytes of data, but no address: no program writes "
                + "such records", in e);
        if (elm.DataOffset == 0) return;
        if (ShowPlace.Problem(in elm) is string problem)
        {
            report.Finding("record", leaf,
                $"record {index} ({e}): its data of {elm.DataLen} bytes at {elm.Data} cannot be there "
                + $"({problem})", in e);
            return;
        }
        freemap?.Charge(elm.Data, elm.DataLen, in e);
        bool file = e.RecType is RecType.Data or RecType.Db;
        if (file && !options.Data) return;
        FirstData(in elm, leaf, index);
    }

    void FirstKey(in LeafElm elm, HammerOff leaf, int index)
    {
        ref readonly BaseElm e = ref elm.Base;
        uint area = new Localization(e.Localization).Type;
        bool known = e.RecType switch
        {
            RecType.Inode => area == Localization.InodeType && e.Key == 0 && elm.DataLen == InodeOndisk.Bytes,
            RecType.Data => area == Localization.MiscType && FirstExtent(in elm),
            RecType.DirEntry => area is Localization.InodeType or Localization.MiscType
                && elm.DataLen > DirEntryHead.Bytes && e.Key >= DirHash.MinKey,
            RecType.Db or RecType.Ext => area == Localization.MiscType,
            RecType.Fix => area == Localization.MiscType && elm.DataLen > 0,
            RecType.Pfs => area == Localization.MiscType && e.Localization >> 16 == 0
                && e is { ObjId: HammerConst.RootObjId, Key: >= 0 } && (e.Key & 0xFFFF) == 0 && e.Key >> 16 <= 65535,
            RecType.Snapshot or RecType.Config => area == Localization.InodeType && e.ObjId == HammerConst.RootObjId,
            _ => false,
        };
        if (!known)
            report.Finding("record", leaf,
                $"record {index} ({e}) of {elm.DataLen} bytes: key, place or length do not fit its type", in e);
    }

    // Blocks begin at multiples of 16 KiB and reach at most to the next block (on-disk-format 5.5); live ones do not
    // overlap.
    bool FirstExtent(in LeafElm elm)
    {
        long end = elm.Base.Key, start = unchecked(end - elm.DataLen);
        if (elm.DataLen <= 0 || start < 0 || end < start || start % HammerConst.BufferBytes != 0) return false;
        if (start < HammerConst.XDemarc && elm.DataLen > HammerConst.BufferBytes) return false;
        if (elm.Base.DeleteTid != 0) return true;
        bool same = _file.ObjId == elm.Base.ObjId && _file.Localization == elm.Base.Localization;
        bool overlaps = same && start < _fileEnd;
        _file = elm.Base;
        _fileEnd = end;
        if (overlaps)
            report.Finding("overlap", elm.Data,
                $"live extent {elm.Base} begins at {start}, before the end of the one in front of it", in elm.Base);
        return true;
    }

    void FirstData(in LeafElm elm, HammerOff leaf, int index)
    {
        ReadOnlySpan<byte> data;
        try
        {
            data = volumes.Data(elm.Data, elm.DataLen, _scratch);
        }
        catch (Exception e) when (e is IOException or HammerMediumException)
        {
            report.Finding("data", elm.Data, $"data of record {elm.Base} cannot be read: {e.Message}", in elm.Base);
            return;
        }
        report.Result.DataBytes += elm.DataLen;
        if (!HammerCrc.LeafDataMatches(volumes.Version, elm.Base.RecType, data, elm.DataCrc))
        {
            report.Finding("data-crc", elm.Data,
                $"data of record {elm.Base} ({elm.DataLen} bytes): wrong CRC, stored {elm.DataCrc:x8}, "
                + $"computed {HammerCrc.LeafData(volumes.Version, elm.Base.RecType, data):x8}", in elm.Base);
            return;
        }
        switch (elm.Base.RecType)
        {
            case RecType.Inode when elm.DataLen == InodeOndisk.Bytes:
                FirstInode(in elm, MemoryMarshal.Read<InodeOndisk>(data), leaf, index);
                break;
            case RecType.Pfs when elm.Base.DeleteTid == 0:
                FirstPfs(in elm, data);
                break;
        }
    }

    void FirstInode(in LeafElm elm, in InodeOndisk inode, HammerOff leaf, int index)
    {
        ref readonly BaseElm e = ref elm.Base;
        if (inode.ObjTypeRaw != e.ObjTypeRaw || inode.ObjTypeRaw is 0 or > (byte)ObjType.Socket)
            report.Finding("inode", leaf,
                $"record {index} ({e}) has object type {e.ObjTypeRaw}, its data {inode.ObjTypeRaw}", in e);
        if (inode.Mode > 4095)
            report.Finding("inode", leaf, $"record {index} ({e}) has mode {inode.Mode:x4}: more than permission bits",
                in e);
        if (!DirHash.IsKnown(inode.CapFlags))
            report.Finding("inode", leaf,
                $"record {index} ({e}) has cap flags {inode.CapFlags:x2}: an unknown name hash", in e);
        if (inode.ObjTypeRaw == (byte)ObjType.Directory && inode.Size != 0)
            report.Warning("inode", leaf, $"directory {e} has size {inode.Size}, not 0");
        if (inode.Size > long.MaxValue)
            report.Finding("inode", leaf, $"record {index} ({e}) has size {inode.Size}, beyond the format's limit",
                in e);
        if (e.DeleteTid != 0) return;
        inodes.Add(new CheckInode
        {
            ObjId = e.ObjId, Parent = inode.ParentObjId, Nlinks = inode.Nlinks,
            PfsId = (ushort)new Localization(e.Localization).PfsId, Type = inode.ObjTypeRaw, CapFlags = inode.CapFlags,
        });
    }

    void FirstPfs(in LeafElm elm, ReadOnlySpan<byte> data)
    {
        PseudofsData pfs = default;
        Span<byte> whole = MemoryMarshal.AsBytes(new Span<PseudofsData>(ref pfs));
        data[..Math.Min(data.Length, whole.Length)].CopyTo(whole);
        ulong next = volumes.Header.NextTid;
        if (pfs.SyncEndTid > next)
            report.Warning("sync-end", elm.Data,
                $"PFS {elm.Base.Key >> 16} has sync_end_tid {pfs.SyncEndTid:x16} above vol0_next_tid "
                + $"{next:x16}: DragonFly leaves slaves so");
    }
}
