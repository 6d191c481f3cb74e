using System;
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

/// <summary>A master that hands its role over (docs/MIRRORING.md 12): step 5, cut off at every write.</summary>
public sealed class HandOverTests
{
    static readonly CrashVolume s_volume = new() { Bytes = 128L << 20, CacheBytes = 2L << 20 };
    static readonly Vnode s_dir = new(1, Tid.Max, HammerConst.RootObjId);
    static readonly Guid s_former = Guid.Parse("aaaaaaaa-0000-4000-8000-000000000001"),
        s_unique = Guid.Parse("bbbbbbbb-0000-4000-8000-000000000002");

    static void Must(Errno e) => Assert.Equal(Errno.None, e);

    static void Work(HammerFs fs, string prefix)
    {
        for (int i = 0; i < 6; i++)
        {
            Must(fs.Create(s_dir, Encoding.ASCII.GetBytes(prefix + i), ObjType.RegFile, 0x1A4, 0, 0,
                new Caller(0, 0, 0), out Vnode file, out _));
            Must(fs.Write(file, 0, new byte[1000 + (900 * i)], false, false, out _));
        }
        fs.SyncAndWait();
    }

    [Fact]
    public void Role_is_kept_or_given_with_its_note_and_nothing_is_lost_at_any_power_cut()
    {
        var time = new CampaignTime { Now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000) };
        DiskImage medium = s_volume.Format();
        ulong end;
        TreeState tree;
        using (HammerFs fs = s_volume.Mount(medium, time))
        {
            Must(fs.CreatePfs(false, Guid.NewGuid(), s_former, out _));
            Work(fs, "a");
            Must(fs.SnapshotTid(1, out end));
            tree = TreeState.Capture(fs, end, 1);
        }
        var given = new PfsRole("family", end, s_former);
        var log = new PowerLog(medium.Fork());
        using (HammerFs fs = s_volume.Mount(log, time))
        {
            Must(fs.FreezePfs(1, out IDisposable? frozen));
            using (frozen)
            {
                Assert.Equal(Errno.RoFs, fs.Create(s_dir, "late"u8, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0),
                    out _, out _));
                Must(fs.HandOverPfs(1, end, s_unique, "family"));
            }
            Assert.Equal(given, fs.Role(1));
        }
        var cutter = new PowerCutter(log.Events, medium);
        var random = new Random(1);
        CutKind[] kinds = Enum.GetValues<CutKind>();
        int kept = 0, gone = 0;
        for (int at = 0; at <= log.Count; at++)
        {
            cutter.AdvanceTo(at);
            CutKind kind = kinds[random.Next(kinds.Length)];
            using HammerFs fs = s_volume.Mount(cutter.Cut(kind, random), time);
            PseudofsData pfs = ResumeSession.Pfs(fs);
            string where = $"cut behind event {at} of {log.Count}, {kind}";
            // The note and the role are one change: a slave without a note would wait for ever, a master with one
            // would let another box become the master, too.
            Assert.True(fs.Role(1) == (pfs.IsSlave ? given : PfsRole.None), where);
            Assert.True(pfs.UniqueUuid == (pfs.IsSlave ? s_unique : s_former), where);
            Assert.True(!pfs.IsSlave || pfs.SyncEndTid == end, where);
            Assert.True(tree.Equals(TreeState.Capture(fs, end, 1)), where);
            if (pfs.IsSlave) gone++;
            else
            {
                kept++;
                Work(fs, "b");
            }
        }
        Assert.True(kept > 0 && gone > 0, $"{kept} {gone}");
    }

    [Fact]
    public void Change_behind_the_slaves_state_keeps_the_role()
    {
        var time = new CampaignTime { Now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000) };
        using HammerFs fs = s_volume.Mount(s_volume.Format(), time);
        Must(fs.CreatePfs(false, Guid.NewGuid(), s_former, out _));
        Work(fs, "a");
        Must(fs.SnapshotTid(1, out ulong end));
        Work(fs, "b");
        Assert.Equal(Errno.Inval, fs.HandOverPfs(1, end, s_unique, "family"));
        Must(fs.FreezePfs(1, out IDisposable? frozen));
        using (frozen) Assert.Equal(Errno.Again, fs.HandOverPfs(1, end, s_unique, "family"));
        Assert.False(ResumeSession.Pfs(fs).IsSlave);
        Work(fs, "c");
    }
}
