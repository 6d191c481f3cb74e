using System;
using System.Linq;

namespace NasTesting.Oracle;

/// <summary>Every record by itself, historic ones too (on-disk-format 5, Appendix C "B-Tree").</summary>
static class OracleRecordChecks
{
    internal static void Run(OracleChecker checker, bool checkData)
    {
        foreach (OracleRecord record in checker.Volume.Records)
        {
            if (CheckElement(checker, record) && (checkData || record.RecType != OracleRecord.Data))
            {
                CheckPayload(checker, record);
            }
        }
    }

    // False if the data cannot be read at all.
    static bool CheckElement(OracleChecker checker, OracleRecord r)
    {
        string where = r.ToString();
        checker.Check(r.DeleteTid == 0 || r.DeleteTid > r.CreateTid, "delete_tid above create_tid", where, "");
        checker.Check(r.CreateTid != 0, "create_tid", where, "0");
        checker.Check(r.ObjId > 0, "obj_id", where, "not positive");
        checker.Check((r.Localization & 0xFFFF) == LocalizationType(r), "localization type", where, "");
        if (r.DataOffset == 0 || r.DataLen is < 1 or > 65536)
        {
            checker.Report("data of a record", where, $"{r.DataOffset:x16}/{r.DataLen}");
            return false;
        }
        bool isData = r.RecType is OracleRecord.Data or OracleRecord.Db;
        int zone = !isData ? 9 : r.DataLen >= 16384 ? 10 : 11;
        checker.Check(OracleMedium.ZoneOf(r.DataOffset) == zone, "zone of the data", where, $"{r.DataOffset:x16}");
        checker.Check(r.DataOffset % (zone == 10 ? 16384u : 16u) == 0, "alignment of the data", where,
            $"{r.DataOffset:x16}");
        ulong unit = r.DataLen <= 16384 ? 16384u : 8388608u;
        ulong end = r.DataOffset + (ulong)r.DataLen - 1;
        checker.Check(r.DataOffset / unit == end / unit, "data cross no boundary", where, $"{r.DataOffset:x16}");
        CheckKey(checker, r, where);
        bool inside = checker.Medium.IsInside(r.DataOffset, r.DataLen);
        checker.Check(inside, "data inside the volume", where, $"{r.DataOffset:x16}/{r.DataLen}");
        return inside;
    }

    static uint LocalizationType(OracleRecord r) => r.RecType switch
    {
        OracleRecord.Inode or OracleRecord.Snapshot or OracleRecord.Config => 1,
        OracleRecord.DirEntry => r.Localization & 3, // 1 or 2 by the directory's cap flag, see the object checks
        _ => 2,
    };

    static void CheckKey(OracleChecker checker, OracleRecord r, string where)
    {
        (bool holds, string rule) = r.RecType switch
        {
            OracleRecord.Inode => (r.Key == 0 && r.DataLen == 128, "inode key and length"),
            OracleRecord.Data => (r.FileBase >= 0 && IsBlock(r), "data record is one block"),
            OracleRecord.DirEntry => (r.Key >= 0x100000000 && r.DataLen is > 16 and <= 271, "entry key and length"),
            OracleRecord.Fix => (r.Key == 1 && r.ObjType == 7 && r.DataLen is > 24 and <= 1023, "long link target"),
            OracleRecord.Pfs => (r.Localization == 2 && r.ObjId == 1 && r.ObjType == 1 && r.Key >= 0
                && (r.Key & 0xFFFF) == 0 && r.Key >> 16 <= 0xFFFF && r.DataLen is 292 or 296, "PFS record"),
            OracleRecord.Snapshot => (r.ObjId == 1 && r.ObjType == 0 && r.DataLen == 128, "snapshot record"),
            OracleRecord.Config => (r.ObjId == 1 && r.ObjType == 0 && IsConfig(r), "config record"),
            OracleRecord.Ext or OracleRecord.Db => (true, ""),
            _ => (false, "record type"),
        };
        checker.Check(holds, rule, where, $"length {r.DataLen}, obj_type {r.ObjType}");
    }

    // HAMMER's text has key 0; key "NHtm" is the list of time marks (docs/decisions/0015), now and then with 16 bytes
    // behind it.
    static bool IsConfig(OracleRecord r) => (r.Key == 0 && r.DataLen == 1024)
        || (r.Key == 0x6D74484E && r.DataLen >= 16 && (r.DataLen - 16) % 24 is 0 or 16)
        // "NHro": what became of a mirror that was turned round (docs/decisions/0018).
        || (r.Key == 0x6F72484E && r.DataLen is > 32 and <= 288)
        // "NHli": whose history it is, in segments (docs/decisions/0019).
        || (r.Key == 0x696C484E && r.DataLen is >= 40 and <= 2056 && (r.DataLen - 8) % 32 == 0);

    // 16 KiB blocks below 1 MiB, 64 KiB from there on; block 0 of a small file rounded up to 16 (observed.md 2).
    static bool IsBlock(OracleRecord r)
    {
        if (r.FileBase >= 1048576) { return r.DataLen == 65536 && r.FileBase % 65536 == 0; }
        return (r.DataLen == 16384 && r.FileBase % 16384 == 0)
            || (r.FileBase == 0 && r.DataLen <= 8192 && r.DataLen % 16 == 0);
    }

    static void CheckPayload(OracleChecker checker, OracleRecord r)
    {
        string where = r.ToString();
        byte[] payload = r.Payload;
        bool holds = r.RecType == OracleRecord.Inode && r.DataLen != 128 ? r.DataCrc == 0
            : OracleCrc.Holds(checker.Medium.Version, r.DataCrc,
                payload.AsSpan(0, r.RecType == OracleRecord.Inode ? 112 : r.DataLen));
        checker.Check(holds, "data CRC", where, $"{r.DataCrc:x8}");
        if (r.RecType == OracleRecord.Inode && r.DataLen == 128) { CheckInode(checker, new OracleInode(r), where); }
        if (r.RecType == OracleRecord.DirEntry && r.DataLen > 16) { CheckEntry(checker, new OracleDirEntry(r), where); }
        if (r.RecType == OracleRecord.Snapshot && r.DataLen == 128)
        {
            checker.Check(BitConverter.ToInt64(payload) == r.Key, "snapshot TID is its key", where, "");
        }
    }

    static void CheckInode(OracleChecker checker, OracleInode inode, string where)
    {
        checker.Check(inode.Version == 1, "inode version", where, $"{inode.Version}");
        checker.Check((inode.Mode & ~0xFFF) == 0, "mode has no type bits", where, $"{inode.Mode:x}");
        checker.Check(inode.ObjType == inode.Record.ObjType, "obj_type of inode and element", where,
            $"{inode.ObjType}");
        checker.Check(inode.ObjType is 1 or 2 or 4 or 5 or 6 or 7 or 9, "obj_type", where, $"{inode.ObjType}");
        checker.Check(inode.ObjType != 1 || inode.Size == 0, "directories have size 0", where, $"{inode.Size}");
        checker.Check(inode.ObjType == 1 || inode.CapFlags == 0, "cap_flags of a non-directory", where,
            $"{inode.CapFlags:x}");
        checker.Check((inode.CapFlags & ~5) == 0, "cap_flags", where, $"{inode.CapFlags:x}");
        checker.Check(inode.Bytes.AsSpan(66, 6).IndexOfAnyExcept((byte)0) < 0, "reserved bytes", where, "");
        bool idsPlain = inode.Bytes.AsSpan(32, 12).IndexOfAnyExcept((byte)0) < 0
            && inode.Bytes.AsSpan(48, 12).IndexOfAnyExcept((byte)0) < 0;
        checker.Check(idsPlain, "uid and gid", where, "more than 32 bits");
    }

    static void CheckEntry(OracleChecker checker, OracleDirEntry entry, string where)
    {
        bool named = !entry.Name.Contains((byte)'/') && !entry.Name.Contains((byte)0)
            && !entry.Name.AsSpan().SequenceEqual("."u8) && !entry.Name.AsSpan().SequenceEqual(".."u8);
        checker.Check(named, "entry name", where, OracleText.Decode(entry.Name));
        checker.Check((entry.TargetLocalization & 0xFFFF) == 0, "entry localization has no type", where,
            $"{entry.TargetLocalization:x8}");
        checker.Check(entry.TargetPfs == entry.Record.PfsId, "entry names its own PFS", where,
            $"{entry.TargetLocalization:x8}");
    }
}
