using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Objects;

/// <summary>Keys of the records of an object (on-disk-format 5.1). Localization types as each record type
/// wants.</summary>
public static class RecordKey
{
    public static BaseElm Inode(int pfsId, long objId) => new()
    {
        Localization = Localization.Inode(pfsId).Value, ObjId = objId, RecType = RecType.Inode,
    };

    /// <summary>Data records: key is the end offset of the extent.</summary>
    public static BaseElm Data(int pfsId, long objId, long key) => new()
    {
        Localization = Localization.Misc(pfsId).Value, ObjId = objId, RecType = RecType.Data, Key = key,
    };

    /// <summary>Directory entries live in the inode area if the directory's capability says so.</summary>
    public static BaseElm DirEntry(int pfsId, long dirId, byte capFlags, long key) => new()
    {
        Localization = (capFlags & InodeOndisk.CapDirLocalIno) != 0
            ? Localization.Inode(pfsId).Value
            : Localization.Misc(pfsId).Value,
        ObjId = dirId, RecType = RecType.DirEntry, Key = key,
    };

    public static BaseElm Misc(int pfsId, long objId, RecType recType, long key) => new()
    {
        Localization = Localization.Misc(pfsId).Value, ObjId = objId, RecType = recType, Key = key,
    };

    /// <summary>PFS records of all PFSs live in PFS 0 under object 1.</summary>
    public static BaseElm Pfs(int pfsId) => Misc(0, HammerConst.RootObjId, RecType.Pfs, (long)pfsId << 16);

    public static BaseElm Snapshot(int pfsId, ulong tid) => new()
    {
        Localization = Localization.Inode(pfsId).Value, ObjId = HammerConst.RootObjId, RecType = RecType.Snapshot,
        Key = unchecked((long)tid),
    };
}
