using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Volumes;

/// <summary>
/// Makes a new file system (on-disk-format 9), byte for byte as HAMMER's own formatter does.
///
/// The root volume is laid out completely, then the others in order; the headers are written last, so an interrupted
/// run leaves nothing that could be taken for a volume. On volume 0, from the start of the buffer area:
///
///     big-block 0          freemap layer 1, 262144 entries
///     big-blocks 1..n      freemap layer 2, one for each started 4 TiB of this volume
///     next u               the UNDO FIFO, filled with numbered DUMMY records
///     next                 B-Tree nodes: the root node, a leaf with two records
///     next                 meta data: inode data of the root directory, data of PFS 0
///
/// Other volumes hold only their own layer 2. Everything else stays as it was on the device: free space needs no
/// contents, and a sparse file stays sparse.
///
/// Oddities that are kept because HAMMER leaves them so: vol_crc is 0, the entry CRCs of zones 8 and 9 do not cover
/// the final next_offset, and both records carry a create_tid one above vol0_next_tid.
///
/// Differs: what an earlier user left in the header junk (signatures of other file systems lie there) is zeroed, so
/// that no other program takes the device for something that it no longer is.
/// </summary>
public sealed class Newfs
{
    const int PfsDataAt = 128, MetaBytesUsed = 128 + 304;

    readonly IReadOnlyList<IBlockDevice> _devices;
    readonly NewfsOptions _options;
    readonly List<string> _warnings = [];
    VolumeOndisk _root;
    long _undoBytes;
    long _totalBytes;

    Newfs(IReadOnlyList<IBlockDevice> devices, NewfsOptions options)
    {
        _devices = devices;
        _options = options;
    }

    /// <summary>Formats the devices; the i-th becomes volume i. <see cref="HammerFormatException"/> when something
    /// that was asked is refused, with what to do about it; nothing has been written then.</summary>
    public static NewfsResult Format(IReadOnlyList<IBlockDevice> devices, NewfsOptions options)
    {
        NewfsLimits.Check(devices, options);
        var newfs = new Newfs(devices, options);
        newfs.PlanUndo();
        return newfs.Run();
    }

    NewfsResult Run()
    {
        if (_options.Discard)
        {
            foreach (IBlockDevice device in _devices) device.Discard(0, device.Length);
        }
        foreach (IBlockDevice device in _devices) ClearJunk(device);
        FormatRoot();
        var others = new VolumeOndisk[_devices.Count];
        for (int i = 1; i < _devices.Count; i++) others[i] = FormatOther(i);
        for (int i = 1; i < _devices.Count; i++) WriteHeader(i, others[i]);
        foreach (IBlockDevice device in _devices) device.Flush();
        WriteHeader(0, _root);
        _devices[0].Flush();
        return new NewfsResult
        {
            Version = _options.Version, Volumes = _devices.Count, FsId = _options.FsId, Label = _options.Label,
            TotalBytes = _totalBytes, BigBlocks = _root.StatBigBlocks, FreeBigBlocks = _root.StatFreeBigBlocks,
            BootBytes = _options.BootBytes, MemoryLogBytes = _options.MemoryLogBytes, UndoBytes = _undoBytes,
            Warnings = _warnings,
        };
    }

    // On-disk-format 9.5 step 2.
    void PlanUndo()
    {
        VolumeOndisk header = MakeHeader(0);
        long usable = header.BufEnd - header.BufBeg;
        long bytes = _options.UndoBytes ?? Math.Max(usable / 1000, NewfsOptions.UndoBytesMin);
        bytes = (bytes + HammerConst.BigBlockBytes - 1) / HammerConst.BigBlockBytes * HammerConst.BigBlockBytes;
        _undoBytes = Math.Clamp(bytes, HammerConst.BigBlockBytes, NewfsOptions.UndoBytesMax);
        long blocks = usable / HammerConst.BigBlockBytes;
        long freemap = 1 + NewfsLimits.Layer2Blocks(usable);
        long needed = freemap + _undoBytes / HammerConst.BigBlockBytes + 2;
        if (blocks < needed)
        {
            throw new HammerFormatException(
                $"{_devices[0].Name}: the root volume has {blocks} big-blocks of 8 MiB, {needed} are needed for the "
                + $"freemap, {_undoBytes >> 20} MiB of UNDO and the first two blocks; use a larger device or a "
                + "smaller UNDO (-u, with -f)");
        }
        long rootBytes = (blocks - freemap) * HammerConst.BigBlockBytes;
        if (rootBytes < NewfsOptions.RootBytesMin && !_options.Force)
        {
            throw new HammerFormatException(
                $"{_devices[0].Name}: the root volume has {rootBytes >> 20} MiB of usable space, at least 10 GiB are "
                + "required; use a larger device, or -f to make it nevertheless");
        }
        if (rootBytes < NewfsOptions.RootBytesRecommended)
        {
            _warnings.Add("The root volume is smaller than 50 GiB: history fills it quickly, so snapshots must be "
                + "pruned and the volume reblocked often.");
        }
    }

    VolumeOndisk MakeHeader(int volNo)
    {
        VolumeOndisk header = default;
        header.Signature = VolumeOndisk.SignatureValue;
        header.BotBeg = _options.JunkBytes;
        header.MemBeg = header.BotBeg + _options.BootBytes;
        header.BufBeg = header.MemBeg + _options.MemoryLogBytes;
        header.BufEnd = _devices[volNo].Length & ~(long)(HammerConst.BufferBytes - 1);
        header.FsId = _options.FsId;
        header.FsType = VolumeOndisk.HammerFsType;
        CopyLabel(_options.Label, header.Label);
        header.VolNo = volNo;
        header.VolCount = _devices.Count;
        header.Version = _options.Version;
        return header;
    }

    void FormatRoot()
    {
        _root = MakeHeader(0);
        _root.NextTid = Tid.Initial;
        InitBlockmaps();
        long layer2Blocks = NewfsLimits.Layer2Blocks(_root.BufEnd - _root.BufBeg);
        long undoBlocks = _undoBytes / HammerConst.BigBlockBytes;
        long undoAt = 1 + layer2Blocks, nodeAt = undoAt + undoBlocks;
        var freemap = new NewfsFreemap(_options.Version, _devices[0], in _root);
        freemap.Own(0, undoAt, Layer2(Zone.Freemap, HammerConst.BigBlockBytes, 0));
        freemap.Own(undoAt, undoBlocks, Layer2(Zone.Undo, HammerConst.BigBlockBytes, 0));
        _root.StatBigBlocks = freemap.FreeBlocks;
        freemap.Own(nodeAt, 1, Layer2(Zone.BTree, HammerConst.NodeBytes,
            HammerConst.BigBlockBytes - HammerConst.NodeBytes));
        freemap.Own(nodeAt + 1, 1, Layer2(Zone.Meta, MetaBytesUsed, HammerConst.BigBlockBytes - MetaBytesUsed));
        _root.StatFreeBigBlocks = freemap.FreeBlocks;
        _totalBytes = freemap.TotalBlocks * HammerConst.BigBlockBytes;
        freemap.WriteLayer1(_devices);
        freemap.WriteLayer2();
        for (int i = 0; i < HammerConst.UndoBigBlocksMax; i++)
        {
            _root.UndoArray[i] = i < undoBlocks
                ? HammerOff.Encode(Zone.RawBuffer, 0, (undoAt + i) * HammerConst.BigBlockBytes).Value
                : ulong.MaxValue;
        }
        NewfsFifo.Fill(_devices[0], _root.BufBeg + undoAt * HammerConst.BigBlockBytes, _undoBytes, _options.Version);
        WriteRootDirectory(nodeAt * HammerConst.BigBlockBytes, (nodeAt + 1) * HammerConst.BigBlockBytes);
    }

    static Layer2Ondisk Layer2(Zone zone, int appendOff, int bytesFree) =>
        new() { ZoneByte = (byte)zone, AppendOff = (uint)appendOff, BytesFree = bytesFree };

    VolumeOndisk FormatOther(int volNo)
    {
        VolumeOndisk header = MakeHeader(volNo);
        var freemap = new NewfsFreemap(_options.Version, _devices[volNo], in header);
        freemap.Own(0, NewfsLimits.Layer2Blocks(header.BufEnd - header.BufBeg),
            Layer2(Zone.Freemap, HammerConst.BigBlockBytes, 0));
        freemap.WriteLayer2();
        freemap.WriteLayer1(_devices[0], _root.BufBeg);
        _root.StatBigBlocks += freemap.FreeBlocks;
        _root.StatFreeBigBlocks += freemap.FreeBlocks;
        _totalBytes += freemap.TotalBlocks * HammerConst.BigBlockBytes;
        return header;
    }

    // On-disk-format 9.4 step 1 and 9.5 steps 1 and 2.
    void InitBlockmaps()
    {
        uint version = _options.Version;
        Span<BlockmapOndisk> maps = _root.Blockmap;
        for (int zone = 8; zone < 16; zone++)
        {
            ulong start = (ulong)zone << 60;
            maps[zone] = new BlockmapOndisk
            {
                FirstOffset = start, NextOffset = start, AllocOffset = start | HammerOff.LongMask,
            };
        }
        maps[(int)Zone.Freemap] = new BlockmapOndisk
        {
            PhysOffset = (ulong)Zone.RawBuffer << 60, NextOffset = (ulong)Zone.RawBuffer << 60,
            AllocOffset = ((ulong)Zone.RawBuffer << 60) | HammerOff.LongMask,
        };
        ulong undo = (ulong)Zone.Undo << 60;
        maps[(int)Zone.Undo] = new BlockmapOndisk
        {
            PhysOffset = ulong.MaxValue, FirstOffset = undo, NextOffset = undo, AllocOffset = undo + (ulong)_undoBytes,
        };
        for (int zone = 0; zone < 16; zone++)
        {
            if (zone is 3 or 4 or >= 8) maps[zone].EntryCrc = HammerCrc.Blockmap(version, in maps[zone]);
        }
    }

    // On-disk-format 9.6. The offsets are zone-2 offsets of the two big-blocks.
    void WriteRootDirectory(long nodeAt, long metaAt)
    {
        var nodeOff = HammerOff.Encode(Zone.BTree, 0, nodeAt);
        var metaOff = HammerOff.Encode(Zone.Meta, 0, metaAt);
        // One buffer each, as the allocator would have loaded it; the unused rest is zero.
        byte[] meta = new byte[HammerConst.BufferBytes], nodeBuffer = new byte[HammerConst.BufferBytes];
        InodeOndisk inode = RootInode();
        MemoryMarshal.Write(meta, in inode);
        PseudofsData pfs = RootPfs();
        MemoryMarshal.Write(meta.AsSpan(PfsDataAt), in pfs);

        ref NodeOndisk node = ref MemoryMarshal.AsRef<NodeOndisk>(nodeBuffer.AsSpan());
        node.Type = BaseElm.BTypeLeaf;
        node.Count = 2;
        Span<LeafElm> leaves = NodeOndisk.Leaves(ref node);
        leaves[0] = RootRecord(RecType.Inode, Localization.Inode(0), metaOff, meta.AsSpan(0, InodeOndisk.Bytes));
        leaves[1] = RootRecord(RecType.Pfs, Localization.Misc(0), metaOff.Add(PfsDataAt),
            meta.AsSpan(PfsDataAt, PseudofsData.Bytes));
        node.Crc = HammerCrc.Node(_options.Version, nodeBuffer);

        _devices[0].Write(_root.BufBeg + metaAt, meta);
        _devices[0].Write(_root.BufBeg + nodeAt, nodeBuffer);
        _root.BTreeRoot = nodeOff.Value;
        _root.StatInodes = 1;
        // The entry CRCs stay as they are: HAMMER does not refresh them here (on-disk-format 9.6).
        _root.Blockmap[(int)Zone.BTree].NextOffset = nodeOff.Value + HammerConst.NodeBytes;
        _root.Blockmap[(int)Zone.Meta].NextOffset = metaOff.Value + MetaBytesUsed;
    }

    LeafElm RootRecord(RecType type, Localization localization, HammerOff data, ReadOnlySpan<byte> bytes) => new()
    {
        Base = new BaseElm
        {
            ObjId = HammerConst.RootObjId, CreateTid = Tid.Initial + 1, RecType = type, ObjType = ObjType.Directory,
            BType = BaseElm.BTypeRecord, Localization = localization.Value,
        },
        CreateTs = (uint)(_options.TimeUs / 1_000_000), DataOffset = data.Value, DataLen = bytes.Length,
        DataCrc = HammerCrc.LeafData(_options.Version, type, bytes),
    };

    InodeOndisk RootInode() => new()
    {
        Version = 1, Mode = 0x1ED, // 0755
        Ctime = _options.TimeUs, Mtime = _options.TimeUs, Atime = _options.TimeUs,
        ObjTypeRaw = (byte)ObjType.Directory, Nlinks = 1,
        CapFlags = _options.Version switch
        {
            1 => 0,
            < 6 => InodeOndisk.CapDirLocalIno,
            _ => InodeOndisk.CapDirLocalIno | InodeOndisk.CapHashAlg1,
        },
    };

    PseudofsData RootPfs()
    {
        var pfs = new PseudofsData { SyncLowTid = 1, SharedUuid = _options.FsId, UniqueUuid = _options.FsId };
        CopyLabel(_options.Label, pfs.Label);
        return pfs;
    }

    static void CopyLabel(string label, Span<byte> field)
    {
        ReadOnlySpan<byte> bytes = Encoding.UTF8.GetBytes(label);
        bytes[..Math.Min(bytes.Length, field.Length - 1)].CopyTo(field);
    }

    void WriteHeader(int volNo, in VolumeOndisk header)
    {
        byte[] buffer = new byte[HammerConst.BufferBytes];
        MemoryMarshal.Write(buffer, in header);
        _devices[volNo].Write(0, buffer);
    }

    void ClearJunk(IBlockDevice device)
    {
        byte[] buffer = new byte[HammerConst.BufferBytes];
        for (long at = 0; at < _options.JunkBytes; at += buffer.Length)
        {
            device.Read(at, buffer);
            if (!buffer.AsSpan().ContainsAnyExcept((byte)0)) continue;
            Array.Clear(buffer);
            device.Write(at, buffer);
        }
    }
}
