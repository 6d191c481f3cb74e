using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasTesting.Model;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>The power goes while a batch is written into a slave.</summary>
public sealed class MirrorCutTests
{
    static readonly Caller s_root = new(0, 0, 0);

    static Vnode File(HammerFs fs, string name, int seed)
    {
        Vnode dir = new(1, Tid.Max, HammerConst.RootObjId);
        Assert.Equal(Errno.None, fs.Create(dir, OracleText.Encode(name), ObjType.RegFile, 0x1A4, 0, 0, s_root,
            out Vnode file, out _));
        byte[] content = new byte[5000];
        new Random(seed).NextBytes(content);
        Assert.Equal(Errno.None, fs.Write(file, 0, content, false, false, out int n));
        Assert.Equal(content.Length, n);
        return file;
    }

    static ulong EndOf(HammerFs fs)
    {
        Assert.Equal(Errno.None, fs.MirrorSource(1).ReadPfs(out PseudofsData pfs));
        return pfs.SyncEndTid;
    }

    /// <summary>
    /// A master without history has deleted its youngest file: the last records of the slave have no counterpart in the
    /// stream, nothing but its end tells that they are gone. The new sync_end_tid must not be durable before they are.
    /// </summary>
    [Fact]
    public void Slave_that_shows_a_new_end_has_lost_what_the_end_of_the_batch_deletes()
    {
        using var master = new MirrorVolume(7, 256L << 20, noHistory: true);
        Assert.Equal(Errno.None, master.Fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
        for (int i = 0; i < 5; i++) File(master.Fs, $"f{i}", i);
        long youngest = File(master.Fs, "youngest", 9).ObjId;
        Assert.Equal(Errno.None, master.Fs.SyncTid(out _));
        byte[] all = master.Read(1, 1);
        ulong first = EndOf(master.Fs);
        Assert.Equal(Errno.None, master.Fs.Unlink(new Vnode(1, Tid.Max, HammerConst.RootObjId), "youngest"u8));
        for (int i = 0; i < 4; i++) Assert.Equal(Errno.None, master.Fs.SyncTid(out _));
        byte[] deletion = master.Read(1, first + 1);
        ulong second = EndOf(master.Fs);

        using var slave = new MirrorVolume(7, 256L << 20);
        slave.MakeSlave(1, master.Pfs(1).SharedUuid);
        Assert.True(slave.Apply(1, all));
        slave.Fs.Dispose();
        MemoryBlockDevice start = slave.Device.Clone();
        var log = new RecordingDevice(slave.Device);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), log))
        {
            Assert.Equal(Errno.None, fs.OpenMirrorTarget(1, out HammerFs.MirrorTargetLease? lease));
            using (lease)
            {
                var channel = new ArrayChannel(deletion);
                Assert.True(new MirrorTargetSession(channel, _ => lease!.Target, new MirrorOptions()).Run());
            }
        }
        Cut(log, start, youngest, first, second);
    }

    static void Cut(RecordingDevice log, MemoryBlockDevice start, long youngest, ulong first, ulong second)
    {
        var random = new ModelRandom(1);
        var cutter = new PowerCutter(log.Events, start);
        var seen = new HashSet<(bool IsNew, bool IsThere)>();
        for (int at = 0; at <= log.Count; at++)
        {
            cutter.AdvanceTo(at);
            foreach (CutKind kind in Enum.GetValues<CutKind>())
            {
                OverlayBlockDevice medium = cutter.Cut(kind, random);
                ulong end;
                using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), medium))
                {
                    Assert.True(fs.TryGetPfs(1, out PseudofsData pfs));
                    end = pfs.SyncEndTid;
                }
                using OracleVolume oracle = MountedTree.Oracle(medium);
                bool isThere = oracle.RecordsOf(1).Any(r => r.ObjId == youngest && r.IsLive);
                Assert.True(end == first || end == second, $"cut {at} {kind}: {end:x16}");
                Assert.False(end == second && isThere,
                    $"cut {at} {kind}: the slave shows its new end, and records that the batch deletes");
                seen.Add((end == second, isThere));
            }
        }
        Assert.Contains((false, true), seen);
        Assert.Contains((true, false), seen);
    }
}
