namespace NasCore.Primitives;

/// <summary>PFS id in the upper half, area type in the lower half (on-disk-format 4.5).</summary>
public readonly record struct Localization(uint Value)
{
    /// <summary>Type 1: inodes, and directory entries of directories with the local-inode capability.</summary>
    public const uint InodeType = 1;
    /// <summary>Type 2: file data and everything else.</summary>
    public const uint MiscType = 2;
    public const uint TypeMask = 0x0000FFFF;

    public int PfsId => (int)(Value >> 16);
    public uint Type => Value & TypeMask;
    public static Localization OfPfs(int pfsId) => new((uint)pfsId << 16);
    public static Localization Inode(int pfsId) => new(((uint)pfsId << 16) | InodeType);
    public static Localization Misc(int pfsId) => new(((uint)pfsId << 16) | MiscType);
}

/// <summary>Record types (on-disk-format 5.1).</summary>
public enum RecType : ushort
{
    Unknown = 0,
    Inode = 1,
    Data = 0x10,
    DirEntry = 0x11,
    Db = 0x12,
    Ext = 0x13,
    Fix = 0x14,
    Pfs = 0x15,
    Snapshot = 0x16,
    Config = 0x17,
    Max = 0xFFFF,
}

/// <summary>Object types (on-disk-format 5.2).</summary>
public enum ObjType : byte
{
    Unknown = 0,
    Directory = 1,
    RegFile = 2,
    DbFile = 3,
    Fifo = 4,
    CDev = 5,
    BDev = 6,
    SoftLink = 7,
    PseudoFs = 8,
    Socket = 9,
}
