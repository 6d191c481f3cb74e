namespace NasCore.Primitives;

/// <summary>Zone nibble of a 64-bit HAMMER offset; also the owner recorded for a big-block (on-disk-format
/// 1.2).</summary>
public enum Zone
{
    /// <summary>No zone; as a layer-2 owner: the big-block is free.</summary>
    None = 0,
    /// <summary>Zone 1: device bytes from 0; only the volume header is ever addressed so.</summary>
    RawVolume = 1,
    /// <summary>Zone 2: bytes from vol_buf_beg.</summary>
    RawBuffer = 2,
    /// <summary>Zone 3: the UNDO/REDO FIFO, mapped by the header's table.</summary>
    Undo = 3,
    /// <summary>Zone 4: the freemap.</summary>
    Freemap = 4,
    /// <summary>Zone 8: B-Tree nodes.</summary>
    BTree = 8,
    /// <summary>Zone 9: inodes, directory entries and other small meta data.</summary>
    Meta = 9,
    /// <summary>Zone 10: file data in pieces of 16 KiB or 64 KiB.</summary>
    LargeData = 10,
    /// <summary>Zone 11: file data of at most 8 KiB.</summary>
    SmallData = 11,
    /// <summary>Zone 15: as a layer-2 owner, the big-block lies beyond the end of the volume.</summary>
    Unavail = 15,
}
