using System;

namespace NasLinux;

/// <summary>
/// A piece of native memory, zeroed, aligned to 16 KiB (the largest page size of our boards). Disk buffers live in
/// slabs, never on the managed heap. The owner frees it by Dispose; spans must not outlive it.
/// A mapping of its own: what was never touched takes no memory, and what is freed goes back to the system at once,
/// whatever else the C library keeps.
/// </summary>
public sealed unsafe class NativeSlab : IDisposable
{
    const nuint AlignBytes = 16384;
    readonly nuint _mapped;
    void* _map;
    byte* _p;

    public NativeSlab(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        Length = bytes;
        _mapped = (nuint)bytes + AlignBytes;
        _map = Libc.MMap(null, _mapped, Libc.ProtReadWrite, Libc.MapPrivateAnonymous, -1, 0);
        if (_map == Libc.MapFailed)
        {
            _map = null;
            GC.SuppressFinalize(this);
            throw new InsufficientMemoryException($"the system has no {bytes} bytes for a buffer");
        }
        _p = (byte*)(((nuint)_map + AlignBytes - 1) & ~(AlignBytes - 1));
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
        Free();
        GC.SuppressFinalize(this);
    }

    ~NativeSlab() => Free();

    void Free()
    {
        if (_map == null) return;
        _p = null;
        _ = Libc.MUnmap(_map, _mapped);
        _map = null;
    }
}
