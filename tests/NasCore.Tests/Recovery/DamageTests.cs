using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Primitives;
using NasCore.Tests.Engine;
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
            ulong layer2 = BitConverter.ToUInt64(oracle.Medium.ReadBytes(oracle.Medium.Root.ZonePhys(4) + 8, 8));
            return layer2 + 16 * ((data >> 23) & 0x7FFFF) + 4;
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
}
