using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Maintenance;

/// <summary>
/// Phase 2 and the end of phase 5: both layers of the freemap, and the bytes that the tree refers to, by big-block.
/// </summary>
sealed class CheckFreemap(OfflineVolumes volumes, CheckReport report)
{
    const int ChunkBytes = 1 << 18;

    /// <summary>Bytes charged to each big-block; a table of 2 MiB for each 4 TiB.</summary>
    readonly Dictionary<int, uint[]> _charged = [];
    readonly Dictionary<int, HammerOff> _tables = [];
    readonly HashSet<ulong> _freemapBlocks = [];
    readonly HashSet<ulong> _undoBlocks = [];
    readonly byte[] _chunk = new byte[ChunkBytes];
    uint _version;

    internal long FreeBlocks { get; private set; }
    /// <summary>Big-blocks that are neither freemap nor FIFO nor beyond the end.</summary>
    internal long DataBlocks { get; private set; }

    internal void Load(CancellationToken cancel)
    {
        _version = volumes.Version;
        LoadUndo();
        var layer1 = new HammerOff(volumes.Header.Blockmap[(int)Zone.Freemap].PhysOffset);
        if (layer1.Zone != Zone.RawBuffer || layer1.BigBlockOffset != 0)
            throw new HammerMediumException(layer1, "the blockmap of the freemap does not lead to layer 1");
        _freemapBlocks.Add(layer1.LongOffset);
        var none = new Layer1Ondisk { PhysOffset = Layer1Ondisk.Unavailable };
        none.Layer1Crc = HammerCrc.Layer1(_version, in none);
        byte[] piece = new byte[ChunkBytes], empty = new byte[ChunkBytes];
        MemoryMarshal.Cast<byte, Layer1Ondisk>(empty.AsSpan()).Fill(none);
        for (int at = 0; at < HammerConst.BigBlockBytes; at += ChunkBytes)
        {
            cancel.ThrowIfCancellationRequested();
            volumes.ReadThrough(layer1.Add(at), piece);
            if (piece.AsSpan().SequenceEqual(empty)) continue;
            ReadOnlySpan<Layer1Ondisk> entries = MemoryMarshal.Cast<byte, Layer1Ondisk>(piece);
            for (int i = 0; i < entries.Length; i++)
            {
                if (Same(in entries[i], in none)) continue;
                LoadLayer1((at / 32) + i, in entries[i], layer1.Add(at + 32L * i));
            }
        }
        foreach (var (index, table) in _tables)
        {
            cancel.ThrowIfCancellationRequested();
            LoadLayer2(index, table);
        }
    }

    static bool Same<T>(in T a, in T b) where T : unmanaged =>
        BytesOf(in a).SequenceEqual(BytesOf(in b));

    static ReadOnlySpan<byte> BytesOf<T>(in T value) where T : unmanaged =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value));

    void LoadUndo()
    {
        long blocks = volumes.Fifo.Bytes / HammerConst.BigBlockBytes;
        for (int i = 0; i < blocks; i++)
        {
            if (!_undoBlocks.Add(new HammerOff(volumes.Header.UndoArray[i]).LongOffset))
                report.Finding("undo-array", HammerOff.Null, $"big-block {i} of the FIFO is listed twice");
        }
    }

    void LoadLayer1(int index, in Layer1Ondisk entry, HammerOff where)
    {
        if (!HammerCrc.Layer1Matches(_version, in entry))
            report.Finding("layer1-crc", where, $"layer 1 entry {index}: wrong CRC {entry.Layer1Crc:x8}");
        if (entry.PhysOffset == Layer1Ondisk.Unavailable)
        {
            if (entry.BlocksFree != 0)
                report.Finding("layer1", where,
                    $"layer 1 entry {index} has no space, but {entry.BlocksFree} free big-blocks");
            return;
        }
        var table = new HammerOff(entry.PhysOffset);
        int volNo = index >> 10;
        Volume? volume = volumes.Volumes.TryVolume(volNo);
        long first = (long)(index & 1023) << 42;
        if (volume is null || first >= volume.UsableBytes || table.Zone != Zone.RawBuffer || table.BigBlockOffset != 0
            || table.VolNo != volNo || table.ShortOffset > volume.UsableBytes - HammerConst.BigBlockBytes)
        {
            report.Finding("layer1", where,
                $"layer 1 entry {index} leads to {table}, which is no layer 2 block of a volume that is "
                + "there");
            return;
        }
        if (!_freemapBlocks.Add(table.LongOffset))
        {
            report.Finding("layer1", where, $"layer 1 entry {index} shares its layer 2 block {table} with another");
            return;
        }
        _tables.Add(index, table);
        _charged.Add(index, new uint[HammerConst.Layer2Radix]);
        _declared.Add(index, entry.BlocksFree);
    }

    readonly Dictionary<int, ulong> _declared = [];

    void LoadLayer2(int index, HammerOff table)
    {
        Layer2Ondisk free = Sealed(0, 0, HammerConst.BigBlockBytes);
        Layer2Ondisk beyond = Sealed(15, HammerConst.BigBlockBytes, 0);
        byte[] outside = new byte[ChunkBytes];
        MemoryMarshal.Cast<byte, Layer2Ondisk>(outside.AsSpan()).Fill(beyond);
        Volume volume = volumes.Volumes.TryVolume(index >> 10)!;
        long firstBlock = (long)(index & 1023) * HammerConst.Layer2Radix;
        long blocks = volume.UsableBytes / HammerConst.BigBlockBytes;
        long freeHere = 0;
        for (int at = 0; at < HammerConst.BigBlockBytes; at += ChunkBytes)
        {
            volumes.ReadThrough(table.Add(at), _chunk);
            if (firstBlock + at / 16 >= blocks && _chunk.AsSpan().SequenceEqual(outside)) continue;
            ReadOnlySpan<Layer2Ondisk> entries = MemoryMarshal.Cast<byte, Layer2Ondisk>(_chunk);
            for (int i = 0; i < entries.Length; i++)
            {
                long block = firstBlock + at / 16 + i;
                bool inside = block < blocks;
                ref readonly Layer2Ondisk entry = ref entries[i];
                if (inside && entry.ZoneByte == 0) freeHere++;
                if (inside && entry.ZoneByte is not (3 or 4 or 15)) DataBlocks++;
                // The two patterns that fill whole volumes are known to be good.
                if (inside ? Same(in entry, in free) : Same(in entry, in beyond)) continue;
                LoadLayer2Entry(in entry, inside, HammerOff.Encode(Zone.RawBuffer, index >> 10,
                    block * HammerConst.BigBlockBytes), table.Add(at + 16L * i));
            }
        }
        FreeBlocks += freeHere;
        if (_declared[index] != (ulong)freeHere)
            report.Finding("layer1-free", table,
                $"layer 1 entry {index} counts {_declared[index]} free big-blocks, layer 2 has {freeHere}");
    }

    Layer2Ondisk Sealed(byte zone, int append, int free)
    {
        var entry = new Layer2Ondisk { ZoneByte = zone, AppendOff = (uint)append, BytesFree = free };
        entry.EntryCrc = HammerCrc.Layer2(_version, in entry);
        return entry;
    }

    void LoadLayer2Entry(in Layer2Ondisk e, bool inside, HammerOff block, HammerOff where)
    {
        if (!HammerCrc.Layer2Matches(_version, in e))
            report.Finding("layer2-crc", where, $"layer 2 entry of big-block {block}: wrong CRC {e.EntryCrc:x8}");
        if (!inside)
        {
            if (e.ZoneByte != 15)
                report.Finding("layer2", where,
                    $"big-block {block} beyond the end of the volume has owner {e.ZoneByte}, not 15");
            return;
        }
        if (e.AppendOff > HammerConst.BigBlockBytes || e.BytesFree > HammerConst.BigBlockBytes
            || (e.BytesFree < 0 && _version < 5))
            report.Finding("layer2", where,
                $"big-block {block} has append {e.AppendOff} and {e.BytesFree} bytes free, which cannot be");
        bool freemap = _freemapBlocks.Contains(block.LongOffset), undo = _undoBlocks.Contains(block.LongOffset);
        byte expected = freemap ? (byte)4 : undo ? (byte)3 : e.ZoneByte;
        if (e.ZoneByte != expected)
            report.Finding("layer2-owner", where,
                $"big-block {block} belongs to the {(freemap ? "freemap" : "FIFO")}, layer 2 says owner "
                + $"{e.ZoneByte}");
        bool exact = e.ZoneByte switch
        {
            0 => e.AppendOff == 0 && e.BytesFree == HammerConst.BigBlockBytes,
            3 or 4 or 15 => e.AppendOff == HammerConst.BigBlockBytes && e.BytesFree == 0,
            >= 8 and <= 11 => true,
            _ => false,
        };
        if (!exact)
            report.Finding("layer2", where,
                $"big-block {block} has owner {e.ZoneByte}, append {e.AppendOff}, {e.BytesFree} bytes free: "
                + "not a state that exists");
        if ((e.ZoneByte == 4 && !freemap) || (e.ZoneByte == 3 && !undo))
            report.Finding("layer2-owner", where,
                $"big-block {block} has owner {e.ZoneByte}, but neither freemap nor FIFO use it: lost space");
    }

    /// <summary>Charges a reference; its owner and high-water mark are checked at once.</summary>
    /// <param name="off">Address with its zone.</param>
    /// <param name="bytes">Length, not rounded.</param>
    /// <param name="by">Who refers to it, for the message.</param>
    internal void Charge(HammerOff off, int bytes, in BaseElm by)
    {
        int rounded = HammerConst.RoundData(bytes);
        int index = (int)(off.LongOffset >> 42);
        if (!_charged.TryGetValue(index, out uint[]? charged))
        {
            report.Finding("reference", off, $"{by} refers to space that no layer 1 entry knows");
            return;
        }
        int block = (int)((off.LongOffset >> 23) & (HammerConst.Layer2Radix - 1));
        charged[block] = checked((uint)Math.Min(uint.MaxValue, charged[block] + (long)rounded));
        Layer2Ondisk entry = Entry(index, block);
        if (entry.Zone != off.Zone)
        {
            report.Finding("reference-owner", off,
                $"{by} refers to zone {(int)off.Zone}, layer 2 says owner {entry.ZoneByte}: the space may "
                + "be overwritten");
        }
        else if (off.BigBlockOffset + rounded > entry.AppendOff)
        {
            report.Finding("reference-append", off,
                $"{by} ends at {off.BigBlockOffset + rounded} of its big-block, space is handed out from "
                + $"{entry.AppendOff} on: it may be overwritten");
        }
    }

    Layer2Ondisk Entry(int index, int block) =>
        MemoryMarshal.Read<Layer2Ondisk>(volumes.Buffer(_tables[index].Add(16L * block)));

    /// <summary>Charges against layer 2.</summary>
    internal void Compare()
    {
        foreach (var (index, charged) in _charged)
        {
            Volume volume = volumes.Volumes.TryVolume(index >> 10)!;
            long firstBlock = (long)(index & 1023) * HammerConst.Layer2Radix;
            long blocks = volume.UsableBytes / HammerConst.BigBlockBytes - firstBlock;
            blocks = Math.Min(blocks, HammerConst.Layer2Radix);
            for (int at = 0; at < blocks * 16; at += ChunkBytes)
            {
                volumes.ReadThrough(_tables[index].Add(at), _chunk);
                ReadOnlySpan<Layer2Ondisk> entries = MemoryMarshal.Cast<byte, Layer2Ondisk>(_chunk);
                for (int i = 0; i < entries.Length && at / 16 + i < blocks; i++)
                {
                    CompareBlock(in entries[i], charged[at / 16 + i], HammerOff.Encode(Zone.RawBuffer, index >> 10,
                        (firstBlock + at / 16 + i) * HammerConst.BigBlockBytes));
                }
            }
        }
    }

    void CompareBlock(in Layer2Ondisk entry, uint charged, HammerOff block)
    {
        if (entry.ZoneByte is < 8 or > 11) return;
        long used = HammerConst.BigBlockBytes - (long)entry.BytesFree;
        if (used == charged) return;
        report.Finding("bytes-free", block,
            $"big-block of zone {entry.ZoneByte}: layer 2 counts {used} bytes in use, the tree refers to "
            + $"{charged}");
    }
}
