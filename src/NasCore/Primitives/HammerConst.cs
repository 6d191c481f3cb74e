namespace NasCore.Primitives;

/// <summary>Sizes and limits of the medium (on-disk-format 0.2 and 10).</summary>
public static class HammerConst
{
    /// <summary>Unit of all buffered I/O.</summary>
    public const int BufferBytes = 16384;
    /// <summary>File block size from file offset <see cref="XDemarc"/> on.</summary>
    public const int XBufferBytes = 65536;
    /// <summary>A file of at most this size is one small-data record.</summary>
    public const int SmallFileBytes = 8192;
    /// <summary>File offset at which the block size changes from 16 KiB to 64 KiB.</summary>
    public const long XDemarc = 1 << 20;
    /// <summary>Unit of space ownership.</summary>
    public const int BigBlockBytes = 1 << 23;
    public const int Layer1Radix = 1 << 18;
    public const int Layer2Radix = 1 << 19;
    /// <summary>Bytes mapped by one layer-2 big-block.</summary>
    public const long Layer2Span = 1L << 42;
    public const int VolumesMax = 256;
    public const int UndoBigBlocksMax = 128;
    public const int FifoSectorBytes = 512;
    public const int DataAlignBytes = 16;
    public const int NodeBytes = 4096;
    public const int LeafElmsMax = 63;
    public const int InternalElmsMax = 62;
    /// <summary>Object id of the root directory of every PFS.</summary>
    public const long RootObjId = 1;
    public const int NameBytesMax = 255;
    public const int SymlinkBytesMax = 1023;
    public const int VersionMin = 1;
    public const int VersionMax = 7;
    public const int PfsIdMax = 65535;
    /// <summary>Largest payload of one record.</summary>
    public const int ExtentBytesMax = 65536;

    /// <summary>Rounds a length up to the allocation unit of 16 bytes.</summary>
    public static int RoundData(int bytes) => (bytes + DataAlignBytes - 1) & ~(DataAlignBytes - 1);

    /// <summary>File block size that holds at the given file offset (on-disk-format 5.5).</summary>
    public static int BlockBytesAt(long fileOffset) => fileOffset < XDemarc ? BufferBytes : XBufferBytes;
}
