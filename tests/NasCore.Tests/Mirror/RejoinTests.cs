using System;
using System.Text;
using NasCampaign;
using NasCampaign.PowerCut;
using NasCore.Maintenance;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using Xunit;
using CutKind = NasCampaign.PowerCut.CutKind;
using PowerCutter = NasCampaign.PowerCut.PowerCutter;

namespace NasCore.Tests.Mirror;

/// <summary>A master that died, its slave promoted, the master back (architecture M4).</summary>
public sealed class RejoinTests
{
    static readonly Caller s_root = new(0, 0, 0);

    /// <summary>A box has a master with a past; its slave is promoted and both go on.</summary>
    sealed class Parted : IDisposable
    {
        internal Parted(int seed, CrashVolume? formerVolume = null)
        {
            Random = new Random(seed);
            Volume = formerVolume ?? new CrashVolume();
            Medium = Volume.Format();
            Former = Volume.Mount(Medium, new CampaignTime());
            Assert.Equal(Errno.None, Former.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
            Work(Former, 60);
            New = new MirrorVolume(7, 128L << 20);
            New.MakeSlave(1, ResumeSession.Pfs(Former).SharedUuid);
            for (int i = 0; i < 3; i++)
            {
                Assert.True(ResumeSession.Run(Former.MirrorSource(1), New.Fs).IsWhole);
                Work(Former, 15);
            }
            Common = New.Pfs(1).SyncEndTid;
            At = TreeState.Capture(Former, Common, 1);
            Assert.Equal(Errno.None, New.Fs.UpgradePfs(1));
            Assert.True(PromotionMark.TryGet(New.Pfs(1), out PromotionMark mark));
            Mark = mark;
            Work(New.Fs, 20);
            Work(Former, 30);
        }

        internal Random Random { get; }
        internal CrashVolume Volume { get; }
        internal DiskImage Medium { get; }
        internal HammerFs Former { get; set; }
        internal MirrorVolume New { get; }
        internal ulong Common { get; }
        internal TreeState At { get; }
        internal PromotionMark Mark { get; }

        internal void Work(HammerFs fs, int steps)
        {
            var dir = new Vnode(1, Tid.Max, 1);
            for (int i = 0; i < steps; i++)
            {
                byte[] name = Encoding.ASCII.GetBytes($"n{Random.Next(20)}");
                if (Random.Next(4) == 0)
                {
                    fs.Unlink(dir, name);
                    continue;
                }
                if (fs.Lookup(dir, name, out Vnode file, out _).IsError)
                {
                    Assert.Equal(Errno.None,
                        fs.Create(dir, name, ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _));
                }
                byte[] data = new byte[Random.Next(3000)];
                Random.NextBytes(data);
                Assert.Equal(Errno.None,
                    fs.Write(file, (ulong)Random.Next(20_000), data, false, false, out int written));
                Assert.Equal(data.Length, written);
                if (Random.Next(8) == 0) fs.SyncAndWait();
            }
            fs.SyncAndWait();
        }

        public void Dispose()
        {
            Former.Dispose();
            New.Dispose();
        }
    }

    static void CheckFollows(Parted parted, HammerFs former, string where)
    {
        ResumeSession session = ResumeSession.Run(parted.New.Fs.MirrorSource(1), former);
        Assert.True(session.IsWhole, $"{where}: {session.SourceError} {session.TargetError}");
        ulong end = ResumeSession.Pfs(former).SyncEndTid;
        TreeState expected = TreeState.Capture(parted.New.Fs, end, 1), found = TreeState.Capture(former, end, 1);
        Assert.True(expected.Equals(found), $"{where}:\n{TreeState.Differences(expected, found)}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Former_master_that_pruned_the_common_state_is_refused_and_one_that_kept_it_comes_back(bool keeps)
    {
        using var parted = new Parted(7);
        if (keeps) Assert.Equal(Errno.None, parted.Former.AddSnapshot(1, parted.Common, "common"));
        Assert.Equal(Errno.None, parted.Former.SnapshotTid(1, out ulong now));
        Assert.Equal(Errno.None, parted.Former.OpenPrune(1, PruneRule.Keep([], now), null, out Prune? prune));
        Assert.Equal(StepEnd.Done, prune!.Step(new StepBudget(), TestContext.Current.CancellationToken));
        parted.Former.SyncAndWait();
        Errno result = parted.Former.RejoinPfs(1, parted.Mark, Guid.NewGuid(), out string refusal);
        Assert.Equal(keeps ? Errno.None : Errno.Inval, result);
        if (keeps) CheckFollows(parted, parted.Former, "kept");
        else Assert.Contains("pruned", refusal, StringComparison.Ordinal);
        if (!keeps) Assert.False(ResumeSession.Pfs(parted.Former).IsSlave);
    }

    [Fact]
    public void Batch_whose_end_was_pruned_while_its_source_restarted_begins_anew()
    {
        using var master = new RandomMaster(3);
        using var slave = new MirrorVolume(7, 128L << 20);
        slave.MakeSlave(1, master.Shared);
        master.Work(80);
        Assert.False(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs, breakAfter: 60_000).IsWhole);
        Assert.True(ResumeSession.HasHint(slave.Fs));
        master.Work(80);
        Assert.Equal(Errno.None, master.Fs.SnapshotTid(1, out ulong now));
        Assert.Equal(Errno.None, master.Fs.OpenPrune(1, PruneRule.Keep([], now), null, out Prune? prune));
        Assert.Equal(StepEnd.Done, prune!.Step(new StepBudget(), TestContext.Current.CancellationToken));
        master.Fs.SyncAndWait();
        ResumeSession session = ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs);
        Assert.True(session.IsWhole, $"{session.SourceError} {session.TargetError}");
        Assert.Contains("pruned", session.Refused, StringComparison.Ordinal);
        ulong end = slave.Pfs(1).SyncEndTid;
        TreeState expected = TreeState.Capture(master.Fs, end, 1), found = TreeState.Capture(slave.Fs, end, 1);
        Assert.True(expected.Equals(found), TreeState.Differences(expected, found));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Slave_with_half_a_batch_of_a_lost_master_is_equal_to_the_promoted_one_that_feeds_it_next(int seed)
    {
        using var lost = new RandomMaster(seed);
        using var promoted = new MirrorVolume(7, 128L << 20);
        using var slave = new MirrorVolume(7, 128L << 20);
        promoted.MakeSlave(1, lost.Shared);
        slave.MakeSlave(1, lost.Shared);
        lost.Work(60);
        Assert.True(ResumeSession.Run(lost.Fs.MirrorSource(1), promoted.Fs).IsWhole);
        Assert.True(ResumeSession.Run(lost.Fs.MirrorSource(1), slave.Fs).IsWhole);
        // Both slaves have the same; one of them gets part of what the master does last.
        lost.Work(60);
        Assert.False(ResumeSession.Run(lost.Fs.MirrorSource(1), slave.Fs, breakAfter: 30_000 * seed).IsWhole);
        Assert.True(ResumeSession.HasHint(slave.Fs));
        Assert.Equal(Errno.None, promoted.Fs.UpgradePfs(1));
        var dir = new Vnode(1, Tid.Max, 1);
        byte[] own = Encoding.ASCII.GetBytes($"own{seed}");
        Assert.Equal(Errno.None,
            promoted.Fs.Create(dir, own, ObjType.RegFile, 0x1A4, 0, 0, s_root, out _, out _));
        promoted.Fs.SyncAndWait();
        ResumeSession session = ResumeSession.Run(promoted.Fs.MirrorSource(1), slave.Fs);
        Assert.True(session.IsWhole, $"{session.SourceError} {session.TargetError}");
        ulong end = slave.Pfs(1).SyncEndTid;
        TreeState expected = TreeState.Capture(promoted.Fs, end, 1), found = TreeState.Capture(slave.Fs, end, 1);
        Assert.True(expected.Equals(found), TreeState.Differences(expected, found));
    }

    [Fact]
    public void Former_master_is_refused_with_the_way_back_and_takes_it()
    {
        using var parted = new Parted(1);
        PromotionMark mark = parted.Mark;
        Assert.Equal((parted.Common, ResumeSession.Pfs(parted.Former).UniqueUuid), (mark.EndTid, mark.Former));
        Assert.Equal(Errno.RoFs, parted.Former.OpenMirrorTarget(1, out _));
        MirrorPlan plan = MirrorPlan.Of(Source(parted.New.Fs), PfsState.Of(ResumeSession.Pfs(parted.Former)));
        Assert.Contains($"pfs-rejoin PATH {mark}", Assert.IsType<MirrorPlan.FormerMaster>(plan).Sentence,
            StringComparison.Ordinal);
        Assert.True(PromotionMark.TryParse(mark.ToString(), out PromotionMark parsed));
        Assert.Equal(mark with { Unique = Guid.Empty }, parsed);
        RejoinLoss loss = parted.Former.LossBehind(1, mark.EndTid);
        Assert.True(loss is { Records: > 20, Bytes: > 1000, Objects: > 3 }, $"{loss}");
        Guid unique = ResumeSession.Pfs(parted.Former).UniqueUuid;
        Assert.Equal(Errno.None, parted.Former.RejoinPfs(1, parsed, Guid.NewGuid(), out string refusal));
        Assert.Equal("", refusal);
        PseudofsData pfs = ResumeSession.Pfs(parted.Former);
        Assert.Equal((true, parted.Common), (pfs.IsSlave, pfs.SyncEndTid));
        Assert.NotEqual(unique, pfs.UniqueUuid);
        Assert.False(SlaveMark.TryGetRollback(in pfs, out _));
        Assert.Equal(default, parted.Former.LossBehind(1, mark.EndTid));
        Assert.True(parted.At.Equals(TreeState.Capture(parted.Former, parted.Common, 1)));
        Assert.Equal(Errno.None, parted.Former.RejoinPfs(1, parsed, Guid.NewGuid(), out _));
        CheckFollows(parted, parted.Former, "after the return");
        parted.Work(parted.New.Fs, 20);
        CheckFollows(parted, parted.Former, "later");
        parted.Former.Dispose();
        CrashTrial.AssertSound(parted.Medium, parted.Volume, "after the return", slaves: true);
    }

    static PfsState Source(HammerFs fs)
    {
        Assert.Equal(Errno.None, fs.MirrorSource(1).ReadPfs(out PseudofsData pfs));
        return PfsState.Of(in pfs);
    }

    [Fact]
    public void Second_slave_that_followed_the_former_master_too_far_is_refused_and_comes_back()
    {
        using var parted = new Parted(2);
        using var other = new MirrorVolume(7, 128L << 20);
        other.MakeSlave(1, ResumeSession.Pfs(parted.Former).SharedUuid);
        Assert.True(ResumeSession.Run(parted.Former.MirrorSource(1), other.Fs).IsWhole);
        Assert.True(other.Pfs(1).SyncEndTid > parted.Common);
        ResumeSession refused = ResumeSession.Run(parted.New.Fs.MirrorSource(1), other.Fs);
        Assert.IsType<MirrorPlan.Parted>(Assert.IsType<MirrorRefusedException>(refused.SourceError).Plan);
        Assert.Equal(Errno.None, other.Fs.RejoinPfs(1, parted.Mark, Guid.NewGuid(), out string refusal));
        Assert.Equal("", refusal);
        CheckFollows(parted, other.Fs, "the other slave");
    }

    [Fact]
    public void Return_that_does_not_fit_is_refused_with_the_way_out_and_changes_nothing()
    {
        using var parted = new Parted(3);
        HammerFs fs = parted.Former;
        PromotionMark mark = parted.Mark;
        (PromotionMark Mark, string Says)[] wrong =
        [
            (mark with { Former = Guid.NewGuid() }, "was a slave of"), (mark with { Former = Guid.Empty }, "not know"),
            (mark with { EndTid = 0 }, "not know"), (mark with { EndTid = fs.DurableTid + 16 }, "went back in time"),
        ];
        string before = Convert.ToHexString(BitConverter.GetBytes(fs.DurableTid));
        foreach ((PromotionMark bad, string says) in wrong)
        {
            Assert.Equal(Errno.Inval, fs.RejoinPfs(1, bad, Guid.NewGuid(), out string refusal));
            Assert.Contains(says, refusal, StringComparison.Ordinal);
            Assert.Contains("pfs-slave", refusal, StringComparison.Ordinal);
        }
        Assert.Equal(before, Convert.ToHexString(BitConverter.GetBytes(fs.DurableTid)));
        Assert.False(ResumeSession.Pfs(fs).IsSlave);
        Assert.Equal(Errno.None, fs.UpdatePfs(1, (ref PseudofsData p) => p.SyncBegTid = mark.EndTid + 1));
        Assert.Equal(Errno.Inval, fs.RejoinPfs(1, mark, Guid.NewGuid(), out string late));
        Assert.Contains("complete from", late, StringComparison.Ordinal);
        Assert.Equal(Errno.Inval, fs.RejoinPfs(0, mark, Guid.NewGuid(), out _));
        Assert.Equal(Errno.NoEnt, fs.RejoinPfs(7, mark, Guid.NewGuid(), out _));
    }

    [Fact]
    public void Return_with_open_files_is_refused()
    {
        using var parted = new Parted(4);
        Assert.Equal(Errno.None, parted.Former.Create(new Vnode(1, Tid.Max, 1), "open"u8, ObjType.RegFile, 0x1A4, 0, 0,
            s_root, out Vnode file, out _));
        Assert.Equal(Errno.None, parted.Former.Open(file));
        Assert.Equal(Errno.NotEmpty, parted.Former.RejoinPfs(1, parted.Mark, Guid.NewGuid(), out _));
        parted.Former.Release(file);
        Assert.Equal(Errno.None, parted.Former.RejoinPfs(1, parted.Mark, Guid.NewGuid(), out _));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public void Return_cut_off_by_power_at_any_write_shows_the_common_state_and_is_finished_by_the_next_batch(int seed)
    {
        using var parted = new Parted(seed, new CrashVolume { CacheBytes = 2L << 20 });
        parted.Former.Dispose();
        var log = new PowerLog(parted.Medium.Fork());
        using (HammerFs fs = parted.Volume.Mount(log, new CampaignTime()))
            Assert.Equal(Errno.None, fs.RejoinPfs(1, parted.Mark, Guid.NewGuid(), out _));
        var random = new Random(seed);
        var cutter = new PowerCutter(log.Events, parted.Medium);
        CutKind[] kinds = Enum.GetValues<CutKind>();
        int pending = 0;
        for (int at = 0; at <= log.Count; at++)
        {
            cutter.AdvanceTo(at);
            CutKind kind = kinds[random.Next(kinds.Length)];
            string where = $"seed {seed}, cut behind event {at} of {log.Count}, {kind}";
            DiskImage medium = cutter.Cut(kind, random);
            using (HammerFs fs = parted.Volume.Mount(medium, new CampaignTime()))
            {
                PseudofsData pfs = ResumeSession.Pfs(fs);
                pending += SlaveMark.TryGetRollback(in pfs, out _) ? 1 : 0;
                TreeState found = TreeState.Capture(fs, parted.Common, 1);
                Assert.True(parted.At.Equals(found), $"{where}:\n{TreeState.Differences(parted.At, found)}");
                if (!pfs.IsSlave) Assert.Equal(Errno.None, fs.RejoinPfs(1, parted.Mark, Guid.NewGuid(), out _));
                CheckFollows(parted, fs, where);
                Assert.Equal(0, SlaveMark.TryGetRollback(ResumeSession.Pfs(fs), out _) ? 1 : 0);
            }
            if (at % 8 == 0) CrashTrial.AssertSound(medium, parted.Volume, where, slaves: true);
        }
        Assert.True(pending > 0, "no cut lay inside the return");
    }
}
