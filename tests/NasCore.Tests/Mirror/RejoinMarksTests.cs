using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using NasCampaign;
using NasCampaign.PowerCut;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using Xunit;
using CutKind = NasCampaign.PowerCut.CutKind;
using PowerCutter = NasCampaign.PowerCut.PowerCutter;

namespace NasCore.Tests.Mirror;

/// <summary>
/// What names a state that is gone: time marks and snapshots of a former master behind the state that it goes back to,
/// and everything below the last removal of a mount without history.
/// </summary>
public sealed class RejoinMarksTests
{
    static readonly CrashVolume s_volume = new() { Bytes = 128L << 20, CacheBytes = 2L << 20 };
    static readonly Vnode s_dir = new(1, Tid.Max, HammerConst.RootObjId);
    static readonly Guid s_former = Guid.Parse("aaaaaaaa-0000-4000-8000-000000000001");

    /// <summary>PFS 1 with a state every step, each one marked and a snapshot; what each of them shows.</summary>
    sealed class Past
    {
        internal Past(int steps, int seed = 1, IBlockDeviceOf? device = null)
        {
            Random = new Random(seed);
            Medium = s_volume.Format();
            using HammerFs fs = s_volume.Mount(device?.Invoke(Medium) ?? Medium, Time);
            Must(fs.CreatePfs(false, Guid.NewGuid(), s_former, out _));
            for (int i = 0; i < steps; i++) Step(fs, Random, Time, Trees);
        }

        internal Random Random { get; }
        internal DiskImage Medium { get; }
        internal CampaignTime Time { get; } = new() { Now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000) };
        internal Dictionary<ulong, TreeState> Trees { get; } = [];
        internal ulong[] Tids => [.. Trees.Keys.Order()];
    }

    delegate NasCore.Io.IBlockDevice IBlockDeviceOf(DiskImage medium);

    static void Step(HammerFs fs, Random random, CampaignTime time, Dictionary<ulong, TreeState> trees)
    {
        Work(fs, random, 6);
        time.Now += TimeSpan.FromMinutes(20);
        Must(fs.AddMark(1, thins: false, out ulong tid));
        Must(fs.AddSnapshot(1, tid, "step"));
        trees[tid] = TreeState.Capture(fs, tid, 1);
    }

    static void Work(HammerFs fs, Random random, int writes)
    {
        for (int i = 0; i < writes; i++)
        {
            byte[] name = Encoding.ASCII.GetBytes($"n{random.Next(8)}");
            if (random.Next(5) == 0) fs.Unlink(s_dir, name);
            if (fs.Lookup(s_dir, name, out Vnode file, out _).IsError)
                Must(fs.Create(s_dir, name, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0), out file, out _));
            byte[] data = new byte[1 + random.Next(3000)];
            random.NextBytes(data);
            Must(fs.Write(file, (ulong)random.Next(9000), data, false, false, out _));
        }
        fs.SyncAndWait();
    }

    static void Must(Errno e) => Assert.Equal(Errno.None, e);

    [Fact]
    public void Return_takes_off_what_names_the_states_behind_the_common_one_at_any_power_cut()
    {
        var past = new Past(9);
        ulong[] tids = past.Tids;
        ulong common = tids[4], own = tids[^1] + (1UL << 36);
        var mark = new PromotionMark(own, Guid.Empty, s_former, common);
        var log = new PowerLog(past.Medium.Fork());
        using (HammerFs fs = s_volume.Mount(log, past.Time))
        {
            Must(fs.RejoinPfs(1, mark, Guid.NewGuid(), out _));
            Assert.Equal(tids[..5], fs.Marks(1).Select(m => m.Tid));
            Assert.Equal(tids[..5], fs.Snapshots(1).Select(s => s.Tid));
            Assert.Equal(default, fs.LossBehind(1, common));
            // When the slave has gone on, the names of old do not come back with the numbers.
            Must(fs.UpdatePfs(1, (ref PseudofsData p) => p.SyncEndTid = own));
            Assert.Equal(tids[..5], fs.Marks(1).Select(m => m.Tid));
            Assert.Equal(tids[..5], fs.Snapshots(1).Select(s => s.Tid));
        }
        var cutter = new PowerCutter(log.Events, past.Medium);
        CutKind[] kinds = Enum.GetValues<CutKind>();
        int before = 0, pending = 0;
        for (int at = 0; at <= log.Count; at++)
        {
            cutter.AdvanceTo(at);
            CutKind kind = kinds[past.Random.Next(kinds.Length)];
            using HammerFs fs = s_volume.Mount(cutter.Cut(kind, past.Random), past.Time);
            PseudofsData pfs = ResumeSession.Pfs(fs);
            string where = $"cut behind event {at} of {log.Count}, {kind}";
            before += pfs.IsSlave ? 0 : 1;
            pending += SlaveMark.TryGetRollback(in pfs, out _) ? 1 : 0;
            ulong[] wanted = pfs.IsSlave ? tids[..5] : tids;
            Assert.True(wanted.SequenceEqual(fs.Marks(1).Select(m => m.Tid)), where);
            Assert.True(wanted.SequenceEqual(fs.Snapshots(1).Select(s => s.Tid)), where);
            foreach (ulong tid in wanted)
                Assert.True(past.Trees[tid].Equals(TreeState.Capture(fs, tid, 1)), $"{where}: {tid:x16}");
        }
        Assert.True(before > 0 && pending > 0, $"{before} {pending}");
    }

    [Fact]
    public void Mark_or_snapshot_of_a_present_that_was_taken_back_is_refused()
    {
        var past = new Past(3);
        using HammerFs fs = s_volume.Mount(past.Medium, past.Time);
        ulong[] tids = past.Tids;
        Must(fs.RejoinPfs(1, new PromotionMark(1UL << 50, Guid.Empty, s_former, tids[1]), Guid.NewGuid(), out _));
        Assert.Equal(Errno.Inval, fs.AddSnapshot(1, tids[2], "gone"));
        Must(fs.AddMark(1, thins: false, out ulong newest));
        Assert.Equal(tids[1], newest);
    }

    [Fact]
    public void Mount_without_history_notes_how_far_it_went_and_the_next_one_uses_no_hollow_state()
    {
        var past = new Past(5);
        ulong[] tids = past.Tids;
        CrashVolume hollowing = s_volume with { NoHistory = true };
        using (HammerFs fs = hollowing.Mount(past.Medium, past.Time))
        {
            Assert.True(fs.IsWhole(1, tids[4]));
            Work(fs, past.Random, 12);
            fs.SyncAndWait();
            fs.SyncAndWait();
            Assert.False(fs.IsWhole(1, tids[4]));
            Assert.Empty(fs.Marks(1));
            Must(fs.SnapshotTid(1, out ulong present));
            Assert.True(fs.IsWhole(1, present));
        }
        using HammerFs next = s_volume.Mount(past.Medium, past.Time);
        Assert.Empty(next.Marks(1));
        foreach (ulong tid in tids) Assert.False(next.IsWhole(1, tid));
        Assert.Equal(Errno.Inval, next.AddSnapshot(1, tids[4] + 1, "hollow"));
        Assert.False(next.MirrorSource(1).IsWhole(tids[4]));
        var mark = new PromotionMark(1UL << 50, Guid.Empty, s_former, tids[4]);
        Assert.Equal(Errno.Inval, next.RejoinPfs(1, mark, Guid.NewGuid(), out string refusal));
        Assert.Contains("not", refusal, StringComparison.Ordinal);
        Assert.False(ResumeSession.Pfs(next).IsSlave);
        // From here on there is a past again.
        var trees = new Dictionary<ulong, TreeState>();
        for (int i = 0; i < 3; i++) Step(next, past.Random, past.Time, trees);
        Assert.Equal(trees.Keys.Order(), next.Marks(1).Select(m => m.Tid));
        foreach (ulong tid in trees.Keys) Assert.True(next.IsWhole(1, tid));
    }

    [Fact]
    public void Power_cut_of_a_mount_without_history_leaves_no_hollow_state_that_counts_as_whole()
    {
        var past = new Past(5);
        var log = new PowerLog(past.Medium.Fork());
        CrashVolume hollowing = s_volume with { NoHistory = true };
        using (HammerFs fs = hollowing.Mount(log, past.Time))
        {
            for (int i = 0; i < 3; i++)
            {
                Work(fs, past.Random, 8);
                fs.SyncAndWait();
            }
        }
        var cutter = new PowerCutter(log.Events, past.Medium);
        CutKind[] kinds = Enum.GetValues<CutKind>();
        int whole = 0, hollow = 0;
        for (int at = 0; at <= log.Count; at++)
        {
            cutter.AdvanceTo(at);
            CutKind kind = kinds[past.Random.Next(kinds.Length)];
            using HammerFs fs = s_volume.Mount(cutter.Cut(kind, past.Random), past.Time);
            foreach ((ulong tid, TreeState tree) in past.Trees)
            {
                if (fs.IsWhole(1, tid))
                {
                    whole++;
                    Assert.True(tree.Equals(TreeState.Capture(fs, tid, 1)), $"event {at} of {log.Count}, {kind}");
                }
                else
                {
                    hollow++;
                }
            }
        }
        Assert.True(whole > 0 && hollow > 0, $"{whole} {hollow}");
    }

    [Fact]
    public void File_flagged_to_have_no_history_keeps_a_former_master_from_going_back_and_snapshots_stay()
    {
        var past = new Past(3);
        ulong end = past.Tids[^1];
        var mark = new PromotionMark(1UL << 50, Guid.Empty, s_former, end);
        using (HammerFs fs = s_volume.Mount(past.Medium, past.Time))
        {
            Assert.Null(fs.RejoinRefusal(1, mark));
            Must(fs.Create(s_dir, "log"u8, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0), out Vnode file, out _));
            Must(fs.SetAttr(file, new AttrRequest { Change = AttrChange.Uflags, Uflags = InodeOndisk.UfNoHistory },
                new Caller(0, 0, 0), out _));
            for (int i = 0; i < 3; i++)
            {
                Must(fs.Write(file, 0, new byte[5000], false, false, out _));
                fs.SyncAndWait();
            }
            fs.SyncAndWait();
        }
        using HammerFs next = s_volume.Mount(past.Medium, past.Time);
        Assert.True(next.IsWhole(1, end));
        Assert.Contains("without history", next.RejoinRefusal(1, mark), StringComparison.Ordinal);
        Must(next.AddMark(1, thins: false, out ulong now));
        Assert.Equal(now, next.Marks(1)[^1].Tid);
        Assert.NotNull(next.RejoinRefusal(1, mark));
    }
}
