using System;
using System.Collections.Generic;
using NasCore.Primitives;
using NasLinux;

namespace NasCore.Io;

/// <summary>One 16 KiB piece of native memory out of the pool.</summary>
public sealed class BufferMemory
{
    readonly NativeSlab _slab;
    readonly long _offset;

    internal BufferMemory(NativeSlab slab, long offset)
    {
        _slab = slab;
        _offset = offset;
    }

    public Span<byte> Span => _slab.Span(_offset, HammerConst.BufferBytes);
}

/// <summary>
/// The pieces of native memory of one mount. Grows in slabs of 1 MiB as they are needed and never gives them back;
/// the number of pieces in use is bounded by whoever takes them (buffer cache, dirty blocks).
/// </summary>
public sealed class BufferMemoryPool : IDisposable
{
    const int PiecesPerSlab = 64;

    readonly List<NativeSlab> _slabs = [];
    readonly Stack<BufferMemory> _free = new();
    readonly RankedLock _lock = new(LockRank.Memory, "memory pool");

    /// <summary>Pieces handed out now.</summary>
    public int InUse { get; private set; }

    /// <summary>A piece with arbitrary contents.</summary>
    public BufferMemory Take()
    {
        using (_lock.Hold())
        {
            if (_free.Count == 0) Grow();
            InUse++;
            return _free.Pop();
        }
    }

    public void Give(BufferMemory memory)
    {
        using (_lock.Hold())
        {
            InUse--;
            _free.Push(memory);
        }
    }

    public void Dispose()
    {
        using (_lock.Hold())
        {
            foreach (NativeSlab slab in _slabs) slab.Dispose();
            _slabs.Clear();
            _free.Clear();
        }
    }

    void Grow()
    {
        var slab = new NativeSlab((long)PiecesPerSlab * HammerConst.BufferBytes);
        _slabs.Add(slab);
        for (int i = PiecesPerSlab - 1; i >= 0; i--)
            _free.Push(new BufferMemory(slab, (long)i * HammerConst.BufferBytes));
    }
}
