using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;

namespace NasCore.Io;

/// <summary>A device in memory, sparse in pieces of 64 KiB; for tests and the self-test.</summary>
public sealed class MemoryBlockDevice(long length, string name = "memory", int logicalBlockBytes = 512) : IBlockDevice
{
    const int ChunkBytes = 65536;

    readonly Dictionary<long, byte[]> _chunks = [];
    readonly Lock _lock = new();

    public string Name { get; } = name;
    public long Length { get; } = length;
    public int LogicalBlockBytes { get; } = logicalBlockBytes;
    public bool IsReadOnly => false;
    /// <summary>Flushes seen so far.</summary>
    public long FlushCount { get; private set; }
    /// <summary>Bytes of the pieces written so far.</summary>
    public long OccupiedBytes
    {
        get
        {
            lock (_lock) return (long)_chunks.Count * ChunkBytes;
        }
    }

    public void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        lock (_lock)
        {
            while (destination.Length > 0)
            {
                int at = (int)(offset % ChunkBytes);
                int n = Math.Min(destination.Length, ChunkBytes - at);
                if (_chunks.TryGetValue(offset / ChunkBytes, out byte[]? chunk))
                    chunk.AsSpan(at, n).CopyTo(destination);
                else
                    destination[..n].Clear();
                destination = destination[n..];
                offset += n;
            }
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        lock (_lock)
        {
            while (source.Length > 0)
            {
                int at = (int)(offset % ChunkBytes);
                int n = Math.Min(source.Length, ChunkBytes - at);
                if (!_chunks.TryGetValue(offset / ChunkBytes, out byte[]? chunk))
                    _chunks[offset / ChunkBytes] = chunk = new byte[ChunkBytes];
                source[..n].CopyTo(chunk.AsSpan(at));
                source = source[n..];
                offset += n;
            }
        }
    }

    public void Flush()
    {
        lock (_lock) FlushCount++;
    }

    public void Discard(long offset, long length)
    {
    }

    public void StartWriteback(long offset, long length)
    {
    }

    /// <summary>An independent copy of the present contents.</summary>
    public MemoryBlockDevice Clone(string? name = null)
    {
        var copy = new MemoryBlockDevice(Length, name ?? Name, LogicalBlockBytes);
        lock (_lock)
        {
            foreach (var (index, chunk) in _chunks) copy._chunks[index] = (byte[])chunk.Clone();
        }
        return copy;
    }

    public void Dispose()
    {
    }

    void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new IOException($"{Name}: transfer of {length} bytes at {offset} beyond the end ({Length})");
    }
}
