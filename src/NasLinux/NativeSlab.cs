using System;
using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>
/// A piece of native memory, zeroed, aligned to 16 KiB (the largest page size of our boards). Disk buffers live in
/// slabs, never on the managed heap. The owner frees it by Dispose; spans must not outlive it.
/// </summary>
public sealed unsafe class NativeSlab : IDisposable
{
    const nuint AlignBytes = 16384;
    byte* _p;

    public NativeSlab(long bytes)
    {
        Length = bytes;
        _p = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, AlignBytes);
        new Span<byte>(_p, checked((int)Math.Min(bytes, int.MaxValue))).Clear();
    }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>A range of the slab; out of range or after Dispose is an exception.</summary>
    public Span<byte> Span(long offset, int bytes)
    {
        if (_p == null || offset < 0 || bytes < 0 || offset > Length - bytes)
            throw new ArgumentOutOfRangeException(nameof(offset));
        return new Span<byte>(_p + offset, bytes);
    }

    public void Dispose()
    {
        if (_p == null) return;
        NativeMemory.AlignedFree(_p);
        _p = null;
        GC.SuppressFinalize(this);
    }

    ~NativeSlab()
    {
        if (_p != null) NativeMemory.AlignedFree(_p);
    }
}
