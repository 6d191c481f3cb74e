using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Volumes;

/// <summary>
/// The freemap of one new volume (on-disk-format 9.4). Owners of the first blocks are given first, then both layers
/// are written; a layer-2 block is always filled completely, whatever the size of the volume.
/// </summary>
sealed class NewfsFreemap
{
    const int Layer2PerChunk = 8192;

    readonly uint _version;
    readonly IBlockDevice _device;
    readonly long _bufBeg;
    readonly int _volNo;
    readonly long _layer2Blocks;
    readonly long _layer2At;
    readonly List<(long First, long Count, Layer2Ondisk Entry)> _owned = [];
    long _ownedBlocks;

    internal NewfsFreemap(uint version, IBlockDevice device, in VolumeOndisk header)
    {
        _version = version;
        _device = device;
        _bufBeg = header.BufBeg;
        _volNo = header.VolNo;
        long usable = header.BufEnd - header.BufBeg;
        TotalBlocks = usable / HammerConst.BigBlockBytes;
        _layer2Blocks = NewfsLimits.Layer2Blocks(usable);
        _layer2At = _volNo == 0 ? 1 : 0;
    }

    /// <summary>Whole big-blocks of the volume.</summary>
    internal long TotalBlocks { get; }
    internal long FreeBlocks => TotalBlocks - _ownedBlocks;

    /// <summary>Gives a range of big-blocks from the start of the volume to an owner.</summary>
    internal void Own(long first, long count, Layer2Ondisk entry)
    {
        entry.EntryCrc = HammerCrc.Layer2(_version, in entry);
        _owned.Add((first, count, entry));
        _ownedBlocks += count;
    }

    /// <summary>Writes the layer-2 blocks: at the start of the volume, on volume 0 behind layer 1.</summary>
    internal void WriteLayer2()
    {
        Layer2Ondisk free = Sealed(Zone.None, 0, HammerConst.BigBlockBytes);
        Layer2Ondisk beyond = Sealed(Zone.Unavail, HammerConst.BigBlockBytes, 0);
        var chunk = new Layer2Ondisk[Layer2PerChunk];
        long entries = _layer2Blocks * HammerConst.Layer2Radix;
        for (long at = 0; at < entries; at += chunk.Length)
        {
            for (int i = 0; i < chunk.Length; i++) chunk[i] = at + i < TotalBlocks ? free : beyond;
            foreach (var (first, count, entry) in _owned)
            {
                for (long b = Math.Max(first, at); b < Math.Min(first + count, at + chunk.Length); b++)
                {
                    chunk[b - at] = entry;
                }
            }
            _device.Write(_bufBeg + _layer2At * HammerConst.BigBlockBytes + at * 16, MemoryMarshal.AsBytes(
                chunk.AsSpan()));
        }
    }

    /// <summary>Root volume: the whole layer 1, big-block 0, with this volume's entries in it.</summary>
    internal void WriteLayer1(IReadOnlyList<IBlockDevice> devices)
    {
        var none = new Layer1Ondisk { PhysOffset = Layer1Ondisk.Unavailable };
        none.Layer1Crc = HammerCrc.Layer1(_version, in none);
        var all = new Layer1Ondisk[HammerConst.Layer1Radix];
        Array.Fill(all, none);
        devices[0].Write(_bufBeg, MemoryMarshal.AsBytes(all.AsSpan()));
        WriteLayer1(devices[0], _bufBeg);
    }

    /// <summary>This volume's own entries in the root volume's layer 1; bufBeg is the root volume's.</summary>
    internal void WriteLayer1(IBlockDevice root, long rootBufBeg)
    {
        for (long i = 0; i < _layer2Blocks; i++)
        {
            long first = i * HammerConst.Layer2Radix;
            long blocks = Math.Min(TotalBlocks - first, HammerConst.Layer2Radix);
            long owned = 0;
            foreach (var (ownedFirst, count, _) in _owned)
            {
                owned += Math.Max(0, Math.Min(ownedFirst + count, first + blocks) - Math.Max(ownedFirst, first));
            }
            var entry = new Layer1Ondisk
            {
                BlocksFree = (ulong)(blocks - owned),
                PhysOffset = HammerOff.Encode(Zone.RawBuffer, _volNo,
                    (_layer2At + i) * HammerConst.BigBlockBytes).Value,
            };
            entry.Layer1Crc = HammerCrc.Layer1(_version, in entry);
            long index = ((long)_volNo << 10) + i;
            root.Write(rootBufBeg + index * 32, MemoryMarshal.AsBytes(new ReadOnlySpan<Layer1Ondisk>(in entry)));
        }
    }

    Layer2Ondisk Sealed(Zone zone, int appendOff, int bytesFree)
    {
        var entry = new Layer2Ondisk { ZoneByte = (byte)zone, AppendOff = (uint)appendOff, BytesFree = bytesFree };
        entry.EntryCrc = HammerCrc.Layer2(_version, in entry);
        return entry;
    }
}

/// <summary>Fills a new UNDO FIFO with DUMMY records numbered from 0 (on-disk-format 9.5 step 4).</summary>
static class NewfsFifo
{
    const int ChunkBytes = 1 << 20;

    internal static void Fill(IBlockDevice device, long at, long bytes, uint version)
    {
        byte[] chunk = new byte[ChunkBytes];
        uint seq = 0;
        for (long done = 0; done < bytes; done += chunk.Length)
        {
            int n = (int)Math.Min(chunk.Length, bytes - done);
            for (int sector = 0; sector < n; sector += HammerConst.FifoSectorBytes)
            {
                Dummy(chunk.AsSpan(sector, HammerConst.FifoSectorBytes), seq++, version);
            }
            device.Write(at + done, chunk.AsSpan(0, n));
        }
    }

    // The caller's buffer holds zeros or another DUMMY.
    static void Dummy(Span<byte> sector, uint seq, uint version)
    {
        var head = new FifoHead
        {
            Signature = FifoHead.SignatureValue, Type = FifoHead.TypeDummy, Size = HammerConst.FifoSectorBytes,
            Seq = seq,
        };
        var tail = new FifoTail
        {
            Signature = FifoTail.SignatureValue, Type = FifoHead.TypeDummy, Size = HammerConst.FifoSectorBytes,
        };
        MemoryMarshal.Write(sector, in head);
        MemoryMarshal.Write(sector[(HammerConst.FifoSectorBytes - FifoTail.Bytes)..], in tail);
        head.Crc = HammerCrc.FifoRecord(version, sector);
        MemoryMarshal.Write(sector, in head);
    }
}
