using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Undo;
using NasCore.Volumes;

namespace NasCore.Flush;

/// <summary>A group that takes no changes any more, on its way to the medium.</summary>
sealed class ClosedGroup
{
    public long Number;
    public ulong Tid;
    public List<HammerBuffer> Meta = [];
    public List<HammerBuffer> Data = [];
    public List<FifoBuffer> Fifo = [];
    public byte[] Header = [];
    public long First, Next;
    public List<BaseElm> Removals = [];
}

/// <summary>Phases 2 to 4 of the finaliser (<see cref="WriteCore"/>): what is written in which order.</summary>
sealed class GroupWriter(VolumeSet volumes, UndoLog log) : IDisposable
{
    const int GatherBytes = 512 * 1024;
    readonly NasLinux.NativeSlab _gather = new(GatherBytes);

    /// <summary>Where the FIFO's range begins while REDO is replayed, else -1: groups are not collapsed then.</summary>
    public long ReplayFirst { get; set; } = -1;

    /// <summary>Groups written so far.</summary>
    public long Written { get; private set; }

    /// <summary>Times that REDO was written ahead of its group.</summary>
    public long AheadWritten { get; private set; }

    /// <summary>Phases 2 to 4: the write order of the medium.</summary>
    public void Write(ClosedGroup g)
    {
        Volume root = volumes.Root;
        volumes.DrainExtents();
        WriteBuffers(g.Data);
        WriteFifo(g.Fifo);
        volumes.FlushAll();

        WriteHeader(g.Header, g.First, g.Next);
        WriteBuffers(g.Meta);
        volumes.FlushAll();
        Written++;
        if (KeepsReplay(g)) return;

        WriteHeader(g.Header, g.Next, g.Next);
        root.Device.Flush();
    }

    /// <summary>Writes FIFO buffers from where their group begins, or from what was written ahead.</summary>
    public void WriteFifo(List<FifoBuffer> buffers)
    {
        foreach (FifoBuffer buffer in buffers)
        {
            if (buffer.From == HammerConst.BufferBytes) continue;
            volumes.WriteZone2(log.Geometry.ToZone2(buffer.At + buffer.From), buffer.Memory.Span[buffer.From..]);
        }
    }

    /// <summary>
    /// REDO of the open group, and what lies before it, ahead of the group. The FIFO is on the root volume; the records
    /// carry their data, so no other device has to be flushed.
    /// </summary>
    public void WriteAhead(List<FifoPiece> pieces)
    {
        foreach (FifoPiece piece in pieces)
        {
            volumes.WriteZone2(log.Geometry.ToZone2(piece.Position + piece.From),
                piece.Memory.Span[piece.From..piece.To]);
        }
        volumes.Root.Device.Flush();
        AheadWritten++;
    }

    /// <summary>
    /// True if the range stays open behind this group; false, for good, when it fills so much of the FIFO that the next
    /// group might not fit. A quarter is the most that a group of ours fills, and its replay about as much.
    /// </summary>
    bool KeepsReplay(ClosedGroup g)
    {
        if (ReplayFirst < 0) return false;
        if (log.Geometry.Distance(ReplayFirst, g.Next) <= log.Geometry.Bytes / 8 * 5) return true;
        ReplayFirst = -1;
        return false;
    }

    /// <summary>Both headers of a group come from one image; only indices and CRCs differ (W1).</summary>
    public void WriteHeader(byte[] image, long first, long next)
    {
        ref VolumeOndisk header = ref MemoryMarshal.AsRef<VolumeOndisk>(image.AsSpan());
        ref BlockmapOndisk map = ref header.Blockmap[(int)Zone.Undo];
        map.FirstOffset = FifoGeometry.ToZone3(first).Value;
        map.NextOffset = FifoGeometry.ToZone3(next).Value;
        map.EntryCrc = HammerCrc.Blockmap(volumes.Version, in map);
        header.Crc = HammerCrc.VolumeHeader(volumes.Version, image);
        volumes.Root.Device.Write(0, image);
    }

    /// <summary>Writes frozen buffers in the order of the device, neighbours together.</summary>
    void WriteBuffers(List<HammerBuffer> buffers)
    {
        buffers.Sort(static (a, b) => a.Zone2.Value.CompareTo(b.Zone2.Value));
        Span<byte> gather = _gather.Span(0, GatherBytes);
        int i = 0;
        while (i < buffers.Count)
        {
            HammerOff start = buffers[i].Zone2;
            int bytes = 0;
            while (i < buffers.Count && bytes < GatherBytes && buffers[i].Zone2.Value == start.Value + (ulong)bytes)
            {
                buffers[i].Frozen!.Span.CopyTo(gather[bytes..]);
                bytes += HammerConst.BufferBytes;
                i++;
            }
            volumes.WriteZone2(start, gather[..bytes]);
        }
    }

    public void Dispose() => _gather.Dispose();
}
