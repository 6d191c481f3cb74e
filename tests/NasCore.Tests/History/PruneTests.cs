using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Tests.Recovery;
using NasTesting.Model;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.History;

/// <summary>What a prune takes and what it leaves.</summary>
public sealed class PruneTests : RuleTestBase
{
    static ulong Version(HammerFs fs, Vnode file, int seed)
    {
        Write(fs, file, 0, Bytes(40_000, seed));
        Assert.Equal(Errno.None, fs.SnapshotTid(0, out ulong tid));
        return tid;
    }

    static Prune Run(HammerFs fs, PruneRule rule, int pfsId = 0)
    {
        Assert.Equal(Errno.None, fs.OpenPrune(pfsId, rule, null, out Prune? prune));
        Assert.Equal(StepEnd.Done, prune!.Step(new StepBudget(), CancellationToken.None));
        Sync(fs);
        return prune;
    }

    static bool Shows(HammerFs fs, ulong tid, Vnode file, int seed)
    {
        var then = file with { AsOf = tid };
        if (fs.GetAttr(then, out FileAttr attr).IsError || attr.Type != ObjType.RegFile) return false;
        return Read(fs, then).AsSpan().SequenceEqual(Bytes(40_000, seed));
    }

    [Theory]
    [InlineData(100, 200, true)]
    [InlineData(150, 250, false)]
    [InlineData(300, 301, false)]
    [InlineData(200, 300, false)]
    [InlineData(201, 300, true)]
    [InlineData(201, 299, true)]
    [InlineData(1, 99, true)]
    [InlineData(250, 0, false)]
    public void Rule_removes_what_no_kept_tid_shows(ulong create, ulong delete, bool removes) =>
        Assert.Equal(removes, PruneRule.Keep([200, 300], 300).Removes(create, delete));

    [Fact]
    public void State_that_a_prune_went_over_is_no_snapshot_any_more_also_after_a_remount()
    {
        using var driver = new EngineDriver();
        Vnode file = File(driver.Fs, "file");
        ulong first = Version(driver.Fs, file, 1), kept = Version(driver.Fs, file, 2);
        ulong last = Version(driver.Fs, file, 3);
        Assert.True(driver.Fs.IsWhole(0, first));
        Assert.Equal(Errno.None, driver.Fs.AddSnapshot(0, kept, "kept"));
        // The rule was made before the snapshot was: it counts all the same.
        Run(driver.Fs, PruneRule.Keep([], last));
        Assert.True(Shows(driver.Fs, kept, file, 2));
        for (int mount = 0; mount < 2; mount++)
        {
            Assert.Equal((false, true, true),
                (driver.Fs.IsWhole(0, first), driver.Fs.IsWhole(0, kept), driver.Fs.IsWhole(0, last)));
            Assert.Equal(Errno.Inval, driver.Fs.AddSnapshot(0, first, "hollow"));
            driver.Remount();
        }
    }

    [Fact]
    public void Rule_of_snapshots_keeps_what_is_younger_than_prune_min_and_needs_two()
    {
        DateTimeOffset now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
        KeptMoment At(ulong tid, int daysAgo) => new(tid, now.AddDays(-daysAgo));
        Assert.Null(PruneRule.OfSnapshots([At(10, 3)], TimeSpan.Zero, now));
        Assert.Null(PruneRule.OfSnapshots([At(10, 3), At(20, 1)], TimeSpan.FromDays(2), now));
        PruneRule rule = PruneRule.OfSnapshots([At(30, 0), At(10, 9), At(20, 5)], TimeSpan.FromDays(2), now)!;
        Assert.Equal(20u, rule.Limit);
        Assert.True(rule.Removes(11, 15));
        Assert.False(rule.Removes(21, 25));
        Assert.Equal(30u, PruneRule.OfSnapshots([At(30, 0), At(20, 5)], TimeSpan.Zero, now)!.Limit);
    }

    [Fact]
    public void Versions_between_snapshots_go_and_the_space_comes_back()
    {
        using EngineDriver driver = Small();
        Vnode file = File(driver.Fs, "file");
        ulong[] tids = [.. Enumerable.Range(1, 6).Select(i => Version(driver.Fs, file, i))];
        PruneRule rule = PruneRule.Keep([tids[1], tids[4]], tids[4]);
        Prune prune = Run(driver.Fs, rule);
        Assert.True(prune.RecordsRemoved > 0 && prune.BytesChanged >= 3 * 40_000);
        for (int i = 0; i < 6; i++) Assert.Equal(i is 1 or 4 or 5, Shows(driver.Fs, tids[i], file, i + 1));
        driver.Fs.Dispose();
        MountedTree.AssertSound("after the prune", driver.Device);
    }

    [Fact]
    public void Lease_keeps_the_end_of_a_range_until_it_is_given_back()
    {
        using EngineDriver driver = Small();
        Vnode file = File(driver.Fs, "file");
        ulong[] tids = [.. Enumerable.Range(1, 4).Select(i => Version(driver.Fs, file, i))];
        using (driver.Fs.KeepHistory(0, tids[1], tids[1]))
        {
            Assert.True(Run(driver.Fs, PruneRule.Everything()).RecordsHeld > 0);
            Assert.True(Shows(driver.Fs, tids[1], file, 2));
            Assert.False(Shows(driver.Fs, tids[0], file, 1));
        }
        Run(driver.Fs, PruneRule.Everything());
        Assert.False(Shows(driver.Fs, tids[1], file, 2));
    }

    [Fact]
    public void What_ended_in_the_open_group_is_left_for_a_later_prune()
    {
        using EngineDriver driver = Small();
        Vnode file = File(driver.Fs, "file", Bytes(40_000, 1));
        Sync(driver.Fs);
        Run(driver.Fs, PruneRule.Everything());
        // Overwritten, not durable: W8.
        Write(driver.Fs, file, 0, Bytes(40_000, 2));
        Assert.Equal(Errno.None, driver.Fs.OpenPrune(0, PruneRule.Everything(), null, out Prune? early));
        Assert.Equal(StepEnd.Done, early!.Step(new StepBudget(), CancellationToken.None));
        Assert.Equal(0, early.RecordsRemoved);
        Sync(driver.Fs);
        Assert.True(Run(driver.Fs, PruneRule.Everything()).RecordsRemoved > 0);
    }

    [Fact]
    public void Open_files_and_files_without_a_name_keep_their_content()
    {
        using EngineDriver driver = Small();
        Vnode gone = File(driver.Fs, "gone", Bytes(40_000, 1)), open = File(driver.Fs, "open", Bytes(40_000, 2));
        Assert.Equal(Errno.None, driver.Fs.Open(gone));
        Assert.Equal(Errno.None, driver.Fs.Open(open));
        Sync(driver.Fs);
        Write(driver.Fs, gone, 0, Bytes(20_000, 3));
        Write(driver.Fs, open, 0, Bytes(40_000, 4));
        Must(driver.Fs, () => driver.Fs.Unlink(driver.Fs.Root, Name("gone")));
        Sync(driver.Fs);
        Run(driver.Fs, PruneRule.Everything());
        Assert.Equal(Bytes(20_000, 3), Read(driver.Fs, gone)[..20_000]);
        Assert.Equal(Bytes(40_000, 4), Read(driver.Fs, open));
        driver.Fs.Release(gone);
        driver.Fs.Release(open);
        Sync(driver.Fs);
        Run(driver.Fs, PruneRule.Everything());
        driver.Fs.Dispose();
        MountedTree.AssertSound("after the prune", driver.Device);
        Assert.DoesNotContain(Records(driver.Device), r => r.DeleteTid != 0);
    }

    [Fact]
    public void Prune_in_the_smallest_steps_resumed_by_its_key_does_what_one_run_does()
    {
        using EngineDriver whole = Small(), pieces = Small();
        foreach (EngineDriver driver in (EngineDriver[])[whole, pieces])
        {
            Vnode file = File(driver.Fs, "file");
            for (int i = 0; i < 80; i++) Version(driver.Fs, file, i);
        }
        Prune once = Run(whole.Fs, PruneRule.Everything());
        BaseElm? resume = null;
        long removed = 0;
        for (StepEnd end = StepEnd.Budget; end != StepEnd.Done;)
        {
            Assert.Equal(Errno.None, pieces.Fs.OpenPrune(0, PruneRule.Everything(), resume, out Prune? prune));
            // The clock of the tests moves at each look: a hold is over after a few records.
            pieces.Time.Step = TimeSpan.FromMilliseconds(1);
            end = prune!.Step(new StepBudget { TimeMax = TimeSpan.FromMilliseconds(12) }, CancellationToken.None);
            pieces.Time.Step = TimeSpan.FromTicks(10);
            removed += prune.RecordsRemoved;
            BaseElm next = prune.Next;
            Assert.True(KeyText.TryParse(KeyText.Format(in next), out BaseElm parsed));
            Assert.Equal(0, BaseElm.Compare(in next, in parsed));
            resume = parsed;
        }
        Assert.Equal(once.RecordsRemoved, removed);
    }

    [Fact]
    public void Slave_keeps_what_its_last_whole_batch_shows()
    {
        using EngineDriver driver = Small();
        Assert.Equal(Errno.None, driver.Fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out int id));
        Vnode file = default;
        var root = new Vnode(id, Tid.Max, HammerConst.RootObjId);
        Must(driver.Fs, () =>
            driver.Fs.Create(root, Name("file"), ObjType.RegFile, 0x1A4, 0, 0, Root, out file, out _));
        Write(driver.Fs, file, 0, Bytes(40_000, 1));
        Assert.Equal(Errno.None, driver.Fs.SnapshotTid(id, out ulong end));
        Write(driver.Fs, file, 0, Bytes(40_000, 2));
        Sync(driver.Fs);
        // A slave whose end lies before its newest records, as in the middle of a batch.
        Assert.Equal(Errno.None, driver.Fs.UpdatePfs(id, (ref PseudofsData pfs) =>
        {
            pfs.MirrorFlags |= PseudofsData.FlagSlave;
            pfs.SyncEndTid = end;
        }));
        Run(driver.Fs, PruneRule.Everything(), id);
        Assert.True(Shows(driver.Fs, end, file, 1));
        Assert.Equal(Errno.None, driver.Fs.AddSnapshot(id, end, "slave"));
        Assert.Equal(end, Assert.Single(driver.Fs.Snapshots(id)).Tid);
        Assert.Equal(Errno.Inval, driver.Fs.AddSnapshot(id, end + 16, "ahead of the slave"));
    }

    [Fact]
    public void Damaged_node_is_stepped_over_and_told()
    {
        using EngineDriver driver = Small();
        Vnode file = File(driver.Fs, "file");
        for (int i = 0; i < 150; i++) Version(driver.Fs, file, i);
        driver.Fs.Dispose();
        List<OracleNode> leaves;
        using (OracleVolume oracle = MountedTree.Oracle(driver.Device))
            leaves = [.. oracle.Tree.Nodes.Where(n => n.Type == 'L')];
        Assert.True(leaves.Count > 4);
        driver.Device.Write(At(driver.Device, leaves[leaves.Count / 2].Address) + 200, [0x55, 0xAA, 0x55, 0xAA]);
        driver.Remount();
        Prune prune = Run(driver.Fs, PruneRule.Everything());
        Assert.Equal(1, prune.Damaged);
        Assert.True(prune.RecordsRemoved > 100);
        Assert.False(driver.Fs.Health.IsCritical);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Random_history_pruned_at_random_keeps_every_tid_of_the_rule(int seed)
    {
        using EngineDriver driver = Small();
        var random = new Random(seed);
        var past = new NasCampaign.PowerCut.RandomPast((ulong)seed, random);
        driver.Time.Now = past.Time.Now;
        var model = new ModelFs();
        for (int round = 0; round < 4; round++)
        {
            past.Make(driver.Fs, model, 120);
            foreach (SnapshotEntry s in driver.Fs.Snapshots(0))
                if (random.Next(3) == 0) Assert.Equal(Errno.None, driver.Fs.RemoveSnapshot(0, s.Tid));
            List<ulong> kept = [.. driver.Fs.Snapshots(0).Select(s => s.Tid)];
            PruneRule rule = PruneRule.Keep(kept, kept.Count == 0 ? 0 : kept[random.Next(kept.Count)]);
            Run(driver.Fs, rule);
            foreach (ulong tid in past.Trees.Keys.ToList())
            {
                if (!rule.Kept.Contains(tid) && tid < rule.Limit) past.Trees.Remove(tid);
                else
                    Assert.True(NasCampaign.TreeState.Capture(driver.Fs, tid).Equals(past.Trees[tid]),
                        $"seed {seed}, round {round}, {tid:x16}");
            }
        }
        driver.Fs.Dispose();
        using OracleVolume oracle = MountedTree.Oracle(driver.Device);
        List<OracleFinding> findings = oracle.Verify();
        findings.RemoveAll(f => f.Rule == "nlinks at create_tid" && !f.Where.Contains("del=0000000000000000"));
        Assert.True(findings.Count == 0, string.Join("\n", findings.Take(10)));
    }
}
