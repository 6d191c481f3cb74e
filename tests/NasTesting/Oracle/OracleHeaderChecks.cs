using System;
using System.Linq;

namespace NasTesting.Oracle;

/// <summary>Volume headers (on-disk-format 2, Appendix C "Header").</summary>
static class OracleHeaderChecks
{
    static readonly Guid s_fsType = new("61dc63ac-6e38-11dc-8513-01301bb8a9f5");

    internal static void Run(OracleChecker checker)
    {
        foreach (OracleHeader header in checker.Medium.Headers.Values) { CheckVolume(checker, header); }
        CheckCrcs(checker);
        CheckFifo(checker);
        CheckTids(checker);
    }

    static void CheckVolume(OracleChecker checker, OracleHeader header)
    {
        string where = $"header of volume {header.VolNo}";
        checker.Check(header.RootVol == 0, "vol_rootvol is 0", where, $"{header.RootVol}");
        checker.Check(header.FsType == s_fsType, "vol_fstype", where, $"{header.FsType}");
        checker.Check(header.VolCount == checker.Medium.Root.VolCount, "vol_count", where, $"{header.VolCount}");
        checker.Check(header.Label == checker.Medium.Root.Label, "one label", where, header.Label);
        checker.Check(header.Version is >= 1 and <= 7, "vol_version", where, $"{header.Version}");
        long[] areas = [header.BotBeg, header.MemBeg, header.BufBeg, header.BufEnd];
        checker.Check(areas[0] >= OracleHeader.Size && areas.SequenceEqual(areas.Order()), "areas in order", where,
            string.Join(' ', areas));
        checker.Check(areas.All(a => a % OracleMedium.BufferSize == 0), "areas aligned", where,
            string.Join(' ', areas));
        checker.Check(header.BufEnd <= checker.Medium.DeviceLength(header.VolNo), "area inside the device", where,
            $"{header.BufEnd}");
        bool restZero = header.Bytes.AsSpan(OracleHeader.Size).IndexOfAnyExcept((byte)0) < 0;
        checker.Check(restZero, "zero after the header", where, "bytes 1928 to 16383");
        if (header.VolNo != 0)
        {
            bool zero = header.Bytes.AsSpan(200, OracleHeader.Size - 200).IndexOfAnyExcept((byte)0) < 0;
            checker.Check(zero, "vol0 fields are zero on other volumes", where, "bytes 200 to 1927");
        }
    }

    // Only meaningful as they are before stage 1 (observed.md 36); newfs leaves vol_crc zero, and stale entries. On
    // other volumes than the root it may stay zero.
    static void CheckCrcs(OracleChecker checker)
    {
        foreach (OracleHeader header in checker.Medium.HeadersAsRead.Values)
        {
            bool absent = header.Crc == 0 && (checker.IsFresh || header.VolNo != 0);
            checker.Check(absent || header.CrcHolds, "vol_crc", $"header of volume {header.VolNo}", $"{header.Crc:x8}");
        }
        OracleHeader root = checker.Medium.HeadersAsRead[0];
        for (int zone = 0; zone < 16; zone++)
        {
            ReadOnlySpan<byte> entry = root.ZoneEntry(zone);
            bool stale = checker.IsFresh && (zone is 8 or 9 || entry.IndexOfAnyExcept((byte)0) < 0);
            checker.Check(stale || OracleCrc.Holds(root.Version, root.ZoneEntryCrc(zone), entry[..36]),
                "blockmap entry_crc", $"zone {zone}", $"{root.ZoneEntryCrc(zone):x8}");
        }
    }

    static void CheckFifo(OracleChecker checker)
    {
        OracleHeader root = checker.Medium.Root;
        int blocks = (int)((root.ZoneAlloc(3) - 0x3000_0000_0000_0000) >> 23);
        for (int i = 0; i < 128; i++)
        {
            ulong address = root.UndoArray(i);
            bool good = i < blocks
                ? OracleMedium.ZoneOf(address) == 2 && OracleMedium.VolumeOf(address) == 0
                    && address % (ulong)OracleMedium.BigBlockSize == 0
                    && checker.Medium.IsInside(address, OracleMedium.BigBlockSize)
                : address == ulong.MaxValue;
            checker.Check(good, "undo array", $"slot {i} of {blocks}", $"{address:x16}");
        }
        for (int zone = 8; zone < 16; zone++)
        {
            ulong start = (ulong)zone << 60;
            checker.Check(root.ZoneFirst(zone) == start && root.ZoneAlloc(zone) == start + 0x0FFF_FFFF_FFFF_FFFF,
                "blockmap constants", $"zone {zone}", $"{root.ZoneFirst(zone):x16} {root.ZoneAlloc(zone):x16}");
            bool inZone = OracleMedium.ZoneOf(root.ZoneNext(zone)) == zone
                || root.ZoneNext(zone) == unchecked((ulong)(zone + 1) << 60);
            checker.Check(inZone, "next_offset in its zone", $"zone {zone}", $"{root.ZoneNext(zone):x16}");
        }
        checker.Check(root.ZoneFirst(4) == 0 && root.ZoneNext(4) == 0x2000_0000_0000_0000
            && root.ZoneAlloc(4) == 0x2FFF_FFFF_FFFF_FFFF, "blockmap constants", "zone 4", "first, next or alloc");
    }

    static void CheckTids(OracleChecker checker)
    {
        if (checker.IsFresh) { return; }
        // next_tid is never rolled back, so the header as it was read counts.
        ulong next = checker.Medium.HeadersAsRead[0].NextTid;
        foreach (OracleRecord record in checker.Volume.Records)
        {
            checker.Check(record.CreateTid <= next && record.DeleteTid <= next, "next_tid is not below any TID",
                record.ToString(), $"next_tid {next:x16}");
        }
    }
}
