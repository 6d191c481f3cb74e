using System;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>What is moved (mirroring-and-operations 6.2, 8.5).</summary>
[Flags]
public enum ReblockClasses
{
    None = 0,
    /// <summary>Nodes of the B-Tree.</summary>
    BTree = 0x00020000,
    /// <summary>Data of inode, snapshot and config records.</summary>
    Inodes = 0x00040000,
    /// <summary>File data.</summary>
    Data = 0x00080000,
    /// <summary>Data of directory entries, extended attributes, long symlinks and PFS records.</summary>
    Dirs = 0x00100000,
    All = BTree | Inodes | Data | Dirs,
}

/// <summary>A reblock to be done; the default is everything of the root PFS.</summary>
public sealed record ReblockRequest
{
    public ReblockClasses Classes { get; init; } = ReblockClasses.All;
    /// <summary>
    /// Percent, 0 to 100: a big-block that is filled less is emptied. 100 moves everything, full big-blocks too.
    /// </summary>
    public int FillPercent { get; init; } = 100;
    public int PfsId { get; init; }
    /// <summary>All PFSs instead of one.</summary>
    public bool AllPfs { get; init; }
    /// <summary>Where an earlier reblock with the same values stopped: its <see cref="Reblock.Position"/>.</summary>
    public BaseElm? From { get; init; }

    /// <summary>Free bytes of a big-block from which on it is emptied; 0 moves everything.</summary>
    public int FreeLevel => HammerConst.BigBlockBytes - (int)((long)FillPercent * HammerConst.BigBlockBytes / 100);

    /// <summary>The class of a record's data; None for types that the format does not name.</summary>
    public static ReblockClasses ClassOf(RecType type) => type switch
    {
        RecType.Inode or RecType.Snapshot or RecType.Config => ReblockClasses.Inodes,
        RecType.Ext or RecType.Fix or RecType.Pfs or RecType.DirEntry => ReblockClasses.Dirs,
        RecType.Data or RecType.Db => ReblockClasses.Data,
        _ => ReblockClasses.None,
    };

    /// <summary>
    /// Area types of the localization that hold the classes wanted.
    /// Differs: the original looks for directory entries in the misc area only and so passes by those of all newer
    /// directories, which lie in the inode area (mirroring-and-operations 9.2).
    /// </summary>
    internal (uint Low, uint High) AreaTypes => Classes switch
    {
        ReblockClasses.Inodes => (Localization.InodeType, Localization.InodeType),
        ReblockClasses.Data => (Localization.MiscType, Localization.MiscType),
        _ => (0, Localization.TypeMask),
    };

    /// <summary>First key of the range.</summary>
    internal BaseElm First => From ?? new BaseElm
    {
        Localization = Localization.OfPfs(AllPfs ? 0 : PfsId).Value | AreaTypes.Low, ObjId = long.MinValue,
        Key = long.MinValue, CreateTid = 1,
    };

    /// <summary>Last localization of the range.</summary>
    internal uint LastLocalization =>
        Localization.OfPfs(AllPfs ? HammerConst.PfsIdMax : PfsId).Value | AreaTypes.High;
}

/// <summary>What a reblock has seen and done; the names are those of the original's request.</summary>
public record struct ReblockStats
{
    /// <summary>Nodes seen and moved.</summary>
    public long BTreeCount, BTreeMoves;
    /// <summary>Records with data of the classes wanted, seen and moved.</summary>
    public long DataCount, DataMoves;
    /// <summary>Their bytes.</summary>
    public long DataByteCount, DataByteMoves;
    /// <summary>Records that stayed where they are because their data are damaged or unreadable.</summary>
    public long BadRecords;
}
