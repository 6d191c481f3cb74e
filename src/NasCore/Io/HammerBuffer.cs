using System;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Io;

/// <summary>
/// One 16 KiB buffer of the medium in memory (on-disk-format 0.2). Contents are read through <see cref="Data"/>;
/// the only writable span comes from a ModifyScope. A pinned or dirty buffer is never evicted.
/// </summary>
public sealed class HammerBuffer
{
    internal int Pins;
    internal bool Loaded;
    internal Exception? LoadError;
    internal bool Referenced;

    internal HammerBuffer(HammerOff zone2, BufferMemory memory)
    {
        Zone2 = zone2;
        Memory = memory;
    }

    /// <summary>Zone-2 address of the first byte.</summary>
    public HammerOff Zone2 { get; internal set; }
    /// <summary>The present contents.</summary>
    public ReadOnlySpan<byte> Data => Memory.Span;
    /// <summary>Where the present contents live; replaced when a frozen buffer is modified.</summary>
    internal BufferMemory Memory { get; set; }
    /// <summary>Contents as of the close of the group that is being written, or null.</summary>
    internal BufferMemory? Frozen { get; set; }
    /// <summary>Modified by the open group.</summary>
    public bool IsDirty { get; internal set; }
    /// <summary>Small file data: written before the FIFO, not after it.</summary>
    public bool IsFileData { get; internal set; }
    /// <summary>Kept for ever: restored by recovery for a read-only mount.</summary>
    internal bool IsHeld { get; set; }

    /// <summary>Bit per 4 KiB: the node there has been verified since it was loaded.</summary>
    public byte NodesVerified { get; internal set; }
    /// <summary>Bit per 4 KiB: the node there was changed and its CRC is to be made when the buffer is
    /// written.</summary>
    internal byte NodesNeedCrc { get; set; }
    /// <summary>Bit per 4 KiB: the open group has logged the node there, or made it.</summary>
    internal byte NodesLogged { get; set; }
    /// <summary>Number of the group that <see cref="NodesLogged"/> speaks of.</summary>
    internal long LoggedGroup { get; set; }

    internal void Unpin()
    {
        int left = Interlocked.Decrement(ref Pins);
        Invariant.Check(left >= 0, "a buffer is unpinned as often as it was pinned");
    }
}

/// <summary>A pinned buffer and a place in it; Dispose unpins.</summary>
public readonly ref struct BufferRef
{
    readonly int _offset;

    internal BufferRef(HammerBuffer buffer, int offset)
    {
        Buffer = buffer;
        _offset = offset;
    }

    public HammerBuffer Buffer { get; }
    public int Offset => _offset;

    /// <summary>Bytes from the place on; they must lie within the buffer.</summary>
    public ReadOnlySpan<byte> Bytes(int count) => Buffer.Data.Slice(_offset, count);

    public void Dispose() => Buffer?.Unpin();
}
