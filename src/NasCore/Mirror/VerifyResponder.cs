using System;
using System.Buffers.Binary;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// The side of a comparison that answers. Whatever it is asked, it reads only, in its own PFS, and holds one range's
/// scan and one message in memory. Says that it is at work when an answer takes long.
/// </summary>
public sealed class VerifyResponder(IVerifySide side, IByteChannel channel, TimeProvider time)
{
    static readonly TimeSpan s_working = TimeSpan.FromSeconds(1);
    const int LookEvery = 256;

    readonly VerifyWire _wire = new(channel);
    readonly byte[] _data = new byte[HammerConst.ExtentBytesMax];
    readonly VerifyDigest.Maker _digest = new();
    VerifyView? _view;
    IDisposable? _lease;
    VerifyRecord _covered;
    long _said;

    /// <summary>How the other side says that it ended: equal only if it has asked for every range. Null: it did not.
    /// </summary>
    public VerifyResult? Result { get; private set; }

    /// <summary>Answers until the other side hangs up; <see cref="IOException"/> or
    /// <see cref="InvalidDataException"/> if the link breaks or it asks for the impossible.</summary>
    public void Run(CancellationToken stop)
    {
        try
        {
            while (_wire.TryReceive(out VerifyOp op, out ReadOnlySpan<byte> body))
            {
                stop.ThrowIfCancellationRequested();
                _said = time.GetTimestamp();
                Answer(op, body, stop);
            }
        }
        catch (HammerMediumException e)
        {
            Fail(e.Message);
        }
        finally
        {
            _lease?.Dispose();
        }
    }

    void Answer(VerifyOp op, ReadOnlySpan<byte> body, CancellationToken stop)
    {
        int expected = op switch
        {
            VerifyOp.Facts => 0, VerifyOp.Begin => 9, VerifyOp.Digest or VerifyOp.List => 2 * VerifyWire.KeyBytes,
            VerifyOp.Data => VerifyWire.KeyBytes, VerifyOp.Path => 8,
            VerifyOp.Done when body.Length is >= VerifyEnd.Bytes and <= VerifyEnd.Bytes + 2 * VerifyWire.TextBytesMax =>
                body.Length,
            _ => -1,
        };
        if (body.Length != expected) throw new InvalidDataException($"the request {op} has {body.Length} bytes");
        switch (op)
        {
            case VerifyOp.Facts: Facts(); break;
            case VerifyOp.Begin: Begin(body); break;
            case VerifyOp.Path: Path(BinaryPrimitives.ReadInt64LittleEndian(body)); break;
            case VerifyOp.Data: Data(VerifyWire.GetKey(body)); break;
            case VerifyOp.Done: Done(body); break;
            default:
                VerifyRecord after = VerifyWire.GetKey(body), last = VerifyWire.GetKey(body[VerifyWire.KeyBytes..]);
                if (VerifyRecord.Compare(in after, in last) > 0)
                    throw new InvalidDataException("the keys of a range are in the wrong order");
                if (op == VerifyOp.Digest) Digest(in after, in last, stop);
                else List(in after, in last);
                break;
        }
    }

    VerifyView View => _view ?? throw new InvalidDataException("the other side asks before it has said as of when");

    void Facts()
    {
        Errno result = side.ReadFacts(_view?.Tid ?? 0, out VerifyFacts facts);
        if (result.IsError)
        {
            Fail("the file system has no such PFS any more");
            return;
        }
        _wire.Send(VerifyOp.Facts, MemoryMarshal.AsBytes(new ReadOnlySpan<VerifyFacts>(in facts)));
    }

    void Begin(ReadOnlySpan<byte> body)
    {
        if (_view is not null) throw new InvalidDataException("the other side begins a second time");
        ulong tid = BinaryPrimitives.ReadUInt64LittleEndian(body);
        if (side.ReadFacts(0, out VerifyFacts facts).IsError || tid == 0 || tid > facts.End)
        {
            Fail($"this side has no state as of {Tid.Format(tid)}, it has come to {Tid.Format(facts.End)}");
            return;
        }
        _lease = side.Keep(tid);
        _view = new VerifyView(tid, (body[8] & 1) != 0, (body[8] & 2) != 0);
        _covered = VerifyRecord.First;
        _wire.Send(VerifyOp.Begin, 0);
    }

    void Done(ReadOnlySpan<byte> body)
    {
        VerifyEnd end = MemoryMarshal.Read<VerifyEnd>(body);
        VerifyRecord last = VerifyRecord.Last;
        bool equal = end.Outcome == (int)VerifyOutcome.Equal;
        if (equal ? VerifyRecord.Compare(in _covered, in last) != 0 : end.Outcome != (int)VerifyOutcome.Differs)
            throw new InvalidDataException("the other side says that it is done, and has not asked for everything");
        if (Result is not null || end.Records < 0 || end.DataBytes < 0 || end.HasOffset is not (0 or 1)
            || end.Offset < 0)
        {
            throw new InvalidDataException("the other side says that it is done, with numbers that cannot be");
        }
        ReadOnlySpan<byte> text = body[VerifyEnd.Bytes..];
        int zero = text.IndexOf((byte)0);
        Result = new VerifyResult
        {
            Outcome = (VerifyOutcome)end.Outcome, Tid = View.Tid, Full = View.Full, Records = end.Records,
            DataBytes = end.DataBytes, Offset = !equal && end.HasOffset != 0 ? end.Offset : null,
            Path = equal ? null : VerifyWire.Text(text[..Math.Max(0, zero)]),
            What = equal ? null : VerifyWire.Text(text[(zero + 1)..]),
            WireBytes = _wire.BytesSent + _wire.BytesReceived,
        };
    }

    void Digest(in VerifyRecord after, in VerifyRecord last, CancellationToken stop)
    {
        using (var scan = new VerifyScan(side, View, in after, in last, _data))
        {
            for (int i = 0; scan.MoveNext(); i++)
            {
                _digest.Add(in scan.Current);
                if (View.Full || i % LookEvery == 0) SayWorking(stop);
            }
        }
        if (VerifyRecord.Compare(in after, in _covered) == 0) _covered = last;
        VerifyDigest digest = _digest.Take();
        _wire.Send(VerifyOp.Digest, MemoryMarshal.AsBytes(new ReadOnlySpan<VerifyDigest>(in digest)));
    }

    void SayWorking(CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        if (time.GetElapsedTime(_said) < s_working) return;
        _said = time.GetTimestamp();
        _wire.Send(VerifyOp.Working, 0);
    }

    void List(in VerifyRecord after, in VerifyRecord last)
    {
        int count = 0;
        using (var scan = new VerifyScan(side, View, in after, in last, _data))
        {
            while (count < VerifyWire.ListMax && scan.MoveNext())
            {
                VerifyRecord.AsBytes(in scan.Current).CopyTo(_wire.Body[(count++ * VerifyRecord.Bytes)..]);
            }
        }
        _wire.Send(VerifyOp.List, count * VerifyRecord.Bytes);
    }

    void Data(in VerifyRecord key)
    {
        VerifyRecord before = VerifySession.Before(in key);
        int length = 1;
        _wire.Body[0] = 0;
        using (var scan = new VerifyScan(side, View, in before, in key, _data))
        {
            if (scan.MoveNext())
            {
                ReadOnlySpan<byte> data = scan.Data(out bool good);
                _wire.Body[0] = good ? (byte)1 : (byte)0;
                data.CopyTo(_wire.Body[1..]);
                length += data.Length;
            }
        }
        _wire.Send(VerifyOp.Data, length);
    }

    void Path(long objId)
    {
        byte[] path = Encoding.UTF8.GetBytes(side.PathOf(objId, View.Tid) ?? "");
        _wire.Send(VerifyOp.Path, path.AsSpan(0, Math.Min(path.Length, VerifyWire.TextBytesMax)));
    }

    void Fail(string why)
    {
        byte[] text = Encoding.UTF8.GetBytes(why);
        _wire.Send(VerifyOp.Error, text.AsSpan(0, Math.Min(text.Length, VerifyWire.TextBytesMax)));
    }
}
