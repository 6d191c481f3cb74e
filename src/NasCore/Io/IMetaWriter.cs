using System;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Io;

/// <summary>
/// The only source of writable spans over metadata. A range is logged to the UNDO FIFO before it changes, once a
/// flush group, and its buffer is dirty from then on. Implemented by Undo/MetaWriter; owned by this low folder so
/// that freemap and B-Tree can use it (knot 1 of ARCHITECTURE.md). The exclusive file system lock is held by every
/// caller; spans are valid until it is released.
/// </summary>
public interface IMetaWriter
{
    /// <summary>Number of the open flush group.</summary>
    long Group { get; }

    /// <summary>Old contents matter: they are logged first. The range lies in one 16 KiB buffer.</summary>
    Span<byte> Modify(HammerOff off, int bytes);

    /// <summary>A whole existing node, logged as 4096 bytes; its CRC is made at the close of the group.</summary>
    ref NodeOndisk ModifyNode(HammerOff node);

    /// <summary>Only the parent pointer of a node: logs 16 bytes.</summary>
    void SetNodeParent(HammerOff node, HammerOff parent);

    /// <summary>A node just allocated: zeros, nothing is logged.</summary>
    ref NodeOndisk NewNode(HammerOff node);

    /// <summary>Space just allocated in zone 9 or 11, or allocated by this very group: nothing is logged.</summary>
    /// <param name="isStart">True at the first write after the allocation: old contents of a buffer entered at its
    /// start are not read.</param>
    Span<byte> NewData(HammerOff off, int bytes, bool isStart);

    /// <summary>Root volume header; the named bytes are logged.</summary>
    ref VolumeOndisk ModifyHeader(int at, int bytes);
}
