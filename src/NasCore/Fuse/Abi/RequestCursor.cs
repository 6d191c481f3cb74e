using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NasCore.Fuse.Abi;

/// <summary>
/// Hands out the parts of a request body one after the other: structures by opcode, names, the rest. Running short
/// is the sender's fault: every method says so by false.
/// </summary>
public ref struct RequestCursor(ReadOnlySpan<byte> body)
{
    ReadOnlySpan<byte> _rest = body;

    public readonly ReadOnlySpan<byte> Rest => _rest;

    public bool TryTake<T>(out T value) where T : unmanaged
    {
        if (!MemoryMarshal.TryRead(_rest, out value)) return false;
        _rest = _rest[Unsafe.SizeOf<T>()..];
        return true;
    }

    /// <summary>A NUL-terminated string, not empty; the NUL is consumed.</summary>
    public bool TryTakeString(out ReadOnlySpan<byte> text)
    {
        int end = _rest.IndexOf((byte)0);
        text = end > 0 ? _rest[..end] : default;
        if (end <= 0) return false;
        _rest = _rest[(end + 1)..];
        return true;
    }

    public bool TryTakeBytes(uint count, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (count > (uint)_rest.Length) return false;
        bytes = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return true;
    }
}
