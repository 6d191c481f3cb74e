using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Io;

namespace NasCampaign.Kit;

/// <summary>Copy-on-write over a device that is never written: golden images and states at a crash stay as they are.
/// Leaves the base open unless told to own it.</summary>
sealed class OverlayBlockDevice(IBlockDevice below, bool ownsBase = false) : IBlockDevice
{
    const int ChunkBytes = 4096;

    readonly Dictionary<long, byte[]> _chunks = [];
    readonly Lock _lock = new();

    public string Name => below.Name + "+overlay";
    public long Length => below.Length;
    public int LogicalBlockBytes => below.LogicalBlockBytes;
    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        lock (_lock)
        {
            below.Read(offset, destination);
            if (_chunks.Count == 0) return;
            for (int done = 0; done < destination.Length;)
            {
                int at = (int)((offset + done) % ChunkBytes);
                int n = Math.Min(destination.Length - done, ChunkBytes - at);
                if (_chunks.TryGetValue((offset + done) / ChunkBytes, out byte[]? chunk))
                    chunk.AsSpan(at, n).CopyTo(destination[done..]);
                done += n;
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
                source[..n].CopyTo(Chunk(offset / ChunkBytes, whole: n == ChunkBytes).AsSpan(at));
                source = source[n..];
                offset += n;
            }
        }
    }

    byte[] Chunk(long index, bool whole)
    {
        if (_chunks.TryGetValue(index, out byte[]? chunk)) return chunk;
        _chunks[index] = chunk = new byte[ChunkBytes];
        long at = index * ChunkBytes;
        if (!whole) below.Read(at, chunk.AsSpan(0, (int)Math.Min(ChunkBytes, Length - at)));
        return chunk;
    }

    public void Flush()
    {
    }

    public void Discard(long offset, long length)
    {
    }

    public void StartWriteback(long offset, long length)
    {
    }

    public void Dispose()
    {
        if (ownsBase) below.Dispose();
    }

    void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new IOException($"{Name}: transfer of {length} bytes at {offset} beyond the end ({Length})");
    }
}

/// <summary>Keeps the device below open when a mount disposes of its volumes.</summary>
sealed class KeptDevice(IBlockDevice below) : IBlockDevice
{
    public string Name => below.Name;
    public long Length => below.Length;
    public int LogicalBlockBytes => below.LogicalBlockBytes;
    public bool IsReadOnly => below.IsReadOnly;
    public void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
    public void Write(long offset, ReadOnlySpan<byte> source) => below.Write(offset, source);
    public void Flush() => below.Flush();
    public void Discard(long offset, long length) => below.Discard(offset, length);
    public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

    public void Dispose()
    {
    }
}
