using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;

namespace NasTesting.Oracle;

/// <summary>
/// Both freemap layers, recomputed from the references that the B-Tree holds (on-disk-format 3, Appendix C "Freemap").
/// </summary>
sealed class OracleFreemapChecks
{
    const int Layer1Entries = 262144;
    const int Layer2Entries = 524288;
    const int BlockShift = 23;
    const int Full = 8388608;

    sealed class Usage
    {
        internal int Zone;
        internal long Bytes;
        internal long End;
    }

    readonly OracleChecker _checker;
    readonly OracleMedium _medium;
    readonly Dictionary<ulong, Usage> _used = [];
    readonly Dictionary<ulong, int> _expectedOwner = [];
    readonly HashSet<ulong> _ownedBlocks = [];
    readonly byte[] _lastGood = new byte[16];
    long _freeTotal;
    long _dataBlocks;

    OracleFreemapChecks(OracleChecker checker)
    {
        _checker = checker;
        _medium = checker.Medium;
    }

    internal static void Run(OracleChecker checker)
    {
        var checks = new OracleFreemapChecks(checker);
        checks.CollectReferences();
        checks.CheckExtentsDoNotOverlap();
        checks.ExpectFixedOwners();
        checks.CheckLayer1();
        OracleHeader root = checker.Medium.Root;
        checker.Check(root.StatFreeBigBlocks == checks._freeTotal, "vol0_stat_freebigblocks", "header",
            $"{root.StatFreeBigBlocks}, counted {checks._freeTotal}");
        checker.Check(root.StatBigBlocks == checks._dataBlocks, "vol0_stat_bigblocks", "header",
            $"{root.StatBigBlocks}, counted {checks._dataBlocks}");
        foreach (ulong block in checks._used.Keys.Where(b => !checks._ownedBlocks.Contains(b)))
        {
            checker.Report("referenced big-block is owned", $"big-block {block << BlockShift:x16}", "no such entry");
        }
    }

    static ulong BlockOf(ulong address) => (address & 0x0FFF_FFFF_FFFF_FFFF) >> BlockShift;

    static long Round16(long length) => (length + 15) & ~15L;

    IEnumerable<(ulong Address, int Length, string What)> References()
    {
        foreach (OracleNode node in _checker.Volume.Tree.Nodes)
        {
            yield return (node.Address, 4096, $"node {node.Address:x16}");
        }
        foreach (OracleRecord record in _checker.Volume.Records.Where(r => r.DataOffset != 0 && r.DataLen > 0))
        {
            yield return (record.DataOffset, record.DataLen, record.ToString());
        }
    }

    void CollectReferences()
    {
        foreach ((ulong address, int length, string what) in References())
        {
            if (!_medium.IsInside(address, length)) { continue; } // reported with the record
            if (!_used.TryGetValue(BlockOf(address), out Usage? usage))
            {
                usage = new Usage { Zone = OracleMedium.ZoneOf(address) };
                _used.Add(BlockOf(address), usage);
            }
            _checker.Check(usage.Zone == OracleMedium.ZoneOf(address), "one zone in a big-block", what,
                $"zone {usage.Zone} and {address:x16}");
            usage.Bytes += Round16(length);
            usage.End = Math.Max(usage.End, (long)(address & (Full - 1)) + Round16(length));
        }
    }

    // Deduplicated extents are exactly equal; anything else that overlaps is two owners of the same bytes.
    void CheckExtentsDoNotOverlap()
    {
        (ulong Start, ulong End, string What) last = (0, 0, "");
        foreach ((ulong address, int length, string what) in References()
            .OrderBy(r => r.Address & 0x0FFF_FFFF_FFFF_FFFF).ThenBy(r => r.Length))
        {
            ulong start = address & 0x0FFF_FFFF_FFFF_FFFF;
            ulong end = start + (ulong)Round16(length);
            bool shared = start == last.Start && end == last.End && OracleMedium.ZoneOf(address) is 10 or 11;
            _checker.Check(start >= last.End || shared, "extents do not overlap", what, $"{address:x16}, {last.What}");
            if (end > last.End) { last = (start, end, what); }
        }
    }

    void ExpectFixedOwners()
    {
        OracleHeader root = _medium.Root;
        _expectedOwner[BlockOf(root.ZonePhys(4))] = 4;
        int blocks = (int)((root.ZoneAlloc(3) - 0x3000_0000_0000_0000) >> BlockShift);
        for (int i = 0; i < Math.Min(blocks, 128); i++) { _expectedOwner[BlockOf(root.UndoArray(i))] = 3; }
    }

    void CheckLayer1()
    {
        ulong base1 = _medium.Root.ZonePhys(4);
        byte[] layer1 = _medium.ReadBytes(base1, Layer1Entries * 32);
        var present = new List<(int Index, ulong Layer2, ulong Free)>();
        for (int i = 0; i < Layer1Entries; i++)
        {
            bool expected = _medium.Headers.TryGetValue(i >> 10, out OracleHeader? volume)
                && (long)(i & 1023) << 19 < volume.BigBlocks;
            ReadOnlySpan<byte> entry = layer1.AsSpan(32 * i, 32);
            // Most entries belong to no volume and are equal: seen once, the run of them is known.
            if (i > 0 && !expected && entry.SequenceEqual(layer1.AsSpan(32 * (i - 1), 32))
                && BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]) == ulong.MaxValue
                && BinaryPrimitives.ReadUInt64LittleEndian(entry) == 0)
            {
                i += Repeats(layer1, i, 32, Math.Min(Layer1Entries, (i | 1023) + 1));
                continue;
            }
            string where = $"layer1 entry {i}";
            uint crc = BinaryPrimitives.ReadUInt32LittleEndian(entry[28..]);
            _checker.Check(OracleCrc.Holds(_medium.Version, crc, entry[..28]), "layer1 CRC", where, $"{crc:x8}");
            ulong free = BinaryPrimitives.ReadUInt64LittleEndian(entry);
            ulong layer2 = BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]);
            _checker.Check(expected == (layer2 != ulong.MaxValue), "layer1 covers the volume", where, $"{layer2:x16}");
            if (layer2 == ulong.MaxValue) { _checker.Check(free == 0, "layer1 blocks_free", where, $"{free}"); }
            else { present.Add((i, layer2, free)); }
        }
        foreach ((_, ulong layer2, _) in present) { _expectedOwner[BlockOf(layer2)] = 4; }
        foreach ((int index, ulong layer2, ulong free) in present) { CheckLayer2(index, layer2, free); }
    }

    // How many entries behind this one are equal to it, up to an end.
    static int Repeats(byte[] table, int at, int bytes, int end)
    {
        ReadOnlySpan<byte> rest = table.AsSpan(bytes * at, bytes * (end - at));
        return rest[bytes..].CommonPrefixLength(rest) / bytes;
    }

    void CheckLayer2(int index, ulong address, ulong blocksFree)
    {
        string where = $"layer2 of layer1 entry {index}";
        if (OracleMedium.ZoneOf(address) != 2 || OracleMedium.VolumeOf(address) != index >> 10
            || address % (ulong)OracleMedium.BigBlockSize != 0 || !_medium.IsInside(address, OracleMedium.BigBlockSize))
        {
            _checker.Report("layer2 address", where, $"{address:x16}");
            return;
        }
        byte[] layer2 = _medium.ReadBytes(address, Layer2Entries * 16);
        long free = 0;
        for (int i = 0; i < Layer2Entries; i++)
        {
            ReadOnlySpan<byte> entry = layer2.AsSpan(16 * i, 16);
            if (!entry.SequenceEqual(_lastGood))
            {
                uint crc = BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
                bool good = OracleCrc.Holds(_medium.Version, crc, entry[..12]);
                _checker.Check(good, "layer2 CRC", $"{where}, big-block {i}", $"{crc:x8}");
                if (good) { entry.CopyTo(_lastGood); }
            }
            if (entry[0] == 0) { free++; }
            ulong block = ((ulong)index << 19) + (ulong)i;
            if (CheckEntry(block, entry)) { i += Repeats(layer2, i, 16, Layer2Entries); }
        }
        _checker.Check((ulong)free == blocksFree, "layer1 blocks_free", where, $"{blocksFree}, counted {free}");
        _freeTotal += free;
    }

    // True for a good entry beyond the end of the volume: all behind it that are equal are good, too.
    bool CheckEntry(ulong block, ReadOnlySpan<byte> entry)
    {
        int zone = entry[0];
        uint append = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
        int bytesFree = BinaryPrimitives.ReadInt32LittleEndian(entry[8..]);
        OracleHeader volume = _medium.Headers[(int)(block >> 29)];
        bool beyond = (long)(block & 0x1FFF_FFFF) >= volume.BigBlocks;
        int fixedOwner = beyond ? 15 : _expectedOwner.GetValueOrDefault(block, -1);
        if (beyond && zone == 15 && append == Full && bytesFree == 0) { return true; }
        string where = $"big-block {block << BlockShift:x16} zone {zone} append {append} free {bytesFree}";
        _ownedBlocks.Add(block);
        if (fixedOwner < 0) { _dataBlocks++; }
        switch (zone)
        {
            case 0:
                _checker.Check(append == 0 && bytesFree == Full, "free big-block", where, "not (0, 8388608)");
                break;
            case 3 or 4 or 15:
                _checker.Check(append == Full && bytesFree == 0, "reserved big-block", where, "not (8388608, 0)");
                break;
            case >= 8 and <= 11:
                CheckInUse(block, zone, append, bytesFree, where);
                break;
            default:
                _checker.Report("big-block owner", where, "no such zone");
                break;
        }
        bool special = zone is 3 or 4 or 15;
        _checker.Check(special ? zone == fixedOwner : fixedOwner < 0, "big-block owner", where,
            $"expected {fixedOwner}");
        if (zone is not (>= 8 and <= 11) && _used.TryGetValue(block, out Usage? usage))
        {
            _checker.Report("referenced big-block is owned", where, $"holds data of zone {usage.Zone}");
        }
        return false;
    }

    void CheckInUse(ulong block, int zone, uint append, int bytesFree, string where)
    {
        Usage usage = _used.GetValueOrDefault(block) ?? new Usage { Zone = zone };
        _checker.Check(usage.Zone == zone, "owner agrees with the references", where, $"zone {usage.Zone}");
        _checker.Check(append is > 0 and <= Full, "append_off", where, "not in 1..8388608");
        _checker.Check(append >= usage.End, "append_off", where, $"below the last reference's end {usage.End}");
        _checker.Check(Full - bytesFree == usage.Bytes, "bytes_free", where, $"references use {usage.Bytes} bytes");
        _checker.Check(bytesFree < Full, "emptied big-block is freed", where, "nothing is used");
        _checker.Check(bytesFree >= 0 || _medium.Version >= 5, "negative bytes_free", where, "before version 5");
    }
}
