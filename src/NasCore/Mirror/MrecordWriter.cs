using System;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// Writes a mirror stream through one fixed buffer. Pads are zeros; the body of SYNC, IDLE and TERM is HEAD's.
/// Nothing leaves
/// before <see cref="Flush"/>, or before the buffer is full.
/// </summary>
public sealed class MrecordWriter(IByteChannel channel)
{
    const int BufferBytes = 4 * 65536;

    readonly IByteChannel _channel = channel;
    readonly byte[] _buffer = new byte[BufferBytes];
    int _used;

    /// <summary>Bytes handed to this writer, padding included.</summary>
    public long BytesWritten { get; private set; }
    /// <summary>Records handed to this writer.</summary>
    public long RecordsWritten { get; private set; }

    /// <summary>Starts a REC and returns the room for its payload, to be filled before <see cref="EndRec"/>.</summary>
    public Span<byte> BeginRec(int dataLen)
    {
        Invariant.Check((uint)dataLen <= HammerConst.ExtentBytesMax, "a record's payload is at most 64 KiB");
        Span<byte> record = Take(MrecordRec.Bytes + dataLen);
        return record.Slice(MrecordRec.Bytes, dataLen);
    }

    /// <summary>Finishes the REC begun; with badCrc it is flagged and its payload is what was read.</summary>
    public void EndRec(in LeafElm leaf, int dataLen, bool badCrc)
    {
        int size = MrecordRec.Bytes + dataLen;
        Span<byte> record = _buffer.AsSpan(_used - MrecordHead.Padded(size), size);
        MemoryMarshal.AsRef<MrecordRec>(record).Leaf = leaf;
        Seal(record, badCrc ? MrecordHead.TypeBadCrcRec : (uint)MrecordType.Rec);
    }

    public void WriteRec(in LeafElm leaf, ReadOnlySpan<byte> data, bool badCrc = false)
    {
        data.CopyTo(BeginRec(data.Length));
        EndRec(leaf, data.Length, badCrc);
    }

    public void WritePass(in LeafElm leaf)
    {
        Span<byte> record = Take(MrecordRec.Bytes);
        MemoryMarshal.AsRef<MrecordRec>(record).Leaf = leaf;
        Seal(record, (uint)MrecordType.Pass);
    }

    public void WriteSkip(in BaseElm skipBeg, in BaseElm skipEnd)
    {
        Span<byte> record = Take(MrecordSkip.Bytes);
        ref MrecordSkip skip = ref MemoryMarshal.AsRef<MrecordSkip>(record);
        skip.SkipBeg = skipBeg;
        skip.SkipEnd = skipEnd;
        Seal(record, (uint)MrecordType.Skip);
    }

    public void WritePfsd(in PseudofsData pfsd)
    {
        Span<byte> record = Take(MrecordPfsd.Bytes);
        var value = new MrecordPfsd { Version = MrecordPfsd.VersionValue, Pfsd = pfsd };
        MemoryMarshal.Write(record, in value);
        Seal(record, (uint)MrecordType.Pfsd);
    }

    /// <summary>Null says that nothing is known.</summary>
    public void WriteLineage(Lineage? lineage)
    {
        byte[] data = lineage?.Encode() ?? Lineage.EncodeNone();
        Span<byte> record = Take(MrecordHead.Bytes + data.Length);
        data.CopyTo(record[MrecordHead.Bytes..]);
        Seal(record, (uint)MrecordType.Lineage);
    }

    public void WriteUpdate(ulong tid)
    {
        Span<byte> record = Take(MrecordUpdate.Bytes);
        MemoryMarshal.AsRef<MrecordUpdate>(record).Tid = tid;
        Seal(record, (uint)MrecordType.Update);
    }

    /// <summary>SYNC, IDLE or TERM.</summary>
    public void WriteMark(MrecordType kind)
    {
        Span<byte> record = Take(MrecordSync.Bytes);
        MemoryMarshal.AsRef<MrecordSync>(record).Leaked = MrecordPfsd.VersionValue;
        Seal(record, (uint)kind);
    }

    /// <summary>Sends everything written so far.</summary>
    public void Flush()
    {
        int used = _used;
        _used = 0;
        if (used > 0) _channel.Write(_buffer.AsSpan(0, used));
    }

    // Room for one record, cleared but for a payload, its pad zero.
    Span<byte> Take(int size)
    {
        int padded = MrecordHead.Padded(size);
        if (_used + padded > _buffer.Length) Flush();
        Span<byte> all = _buffer.AsSpan(_used, padded);
        all[..Math.Min(size, MrecordPfsd.Bytes)].Clear();
        all[size..].Clear();
        _used += padded;
        BytesWritten += padded;
        RecordsWritten++;
        return all[..size];
    }

    static void Seal(Span<byte> record, uint type)
    {
        ref MrecordHead head = ref MemoryMarshal.AsRef<MrecordHead>(record);
        head.Signature = MrecordHead.SignatureValue;
        head.RecSize = record.Length;
        head.Type = type;
        head.RecCrc = HammerCrc.Crc32(record[MrecordHead.CrcFrom..]);
    }
}
