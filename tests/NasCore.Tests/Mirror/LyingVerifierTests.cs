using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Mirror;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>
/// A comparison with a side that lies in every field of its messages, answers and questions: it ends with a sentence,
/// or the lie is no matter; never is "equal" said of what was not compared, nothing is written, and the next honest
/// comparison finds what it found before. That a side says of its own copy that it is another cannot be found out.
/// </summary>
public sealed class LyingVerifierTests
{
    /// <summary>Changes messages on their way to the honest side; null: the message as it was.</summary>
    delegate byte[]? Forge(VerifyOp op, byte[] body);

    /// <summary>The honest side's end of a connection whose other side lies.</summary>
    sealed class Forged(IByteChannel inner, Forge forge) : IByteChannel
    {
        readonly Queue<byte> _ready = new();
        bool _ended;

        public int Read(Span<byte> destination)
        {
            if (_ready.Count == 0)
            {
                if (_ended) return 0;
                byte[] head = new byte[4];
                if (!Fill(head)) return 0;
                int value = BinaryPrimitives.ReadInt32LittleEndian(head);
                byte[] body = new byte[value >> 8];
                if (!Fill(body)) return 0;
                byte[] told = forge((VerifyOp)(byte)value, body) ?? [.. head, .. body];
                foreach (byte b in told) _ready.Enqueue(b);
                // What is told short is the end of the connection.
                _ended = told.Length < 4
                    || told.Length < 4 + ((BinaryPrimitives.ReadInt32LittleEndian(told) >> 8) & 0xFFFFFF);
                if (told.Length == 0) return 0;
            }
            int n = 0;
            while (n < destination.Length && _ready.TryDequeue(out byte b)) destination[n++] = b;
            return n;
        }

        bool Fill(Span<byte> bytes)
        {
            for (int got = 0, n; got < bytes.Length; got += n)
            {
                if ((n = inner.Read(bytes[got..])) == 0) return false;
            }
            return true;
        }

        public void Write(ReadOnlySpan<byte> source) => inner.Write(source);
    }

    static byte[] Message(VerifyOp op, byte[] body)
    {
        byte[] message = new byte[4 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, (body.Length << 8) | (byte)op);
        body.CopyTo(message, 4);
        return message;
    }

    static byte[] With(byte[] body, int at, params byte[] bytes)
    {
        byte[] changed = [.. body];
        bytes.CopyTo(changed, at);
        return changed;
    }

    static byte[] Number(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }

    /// <summary>The master leads; what it is answered, or what the slave is asked, is forged.</summary>
    static (string Outcome, VerifyResult? Told) Compare(VerifyPair pair, Forge? answers, Forge? questions)
    {
        var pipe = new DuplexPipe();
        IByteChannel here = answers is null ? pipe.A : new Forged(pipe.A, answers);
        IByteChannel there = questions is null ? pipe.B : new Forged(pipe.B, questions);
        var responder = new VerifyResponder(pair.Slave.Fs.VerifySide(VerifyPair.SlavePfs), there, new VirtualTime());
        Exception? error = null;
        var thread = new Thread(() =>
        {
            error = Record.Exception(() => responder.Run(CancellationToken.None));
            pipe.B.Close();
        });
        thread.Start();
        string outcome = "";
        var options = new VerifyOptions { RecordsPerRange = 64, OwnName = "one", PeerName = "two" };
        Exception? failed = Record.Exception(() =>
        {
            VerifyResult r = new VerifySession(pair.Master.Fs.VerifySide(1), here, options).Run(CancellationToken.None);
            outcome = $"{r.Outcome} {r.Path} {r.Offset} {r.What}";
        });
        pipe.A.Close();
        thread.Join();
        Exception? told = questions is null ? failed : error ?? failed;
        if (told is not null) outcome = $"{told.GetType().Name} {told.Message}";
        return (outcome, responder.Result);
    }

    /// <summary>What a lie about one operation is, and what must come of it.</summary>
    sealed record Lie(string What, string Outcome, Forge Forge);

    static Lie Field(VerifyOp op, string what, string outcome, Func<byte[], byte[]> change) => new($"{op}: {what}",
        outcome, (o, body) => o == op ? Message(op, change(body)) : null);

    static Lie Instead(VerifyOp op, string what, string outcome, Func<byte[], byte[]> message) => new($"{op}: {what}",
        outcome, (o, body) => o == op ? message(body) : null);

    /// <summary>Every digest is another, so that the records are asked for; then the lie.</summary>
    static Lie Narrowed(Lie lie) => lie with
    {
        Forge = (op, body) => op == VerifyOp.Digest ? Message(op, With(body, 0x18, (byte)(body[0x18] ^ 1)))
            : lie.Forge(op, body),
    };

    /// <summary>The sums of the records are others, too, so that the data are asked for; then the lie.</summary>
    static Lie Doubted(Lie lie) => Narrowed(lie with
    {
        Forge = (op, body) => op == VerifyOp.List
            ? Message(op, Records(body, r => With(r, 0x24, (byte)(r[0x24] ^ 1)))) : lie.Forge(op, body),
    });

    static byte[] Records(byte[] list, Func<byte[], byte[]> change) =>
        [.. list.Chunk(VerifyRecord.Bytes).SelectMany(change)];

    static IEnumerable<Lie> Answers()
    {
        const string equal = "Equal", nonsense = "InvalidDataException two answers ";
        yield return Field(VerifyOp.Facts, "shared UUID", "NotComparable   the two are no copies", b => With(b, 0, 9));
        yield return Field(VerifyOp.Facts, "end 0", "NotComparable   nothing was", b => With(b, 0x10, Number(0)));
        yield return Field(VerifyOp.Facts, "end beyond", equal, b => With(b, 0x10, Number(-1)));
        yield return Field(VerifyOp.Facts, "last removal", equal, b => With(b, 0x18, Number(-1)));
        yield return Narrowed(new Lie("LastRemoval, and a difference", "NotComparable   old versions are gone",
            (op, b) => op switch
            {
                VerifyOp.Facts => Message(op, With(b, 0x18, Number(-1))),
                VerifyOp.List => Message(op, []),
                _ => null,
            }));
        yield return Field(VerifyOp.Facts, "slave 7", equal, b => With(b, 0x20, 7));
        yield return Field(VerifyOp.Facts, "times 7", equal, b => With(b, 0x21, 7));
        yield return Field(VerifyOp.Facts, "what is reserved", equal, b => With(b, 0x22, Number(-1)));
        yield return Field(VerifyOp.Facts, "too short", nonsense + "Facts with Facts of 47", b => b[..47]);
        yield return Field(VerifyOp.Facts, "too long", nonsense + "Facts with Facts of 49", b => [.. b, 1]);
        yield return Field(VerifyOp.Begin, "something", nonsense + "Begin with Begin of 1", _ => [1]);
        yield return Instead(VerifyOp.Begin, "Digest", nonsense + "Begin with Digest",
            _ => Message(VerifyOp.Digest, new byte[40]));
        foreach ((int at, string what) in new[]
            { (0, "records"), (8, "bad"), (0x10, "bytes"), (0x18, "low"), (0x20, "high") })
        {
            // No digest is believed to say that there is a difference.
            yield return Field(VerifyOp.Digest, what + " -1", equal, b => With(b, at, Number(-1)));
            yield return Field(VerifyOp.Digest, what + " max", equal, b => With(b, at, Number(long.MaxValue)));
        }
        yield return Field(VerifyOp.Digest, "too short", nonsense + "Digest with Digest of 39", b => b[..39]);
        yield return Instead(VerifyOp.Digest, "Done", nonsense + "Digest with Done",
            _ => Message(VerifyOp.Done, new byte[32]));
        yield return Instead(VerifyOp.Digest, "operation 0", "InvalidDataException a message of kind 0",
            _ => [0, 0, 0, 0]);
        yield return Instead(VerifyOp.Digest, "operation 10", "InvalidDataException a message of kind 10",
            _ => [10, 0, 0, 0]);
        yield return Instead(VerifyOp.Digest, "16 MB", "InvalidDataException a message of kind 3 and 16777215",
            _ => [3, 0xFF, 0xFF, 0xFF]);
        yield return Instead(VerifyOp.Digest, "half a message", "EndOfStreamException", _ => [3, 40, 0, 0, 1]);
        yield return Instead(VerifyOp.Digest, "nothing", "EndOfStreamException two hung up", _ => []);
        yield return Instead(VerifyOp.Digest, "Working, with a body", equal,
            b => [.. Message(VerifyOp.Working, new byte[60_000]), .. Message(VerifyOp.Digest, b)]);
        yield return Instead(VerifyOp.Digest, "Error", "IOException two: a?[2Jb?", _ => Message(VerifyOp.Error,
            "a\u001b[2Jb\n"u8.ToArray()));
        yield return Instead(VerifyOp.Digest, "long Error", "IOException two: " + new string('e', 4096),
            _ => Message(VerifyOp.Error, [.. Enumerable.Repeat((byte)'e', 60_000)]));
    }

    static IEnumerable<Lie> Lists()
    {
        const string equal = "Equal", unasked = "InvalidDataException two lists records that were not asked for";
        Lie List(string what, string outcome, Func<byte[], byte[]> change) =>
            Narrowed(Field(VerifyOp.List, what, outcome, change));
        yield return List("as it is", equal, b => b);
        yield return List("none", "Differs / ", _ => []);
        yield return List("repeated", unasked, b => [.. b, .. b]);
        yield return List("backwards", unasked, b => [.. b.Chunk(VerifyRecord.Bytes).Reverse().SelectMany(r => r)]);
        yield return List("zeros", unasked, b => new byte[b.Length]);
        yield return List("outside", unasked, b => Records(b, r => With(r, 8, Number(long.MaxValue))));
        yield return List("cut", "InvalidDataException two answers List", b => b[..^1]);
        yield return List("above the bound", "InvalidDataException two answers List with List of 57400",
            _ => new byte[1025 * VerifyRecord.Bytes]);
        yield return List("bad data", equal, b => Records(b, r => With(r, 7, VerifyRecord.BadData)));
        yield return List("sum", equal, b => Records(b, r => With(r, 0x24, 1, 2, 3, 4)));
        yield return List("content", equal, b => Records(b, r => With(r, 0x28, Number(-1))));
        yield return List("length", equal, b => Records(b, r => With(r, 0x20, 0xFF, 0xFF, 0xFF, 0xFF)));
        yield return List("kind of object", "Differs / ", b => Records(b, r => With(r, 6, 0x77)));
        // A record of file data that nobody has, with a length that makes no offset.
        yield return List("one too many", "Differs object 0000000000000002  file data: only on two", Extra);
        yield return new Lie("Path of one too many", "Differs object ff???[2J", (op, body) => op switch
        {
            VerifyOp.Digest => Message(op, With(body, 0x18, (byte)(body[0x18] ^ 1))),
            VerifyOp.List => Message(op, Extra(body)),
            VerifyOp.Path => Message(op, [.. "object ff"u8, 1, 2, 27, .. "[2J"u8]),
            _ => null,
        });
        Lie Data(string what, string outcome, Func<byte[], byte[]> change) =>
            Doubted(Field(VerifyOp.Data, what, outcome, change));
        yield return Data("as they are", equal, b => b);
        yield return Data("nothing", "InvalidDataException two answers without data", _ => []);
        yield return Data("above the bound", "InvalidDataException two answers Data", _ => new byte[65_540]);
        yield return Data("neither good nor bad", "Differs / ", b => With(b, 0, 7));
        yield return Data("bad", "Differs / ", b => With(b, 0, 0));
        yield return Data("others", "Differs / ", b => With(b, b.Length - 1, (byte)(b[^1] ^ 1)));
        yield return Data("longer", "Differs / ", b => [.. b, 1]);
        yield return Doubted(new Lie("Data: Path instead", "InvalidDataException two answers Data with Path",
            (op, _) => op == VerifyOp.Data ? Message(VerifyOp.Path, []) : null));
    }

    /// <summary>Those of the root of a list, and behind them one of file data that is not there.</summary>
    static byte[] Extra(byte[] list)
    {
        VerifyRecord record = System.Runtime.InteropServices.MemoryMarshal.Read<VerifyRecord>(list);
        record.RecTypeRaw = (ushort)RecType.Data;
        record.ObjId = 2;
        record.Key = 77;
        record.CreateTid = 2;
        record.DataLen = int.MinValue;
        byte[] ofRoot = Records(list, r => BinaryPrimitives.ReadInt64LittleEndian(r.AsSpan(8)) == 1 ? r : []);
        return [.. ofRoot, .. VerifyRecord.AsBytes(in record)];
    }

    static IEnumerable<Lie> Questions()
    {
        const string bad = "InvalidDataException the request ";
        yield return Field(VerifyOp.Facts, "something", bad + "Facts has 1 bytes", _ => [1]);
        yield return Field(VerifyOp.Begin, "too short", bad + "Begin has 8 bytes", b => b[..8]);
        yield return Field(VerifyOp.Begin, "TID 0", "IOException two: this side has no state",
            b => With(b, 0, Number(0)));
        yield return Field(VerifyOp.Begin, "a TID of the future", "IOException two: this side has no state",
            b => With(b, 0, Number(-1)));
        yield return Field(VerifyOp.Begin, "unknown flags", "Equal", b => With(b, 8, (byte)(b[8] | 0xF0)));
        yield return Instead(VerifyOp.Begin, "twice", "InvalidDataException the other side begins a second time",
            b => [.. Message(VerifyOp.Begin, b), .. Message(VerifyOp.Begin, b)]);
        yield return Instead(VerifyOp.Begin, "never", "InvalidDataException the other side asks before",
            _ => Message(VerifyOp.Path, Number(1)));
        foreach (VerifyOp op in new[] { VerifyOp.Digest, VerifyOp.List })
        {
            yield return Instead(VerifyOp.Digest, $"{op} backwards", "InvalidDataException the keys of a range",
                b => Message(op, [.. b[32..], .. b[..32]]));
            yield return Instead(VerifyOp.Digest, $"{op} half", bad + $"{op} has 32", b => Message(op, b[..32]));
        }
        yield return Instead(VerifyOp.Digest, "Data half", bad + "Data has 31", b => Message(VerifyOp.Data, b[..31]));
        yield return Instead(VerifyOp.Digest, "Path half", bad + "Path has 7", b => Message(VerifyOp.Path, b[..7]));
        foreach (VerifyOp op in new[] { VerifyOp.Working, VerifyOp.Error })
            yield return Instead(VerifyOp.Digest, $"{op}", bad + op, _ => Message(op, []));
        yield return Instead(VerifyOp.Digest, "operation 99", "InvalidDataException a message of kind 99",
            _ => [99, 0, 0, 0]);
        yield return Instead(VerifyOp.Digest, "16 MB", "InvalidDataException a message of kind 4 and 16777215",
            _ => [4, 0xFF, 0xFF, 0xFF]);
        yield return Instead(VerifyOp.Digest, "half a message", "EndOfStreamException", _ => [3, 40, 0, 0, 1]);
        const string numbers = "InvalidDataException the other side says that it is done, with numbers that cannot be",
            unasked = "InvalidDataException the other side says that it is done, and has not asked for everything";
        yield return Field(VerifyOp.Done, "too short", bad + "Done has 31", b => b[..31]);
        yield return Field(VerifyOp.Done, "too long", bad + "Done", b => [.. b, .. new byte[9000]]);
        yield return Field(VerifyOp.Done, "outcome 7", unasked, b => With(b, 0, 7));
        yield return Field(VerifyOp.Done, "outcome 2", unasked, b => With(b, 0, 2));
        yield return Field(VerifyOp.Done, "outcome -1", unasked, b => With(b, 0, 0xFF, 0xFF, 0xFF, 0xFF));
        yield return Field(VerifyOp.Done, "has offset 7", numbers, b => With(b, 4, 7));
        yield return Field(VerifyOp.Done, "offset", numbers, b => With(b, 8, Number(-1)));
        yield return Field(VerifyOp.Done, "records", numbers, b => With(b, 0x10, Number(-1)));
        yield return Field(VerifyOp.Done, "bytes", numbers, b => With(b, 0x18, Number(long.MinValue)));
        yield return Instead(VerifyOp.Done, "twice", numbers,
            b => [.. Message(VerifyOp.Done, b), .. Message(VerifyOp.Done, b)]);
        // Equal, it says, before the last range was asked for.
        yield return Instead(VerifyOp.Digest, "Done at once", unasked, _ => Message(VerifyOp.Done, new byte[33]));
    }

    [Fact]
    public void Answers_that_lie_end_the_comparison_or_are_no_matter()
    {
        using VerifyPair pair = Filled();
        Judge(pair, [.. Answers(), .. Lists()], lie => Compare(pair, lie.Forge, null));
    }

    [Fact]
    public void Questions_that_lie_end_the_comparison_and_prove_nothing()
    {
        using VerifyPair pair = Filled();
        Judge(pair, [.. Questions()], lie =>
        {
            (string outcome, VerifyResult? told) = Compare(pair, null, lie.Forge);
            bool isHonest = lie.Outcome == "Equal" || lie.What == "Done: twice";
            Assert.True(told is null != isHonest, $"{lie.What}: {told}");
            return (outcome, told);
        });
    }

    [Fact]
    public void Words_of_the_leading_side_are_cleaned()
    {
        using VerifyPair pair = Filled();
        var lie = Field(VerifyOp.Done, "text", "", b => [.. With(b[..32], 0, 1), .. "/a\u001b[2J"u8, 0, .. "x\ny"u8]);
        VerifyResult told = Compare(pair, null, lie.Forge).Told!;
        Assert.Equal((VerifyOutcome.Differs, "/a?[2J", "x?y"), (told.Outcome, told.Path, told.What));
        lie = Field(VerifyOp.Done, "no zero", "", b => [.. With(b[..32], 0, 1), .. "abc"u8]);
        told = Compare(pair, null, lie.Forge).Told!;
        Assert.Equal((VerifyOutcome.Differs, "", "abc"), (told.Outcome, told.Path, told.What));
    }

    static VerifyPair Filled()
    {
        var pair = new VerifyPair();
        pair.Fill(3, 20);
        pair.Mirror();
        return pair;
    }

    static void Judge(VerifyPair pair, List<Lie> lies, Func<Lie, (string Outcome, VerifyResult? Told)> meet)
    {
        var wrong = new List<string>();
        foreach (Lie lie in lies)
        {
            string outcome = meet(lie).Outcome;
            if (!outcome.StartsWith(lie.Outcome, StringComparison.Ordinal)) wrong.Add($"{lie.What}: {outcome}");
            Assert.DoesNotContain(outcome, char.IsControl);
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.Equal(VerifyOutcome.Equal, pair.Compare(full: true).Outcome);
    }
}
