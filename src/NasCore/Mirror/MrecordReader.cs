using System;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// Reads a mirror stream record by record. The stream is hostile: every field is checked before anyone sees the record,
/// and an error names the record's number and byte offset. Memory is one fixed buffer; the record last read stays in
/// it until the next call. Only the order of records, the handshake and the target's state are others' business.
/// Differs: the original takes a read error for the end of the stream and accepts records of unknown flags.
/// </summary>
public sealed class MrecordReader(IByteChannel channel)
{
    const int BufferBytes = 2 * 65536 + 4096;

    readonly IByteChannel _channel = channel;
    readonly byte[] _buffer = new byte[BufferBytes];
    int _beg, _end, _recordAt;
    MrecordHead _head;
    bool _hasRecord;

    /// <summary>Number of the record last read, from 0.</summary>
    public long RecordNumber { get; private set; } = -1;
    /// <summary>Offset in the stream of the record last read.</summary>
    public long RecordOffset { get; private set; }
    /// <summary>Bytes consumed so far, padding included.</summary>
    public long BytesRead { get; private set; }

    public MrecordHead Head => _head;
    public MrecordType Kind => _head.Kind;

    /// <summary>The record without padding.</summary>
    public ReadOnlySpan<byte> Record
    {
        get
        {
            Invariant.Check(_hasRecord, "a mirror record is looked at after it was read");
            return _buffer.AsSpan(_recordAt, _head.RecSize);
        }
    }

    /// <summary>The leaf of a REC or PASS.</summary>
    public ref readonly LeafElm Leaf => ref MemoryMarshal.AsRef<MrecordRec>(Record).Leaf;
    /// <summary>The bounds of a SKIP.</summary>
    public ref readonly MrecordSkip Skip => ref MemoryMarshal.AsRef<MrecordSkip>(Record);
    /// <summary>The description in a PFSD.</summary>
    public PseudofsData Pfsd => MemoryMarshal.Read<MrecordPfsd>(Record).Pfsd;
    /// <summary>The TID of an UPDATE.</summary>
    public ulong UpdateTid => MemoryMarshal.Read<MrecordUpdate>(Record).Tid;
    /// <summary>The list in a LINEAGE; null if it says nothing.</summary>
    public Lineage? Lineage => Lineage.Decode(Record[MrecordHead.Bytes..]);
    /// <summary>The payload of a REC; empty for a record whose data failed at the source.</summary>
    public ReadOnlySpan<byte> Data =>
        _head.IsCrcError ? default : Record.Slice(MrecordRec.Bytes, Leaf.DataLen);

    /// <summary>
    /// Reads the next record; false at an end between records.
    /// </summary>
    /// <exception cref="MirrorStreamException">The stream ends inside a record, or the record is not acceptable.
    /// </exception>
    public bool TryRead()
    {
        _hasRecord = false;
        RecordOffset = BytesRead;
        RecordNumber++;
        if (!Fill(MrecordHead.Bytes))
        {
            if (_beg == _end) return false;
            throw Error(string.Create(
                CultureInfo.InvariantCulture, $"the stream ends {_end - _beg} bytes into a head"));
        }
        _head = MemoryMarshal.Read<MrecordHead>(_buffer.AsSpan(_beg));
        CheckHead();
        int padded = MrecordHead.Padded(_head.RecSize);
        if (!Fill(padded))
        {
            throw Error(string.Create(CultureInfo.InvariantCulture,
                $"the stream ends {_end - _beg} bytes into a record of {_head.RecSize}"));
        }
        uint crc = HammerCrc.Crc32(_buffer.AsSpan(_beg + MrecordHead.CrcFrom, _head.RecSize - MrecordHead.CrcFrom));
        if (crc != _head.RecCrc) throw Error($"rec_crc is {_head.RecCrc:x8}, the record's is {crc:x8}");
        _recordAt = _beg;
        _hasRecord = true;
        _beg += padded;
        BytesRead += padded;
        if (MrecordCheck.Fault(_head, Record) is { } fault)
        {
            _hasRecord = false;
            throw Error(fault);
        }
        return true;
    }

    /// <summary>An error at the record last read.</summary>
    public MirrorStreamException Error(string what, Exception? inner = null) =>
        new(RecordNumber, RecordOffset, what, inner);

    /// <summary>
    /// True if the payload of the REC last read matches its data_crc in either kind; the stream does not say which
    /// version its volume has (observed.md 25).
    /// </summary>
    public bool DataCrcMatches() =>
        HammerCrc.LeafDataMatches(HammerConst.VersionMax, Leaf.Base.RecType, Data, Leaf.DataCrc);

    void CheckHead()
    {
        if (_head.Signature == MrecordHead.SignatureForeign)
        {
            throw Error("the signature is that of the opposite byte order, which no one writes; the stream is damaged");
        }
        if (_head.Signature != MrecordHead.SignatureValue)
        {
            throw Error($"bad signature {_head.Signature:x8}, expected {MrecordHead.SignatureValue:x8}");
        }
        if (MrecordCheck.HeadFault(_head) is { } fault) throw Error(fault);
    }

    // Makes the bytes from _beg on at least this many; false if the channel ends before.
    bool Fill(int bytes)
    {
        if (_end - _beg >= bytes) return true;
        if (_beg + bytes > _buffer.Length || _beg == _end)
        {
            _buffer.AsSpan(_beg, _end - _beg).CopyTo(_buffer);
            _end -= _beg;
            _beg = 0;
        }
        while (_end - _beg < bytes)
        {
            int got;
            try
            {
                got = _channel.Read(_buffer.AsSpan(_end));
            }
            catch (IOException e)
            {
                throw Error("reading failed: " + e.Message, e);
            }
            if (got == 0) return false;
            _end += got;
        }
        return true;
    }
}
