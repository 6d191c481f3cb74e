using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.History;

/// <summary>Our prune of a volume made by HAMMER's own code does what HAMMER's own prune did.</summary>
public sealed class PruneGoldenTests
{
    const string Before = "v6/snapprune.before", After = "v6/snapprune.after";

    static OverlayBlockDevice Overlay(GoldenLease lease) =>
        new(FileBlockDevice.Open(lease.Paths[0], readOnly: true), ownsBase: true);

    static (uint, long, ushort, long, ulong, ulong) KeyOf(OracleRecord r) =>
        (r.Localization, r.ObjId, r.RecType, r.Key, r.CreateTid, r.DeleteTid);

    static void AssertTrees(HammerFs fs, string name)
    {
        foreach (GoldenManifestRef reference in GoldenData.Image(name).Manifests)
        {
            var root = new Vnode(reference.Pfs, reference.AsOf ?? Tid.Max, HammerConst.RootObjId);
            string differences = GoldenManifest.Differences(GoldenManifest.Load(reference), FsWalker.Walk(fs, root),
                ManifestIgnore.Mtime);
            Assert.True(differences.Length == 0, $"{reference}:\n{differences}");
        }
    }

    static List<ulong> Snapshots(HammerFs fs)
    {
        ulong deleted = GoldenData.ParseTid(
            GoldenData.Json("made/v6/snapprune.info.json").GetProperty("deleted_before_prune").GetString()!);
        if (fs.Snapshots(0).Any(s => s.Tid == deleted)) Assert.Equal(Errno.None, fs.RemoveSnapshot(0, deleted));
        return [.. fs.Snapshots(0).Select(s => s.Tid)];
    }

    [Fact]
    public void Golden_snapshots_pruned_by_us_keep_every_tree_and_lose_what_hammer_took()
    {
        using GoldenLease before = GoldenData.Borrow(Before), after = GoldenData.Borrow(After);
        using OverlayBlockDevice device = Overlay(before);
        List<OracleRecord> old;
        using (OracleVolume oracle = MountedTree.Oracle(device)) old = [.. oracle.Records];
        List<ulong> kept;
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            kept = Snapshots(fs);
            Assert.NotEmpty(kept);
            PruneRule rule = PruneRule.OfSnapshots([.. kept.Select(t => new KeptMoment(t, default))],
                TimeSpan.Zero, DateTimeOffset.UnixEpoch)!;
            Assert.Equal(Errno.None, fs.OpenPrune(0, rule, null, out Prune? prune));
            Assert.Equal(StepEnd.Done, prune!.Step(new StepBudget(), CancellationToken.None));
            Assert.True(prune.RecordsRemoved + prune.EntriesRemoved > 0);
            AssertTrees(fs, After);
        }
        MountedTree.AssertSound("after the prune", device);
        using OracleVolume ours = MountedTree.Oracle(device), theirs = OracleVolume.Open(after.Paths);
        CompareWithHammer(old, [.. ours.Records], [.. theirs.Records], kept);
    }

    static void CompareWithHammer(List<OracleRecord> old, List<OracleRecord> ours, List<OracleRecord> theirs,
        List<ulong> kept)
    {
        var mine = ours.Select(KeyOf).ToHashSet();
        var hammers = theirs.Select(KeyOf).ToHashSet();
        foreach (OracleRecord r in old)
        {
            if (r.DeleteTid == 0 || mine.Contains(KeyOf(r)) == hammers.Contains(KeyOf(r))) continue;
            // The two differences that PruneRule names: a version that begins at a kept TID is shown there and stays;
            // one that ends there is shown nowhere and goes.
            bool stays = mine.Contains(KeyOf(r)) && kept.Contains(r.CreateTid);
            bool goes = !mine.Contains(KeyOf(r)) && kept.Contains(r.DeleteTid);
            Assert.True(stays || goes, $"{r}: ours {mine.Contains(KeyOf(r))}, HAMMER's {hammers.Contains(KeyOf(r))}");
        }
    }

    [Fact]
    public void Golden_volume_after_prune_everything_holds_live_records_only()
    {
        using GoldenLease before = GoldenData.Borrow(Before);
        using OverlayBlockDevice device = Overlay(before);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            string live = MountedTree.Text(fs);
            Assert.Equal(Errno.None, fs.OpenPrune(0, PruneRule.Everything(), null, out Prune? prune));
            Assert.Equal(StepEnd.Done, prune!.Step(new StepBudget(), CancellationToken.None));
            Assert.Empty(fs.Snapshots(0));
            Assert.Equal(live, MountedTree.Text(fs));
        }
        MountedTree.AssertSound("after prune-everything", device);
        using OracleVolume oracle = MountedTree.Oracle(device);
        Assert.DoesNotContain(oracle.Records, r => r.DeleteTid != 0);
    }
}
