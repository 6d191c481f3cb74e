using System;
using System.IO;
using Microsoft.Win32.SafeHandles;

namespace NasTesting.Oracle;

/// <summary>What the oracle needs of a disk: its length and its bytes.</summary>
public interface IOracleDevice
{
    /// <summary>Bytes.</summary>
    long Length { get; }

    /// <summary>Fills the whole span from the byte offset on; bytes past the end are an error.</summary>
    void Read(long offset, Span<byte> target);
}

/// <summary>An image file or block device, opened for reading only.</summary>
public sealed class FileOracleDevice : IOracleDevice, IDisposable
{
    readonly SafeFileHandle _handle;
    readonly string _path;

    public FileOracleDevice(string path)
    {
        _path = path;
        _handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Length = RandomAccess.GetLength(_handle);
    }

    public long Length { get; }

    public void Read(long offset, Span<byte> target)
    {
        while (target.Length > 0)
        {
            int got = RandomAccess.Read(_handle, target, offset);
            if (got == 0) { throw new EndOfStreamException($"{_path}: read at {offset}, past the end {Length}"); }
            offset += got;
            target = target[got..];
        }
    }

    public void Dispose() => _handle.Dispose();
}

/// <summary>An image held in memory.</summary>
public sealed class MemoryOracleDevice(byte[] bytes) : IOracleDevice
{
    public long Length => bytes.Length;

    public void Read(long offset, Span<byte> target) =>
        bytes.AsSpan(checked((int)offset), target.Length).CopyTo(target);
}

/// <summary>Any device of a test, by its length and a read function (a sparse memory disk, for example).</summary>
public sealed class DelegateOracleDevice(long length, DelegateOracleDevice.ReadAt read) : IOracleDevice
{
    public delegate void ReadAt(long offset, Span<byte> target);

    public long Length => length;

    public void Read(long offset, Span<byte> target) => read(offset, target);
}
