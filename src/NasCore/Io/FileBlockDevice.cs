using System;
using System.IO;
using System.Threading;
using NasCore.Primitives;
using NasLinux;

namespace NasCore.Io;

/// <summary>
/// A block device or image file. Buffered I/O with fdatasync as the flush, every error of which is reported; extents of
/// file data are written past the kernel's cache where the file system below allows it (decisions 0006 and 0013).
/// </summary>
public sealed class FileBlockDevice : IBlockDevice
{
    readonly LinuxFile _file;
    /// <summary>The same file opened for direct I/O, or null.</summary>
    readonly LinuxFile? _direct;

    FileBlockDevice(LinuxFile file, bool readOnly)
    {
        _file = file;
        IsReadOnly = readOnly;
        Length = file.DeviceLength();
        LogicalBlockBytes = file.LogicalBlockBytes();
        // With larger pages an extent shares one with its neighbours, which may be in the cache.
        if (!readOnly && Environment.SystemPageSize <= HammerConst.BufferBytes
            && LogicalBlockBytes <= DirectAlignBytes) _direct = file.TryOpenDirect();
    }

    /// <summary>Alignment of direct transfers: offsets, lengths, memory.</summary>
    public const int DirectAlignBytes = 4096;

    int _waiting;
    long _answered;

    public long WaitsSince => Volatile.Read(ref _waiting) > 0 ? Volatile.Read(ref _answered) + 1 : 0;

    /// <summary>A request to the medium, as long as it lasts.</summary>
    readonly ref struct Request
    {
        readonly FileBlockDevice _device;

        internal Request(FileBlockDevice device)
        {
            _device = device;
            Interlocked.Increment(ref device._waiting);
        }

        public void Dispose()
        {
            Interlocked.Increment(ref _device._answered);
            Interlocked.Decrement(ref _device._waiting);
        }
    }

    public bool HasDirectWrite => _direct is not null;

    public void WriteDirect(long offset, ReadOnlySpan<byte> source)
    {
        if (_direct is null)
        {
            Write(offset, source);
            return;
        }
        CheckRange(offset, source.Length);
        using var request = new Request(this);
        _direct.WriteAt(offset, source);
    }

    public string Name => _file.Path;
    public long Length { get; }
    public int LogicalBlockBytes { get; }
    public bool IsReadOnly { get; }

    /// <summary>Opens a device or regular file; <see cref="IOException"/> with the path and reason on
    /// failure.</summary>
    /// <param name="exclusive">Refuse a block device in use (O_EXCL) and a file locked by another process.</param>
    public static FileBlockDevice Open(string path, bool readOnly, bool exclusive = false)
    {
        LinuxFile file = LinuxFile.Open(path, readOnly, exclusive);
        try
        {
            return new FileBlockDevice(file, readOnly);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        using var request = new Request(this);
        _file.ReadAt(offset, destination);
    }

    readonly Lock _mediumLock = new();
    LinuxFile? _medium;
    NativeSlab? _mediumMemory;
    bool _mediumTried;

    /// <summary>
    /// Direct I/O, for which the kernel first writes what it has not written yet of the range. Where the file system
    /// below has none (or a piece lies at an odd end of the file) pages that are clean are dropped before.
    /// </summary>
    public void ReadMedium(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        using var request = new Request(this);
        lock (_mediumLock)
        {
            if (!_mediumTried && LogicalBlockBytes <= DirectAlignBytes) _medium = _file.TryOpenDirect(readOnly: true);
            _mediumTried = true;
            while (destination.Length > 0)
            {
                int n = ReadMediumPiece(offset, destination);
                destination = destination[n..];
                offset += n;
            }
        }
    }

    int ReadMediumPiece(long offset, Span<byte> destination)
    {
        long begin = offset & -DirectAlignBytes;
        int bytes = Math.Min(destination.Length, HammerConst.ExtentBytesMax), skip = (int)(offset - begin);
        int whole = (skip + bytes + DirectAlignBytes - 1) & -DirectAlignBytes;
        if (_medium is null || begin + whole > Length)
        {
            _file.DropCache(begin, whole);
            _file.ReadAt(offset, destination[..bytes]);
            return bytes;
        }
        _mediumMemory ??= new NativeSlab(HammerConst.ExtentBytesMax + 2 * DirectAlignBytes);
        Span<byte> memory = _mediumMemory.Span(0, whole);
        _medium.ReadAt(begin, memory);
        memory.Slice(skip, bytes).CopyTo(destination);
        return bytes;
    }

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        if (IsReadOnly) throw new IOException($"{Name}: write to a device opened read-only");
        CheckRange(offset, source.Length);
        using var request = new Request(this);
        _file.WriteAt(offset, source);
    }

    public void Flush()
    {
        if (IsReadOnly) return;
        using var request = new Request(this);
        _file.DataSync();
    }

    public void Discard(long offset, long length)
    {
        CheckRange(offset, length);
        if (!IsReadOnly) _file.Discard(offset, length);
    }

    public void StartWriteback(long offset, long length)
    {
        if (!IsReadOnly) _file.StartWriteback(offset, length);
    }

    /// <summary>Drops what the kernel has cached of this device (its clean pages), for cold measurements.</summary>
    public void DropCache() => _file.DropCache();

    public void Dispose()
    {
        _direct?.Dispose();
        _medium?.Dispose();
        _mediumMemory?.Dispose();
        _file.Dispose();
    }

    void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new IOException($"{Name}: transfer of {length} bytes at {offset} beyond the end ({Length})");
    }
}
