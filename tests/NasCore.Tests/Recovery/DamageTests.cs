using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Volumes;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>One damaged structure: the rest of the volume stays usable.</summary>
public sealed class DamageTests : RuleTestBase
{
    /// <summary>Unmounts, turns a bit at an address, mounts again.</summary>
    static HammerFs Damaged(EngineDriver driver, Func<OracleVolume, ulong> where)
    {
        driver.Swap(device =>
        {
            ulong address;
            using (OracleVolume oracle = MountedTree.Oracle(device)) address = where(oracle);
            long at = At(device, address);
            byte[] one = new byte[1];
            device.Read(at, one);
            device.Write(at, [(byte)(one[0] ^ 0x10)]);
            return device;
        });
        return driver.Fs;
    }

    /// <summary>Address of the layer 2 entry of a big-block of a volume of less than 4 TiB.</summary>
    static ulong Layer2(OracleVolume oracle, HammerOff inside) =>
        BitConverter.ToUInt64(oracle.Medium.ReadBytes(oracle.Medium.Root.ZonePhys(4) + 8, 8))
        + 16 * ((inside.Value >> 23) & 0x7FFFF);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Damaged_freemap_entry_takes_one_big_block_out_of_use_and_no_more(bool noHistory)
    {
        using EngineDriver driver = Small(noHistory);
        for (int i = 0; i < 20; i++) File(driver.Fs, $"f{i}", Bytes(100_000, i));
        Sync(driver.Fs);
        HammerFs fs = Damaged(driver, oracle =>
        {
            ulong data = oracle.Records.First(r => r.DataOffset >> 60 == 10).DataOffset;
            return Layer2(oracle, new HammerOff(data)) + 4;
        });
        for (int i = 0; i < 20; i++) Assert.Equal(Bytes(100_000, i), Read(fs, Find(fs, $"f{i}")));
        for (int i = 0; i < 10; i++) Must(fs, () => fs.Unlink(fs.Root, Name($"f{i}")));
        for (int i = 0; i < 10; i++) File(fs, $"new{i}", Bytes(100_000, 100 + i));
        for (int i = 0; i < 4; i++) Sync(fs);
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        Assert.Single(fs.Core.Freemap.DamagedEntries);
        driver.Remount();
        for (int i = 0; i < 10; i++) Assert.Equal(Bytes(100_000, 100 + i), Read(driver.Fs, Find(driver.Fs, $"new{i}")));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(12)]
    public void Damaged_freemap_entry_is_neither_used_nor_sealed_again(int field)
    {
        using EngineDriver driver = Small();
        for (int i = 0; i < 20; i++) File(driver.Fs, $"f{i}", Bytes(100_000, i));
        Sync(driver.Fs);
        ulong block = 0, entry = 0;
        HammerFs fs = Damaged(driver, oracle =>
        {
            ulong data = oracle.Records.First(r => r.DataOffset >> 60 == 10).DataOffset;
            block = data >> 23;
            return (entry = Layer2(oracle, new HammerOff(data))) + (ulong)field;
        });
        byte[] before = new byte[16], after = new byte[16];
        driver.Device.Read(At(driver.Device, entry), before);
        HashSet<ulong> old = [.. Records(driver.Device).Select(r => r.DataOffset)];
        for (int i = 0; i < 20; i++) File(fs, $"new{i}", Bytes(100_000, 100 + i));
        Must(fs, () => fs.Unlink(fs.Root, Name("f0")));
        Sync(fs);
        fs.Dispose();
        driver.Device.Read(At(driver.Device, entry), after);
        Assert.Equal(before, after);
        Assert.DoesNotContain(Records(driver.Device), r => r.DataOffset >> 23 == block && !old.Contains(r.DataOffset));
        driver.Remount();
        for (int i = 1; i < 20; i++) Assert.Equal(Bytes(100_000, i), Read(driver.Fs, Find(driver.Fs, $"f{i}")));
    }

    [Fact]
    public void Freemap_entry_damaged_between_reserving_and_charging_is_an_error()
    {
        using EngineDriver driver = Small();
        File(driver.Fs, "f", Bytes(100_000, 1));
        Sync(driver.Fs);
        HammerFs fs = driver.Fs;
        HammerOff reserved = Assert.NotNull(fs.Core.Freemap.Reserve(Zone.LargeData, 65536));
        ulong entry;
        using (OracleVolume oracle = MountedTree.Oracle(driver.Device)) entry = Layer2(oracle, reserved);
        byte[] bytes = new byte[16];
        driver.Device.Read(At(driver.Device, entry), bytes);
        bytes[4] ^= 0x10;
        driver.Device.Write(At(driver.Device, entry), bytes);
        fs.Cache.DropClean();
        HammerMediumException e = Assert.Throws<HammerMediumException>(
            () => fs.Core.Freemap.Commit(reserved, 65536));
        Assert.Contains("freemap layer 2 entry with a wrong CRC", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{entry:x16}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_record_of_the_root_pfs_leaves_its_files_readable_and_writable()
    {
        using EngineDriver driver = Small();
        File(driver.Fs, "f", Bytes(30_000, 1));
        Sync(driver.Fs);
        HammerFs fs = Damaged(driver, oracle =>
            oracle.Records.First(r => r.RecType == OracleRecord.Pfs && r.IsLive).DataOffset + 50);
        Assert.Equal(Bytes(30_000, 1), Read(fs, Find(fs, "f")));
        File(fs, "g", Bytes(10, 2));
        Sync(fs);
        driver.Remount();
        Assert.Equal(Bytes(10, 2), Read(driver.Fs, Find(driver.Fs, "g")));
    }

    [Fact]
    public void Damaged_directory_entry_is_listed_as_one_and_the_other_names_are_there()
    {
        using EngineDriver driver = Small();
        for (int i = 0; i < 50; i++) File(driver.Fs, $"f{i}", [(byte)i]);
        Sync(driver.Fs);
        HammerFs fs = Damaged(driver, oracle =>
            oracle.Records.Where(r => r.RecType == OracleRecord.DirEntry).ElementAt(20).DataOffset + 17);
        List<(string Name, byte[] Raw)> names = FsWalker.Names(fs, fs.Root);
        Assert.Equal(50, names.Count);
        string damaged = Assert.Single(names, n => n.Name.StartsWith("damaged-entry-", StringComparison.Ordinal)).Name;
        Assert.Equal(49, names.Count(n => n.Name[0] == 'f'));
        HammerMediumException e = Assert.Throws<HammerMediumException>(
            () => fs.Lookup(fs.Root, Name(damaged), out _, out _));
        Assert.Contains("wrong CRC", e.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.NoEnt, fs.Lookup(fs.Root, "damaged-entry-0000000000000007"u8, out _, out _));
        File(fs, "more", [1]);
        Sync(fs);
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
    }

    [Fact]
    public void Damaged_leaf_of_a_large_tree_costs_what_is_in_it()
    {
        using EngineDriver driver = Small();
        const int files = 2_000;
        for (int i = 0; i < files; i++) File(driver.Fs, $"f{i}", [(byte)i]);
        Sync(driver.Fs);
        HammerFs fs = Damaged(driver, oracle =>
        {
            List<OracleNode> leaves = [.. oracle.Tree.Nodes.Where(n => n.Type == 'L')];
            return leaves[leaves.Count * 2 / 3].Address + 100;
        });
        int lost = 0;
        for (int i = 0; i < files; i++)
        {
            try
            {
                if (Read(fs, Find(fs, $"f{i}"))[0] != (byte)i) Assert.Fail($"f{i} has another content");
            }
            catch (HammerMediumException)
            {
                lost++;
            }
        }
        Assert.InRange(lost, 1, 64);
        File(fs, "more", Bytes(70_000, 1));
        Sync(fs);
        Assert.Equal(Bytes(70_000, 1), Read(fs, Find(fs, "more")));
    }

    /// <summary>/a folder/sub/bad with 100000 bytes, and a hundred neighbours.</summary>
    static Vnode Nested(HammerFs fs)
    {
        Vnode folder = Dir(fs, "a folder"), sub = default, bad = default;
        Must(fs, () => fs.Create(folder, Name("sub"), ObjType.Directory, 0x1ED, 0, 0, Root, out sub, out _));
        for (int i = 0; i < 100; i++)
        {
            Must(fs, () => fs.Create(sub, Name($"n{i}"), ObjType.RegFile, 0x1A4, 0, 0, Root, out _, out _));
        }
        Must(fs, () => fs.Create(sub, Name("bad"), ObjType.RegFile, 0x1A4, 0, 0, Root, out bad, out _));
        Write(fs, bad, 0, Bytes(100_000, 1));
        Sync(fs);
        return bad;
    }

    static List<CheckFinding> Findings(HammerFs fs, EngineDriver driver)
    {
        fs.Dispose();
        var findings = new List<CheckFinding>();
        using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([driver.Device]));
        Maintenance.Check.Run(volumes, new CheckOptions { Data = true }, f =>
        {
            if (!f.IsWarning) findings.Add(f);
        }, null, CancellationToken.None);
        return findings;
    }

    [Fact]
    public void Damaged_file_data_are_told_with_path_offset_and_record()
    {
        using EngineDriver driver = Small();
        Vnode bad = Nested(driver.Fs);
        ulong extent = 0;
        HammerFs fs = Damaged(driver, oracle => (extent = oracle.Records.First(
            r => r.ObjId == bad.ObjId && r.RecType == OracleRecord.Data && r.Key == 65536).DataOffset) + 20);
        HammerMediumException e = Assert.Throws<HammerMediumException>(
            () => fs.Read(bad, 49152, new byte[4096], out _));
        Assert.Contains("reading 4096 bytes at 49152 of /a folder/sub/bad: ", e.Message, StringComparison.Ordinal);
        Assert.Contains($"objid={bad.ObjId:x16} rt=10 key=0000000000010000", e.Message, StringComparison.Ordinal);
        Assert.Equal(extent, e.Where.Value);
        var lines = new List<string>();
        var log = new FaultLog(fs, lines.Add);
        Assert.Equal(Errno.Io, log.Map(e, FuseOpcode.Read));
        e = Assert.Throws<HammerMediumException>(() => fs.Read(bad, 53248, new byte[4096], out _));
        Assert.Equal(Errno.Io, log.Map(e, FuseOpcode.Read));
        // One place, one line.
        Assert.Contains("/a folder/sub/bad", Assert.Single(lines), StringComparison.Ordinal);
        CheckFinding finding = Assert.Single(Findings(fs, driver));
        Assert.Equal("data-crc", finding.Rule);
        Assert.Contains("of /a folder/sub/bad, file data up to byte 65536", finding.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_inode_is_told_by_the_name_that_leads_to_it()
    {
        using EngineDriver driver = Small();
        Vnode bad = Nested(driver.Fs);
        HammerFs fs = Damaged(driver, oracle => oracle.Records.First(
            r => r.ObjId == bad.ObjId && r.RecType == OracleRecord.Inode && r.IsLive).DataOffset + 20);
        List<CheckFinding> findings = Findings(fs, driver);
        Assert.Contains(findings, f => f.Rule == "data-crc"
            && f.Text.Contains("of /a folder/sub/bad", StringComparison.Ordinal));
    }

    [Fact]
    public void Damage_under_a_directory_that_cannot_be_read_is_told_by_number()
    {
        using EngineDriver driver = Small();
        Vnode bad = Nested(driver.Fs);
        driver.Swap(device =>
        {
            using OracleVolume oracle = MountedTree.Oracle(device);
            foreach (OracleRecord r in oracle.Records)
            {
                bool isFolderEntry = r.RecType == OracleRecord.DirEntry && r.ObjId == HammerConst.RootObjId;
                bool isExtent = r.ObjId == bad.ObjId && r.RecType == OracleRecord.Data && r.Key == 65536;
                if (isFolderEntry || isExtent) device.Write(At(device, r.DataOffset) + 17, [0xEE, 0xEE]);
            }
            return device;
        });
        HammerMediumException e = Assert.Throws<HammerMediumException>(
            () => driver.Fs.Read(bad, 49152, new byte[4096], out _));
        Assert.Contains($"of object {bad.ObjId:x16} of PFS 0: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(Findings(driver.Fs, driver), f => f.Rule == "data-crc"
            && f.Text.Contains($"of object {bad.ObjId:x16} of PFS 0, file data up to byte 65536",
                StringComparison.Ordinal));
    }
}
