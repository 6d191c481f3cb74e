using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Undo;

namespace NasCore.Maintenance;

/// <summary>
/// `show-undo`: the FIFO from its first byte, one line a record; ` >` marks the header's first_offset, ` &lt;` its
/// next_offset. A record that cannot be read is shown as BAD, and reading goes on with the next sector.
/// </summary>
public static class ShowUndo
{
    /// <summary>Writes everything; the result is the number of bad sectors inside the active range.</summary>
    public static int Write(OfflineVolumes volumes, ShowText text)
    {
        FifoGeometry fifo = volumes.Fifo;
        var reader = new FifoReader(volumes.Volumes, fifo);
        VolumeOndisk header = volumes.HeaderBefore;
        BlockmapOndisk map = header.Blockmap[(int)Zone.Undo];
        long first = fifo.Position(map.FirstOffset, "the start");
        long next = fifo.Position(map.NextOffset, "the append point");
        int bad = 0;
        for (long at = 0; at < fifo.Bytes;)
        {
            string mark = (at == first ? " >" : "") + (at == next ? " <" : "");
            text.Put($"{FifoGeometry.ToZone3(at)} ");
            if (reader.TryAt(at, out FifoRecord record))
            {
                Record(text, record);
                text.Put(mark).Line();
                at += record.Size;
                continue;
            }
            text.Put("BAD\t").Put(reader.Problem).Put(mark).Line();
            if (fifo.Distance(first, at) < fifo.Distance(first, next)) bad++;
            at = (at / HammerConst.FifoSectorBytes + 1) * HammerConst.FifoSectorBytes;
        }
        text.Flush();
        return bad;
    }

    static void Record(ShowText text, FifoRecord record)
    {
        switch (record.Type)
        {
            case FifoHead.TypePad:
                text.Put($"PAD({record.Size})");
                break;
            case FifoHead.TypeDummy:
                text.Put($"DUMMY({record.Size})\tseq={record.Seq:x8}");
                break;
            case FifoHead.TypeUndo when record.Size >= FifoUndo.Bytes + FifoTail.Bytes:
                FifoUndo undo = MemoryMarshal.Read<FifoUndo>(record.Bytes);
                text.Put($"UNDO({record.Size})\tseq={record.Seq:x8} offset={undo.UndoOffset:x16} ");
                text.Put($"bytes={undo.DataBytes}");
                break;
            case FifoHead.TypeRedo when record.Size >= FifoRedo.Bytes + FifoTail.Bytes:
                FifoRedo redo = MemoryMarshal.Read<FifoRedo>(record.Bytes);
                text.Put($"REDO({record.Size})\tseq={record.Seq:x8} flags={redo.Flags} objid={redo.ObjId:x16} ");
                text.Put($"offset={redo.Offset:x16} bytes={redo.DataBytes} lo={redo.Localization:x8}");
                break;
            default:
                text.Put($"type {record.Type:x4}({record.Size})\tseq={record.Seq:x8}");
                break;
        }
    }
}
