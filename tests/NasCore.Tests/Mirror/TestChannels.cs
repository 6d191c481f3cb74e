using System;
using System.IO;
using NasCore.Mirror;

namespace NasCore.Tests.Mirror;

/// <summary>Reads from an array in pieces, collects what is written; may break after a number of bytes.</summary>
public sealed class ArrayChannel(byte[] input, int pieceMax = int.MaxValue) : IByteChannel
{
    int _at;

    public MemoryStream Written { get; } = new();
    /// <summary>Reading fails instead of ending.</summary>
    public bool FailAtEnd { get; init; }

    public int Read(Span<byte> destination)
    {
        int length = Math.Min(Math.Min(destination.Length, pieceMax), input.Length - _at);
        if (length == 0 && FailAtEnd) throw new IOException("link broken");
        input.AsSpan(_at, length).CopyTo(destination);
        _at += length;
        return length;
    }

    public void Write(ReadOnlySpan<byte> source) => Written.Write(source);
}
