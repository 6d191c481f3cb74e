using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Mirror;
using NasCore.Primitives;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>Golden streams applied to an empty slave PFS give the golden slaves.</summary>
public sealed class GoldenMirrorWriteTests
{
    static Guid Shared(string set) =>
        Guid.Parse(GoldenData.Json(set + ".info.json").GetProperty("shared_uuid").GetString()!);

    static void CheckTree(MirrorVolume slave, int pfs, string set, int stage)
    {
        ulong end = slave.Pfs(pfs).SyncEndTid;
        string name = $"{set}.slave{stage}.json.zst";
        var reference = new GoldenManifestRef(pfs, end,
            System.IO.Path.Combine(GoldenData.GoldenDirectory, "made", name), "", true);
        string differences = GoldenManifest.Differences(GoldenManifest.Load(reference), slave.Tree(pfs, end));
        Assert.True(differences.Length == 0, $"{name}:\n{differences}");
    }

    static void CheckRecords(MirrorVolume slave, int pfs, string image)
    {
        using GoldenLease lease = GoldenData.Borrow(image);
        using OracleVolume golden = OracleVolume.Open(lease.Paths);
        Assert.Equal(MirrorVolume.Lines(golden, pfs), slave.Records(pfs));
    }

    [Theory]
    [InlineData("v6")]
    [InlineData("v7")]
    public void Streams_applied_one_after_the_other_give_the_golden_slaves(string version)
    {
        string set = version + "/mirror";
        using var slave = new MirrorVolume(version == "v6" ? 6u : 7u);
        slave.MakeSlave(1, Shared(set));
        int stage = 0;
        foreach (string stream in new[] { "full", "incr", "pruned_incr" })
        {
            Assert.True(slave.Apply(1, GoldenData.Stream($"{set}.{stream}.stream")));
            stage++;
            ulong end = GoldenData.ParseTid(
                GoldenData.Json(set + ".info.json").GetProperty(stream + "_end_tid").GetString()!);
            Assert.Equal(end, slave.Pfs(1).SyncEndTid);
            CheckTree(slave, 1, set, stage);
            CheckRecords(slave, 1, $"{set}.slave{stage}");
            slave.Verify();
        }
        slave.Remount();
        CheckTree(slave, 1, set, 3);
    }

    [Fact]
    public void Streams_between_different_pfs_ids_give_the_golden_slave()
    {
        const string set = "v7/mirrorids";
        using var slave = new MirrorVolume();
        slave.MakeSlave(2, Shared(set));
        Assert.True(slave.Apply(2, GoldenData.Stream(set + ".full.stream")));
        CheckTree(slave, 2, set, 1);
        Assert.True(slave.Apply(2, GoldenData.Stream(set + ".incr.stream")));
        CheckTree(slave, 2, set, 2);
        CheckRecords(slave, 2, set + ".slave2");
        slave.Verify();
    }

    [Fact]
    public void Stream_of_version_6_on_version_7_keeps_its_data_sums()
    {
        using var slave = new MirrorVolume(7);
        slave.MakeSlave(1, Shared("v6/mirror"));
        Assert.True(slave.Apply(1, GoldenData.Stream("v6/mirror.full.stream")));
        CheckTree(slave, 1, "v6/mirror", 1);
        slave.Verify();
    }

    [Fact]
    public void Stream_of_version_7_on_version_6_is_refused()
    {
        using var slave = new MirrorVolume(6);
        slave.MakeSlave(1, Shared("v7/mirror"));
        MirrorStreamException e = Assert.Throws<MirrorStreamException>(() =>
            slave.Apply(1, GoldenData.Stream("v7/mirror.full.stream")));
        Assert.Contains("EINVAL", e.Message, StringComparison.Ordinal);
        Assert.Equal(1UL, slave.Pfs(1).SyncEndTid);
        slave.Verify();
    }

    [Fact]
    public void Same_batches_again_and_any_prefix_of_them_change_nothing()
    {
        using var slave = new MirrorVolume();
        slave.MakeSlave(1, Shared("v7/mirror"));
        byte[] incr = GoldenData.Stream("v7/mirror.incr.stream");
        slave.Apply(1, GoldenData.Stream("v7/mirror.full.stream"));
        slave.Apply(1, incr);
        List<string> before = slave.Records(1);
        Assert.True(slave.Apply(1, incr));
        Assert.Equal(before, slave.Records(1));
        List<byte[]> records = MirrorMutator.Split(incr);
        for (int keep = 1; keep < records.Count - 1; keep += 37)
        {
            byte[] prefix = [.. records.Take(keep).SelectMany(r => r)];
            Assert.Throws<MirrorStreamException>(() => slave.Apply(1, prefix));
        }
        Assert.Equal(before, slave.Records(1));
        slave.Verify();
    }

    [Fact]
    public void Stream_broken_at_any_record_leaves_the_last_synced_tree()
    {
        List<byte[]> records = MirrorMutator.Split(GoldenData.Stream("v7/mirror.incr.stream"));
        using var slave = new MirrorVolume();
        slave.MakeSlave(1, Shared("v7/mirror"));
        slave.Apply(1, GoldenData.Stream("v7/mirror.full.stream"));
        ulong synced = slave.Pfs(1).SyncEndTid;
        for (int keep = 1; keep < records.Count - 1; keep++)
        {
            byte[] prefix = [.. records.Take(keep).SelectMany(r => r)];
            Assert.Throws<MirrorStreamException>(() => slave.Apply(1, prefix));
            Assert.Equal(synced, slave.Pfs(1).SyncEndTid);
            if (keep % 50 == 0)
            {
                if (keep % 100 == 0) slave.Crash();
                CheckTree(slave, 1, "v7/mirror", 1);
            }
        }
        CheckTree(slave, 1, "v7/mirror", 1);
        slave.Apply(1, [.. records.SelectMany(r => r)]);
        CheckTree(slave, 1, "v7/mirror", 2);
        slave.Verify();
    }

    [Fact]
    public void Next_tids_lie_above_everything_received_and_the_batch_end()
    {
        using var slave = new MirrorVolume();
        slave.MakeSlave(1, Shared("v7/mirror"));
        slave.Apply(1, GoldenData.Stream("v7/mirror.full.stream"));
        ulong end = slave.Pfs(1).SyncEndTid;
        Assert.True(slave.Fs.Core.Tids.Next >= end);
        slave.Crash();
        Assert.True(slave.Fs.Volumes.Root.Header.NextTid >= end);
        Assert.Equal(Errno.None, slave.Fs.UpgradePfs(1));
        Assert.Equal(Errno.None, slave.Fs.Create(new Vnode(1, Tid.Max, 1), "new"u8, ObjType.RegFile, 0x1A4, 0, 0,
            new Caller(0, 0, 0), out Vnode child, out _));
        slave.Fs.SyncAndWait();
        Assert.True((ulong)child.ObjId > end, $"{child.ObjId:x}");
        slave.Verify();
    }

    [Fact]
    public void Batch_that_ends_below_the_slaves_state_is_refused()
    {
        using var slave = new MirrorVolume();
        slave.MakeSlave(1, Shared("v7/mirror"));
        slave.Apply(1, GoldenData.Stream("v7/mirror.full.stream"));
        slave.Apply(1, GoldenData.Stream("v7/mirror.incr.stream"));
        ulong end = slave.Pfs(1).SyncEndTid;
        List<string> before = slave.Records(1);
        Assert.Throws<MirrorRefusedException>(() => slave.Apply(1, GoldenData.Stream("v7/mirror.full.stream")));
        Assert.Equal(end, slave.Pfs(1).SyncEndTid);
        Assert.Equal(before, slave.Records(1));
    }

    [Fact]
    public void Mutated_streams_never_harm_what_is_synced()
    {
        byte[] incr = GoldenData.Stream("v7/mirror.incr.stream");
        using var slave = new MirrorVolume();
        slave.MakeSlave(1, Shared("v7/mirror"));
        slave.Apply(1, GoldenData.Stream("v7/mirror.full.stream"));
        ulong synced = slave.Pfs(1).SyncEndTid;
        for (int seed = 0; seed < 300; seed++)
        {
            try
            {
                slave.Apply(1, MirrorMutator.Mutate(incr, new Random(seed)));
            }
            catch (Exception e) when (e is MirrorStreamException or MirrorRefusedException)
            {
                // A bad stream ends so, or is a legal one.
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
            Assert.False(slave.Fs.Health.IsCritical, $"seed {seed}: {slave.Fs.Health.Message}");
        }
        var reference = new GoldenManifestRef(1, synced, System.IO.Path.Combine(GoldenData.GoldenDirectory, "made",
            "v7/mirror.slave1.json.zst"), "", true);
        string differences = GoldenManifest.Differences(GoldenManifest.Load(reference), slave.Tree(1, synced));
        Assert.True(differences.Length == 0, differences);
    }
}
