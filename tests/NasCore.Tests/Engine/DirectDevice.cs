using System;
using System.Threading;
using NasCore.Io;

namespace NasCore.Tests.Engine;

/// <summary>A device with direct writes that a test can hold up or let fail.</summary>
sealed class DirectDevice(IBlockDevice below) : IBlockDevice
{
    int _underWay;
    int _count;

    /// <summary>Called on the writer's thread, before the bytes are written.</summary>
    public Action<long, int>? BeforeDirect { get; set; }
    public int DirectWrites => Volatile.Read(ref _count);
    /// <summary>True if the device was ever flushed while a direct write was under way.</summary>
    public bool FlushedTooEarly { get; private set; }

    public string Name => below.Name + "+direct";
    public long Length => below.Length;
    public int LogicalBlockBytes => below.LogicalBlockBytes;
    public bool IsReadOnly => false;
    public bool HasDirectWrite => true;

    public void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
    public void Write(long offset, ReadOnlySpan<byte> source) => below.Write(offset, source);

    public void WriteDirect(long offset, ReadOnlySpan<byte> source)
    {
        Interlocked.Increment(ref _underWay);
        try
        {
            BeforeDirect?.Invoke(offset, source.Length);
            below.Write(offset, source);
            Interlocked.Increment(ref _count);
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }
    }

    public void Flush()
    {
        if (Volatile.Read(ref _underWay) != 0) FlushedTooEarly = true;
        below.Flush();
    }

    public void Discard(long offset, long length) => below.Discard(offset, length);
    public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

    public void Dispose()
    {
    }
}
