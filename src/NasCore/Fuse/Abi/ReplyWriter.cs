using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NasCore.Fuse.Abi;

/// <summary>
/// A reply under construction in the worker's buffer: 16 bytes of head, filled in last, then the payload. Also
/// remembers what the reply promises to the kernel, so that an undeliverable reply can be undone.
/// </summary>
public ref struct ReplyWriter(Span<byte> buffer)
{
    readonly Span<byte> _buffer = buffer;

    /// <summary>Payload bytes so far.</summary>
    public int Length { get; private set; }

    /// <summary>A node whose lookup count this reply raises; 0 for none.</summary>
    public ulong EntryNode { get; set; }
    /// <summary>The object that this reply opens.</summary>
    public Vnode? Opened { get; set; }
    /// <summary>The payload is a READDIRPLUS list, each entry of which raises a lookup count.</summary>
    public bool EntriesPlus { get; set; }
    /// <summary>No reply now: somebody else sends it later, or the request has none.</summary>
    public bool Silent { get; set; }

    /// <summary>Room for further payload.</summary>
    public readonly Span<byte> Free => _buffer[(FuseOutHeader.Bytes + Length)..];
    public readonly ReadOnlySpan<byte> Payload => _buffer.Slice(FuseOutHeader.Bytes, Length);

    public void Put<T>(in T value) where T : unmanaged
    {
        MemoryMarshal.Write(Free, in value);
        Length += Unsafe.SizeOf<T>();
    }

    /// <summary>Counts bytes that were written to <see cref="Free"/> directly.</summary>
    public void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Free.Length);
        Length += bytes;
    }

    public void Clear() => Length = 0;

    /// <summary>The whole message; an error carries no payload.</summary>
    public readonly ReadOnlySpan<byte> Finish(ulong unique, int negativeErrno)
    {
        int bytes = FuseOutHeader.Bytes + (negativeErrno == 0 ? Length : 0);
        var head = new FuseOutHeader { Len = (uint)bytes, Error = negativeErrno, Unique = unique };
        MemoryMarshal.Write(_buffer, in head);
        return _buffer[..bytes];
    }
}
