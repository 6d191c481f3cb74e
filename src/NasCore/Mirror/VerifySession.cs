using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>How a comparison ended.</summary>
public enum VerifyOutcome { Equal, Differs, NotComparable }

/// <summary>The result of a comparison.</summary>
public sealed record VerifyResult
{
    public required VerifyOutcome Outcome { get; init; }
    /// <summary>The state that was compared; 0 if it did not come to that.</summary>
    public ulong Tid { get; init; }
    public bool Full { get; init; }
    public long Records { get; init; }
    /// <summary>Bytes of data that the records compared have on the leading side.</summary>
    public long DataBytes { get; init; }
    public long WireBytes { get; init; }
    /// <summary>Of the first difference: the path, and for file data the offset.</summary>
    public string? Path { get; init; }
    public long? Offset { get; init; }
    /// <summary>What differs, or why there is no comparison, for the owner.</summary>
    public string? What { get; init; }
}

/// <summary>How a comparison is done.</summary>
public sealed record VerifyOptions
{
    public bool Full { get; init; }
    public int RecordsPerRange { get; init; } = 4096;
    /// <summary>In the full form a range ends behind so much data, so that answers come regularly.</summary>
    public long BytesPerRange { get; init; } = 32L << 20;
    /// <summary>Names of the sides, for messages.</summary>
    public string OwnName { get; init; } = "this side";
    public string PeerName { get; init; } = "the other side";
    /// <summary>The other side may say that it is at work on one answer for so long; then it does not mean to answer.
    /// A range is a few thousand records or 32 MiB, whichever is less.</summary>
    public TimeSpan AnswerMax { get; init; } = TimeSpan.FromMinutes(10);
    /// <summary>The clock for it; null: no bound.</summary>
    public TimeProvider? Time { get; init; }
    /// <summary>After each range: records and bytes of data so far.</summary>
    public Action<long, long>? Progress { get; init; }
}

/// <summary>The side of a comparison that leads; see the head of VerifyRecord.cs.</summary>
public sealed class VerifySession
{
    /// <summary>Ranges that the other side works on while this one goes ahead.</summary>
    const int WindowRanges = 4;

    readonly IVerifySide _side;
    readonly VerifyWire _wire;
    readonly VerifyOptions _options;
    readonly byte[] _data = new byte[HammerConst.ExtentBytesMax];
    readonly VerifyDigest.Maker _digest = new();
    readonly Queue<Range> _pending = new();
    readonly Queue<Range> _unequal = new();
    VerifyView _view;
    long _records, _dataBytes;

    readonly record struct Range(VerifyRecord After, VerifyRecord Last, VerifyDigest Digest);

    public VerifySession(IVerifySide side, IByteChannel channel, VerifyOptions options)
    {
        _side = side;
        _wire = new VerifyWire(channel);
        _options = options;
    }

    /// <summary>
    /// Compares until the first difference or the end. <see cref="IOException"/> or <see cref="InvalidDataException"/>
    /// if the link breaks or the other side answers nonsense, <see cref="HammerMediumException"/> if this side's tree
    /// cannot be read.
    /// </summary>
    public VerifyResult Run(CancellationToken stop)
    {
        if (_side.ReadFacts(0, out VerifyFacts own).IsError)
            return Not("the file system here has no such PFS any more");
        VerifyFacts peer = AskFacts();
        if (own.SharedUuid != peer.SharedUuid) return Not("the two are no copies of one another: shared UUIDs differ");
        ulong tid = Math.Min(own.End, peer.End);
        if (tid <= 1) return Not("nothing was mirrored yet");
        _view = new VerifyView(tid, _options.Full, own.HasTimes != 0 && peer.HasTimes != 0);
        using IDisposable lease = _side.Keep(tid);
        Begin();
        VerifyResult? difference = Walk(stop);
        if (difference is null) return Told(Result(VerifyOutcome.Equal));
        // A record that vanished without a trace is no proof of anything.
        _side.ReadFacts(tid, out own);
        peer = AskFacts();
        if (own.LastRemoval <= tid && peer.LastRemoval <= tid) return Told(difference);
        return Not($"old versions are gone that were visible at {Tid.Format(tid)}; compare when the mirror is in step");
    }

    VerifyResult Not(string why) => Result(VerifyOutcome.NotComparable) with { What = why };

    VerifyResult Result(VerifyOutcome outcome) => new()
    {
        Outcome = outcome, Tid = _view.Tid, Full = _options.Full, Records = _records, DataBytes = _dataBytes,
        WireBytes = _wire.BytesSent + _wire.BytesReceived,
    };

    // ------------------------------------------------------------------ ranges

    VerifyResult? Walk(CancellationToken stop)
    {
        VerifyRecord after = VerifyRecord.First, end = VerifyRecord.Last;
        for (bool more = true; more;)
        {
            stop.ThrowIfCancellationRequested();
            VerifyRecord last = NextRange(in after, out more);
            VerifyRecord to = more ? last : end;
            SendRange(VerifyOp.Digest, in after, in to);
            _pending.Enqueue(new Range(after, to, _digest.Take()));
            after = last;
            while (_pending.Count > (more ? WindowRanges : 0) || (_unequal.Count > 0 && _pending.Count > 0)) Settle();
            while (_unequal.TryDequeue(out Range range))
            {
                if (Narrow(in range, stop) is VerifyResult difference) return difference;
            }
        }
        return null;
    }

    /// <summary>Digests the next range of this side; its last record, and false if there are no more.</summary>
    VerifyRecord NextRange(in VerifyRecord after, out bool more)
    {
        VerifyRecord last = after, end = VerifyRecord.Last;
        more = false;
        using var scan = new VerifyScan(_side, _view, in after, in end, _data);
        while (scan.MoveNext())
        {
            last = scan.Current;
            _digest.Add(in last);
            more = _digest.Records >= _options.RecordsPerRange
                || (_view.Full && _digest.DataBytes >= _options.BytesPerRange);
            if (more) break;
        }
        _records += _digest.Records;
        _dataBytes += _digest.DataBytes;
        return last;
    }

    void Settle()
    {
        Range range = _pending.Dequeue();
        var theirs = MemoryMarshal.Read<VerifyDigest>(Receive(VerifyOp.Digest, VerifyDigest.Bytes, exact: true));
        if (!theirs.IsSame(range.Digest) || theirs.Bad != 0) _unequal.Enqueue(range);
        else _options.Progress?.Invoke(_records, _dataBytes);
    }

    // ------------------------------------------------------------------ records

    /// <summary>Compares a range record by record; null if the data prove equal all the same.</summary>
    VerifyResult? Narrow(in Range range, CancellationToken stop)
    {
        var theirs = new Queue<VerifyRecord>();
        VerifyRecord asked = range.After, last = range.Last, own = default;
        bool peerHasMore = true;
        using var scan = new VerifyScan(_side, _view, in asked, in last, _data);
        bool ownLeft = scan.MoveNext();
        if (ownLeft) own = scan.Current;
        while (true)
        {
            stop.ThrowIfCancellationRequested();
            if (theirs.Count == 0 && peerHasMore) peerHasMore = AskList(theirs, ref asked, in last);
            bool peerLeft = theirs.TryPeek(out VerifyRecord their);
            if (!ownLeft && !peerLeft) return null;
            int order = !peerLeft ? -1 : !ownLeft ? 1 : VerifyRecord.Compare(in own, in their);
            if (order < 0)
                return Differs(in own, $"only on {_options.OwnName}", OffsetOf(in own), scan.Data(out _));
            if (order > 0)
                return Differs(in their, $"only on {_options.PeerName}", OffsetOf(in their), AskData(in their, out _));
            if (!own.IsSame(in their) && CompareData(scan, in own, in their) is VerifyResult difference)
                return difference;
            theirs.Dequeue();
            ownLeft = scan.MoveNext();
            if (ownLeft) own = scan.Current;
        }
    }

    bool AskList(Queue<VerifyRecord> theirs, ref VerifyRecord asked, in VerifyRecord last)
    {
        SendRange(VerifyOp.List, in asked, in last);
        ReadOnlySpan<byte> body = Receive(VerifyOp.List, VerifyWire.ListMax * VerifyRecord.Bytes, exact: false);
        ReadOnlySpan<VerifyRecord> records = MemoryMarshal.Cast<byte, VerifyRecord>(body);
        foreach (ref readonly VerifyRecord record in records)
        {
            if (VerifyRecord.Compare(in record, in asked) <= 0 || VerifyRecord.Compare(in record, in last) > 0)
                throw new InvalidDataException($"{_options.PeerName} lists records that were not asked for");
            theirs.Enqueue(record);
            asked = record;
        }
        return records.Length == VerifyWire.ListMax;
    }

    // Sums may differ where the data do not: the volumes' versions have different kinds.
    VerifyResult? CompareData(VerifyScan scan, in VerifyRecord own, in VerifyRecord their)
    {
        ReadOnlySpan<byte> mine = scan.Data(out bool ownGood);
        ReadOnlySpan<byte> other = AskData(in own, out bool theirGood);
        int same = mine.CommonPrefixLength(other);
        long? offset = OffsetOf(in own) is long begin ? begin + same : null;
        if (!ownGood || !theirGood)
        {
            string who = ownGood ? _options.PeerName : theirGood ? _options.OwnName : "both sides";
            bool equal = same == mine.Length && same == other.Length;
            return Differs(in own, $"the data cannot be read, or fail their CRC, on {who}",
                equal ? OffsetOf(in own) : offset, mine);
        }
        if (same < mine.Length || same < other.Length)
            return Differs(in own, own.RecType == RecType.Inode ? "attributes differ" : "data differ", offset, mine);
        return own.ObjTypeRaw == their.ObjTypeRaw ? null : Differs(in own, "kinds of object differ", null, mine);
    }

    ReadOnlySpan<byte> AskData(in VerifyRecord key, out bool good)
    {
        VerifyWire.PutKey(_wire.Body, in key);
        _wire.Send(VerifyOp.Data, VerifyWire.KeyBytes);
        ReadOnlySpan<byte> body = Receive(VerifyOp.Data, HammerConst.ExtentBytesMax + 1, exact: false);
        if (body.IsEmpty) throw new InvalidDataException($"{_options.PeerName} answers without data");
        good = body[0] == 1;
        return body[1..];
    }

    // The record may be what the other side says.
    static long? OffsetOf(in VerifyRecord record) => record.RecType is RecType.Data or RecType.Db
        && record.DataLen >= 0 && record.Key >= record.DataLen ? record.Key - record.DataLen : null;

    // ------------------------------------------------------------------ the place

    VerifyResult Differs(in VerifyRecord record, string what, long? offset, ReadOnlySpan<byte> data)
    {
        string name = record.RecType != RecType.DirEntry || data.Length <= DirEntryHead.Bytes ? ""
            : "/" + VerifyWire.Text(data[DirEntryHead.Bytes..]);
        string kind = record.RecType switch
        {
            RecType.Inode => "inode", RecType.DirEntry => "directory entry", RecType.Ext => "extended attribute",
            RecType.Data or RecType.Db => "file data", _ => $"record of type {record.RecTypeRaw:x}",
        };
        string path = (PathOf(record.ObjId) + name).Replace("//", "/", StringComparison.Ordinal);
        return Result(VerifyOutcome.Differs) with { Path = path, Offset = offset, What = $"{kind}: {what}" };
    }

    string PathOf(long objId)
    {
        if (_side.PathOf(objId, _view.Tid) is string path) return path;
        BinaryPrimitives.WriteInt64LittleEndian(_wire.Body, objId);
        _wire.Send(VerifyOp.Path, 8);
        string theirs = VerifyWire.Text(Receive(VerifyOp.Path, VerifyWire.TextBytesMax, exact: false));
        return theirs.Length > 0 ? theirs : $"object {objId:x16}";
    }

    /// <summary>The greatest key before this one, as the exclusive begin of a range of one record.</summary>
    internal static VerifyRecord Before(in VerifyRecord key)
    {
        VerifyRecord before = key;
        // A create TID of 0 counts as the largest; 1 is the smallest.
        if (before.CreateTid > 1)
        {
            before.CreateTid--;
            return before;
        }
        before.CreateTid = 0;
        if (before.Key > long.MinValue) before.Key--;
        else if (before.RecTypeRaw > 0)
            (before.RecTypeRaw, before.Key) = ((ushort)(before.RecTypeRaw - 1), long.MaxValue);
        return before;
    }

    // ------------------------------------------------------------------ messages

    /// <summary>Tells the other side, so that its owner sees it there too.</summary>
    VerifyResult Told(VerifyResult result)
    {
        var end = new VerifyEnd
        {
            Outcome = (int)result.Outcome, Records = result.Records, DataBytes = result.DataBytes,
            HasOffset = result.Offset is null ? 0 : 1, Offset = result.Offset ?? 0,
        };
        MemoryMarshal.Write(_wire.Body, in end);
        byte[] text = Encoding.UTF8.GetBytes($"{result.Path}\0{result.What}");
        int length = Math.Min(text.Length, VerifyWire.TextBytesMax);
        text.AsSpan(0, length).CopyTo(_wire.Body[VerifyEnd.Bytes..]);
        _wire.Send(VerifyOp.Done, VerifyEnd.Bytes + length);
        return result;
    }

    VerifyFacts AskFacts()
    {
        _wire.Send(VerifyOp.Facts, 0);
        return MemoryMarshal.Read<VerifyFacts>(Receive(VerifyOp.Facts, VerifyFacts.Bytes, exact: true));
    }

    void Begin()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_wire.Body, _view.Tid);
        _wire.Body[8] = (byte)((_view.Full ? 1 : 0) | (_view.Times ? 2 : 0));
        _wire.Send(VerifyOp.Begin, 9);
        Receive(VerifyOp.Begin, 0, exact: true);
    }

    void SendRange(VerifyOp op, in VerifyRecord after, in VerifyRecord last)
    {
        VerifyWire.PutKey(_wire.Body, in after);
        VerifyWire.PutKey(_wire.Body[VerifyWire.KeyBytes..], in last);
        _wire.Send(op, 2 * VerifyWire.KeyBytes);
    }

    ReadOnlySpan<byte> Receive(VerifyOp expected, int bytesMax, bool exact)
    {
        long asked = _options.Time?.GetTimestamp() ?? 0;
        while (true)
        {
            if (!_wire.TryReceive(out VerifyOp op, out ReadOnlySpan<byte> body))
                throw new EndOfStreamException($"{_options.PeerName} hung up");
            if (op == VerifyOp.Working)
            {
                if (_options.Time is not { } time || time.GetElapsedTime(asked) < _options.AnswerMax) continue;
                double minutes = _options.AnswerMax.TotalMinutes;
                throw new InvalidDataException(FormattableString.Invariant(
                    $"{_options.PeerName} works on {expected} for {minutes:0} minutes already"));
            }
            if (op == VerifyOp.Error) throw new IOException($"{_options.PeerName}: {VerifyWire.Text(body)}");
            if (op != expected || body.Length > bytesMax || (exact && body.Length != bytesMax)
                || (expected == VerifyOp.List && body.Length % VerifyRecord.Bytes != 0))
            {
                throw new InvalidDataException(
                    $"{_options.PeerName} answers {expected} with {op} of {body.Length} bytes");
            }
            return body;
        }
    }
}
