using System;

namespace NasCore.Mirror;

/// <summary>
/// The waist to a pipe, socket or file that carries a mirror stream. Trouble is an
/// <see cref="System.IO.IOException"/>. One thread reads, one thread writes.
/// </summary>
public interface IByteChannel
{
    /// <summary>Waits for at least one byte and returns what is there; 0 is the end.</summary>
    int Read(Span<byte> destination);
    /// <summary>Writes all of it.</summary>
    void Write(ReadOnlySpan<byte> source);
}
