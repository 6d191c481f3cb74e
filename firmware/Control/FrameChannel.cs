using System;
using System.IO;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using NasCore.Mirror;

namespace NasFirmware.Control;

/// <summary>
/// The server's end of an upgraded connection as the channel of a mirror session; used by one thread.
/// </summary>
sealed class FrameChannel(MirrorFrames frames) : IByteChannel
{
    int _left;
    bool _ended;

    public int Read(Span<byte> destination)
    {
        while (_left == 0)
        {
            if (_ended) return 0;
            if (!frames.TryReadHead(out FrameKind kind, out int length)) throw new IOException("the client has gone");
            if (kind == FrameKind.End) _ended = true;
            else if (kind == FrameKind.Data) _left = length;
            else throw new InvalidDataException($"the client sent a frame of kind {kind}");
        }
        int got = frames.ReadSome(destination[..Math.Min(_left, destination.Length)]);
        if (got == 0) throw new IOException("the client has gone");
        _left -= got;
        return got;
    }

    public void Write(ReadOnlySpan<byte> source) => frames.Write(FrameKind.Data, source);

    internal void Send<T>(FrameKind kind, T message, JsonTypeInfo<T> type) =>
        frames.Write(kind, JsonSerializer.SerializeToUtf8Bytes(message, type));
}
