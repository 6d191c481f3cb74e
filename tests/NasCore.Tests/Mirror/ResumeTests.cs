using System;
using System.Collections.Generic;
using NasCampaign;
using NasCampaign.PowerCut;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using Xunit;
using CutKind = NasCampaign.PowerCut.CutKind;
using PowerCutter = NasCampaign.PowerCut.PowerCutter;

namespace NasCore.Tests.Mirror;

/// <summary>A batch that broke goes on at the exact key (architecture M3).</summary>
public sealed class ResumeTests
{
    static MirrorVolume NewSlave(Guid shared)
    {
        var slave = new MirrorVolume(7, 128L << 20);
        slave.MakeSlave(1, shared);
        return slave;
    }

    static void CheckEqual(RandomMaster master, HammerFs slave, string when)
    {
        ulong end = ResumeSession.Pfs(slave).SyncEndTid;
        TreeState expected = TreeState.Capture(master.Fs, end, 1), found = TreeState.Capture(slave, end, 1);
        Assert.True(expected.Equals(found), $"{when}, at {Tid.Format(end)}:\n{TreeState.Differences(expected, found)}");
    }

    [Theory]
    [InlineData(1, MirrorDialect.B)]
    [InlineData(2, MirrorDialect.A)]
    public void First_load_whose_link_breaks_at_every_record_sends_each_record_once(int seed, MirrorDialect dialect)
    {
        using var master = new RandomMaster(seed);
        master.Work(120);
        using MirrorVolume slave = NewSlave(master.Shared);
        int expected = master.Items(2), taken = 0, sessions = 0;
        ulong end = 0;
        var random = new Random(seed);
        while (slave.Pfs(1).SyncEndTid == 1)
        {
            // Two headers and the skip, then a record, or part of one.
            ResumeSession session = ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs,
                sessions == 0 ? 2000 : 752 + random.Next(30_000), dialect: dialect);
            taken += session.Items;
            Assert.Null(session.Refused);
            Assert.Equal(sessions > 0, session.ResumedAt is not null);
            if (sessions > 0) end = session.ResumedRange.End;
            // The master goes on: nothing of that belongs to the batch.
            if (sessions % 5 == 1) master.Work(3);
            Assert.True(++sessions < 2000, "no progress");
        }
        Assert.Equal(expected, taken);
        Assert.True(sessions > 20, $"{sessions} sessions");
        Assert.Equal(end, slave.Pfs(1).SyncEndTid);
        Assert.False(ResumeSession.HasHint(slave.Fs));
        CheckEqual(master, slave.Fs, $"seed {seed}");
        Assert.True(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs).IsWhole);
        CheckEqual(master, slave.Fs, $"seed {seed} caught up");
        Assert.Equal(master.Volume.Records(1), slave.Records(1));
        slave.Verify();
    }

    [Fact]
    public void Place_that_is_noted_at_the_close_keeps_its_credits_when_dirty_objects_enter_the_tree_early()
    {
        using var master = new RandomMaster(5);
        master.Work(60);
        using MirrorVolume slave = NewSlave(master.Shared);
        int before = 0, after = -1;
        ResumeSession session = ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs, item: n =>
        {
            if (n != 20) return;
            before = slave.Fs.Core.PendingNodes;
            slave.Fs.CloseDirtyEarly();
            after = slave.Fs.Core.PendingNodes;
        });
        Assert.True(session.IsWhole, session.TargetError?.ToString());
        Assert.InRange(before, MirrorApply.HintNodes, int.MaxValue);
        Assert.Equal(MirrorApply.HintNodes, after);
        CheckEqual(master, slave.Fs, "in the end");
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void First_load_cut_off_by_power_at_any_write_goes_on_behind_the_last_durable_group(int seed)
    {
        using var master = new RandomMaster(seed);
        master.Work(40);
        var volume = new CrashVolume ();
        DiskImage start = Empty(volume, master.Shared);
        int all = master.Items(2);
        // How many records the groups hold whose last flush lies at or before an event.
        var durable = new List<(int Event, int Items)> { (0, 0) };
        var log = new PowerLog(start.Fork());
        using (HammerFs fs = volume.Mount(log, new CampaignTime()))
        {
            Assert.True(ResumeSession.Run(master.Fs.MirrorSource(1), fs, item: n =>
            {
                if (n % 9 != 0) return;
                fs.Core.FlushOnce();
                durable.Add((log.Count, n));
            }).IsWhole);
        }
        master.Work(5);
        var random = new Random(seed);
        var cutter = new PowerCutter(log.Events, start);
        CutKind[] kinds = Enum.GetValues<CutKind>();
        int resumed = 0;
        for (int at = 0; at <= log.Count; at++)
        {
            cutter.AdvanceTo(at);
            CutKind kind = kinds[random.Next(kinds.Length)];
            string where = $"seed {seed}, cut behind event {at} of {log.Count}, {kind}";
            DiskImage medium = cutter.Cut(kind, random);
            int here = durable.FindLast(d => d.Event <= at).Items;
            resumed += Resume(master, volume, medium, all - here, where) ? 1 : 0;
            if (at % 16 == 0) CrashTrial.AssertSound(medium, volume, where, slaves: true);
        }
        Assert.True(resumed * 3 > log.Count, $"{resumed} of {log.Count} cuts went on inside the batch");
    }

    static DiskImage Empty(CrashVolume volume, Guid shared)
    {
        DiskImage image = volume.Format();
        using HammerFs fs = volume.Mount(image, new CampaignTime());
        Assert.Equal(Errno.None, fs.CreatePfs(true, shared, Guid.NewGuid(), out _));
        return image;
    }

    static bool Resume(RandomMaster master, CrashVolume volume, DiskImage medium, int itemsMax, string where)
    {
        using HammerFs fs = volume.Mount(medium, new CampaignTime());
        bool whole = ResumeSession.Pfs(fs).SyncEndTid != 1, hint = ResumeSession.HasHint(fs);
        Assert.False(whole && hint, $"{where}: a hint beside a complete batch");
        ResumeSession session = ResumeSession.Run(master.Fs.MirrorSource(1), fs);
        Assert.True(session.IsWhole, $"{where}: {session.SourceError} {session.TargetError}");
        Assert.Equal(hint, session.ResumedAt is not null);
        Assert.True(whole || session.Items <= itemsMax || !hint,
            $"{where}: {session.Items} records came again, {itemsMax} may");
        CheckEqual(master, fs, where);
        // What the master did meanwhile comes with the next batch.
        if (hint)
        {
            Assert.True(ResumeSession.Run(master.Fs.MirrorSource(1), fs).IsWhole, where);
            CheckEqual(master, fs, where + ", next batch");
        }
        return hint;
    }

    [Fact]
    public void Changing_masters_with_breaks_and_crashes_inside_every_batch_end_equal()
    {
        for (int seed = 10; seed < 14; seed++)
        {
            using var master = new RandomMaster(seed);
            var random = new Random(seed);
            using MirrorVolume slave = NewSlave(master.Shared);
            int resumed = 0;
            for (int round = 0; round < 25; round++)
            {
                string where = $"seed {seed} round {round}";
                if (round == 0 || random.Next(3) == 0) master.Work(random.Next(1, 60));
                int every = random.Next(2, 40);
                ResumeSession session = ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs, random.Next(100_000),
                    n =>
                    {
                        if (n % every == 0) slave.Fs.Core.FlushOnce();
                    });
                Assert.True(session.Refused is null, $"{where}: {session.Refused}");
                resumed += session.ResumedAt is null ? 0 : 1;
                if (random.Next(2) == 0) slave.Crash();
                if (random.Next(4) == 0) master.Volume.Crash();
                if (slave.Pfs(1).SyncEndTid > 1) CheckEqual(master, slave.Fs, where);
            }
            Assert.True(resumed > 3, $"seed {seed}: {resumed} resumed");
            for (int i = 0; i < 2; i++) Assert.True(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs).IsWhole);
            CheckEqual(master, slave.Fs, $"seed {seed} at the end");
            Assert.Equal(master.Volume.Records(1), slave.Records(1));
            slave.Verify();
        }
    }

    /// <summary>Half of a batch is in the slave, its place durable.</summary>
    static MirrorVolume HalfLoaded(RandomMaster master, out ResumeHint hint)
    {
        MirrorVolume slave = NewSlave(master.Shared);
        Assert.False(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs, 60_000).IsWhole);
        slave.Fs.SyncAndWait();
        Assert.True(ResumeHint.TryGet(slave.Pfs(1), out hint));
        return slave;
    }

    [Fact]
    public void Hints_that_do_not_fit_are_refused_with_the_reason_and_lose_nothing()
    {
        using var master = new RandomMaster(20);
        master.Work(80);
        ulong first = master.Fs.DurableTid;
        master.Work(10);
        using MirrorVolume probe = HalfLoaded(master, out ResumeHint hint);
        BaseElm key = hint.Key(0), last = FilteredScan.LastKey(0);
        ResumeHint[] lies =
        [
            new(Guid.NewGuid(), hint.Begin, hint.End, in key), new(default, hint.Begin, hint.End, in key),
            new(hint.Source, hint.Begin - 1, hint.End, in key), new(hint.Source, hint.Begin + 1, hint.End, in key),
            new(hint.Source, 0, hint.End, in key), new(hint.Source, ulong.MaxValue, hint.End, in last),
            new(hint.Source, hint.Begin, hint.End + 1, in last), new(hint.Source, hint.Begin, ulong.MaxValue, in last),
            new(hint.Source, hint.Begin, 0, in last), new(hint.Source, hint.Begin, hint.Begin, in last),
            new(hint.Source, hint.End, hint.Begin, in last),
        ];
        foreach (ResumeHint lie in lies)
        {
            using MirrorVolume slave = HalfLoaded(master, out _);
            Assert.Equal(Errno.None, slave.Fs.UpdatePfs(1, (ref PseudofsData pfs) => lie.Store(ref pfs)));
            ResumeSession session = ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs);
            Assert.True(session.IsWhole, $"{lie}: {session.SourceError} {session.TargetError}");
            Assert.True(session.Refused is not null && session.ResumedAt is null, $"{lie}: believed");
            CheckEqual(master, slave.Fs, lie.ToString());
            Assert.False(ResumeSession.HasHint(slave.Fs));
            Assert.Equal(master.Volume.Records(1), slave.Records(1));
        }
        // An end below the source's is one that it can still serve; a lower key only sends more.
        foreach (BaseElm low in new[] { BaseElm.GlobalLow, default })
        {
            var early = new ResumeHint(hint.Source, hint.Begin, hint.End, in low);
            using MirrorVolume slave = HalfLoaded(master, out _);
            Assert.Equal(Errno.None, slave.Fs.UpdatePfs(1, (ref PseudofsData pfs) => early.Store(ref pfs)));
            Assert.True(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs).IsWhole);
            CheckEqual(master, slave.Fs, early.ToString());
        }
        Assert.True(first < hint.End);
    }

    [Fact]
    public void Hint_goes_with_everything_that_makes_it_untrue()
    {
        using var master = new RandomMaster(30);
        master.Work(80);
        (string What, Action<HammerFs> Act)[] acts =
        [
            ("upgrade", fs => Assert.Equal(Errno.None, fs.UpgradePfs(1))),
            ("sync-end", fs => fs.UpdatePfs(1, (ref PseudofsData p) => p.SyncEndTid++)),
            ("sync-beg", fs => fs.UpdatePfs(1, (ref PseudofsData p) => p.SyncBegTid++)),
            ("unique", fs => fs.UpdatePfs(1, (ref PseudofsData p) => p.UniqueUuid = Guid.NewGuid())),
            ("shared", fs => fs.UpdatePfs(1, (ref PseudofsData p) => p.SharedUuid = Guid.NewGuid())),
            ("master", fs => fs.UpdatePfs(1, (ref PseudofsData p) => p.MirrorFlags = 0)),
            ("destroy", fs => Assert.Equal(Errno.None, fs.DestroyPfs(1))),
        ];
        foreach ((string what, Action<HammerFs> act) in acts)
        {
            using MirrorVolume slave = HalfLoaded(master, out _);
            act(slave.Fs);
            slave.Fs.TryGetPfs(1, out PseudofsData pfs);
            Assert.False(ResumeHint.TryGet(in pfs, out _), what);
            slave.Crash();
            slave.Fs.TryGetPfs(1, out pfs);
            Assert.False(ResumeHint.TryGet(in pfs, out _), what + " after a crash");
        }
        using MirrorVolume labelled = HalfLoaded(master, out _);
        labelled.Fs.UpdatePfs(1, (ref PseudofsData p) => p.PruneMin = 60);
        Assert.True(ResumeSession.HasHint(labelled.Fs));
    }

    [Fact]
    public void Promotion_cut_off_by_power_leaves_no_hint_about_records_that_it_took_back()
    {
        using var master = new RandomMaster(35);
        master.Work(60);
        var volume = new CrashVolume { CacheBytes = 2L << 20 };
        DiskImage start = Empty(volume, master.Shared);
        using (HammerFs fs = volume.Mount(start, new CampaignTime()))
        {
            ResumeSession.Run(master.Fs.MirrorSource(1), fs, 90_000);
            Assert.Equal(Errno.None, fs.SyncAndWait());
        }
        var log = new PowerLog(start.Fork());
        using (HammerFs fs = volume.Mount(log, new CampaignTime()))
        {
            Assert.True(ResumeSession.HasHint(fs));
            Assert.Equal(Errno.None, fs.UpgradePfs(1));
        }
        var random = new Random(35);
        var cutter = new PowerCutter(log.Events, start);
        int slaves = 0;
        for (int at = 0; at <= log.Count; at++)
        {
            cutter.AdvanceTo(at);
            DiskImage medium = cutter.Cut(at % 2 == 0 ? CutKind.InOrder : CutKind.Torn4096, random);
            using HammerFs fs = volume.Mount(medium, new CampaignTime());
            if (!ResumeSession.Pfs(fs).IsSlave) continue;
            slaves++;
            Assert.True(ResumeSession.Run(master.Fs.MirrorSource(1), fs).IsWhole);
            CheckEqual(master, fs, $"cut behind event {at} of {log.Count}");
        }
        Assert.True(slaves > 5, $"{slaves} cuts before the promotion was durable");
    }

    [Fact]
    public void Foreign_batch_erases_the_hint_before_its_first_record()
    {
        using var master = new RandomMaster(40);
        master.Work(80);
        byte[] oneWay = master.Volume.Read(1);
        using MirrorVolume slave = HalfLoaded(master, out _);
        List<byte[]> records = MirrorMutator.Split(oneWay);
        Assert.Throws<MirrorStreamException>(() => slave.Apply(1, [.. records[0], .. records[1], .. records[2]]));
        Assert.False(ResumeSession.HasHint(slave.Fs));
        slave.Crash();
        Assert.True(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs).IsWhole);
        CheckEqual(master, slave.Fs, "after a foreign batch");
    }

    [Fact]
    public void Source_that_goes_on_where_it_was_not_told_is_refused()
    {
        using var master = new RandomMaster(50);
        master.Work(80);
        using MirrorVolume slave = HalfLoaded(master, out ResumeHint hint);
        BaseElm key = hint.Key(1), later = key with { ObjId = key.ObjId + 1 };
        Assert.True(master.Fs.MirrorSource(1).ReadPfs(out PseudofsData pfs) == Errno.None);
        PseudofsData right = pfs with { SyncBegTid = hint.Begin, SyncEndTid = hint.End };
        ResumeHint.Announce(ref right, resumed: true);
        (PseudofsData Header, BaseElm? SkipTo)[] wrong =
        [
            (right with { SyncEndTid = hint.End + 16 }, key), (right with { SyncBegTid = hint.Begin - 1 }, key),
            (right with { UniqueUuid = Guid.NewGuid() }, key), (right, later), (right, null),
        ];
        foreach ((PseudofsData header, BaseElm? skipTo) in wrong)
        {
            var stream = new ArrayChannel([]);
            var writer = new MrecordWriter(stream);
            writer.WritePfsd(pfs);
            writer.WritePfsd(header);
            if (skipTo is { } to) writer.WriteSkip(FilteredScan.FirstKey(1), in to);
            writer.WriteMark(MrecordType.Sync);
            writer.Flush();
            Assert.Equal(Errno.None, slave.Fs.OpenMirrorTarget(1, out HammerFs.MirrorTargetLease? lease));
            using (lease)
            {
                var session = new MirrorTargetSession(new ArrayChannel(stream.Written.ToArray()), _ => lease!.Target,
                    new MirrorOptions { TwoWay = true });
                Assert.Throws<MirrorStreamException>(() => session.Run());
            }
            Assert.Equal(1UL, slave.Pfs(1).SyncEndTid);
        }
        Assert.True(ResumeHint.TryGet(slave.Pfs(1), out ResumeHint kept) && kept.IsSame(in hint));
        Assert.NotNull(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs).ResumedAt);
        CheckEqual(master, slave.Fs, "after wrong sources");
    }

    [Fact]
    public void Place_survives_a_full_medium_and_other_work_on_it()
    {
        using var master = new RandomMaster(60);
        master.Work(80);
        using MirrorVolume slave = HalfLoaded(master, out ResumeHint hint);
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(Errno.None, slave.Fs.Create(slave.Fs.Root, [(byte)('a' + i)], ObjType.RegFile, 0x1A4, 0, 0,
                new Caller(0, 0, 0), out _, out _));
            slave.Fs.SyncAndWait();
        }
        Assert.True(ResumeHint.TryGet(slave.Pfs(1), out ResumeHint kept) && kept.IsSame(in hint));
        long groups = slave.Fs.Core.GroupsWritten;
        slave.Fs.SyncAndWait();
        Assert.Equal(groups, slave.Fs.Core.GroupsWritten);
        Assert.NotNull(ResumeSession.Run(master.Fs.MirrorSource(1), slave.Fs).ResumedAt);
        slave.Verify();
    }
}
