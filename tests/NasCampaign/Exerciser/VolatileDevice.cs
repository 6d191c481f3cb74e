using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Io;

namespace NasCampaign.Exerciser;

/// <summary>
/// A disk with a cache of its own: what was written since the last flush may be lost when the power goes, each write
/// by itself. It outlives the file systems that are mounted on it.
/// </summary>
sealed class VolatileDevice(long length) : IBlockDevice
{
    readonly MemoryBlockDevice _medium = new(length);
    /// <summary>Writes since the last flush, with what they replaced.</summary>
    readonly List<(long Offset, byte[] Old, byte[] New)> _unflushed = [];
    readonly Lock _lock = new();

    public string Name => "volatile";
    public long Length => _medium.Length;
    public int LogicalBlockBytes => _medium.LogicalBlockBytes;
    public bool IsReadOnly => false;

    /// <summary>How many writes the last flush has not made safe.</summary>
    public int Unflushed => _unflushed.Count;

    public void Read(long offset, Span<byte> destination) => _medium.Read(offset, destination);

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        byte[] old = new byte[source.Length];
        lock (_lock)
        {
            _medium.Read(offset, old);
            _medium.Write(offset, source);
            _unflushed.Add((offset, old, source.ToArray()));
        }
    }

    public void Flush()
    {
        lock (_lock) _unflushed.Clear();
    }

    /// <summary>The power goes: a part of what was not flushed reaches the medium.</summary>
    /// <param name="percent">Of the unflushed writes that survive.</param>
    public void Cut(Random random, int percent)
    {
        for (int i = _unflushed.Count - 1; i >= 0; i--) _medium.Write(_unflushed[i].Offset, _unflushed[i].Old);
        foreach ((long offset, _, byte[] bytes) in _unflushed)
        {
            if (random.Next(100) < percent) _medium.Write(offset, bytes);
        }
        _unflushed.Clear();
    }

    public void Discard(long offset, long length)
    {
    }

    public void StartWriteback(long offset, long length)
    {
    }

    /// <summary>Belongs to the trial, not to a mount.</summary>
    public void Dispose()
    {
    }
}
