using System;
using System.Buffers.Binary;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>Messages of a comparison; see docs/MIRRORING.md.</summary>
public enum VerifyOp : byte
{
    /// <summary>Asks for, and gives, <see cref="VerifyFacts"/>.</summary>
    Facts = 1,
    /// <summary>The TID (8 bytes) and flags (1: full, 2: times); answered by an empty one.</summary>
    Begin = 2,
    /// <summary>Two keys, the first exclusive; answered by a <see cref="VerifyDigest"/>.</summary>
    Digest = 3,
    /// <summary>Two keys; answered by the first records between them, as many as there are or fit.</summary>
    List = 4,
    /// <summary>A key; answered by one byte (1: good) and the data.</summary>
    Data = 5,
    /// <summary>An object id; answered by its path in UTF-8, or nothing.</summary>
    Path = 6,
    /// <summary>From the answering side at any time: still at work.</summary>
    Working = 7,
    /// <summary>From the answering side: why it cannot go on, in UTF-8.</summary>
    Error = 8,
    /// <summary>From the leading side, without an answer: how it ended, <see cref="VerifyEnd"/>, then path and what
    /// differs in UTF-8, separated by a zero.</summary>
    Done = 9,
}

/// <summary>How a comparison ended, told to the side that answered. 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct VerifyEnd
{
    internal const int Bytes = 32;

    public int Outcome;              // 00 of VerifyOutcome, Equal or Differs
    public int HasOffset;            // 04 0 or 1
    public long Offset;              // 08
    public long Records;             // 10
    public long DataBytes;           // 18
}

/// <summary>
/// Messages on a channel: four bytes (operation in the first, length in the others, little-endian), then the body.
/// </summary>
sealed class VerifyWire(IByteChannel channel)
{
    internal const int HeadBytes = 4, KeyBytes = 32;
    /// <summary>Records in one answer to <see cref="VerifyOp.List"/>.</summary>
    internal const int ListMax = 1024;
    internal const int BodyBytesMax = HammerConst.ExtentBytesMax + 16, TextBytesMax = 4096;

    readonly byte[] _input = new byte[BodyBytesMax];
    readonly byte[] _output = new byte[HeadBytes + BodyBytesMax];
    readonly byte[] _head = new byte[HeadBytes];

    internal long BytesSent { get; private set; }
    internal long BytesReceived { get; private set; }

    /// <summary>Where a body is made; then <see cref="Send(VerifyOp, int)"/>.</summary>
    internal Span<byte> Body => _output.AsSpan(HeadBytes);

    internal void Send(VerifyOp op, int length)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_output, (length << 8) | (byte)op);
        channel.Write(_output.AsSpan(0, HeadBytes + length));
        BytesSent += HeadBytes + length;
    }

    internal void Send(VerifyOp op, ReadOnlySpan<byte> body)
    {
        body.CopyTo(Body);
        Send(op, body.Length);
    }

    /// <summary>The next message; false at the end between messages.</summary>
    internal bool TryReceive(out VerifyOp op, out ReadOnlySpan<byte> body)
    {
        op = default;
        body = default;
        int got = Fill(_head);
        if (got == 0) return false;
        if (got < HeadBytes) throw new EndOfStreamException("the connection ended inside a message");
        int value = BinaryPrimitives.ReadInt32LittleEndian(_head);
        op = (VerifyOp)(byte)value;
        int length = (value >> 8) & 0xFFFFFF;
        if (op is < VerifyOp.Facts or > VerifyOp.Done || length > BodyBytesMax)
            throw new InvalidDataException($"a message of kind {(byte)op} and {length} bytes is none of a comparison");
        if (Fill(_input.AsSpan(0, length)) < length)
            throw new EndOfStreamException("the connection ended inside a message");
        BytesReceived += HeadBytes + length;
        body = _input.AsSpan(0, length);
        return true;
    }

    int Fill(Span<byte> destination)
    {
        int got = 0, n;
        while (got < destination.Length && (n = channel.Read(destination[got..])) > 0) got += n;
        return got;
    }

    /// <summary>What a peer says, which may end on a terminal.</summary>
    internal static string Text(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, TextBytesMax)]);
        return string.Create(text.Length, text, static (to, from) =>
        {
            for (int i = 0; i < to.Length; i++) to[i] = char.IsControl(from[i]) ? '?' : from[i];
        });
    }

    internal static void PutKey(Span<byte> destination, in VerifyRecord key) =>
        VerifyRecord.AsBytes(in key)[..KeyBytes].CopyTo(destination);

    internal static VerifyRecord GetKey(ReadOnlySpan<byte> source)
    {
        Span<byte> whole = stackalloc byte[VerifyRecord.Bytes];
        whole.Clear();
        source[..KeyBytes].CopyTo(whole);
        VerifyRecord key = MemoryMarshal.Read<VerifyRecord>(whole);
        key.Flags = 0;
        key.ObjTypeRaw = 0;
        return key;
    }
}
