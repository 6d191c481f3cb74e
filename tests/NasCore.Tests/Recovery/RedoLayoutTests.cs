using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Undo;
using NasCore.Volumes;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>REDO records laid down by our writer and by HAMMER's own, byte for byte.</summary>
public sealed class RedoLayoutTests
{
    /// <summary>An undisturbed run of HAMMER's REDO in its FIFO, and what it was given.</summary>
    const long GoldenFrom = 0x53508, GoldenTo = 0x56318;
    const uint GoldenSeq = 0x82F2;
    const long GoldenObject = 0x100000479;

    [Fact]
    public void Redo_is_laid_down_as_hammer_laid_it_down()
    {
        using GoldenLease lease = GoldenData.Borrow("v7/crash.undoredo-final-n82");
        using VolumeSet volumes = VolumeSet.OpenPaths(lease.Paths, readOnly: true, exclusive: false);
        FifoGeometry geometry = FifoGeometry.Load(volumes);
        byte[] golden = Fifo(volumes, geometry, 0x50000, 0x58000);
        byte[] ours = Ours(volumes, geometry, Payload(golden));
        int from = (int)(GoldenFrom - 0x50000), to = (int)(GoldenTo - 0x50000);
        for (int i = from; i < to; i++)
            Assert.True(golden[i] == ours[i], $"FIFO byte {0x50000 + i:x}: HAMMER {golden[i]:x2}, ours {ours[i]:x2}");
    }

    static byte[] Fifo(VolumeSet volumes, FifoGeometry geometry, long from, long to)
    {
        byte[] bytes = new byte[to - from];
        for (long at = from; at < to; at += HammerConst.BufferBytes)
            volumes.ReadZone2(geometry.ToZone2(at), bytes.AsSpan((int)(at - from), HammerConst.BufferBytes));
        return bytes;
    }

    /// <summary>Bytes of the file that HAMMER logged, by their offsets.</summary>
    static Dictionary<long, byte[]> Payload(byte[] golden)
    {
        var found = new Dictionary<long, byte[]>();
        for (int at = (int)(GoldenFrom - 0x50000); at < GoldenTo - 0x50000;)
        {
            FifoRedo redo = MemoryMarshal.Read<FifoRedo>(golden.AsSpan(at));
            if (redo.Head.Type == FifoHead.TypeRedo && redo.Flags == RedoFlags.Write)
                found[(long)redo.Offset] = golden.AsSpan(at + FifoRedo.Bytes, (int)redo.DataBytes).ToArray();
            at += (int)redo.Head.Size;
        }
        return found;
    }

    static byte[] Ours(VolumeSet volumes, FifoGeometry geometry, Dictionary<long, byte[]> payload)
    {
        using var pool = new BufferMemoryPool();
        // Up to where the golden run begins the log is filled with UNDO: 26 sectors, and 264 bytes of the next.
        const int Fill = 27;
        var log = new UndoLog(volumes, geometry, pool, 0x50000, GoldenSeq - Fill);
        for (int i = 1; i < Fill; i++) log.AppendUndo(HammerOff.Encode(Zone.RawBuffer, 0, 0x800000), new byte[472]);
        log.AppendUndo(HammerOff.Encode(Zone.RawBuffer, 0, 0x800000), new byte[224]);
        Assert.Equal(GoldenFrom, log.Position);
        Log(log, payload, 0x1770, 0x2328);
        Log(log, payload, 0x3A98, 0x4000);
        Log(log, payload, 0x4000, 0x55F0);
        log.AppendRedoTrunc(GoldenObject, 0, 0x4E20);
        Assert.Equal(GoldenTo, log.Position);
        var pieces = new List<FifoPiece>();
        log.TakeUnwritten(pieces);
        byte[] bytes = new byte[0x8000];
        foreach (FifoPiece piece in pieces)
        {
            piece.Memory.Span[piece.From..piece.To].CopyTo(
                bytes.AsSpan((int)(piece.Position + piece.From - 0x50000)));
        }
        return bytes;
    }

    static void Log(UndoLog log, Dictionary<long, byte[]> payload, long from, long to)
    {
        var bytes = new List<byte>();
        while (from + bytes.Count < to) bytes.AddRange(payload[from + bytes.Count]);
        Assert.Equal(to - from, bytes.Count);
        log.AppendRedoWrite(GoldenObject, 0, from, bytes.ToArray());
    }
}
