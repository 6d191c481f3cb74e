using System;
using NasCore.Io;

namespace NasCore.Tests.Engine;

/// <summary>
/// A device that calls back before each transfer: the place from which a test does something in the middle of a flush
/// or a read, or lets a transfer fail by throwing.
/// </summary>
sealed class HookDevice(IBlockDevice below) : IBlockDevice
{
    public Action<long, int>? BeforeRead { get; set; }
    public Action<long, byte[]>? BeforeWrite { get; set; }
    public Action? BeforeFlush { get; set; }
    /// <summary>May change bytes that were read.</summary>
    public ReadChange? AfterRead { get; set; }

    public delegate void ReadChange(long offset, Span<byte> bytes);

    public IBlockDevice Below => below;
    public string Name => below.Name + "+hooks";
    public long Length => below.Length;
    public int LogicalBlockBytes => below.LogicalBlockBytes;
    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> destination)
    {
        BeforeRead?.Invoke(offset, destination.Length);
        below.Read(offset, destination);
        AfterRead?.Invoke(offset, destination);
    }

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        BeforeWrite?.Invoke(offset, source.ToArray());
        below.Write(offset, source);
    }

    public void Flush()
    {
        BeforeFlush?.Invoke();
        below.Flush();
    }

    public void Discard(long offset, long length) => below.Discard(offset, length);
    public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

    public void Dispose()
    {
    }
}
