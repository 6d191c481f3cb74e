using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Hashing;
using System.Threading;
using NasCore.Io;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// A disk in memory, sparse in pages of 4096 bytes, perhaps over another image that it leaves as it is: forks are
/// cheap, and thousands of media that differ in a few sectors fit into memory. The image below must not be written
/// while a fork of it is in use. It knows a digest of its whole contents.
/// </summary>
public sealed class DiskImage : IBlockDevice
{
    public const int PageBytes = 4096;

    readonly DiskImage? _below;
    readonly Dictionary<long, byte[]> _pages = [];
    readonly Dictionary<long, ulong> _hashes = [];
    readonly HashSet<long> _changed = [];
    readonly Lock _lock = new();
    ulong _sum;

    public DiskImage(long length) => Length = length;

    DiskImage(DiskImage below)
    {
        _below = below;
        Length = below.Length;
    }

    public string Name => "image";
    public long Length { get; }
    public int LogicalBlockBytes => 512;
    public bool IsReadOnly => false;

    /// <summary>An image that begins with these contents.</summary>
    public DiskImage Fork() => new(this);

    /// <summary>The same contents without an image below, free to be written on its own.</summary>
    public DiskImage Flatten()
    {
        var copy = new DiskImage(Length);
        var levels = new Stack<DiskImage>();
        for (DiskImage? at = this; at is not null; at = at._below) levels.Push(at);
        foreach (DiskImage level in levels)
            foreach ((long index, byte[] page) in level._pages) copy._pages[index] = (byte[])page.Clone();
        copy._changed.UnionWith(copy._pages.Keys);
        return copy;
    }

    byte[]? Find(long index)
    {
        for (DiskImage? at = this; at is not null; at = at._below)
            if (at._pages.TryGetValue(index, out byte[]? page)) return page;
        return null;
    }

    public void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        lock (_lock)
        {
            while (destination.Length > 0)
            {
                int at = (int)(offset % PageBytes);
                int n = Math.Min(destination.Length, PageBytes - at);
                if (Find(offset / PageBytes) is { } page) page.AsSpan(at, n).CopyTo(destination);
                else destination[..n].Clear();
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
                int at = (int)(offset % PageBytes);
                int n = Math.Min(source.Length, PageBytes - at);
                source[..n].CopyTo(OwnPage(offset / PageBytes).AsSpan(at));
                source = source[n..];
                offset += n;
            }
        }
    }

    byte[] OwnPage(long index)
    {
        _changed.Add(index);
        if (_pages.TryGetValue(index, out byte[]? page)) return page;
        page = new byte[PageBytes];
        _below?.Find(index)?.CopyTo(page, 0);
        return _pages[index] = page;
    }

    /// <summary>Equal for equal contents, however they came about.</summary>
    public ulong Digest()
    {
        lock (_lock)
        {
            foreach (long index in _changed)
            {
                if (!_hashes.TryGetValue(index, out ulong old))
                    old = _below is null ? 0 : Hash(index, _below.Find(index));
                ulong now = Hash(index, _pages[index]);
                _sum = unchecked(_sum - old + now);
                _hashes[index] = now;
            }
            _changed.Clear();
            return unchecked(_sum + (_below?.Digest() ?? 0));
        }
    }

    static ulong Hash(long index, byte[]? page) => page is null || !page.AsSpan().ContainsAnyExcept((byte)0) ? 0
        : OpsContent.Mix(XxHash3.HashToUInt64(page) ^ OpsContent.Mix((ulong)index));

    public void Flush()
    {
    }

    public void Discard(long offset, long length)
    {
    }

    public void StartWriteback(long offset, long length)
    {
    }

    /// <summary>Nothing: images outlive the mounts on them.</summary>
    public void Dispose()
    {
    }

    void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new IOException($"{Name}: transfer of {length} bytes at {offset} beyond the end ({Length})");
    }
}
