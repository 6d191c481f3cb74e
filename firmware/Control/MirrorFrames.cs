using System;
using System.Buffers.Binary;
using System.IO;

namespace NasFirmware.Control;

/// <summary>Kinds of frames on an upgraded control connection.</summary>
enum FrameKind : byte
{
    /// <summary>Bytes of the mirror stream.</summary>
    Data = 1,
    /// <summary>The sender sends no more data.</summary>
    End = 2,
    /// <summary>A <see cref="MirrorEvent"/>; server to client.</summary>
    Event = 3,
    /// <summary>The <see cref="MirrorResult"/>, the last frame; server to client.</summary>
    Result = 4,
    /// <summary>Between boxes only: the first frame of a connection, and its answer.</summary>
    Hello = 5, Welcome = 6,
}

/// <summary>
/// Frames over a duplex stream: four bytes (kind in the first, length in the other three, little-endian), then the
/// payload.
/// The mirror data themselves are not looked at here.
/// </summary>
/// <param name="stream">Carries the frames; taken over.</param>
/// <param name="what">Names it in messages.</param>
sealed class MirrorFrames(Stream stream, string what = "the control connection") : IDisposable
{
    internal const int PayloadBytesMax = 1 << 18;
    const int HeadBytes = 4;

    readonly byte[] _output = new byte[HeadBytes + PayloadBytesMax];
    readonly byte[] _head = new byte[HeadBytes];

    internal void Write(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        do
        {
            int length = Math.Min(payload.Length, PayloadBytesMax);
            BinaryPrimitives.WriteInt32LittleEndian(_output, (length << 8) | (byte)kind);
            payload[..length].CopyTo(_output.AsSpan(HeadBytes));
            Send(HeadBytes + length);
            payload = payload[length..];
        }
        while (payload.Length > 0);
    }

    /// <summary>Reads a head; false at the end of the connection.</summary>
    internal bool TryReadHead(out FrameKind kind, out int length)
    {
        kind = default;
        length = 0;
        int got = Receive(_head);
        if (got == 0) return false;
        if (got < HeadBytes) throw new EndOfStreamException($"{what} ended inside a frame");
        int value = BinaryPrimitives.ReadInt32LittleEndian(_head);
        kind = (FrameKind)(byte)value;
        length = (value >> 8) & 0xFFFFFF;
        if (kind is < FrameKind.Data or > FrameKind.Welcome || length > PayloadBytesMax)
        {
            throw new InvalidDataException(
                $"{what} carries a frame of kind {(byte)kind} and {length} bytes");
        }
        return true;
    }

    internal void ReadPayload(Span<byte> destination)
    {
        if (Receive(destination) < destination.Length)
            throw new EndOfStreamException($"{what} ended inside a frame");
    }

    internal int ReadSome(Span<byte> destination)
    {
        try
        {
            return stream.Read(destination);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw new IOException($"{what} is closed", e);
        }
    }

    int Receive(Span<byte> destination)
    {
        int got = 0, n;
        while (got < destination.Length && (n = ReadSome(destination[got..])) > 0) got += n;
        return got;
    }

    void Send(int bytes)
    {
        try
        {
            stream.Write(_output, 0, bytes);
            stream.Flush();
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw new IOException($"{what} is closed", e);
        }
    }

    // A server's connection that is torn down ends reads and writes in one of these ways.
    static bool IsEnd(Exception e) => e is OperationCanceledException or ObjectDisposedException
        or InvalidOperationException;

    public void Dispose() => stream.Dispose();
}
