using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasTesting;

namespace NasCampaign.Fuzz;

/// <summary>A golden volume in memory, shared by all cases: only the pieces that hold something.</summary>
sealed class FuzzImage
{
    const int PieceBytes = 65536;

    /// <summary>Places worth damaging: device offsets of buffers that the volume uses.</summary>
    internal List<long> Nodes { get; } = [];
    internal List<long> Meta { get; } = [];
    internal List<long> Freemap { get; } = [];
    internal List<long> Fifo { get; } = [];
    internal required MemoryBlockDevice Device { get; init; }
    internal uint Version { get; private set; }

    internal static FuzzImage Load(string golden)
    {
        string directory = Directory.CreateTempSubdirectory("nashammer-fuzz-").FullName;
        try
        {
            string path = GoldenData.UnpackPrivate(golden, directory)[0];
            using FileStream file = File.OpenRead(path);
            var image = new FuzzImage { Device = new MemoryBlockDevice(file.Length, golden) };
            byte[] piece = new byte[PieceBytes];
            for (long at = 0; at < file.Length; at += piece.Length)
            {
                int n = file.ReadAtLeast(piece, piece.Length, throwOnEndOfStream: false);
                if (piece.AsSpan(0, n).ContainsAnyExcept((byte)0)) image.Device.Write(at, piece.AsSpan(0, n));
            }
            image.Map();
            return image;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    void Map()
    {
        byte[] buffer = new byte[HammerConst.BufferBytes];
        Device.Read(0, buffer);
        VolumeOndisk header = MemoryMarshal.Read<VolumeOndisk>(buffer);
        Version = header.Version;
        for (int i = 0; i < 64; i++) Freemap.Add(header.BufBeg + 32 * i);
        Layer2Ondisk[] owners = new Layer2Ondisk[1024];
        Device.Read(header.BufBeg + HammerConst.BigBlockBytes, MemoryMarshal.AsBytes(owners.AsSpan()));
        for (int block = 0; block < owners.Length; block++)
        {
            if (owners[block].ZoneByte is 15 or 0) continue;
            Freemap.Add(header.BufBeg + HammerConst.BigBlockBytes + 16 * block);
            List<long>? list = owners[block].Zone switch
            {
                Zone.BTree => Nodes, Zone.Meta => Meta, _ => null,
            };
            int unit = owners[block].Zone == Zone.BTree ? HammerConst.NodeBytes : 128;
            for (int at = 0; list is not null && at + unit <= owners[block].AppendOff; at += unit)
            {
                list.Add(header.BufBeg + (long)block * HammerConst.BigBlockBytes + at);
            }
        }
        // The active range and a little around it.
        BlockmapOndisk undo = header.Blockmap[(int)Zone.Undo];
        long first = new HammerOff(undo.FirstOffset).ShortOffset & ~511L;
        long start = header.BufBeg + new HammerOff(header.UndoArray[0]).ShortOffset;
        for (int i = -4; i < 60; i++)
        {
            long at = first + i * HammerConst.FifoSectorBytes;
            if (at >= 0 && at < HammerConst.BigBlockBytes) Fifo.Add(start + at);
        }
    }
}

/// <summary>Changes over an unchanged base, in sectors; what a case writes dies with it.</summary>
sealed class FuzzOverlay(MemoryBlockDevice under, bool readOnly = true) : IBlockDevice
{
    const int SectorBytes = 512;
    readonly Dictionary<long, byte[]> _changed = [];

    public string Name => under.Name;
    public long Length => under.Length;
    public int LogicalBlockBytes => SectorBytes;
    public bool IsReadOnly => readOnly;

    public void Read(long offset, Span<byte> destination)
    {
        under.Read(offset, destination);
        if (_changed.Count == 0) return;
        for (long at = offset & ~(long)(SectorBytes - 1); at < offset + destination.Length; at += SectorBytes)
        {
            if (!_changed.TryGetValue(at, out byte[]? bytes)) continue;
            long from = Math.Max(at, offset), to = Math.Min(at + SectorBytes, offset + destination.Length);
            bytes.AsSpan((int)(from - at), (int)(to - from)).CopyTo(destination[(int)(from - offset)..]);
        }
    }

    /// <summary>The mutator writes, and a file system that is mounted for writing.</summary>
    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        for (int done = 0; done < source.Length;)
        {
            long sector = (offset + done) & ~(long)(SectorBytes - 1);
            if (!_changed.TryGetValue(sector, out byte[]? bytes))
            {
                _changed[sector] = bytes = new byte[SectorBytes];
                under.Read(sector, bytes);
            }
            int at = (int)(offset + done - sector), n = Math.Min(SectorBytes - at, source.Length - done);
            source.Slice(done, n).CopyTo(bytes.AsSpan(at));
            done += n;
        }
    }

    public void Flush()
    {
    }

    public void Discard(long offset, long length)
    {
    }

    public void StartWriteback(long offset, long length)
    {
    }

    public void Dispose()
    {
    }
}
