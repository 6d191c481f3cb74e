using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using NasCore.Flush;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>How old the oldest change is that the other side may not have, and how soon groups close.</summary>
public sealed class LagTests
{
    static readonly Caller s_root = new(0, 0, 0);

    static void Sleep(MirrorVolume volume, double seconds) =>
        MirrorTimer.Wait(volume.Time, TimeSpan.FromSeconds(seconds), CancellationToken.None);

    static void Create(MirrorVolume volume, int pfsId, string name) => Assert.Equal(Errno.None,
        volume.Fs.Create(new Vnode(pfsId, Tid.Max, 1), Encoding.ASCII.GetBytes(name), ObjType.RegFile, 0x1A4, 0, 0,
            s_root, out _, out _));

    static MirrorVolume NewMaster()
    {
        var volume = new MirrorVolume(7, 128L << 20);
        Assert.Equal(Errno.None, volume.Fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
        return volume;
    }

    static ulong Safe(MirrorVolume volume, int pfsId)
    {
        Assert.Equal(Errno.None, volume.Fs.MirrorSource(pfsId).ReadPfs(out PseudofsData pfs));
        return pfs.SyncEndTid;
    }

    [Fact]
    public void Slave_that_is_promoted_under_its_mirror_is_behind_with_its_own_first_change()
    {
        using var volume = new MirrorVolume(7, 128L << 20);
        volume.MakeSlave(1, Guid.NewGuid());
        using MirrorLag lag = volume.Fs.OpenLag(1);
        lag.Acknowledge(Safe(volume, 1));
        Assert.False(lag.IsBehind);
        Assert.Equal(Errno.None, volume.Fs.UpgradePfs(1));
        lag.Acknowledge(Safe(volume, 1));
        Assert.False(lag.IsBehind);
        Create(volume, 1, "a");
        Assert.True(lag.IsBehind);
    }

    [Fact]
    public void Age_counts_from_the_first_change_that_is_not_acknowledged()
    {
        using MirrorVolume volume = NewMaster();
        Sleep(volume, 7);
        using MirrorLag lag = volume.Fs.OpenLag(1);
        // What was there before is as old as the mount.
        Assert.Equal(7, lag.Age.TotalSeconds);
        lag.Acknowledge(Safe(volume, 1));
        Sleep(volume, 100);
        Assert.Equal((TimeSpan.Zero, 0L), (lag.Age, lag.BytesBehind));
        Create(volume, 1, "a");
        Sleep(volume, 3);
        Create(volume, 1, "b");
        Sleep(volume, 1);
        Assert.Equal(4, lag.Age.TotalSeconds);
        volume.Fs.SyncAndWait();
        ulong first = Safe(volume, 1);
        Assert.True(lag.BytesBehind is > 400 and < 4000, $"{lag}");
        Sleep(volume, 2);
        Create(volume, 1, "c");
        Sleep(volume, 1);
        Assert.Equal(7, lag.Age.TotalSeconds);
        lag.Acknowledge(first);
        Assert.Equal(1, lag.Age.TotalSeconds);
        volume.Fs.SyncAndWait();
        lag.Acknowledge(Safe(volume, 1));
        Assert.Equal((TimeSpan.Zero, 0L), (lag.Age, lag.BytesBehind));
    }

    [Fact]
    public void Open_batch_keeps_its_end_until_it_is_acknowledged_or_replaced()
    {
        var kept = new List<ulong>();
        using var lag = new MirrorLag(1, false, 10, 0, new VirtualTime(), _ => { }, end =>
        {
            kept.Add(end);
            return new Lease(() => kept.Remove(end));
        });
        lag.Sending(100);
        lag.Sending(100);
        Assert.Equal([100UL], kept);
        lag.Acknowledge(99);
        Assert.Equal([100UL], kept);
        lag.Sending(120);
        Assert.Equal([120UL], kept);
        lag.Acknowledge(120);
        Assert.Empty(kept);
        lag.Sending(140);
        lag.Dispose();
        Assert.Empty(kept);
    }

    sealed class Lease(Action end) : IDisposable
    {
        public void Dispose() => end();
    }

    [Fact]
    public void Change_elsewhere_is_no_lag_and_is_acknowledged_by_the_look_for_news()
    {
        using MirrorVolume volume = NewMaster();
        using MirrorLag lag = volume.Fs.OpenLag(1);
        ulong tid = Safe(volume, 1);
        lag.Acknowledge(tid);
        Create(volume, 0, "other");
        Sleep(volume, 5);
        Assert.Equal(TimeSpan.Zero, lag.Age);
        volume.Fs.SyncAndWait();
        Assert.False(volume.Fs.MirrorSource(1).WaitBeyond(tid, TimeSpan.Zero, CancellationToken.None));
        Assert.Equal(Safe(volume, 1), lag.Acknowledged);
        // A mirror that opens now finds the same by its first batch, empty or not.
        using MirrorLag later = volume.Fs.OpenLag(1);
        Assert.NotEqual(TimeSpan.Zero, later.Age);
        Assert.False(volume.Fs.MirrorSource(1).WaitBeyond(tid, TimeSpan.Zero, CancellationToken.None));
        Assert.NotEqual(TimeSpan.Zero, later.Age);
        later.Acknowledge(Safe(volume, 1));
        Assert.Equal(TimeSpan.Zero, later.Age);
    }

    [Fact]
    public void Lag_opened_in_the_middle_of_a_group_knows_its_change()
    {
        using MirrorVolume volume = NewMaster();
        // The first look at it as a source begins the list of whose history it is, durably.
        Safe(volume, 1);
        Create(volume, 1, "a");
        using MirrorLag lag = volume.Fs.OpenLag(1);
        lag.Acknowledge(Safe(volume, 1));
        Sleep(volume, 2);
        Assert.Equal(2, lag.Age.TotalSeconds);
    }

    [Fact]
    public void Slave_that_is_mirrored_on_counts_from_the_batch_that_it_got()
    {
        using MirrorVolume master = NewMaster();
        using var slave = new MirrorVolume(7, 128L << 20);
        slave.MakeSlave(1, master.Pfs(1).SharedUuid);
        Create(master, 1, "a");
        using MirrorLag lag = slave.Fs.OpenLag(1);
        lag.Acknowledge(1);
        Assert.Equal(TimeSpan.Zero, lag.Age);
        Assert.True(ResumeSession.Run(Synced(master), slave.Fs).IsWhole);
        Sleep(slave, 6);
        Assert.Equal(6, lag.Age.TotalSeconds);
        Assert.True(lag.BytesBehind > 300);
        lag.Acknowledge(Safe(slave, 1));
        Assert.Equal((TimeSpan.Zero, 0L), (lag.Age, lag.BytesBehind));
    }

    static IMirrorSource Synced(MirrorVolume volume)
    {
        volume.Fs.SyncAndWait();
        return volume.Fs.MirrorSource(1);
    }

    [Fact]
    public void Long_list_joins_neighbours_and_never_shows_less_than_the_truth()
    {
        var time = new VirtualTime();
        using var lag = new MirrorLag(1, false, 10, 0, time, _ => { });
        lag.Acknowledge(10);
        for (ulong tid = 1; tid <= 5000; tid++)
        {
            MirrorTimer.Wait(time, TimeSpan.FromSeconds(1), CancellationToken.None);
            lag.Changed(10 + tid);
            lag.AddBytes(3);
        }
        Assert.Equal(15_000, lag.BytesBehind);
        for (ulong tid = 1; tid < 5000; tid += 7)
        {
            lag.Acknowledge(10 + tid);
            double truth = 5000 - (tid + 1);
            Assert.InRange(lag.Age.TotalSeconds, truth, truth + 40);
            Assert.True(lag.BytesBehind >= (5000 - (long)tid) * 3, $"{tid}");
        }
        lag.Acknowledge(5010);
        Assert.Equal((TimeSpan.Zero, 0L), (lag.Age, lag.BytesBehind));
    }

    // ------------------------------------------------------------------ the pace of groups

    static void Group(FlushPace pace, long fresh, long stored)
    {
        pace.NoteFresh(fresh);
        pace.NoteStored(stored);
        pace.GroupClosed();
    }

    [Fact]
    public void Interval_goes_down_to_a_second_while_somebody_listens()
    {
        int changes = 0;
        var pace = new FlushPace(TimeSpan.FromSeconds(5), () => changes++);
        Assert.Equal(5, pace.Interval.TotalSeconds);
        IDisposable first = pace.Listen();
        Assert.Equal((1.0, 1), (pace.Interval.TotalSeconds, changes));
        IDisposable second = pace.Listen();
        first.Dispose();
        first.Dispose();
        Assert.Equal(1, pace.Interval.TotalSeconds);
        second.Dispose();
        Assert.Equal(5, pace.Interval.TotalSeconds);
        var short_ = new FlushPace(TimeSpan.FromMilliseconds(200), () => { });
        using (short_.Listen()) Assert.Equal(0.2, short_.Interval.TotalSeconds);
    }

    [Fact]
    public void Interval_can_be_changed_whether_somebody_listens_or_not()
    {
        int changes = 0;
        var pace = new FlushPace(TimeSpan.FromSeconds(5), () => changes++);
        pace.Configure(TimeSpan.FromSeconds(20));
        Assert.Equal((20.0, 1), (pace.Interval.TotalSeconds, changes));
        IDisposable peer = pace.Listen();
        pace.Configure(TimeSpan.FromSeconds(60));
        Assert.Equal(1, pace.Interval.TotalSeconds);
        pace.Configure(TimeSpan.FromMilliseconds(300));
        Assert.Equal(0.3, pace.Interval.TotalSeconds);
        peer.Dispose();
        Assert.Equal(0.3, pace.Interval.TotalSeconds);
    }

    [Fact]
    public void Interval_lengthens_where_tails_are_written_again_and_comes_back()
    {
        var pace = new FlushPace(TimeSpan.FromSeconds(30), () => { });
        Group(pace, 1, 64 << 20);
        Assert.Equal(30, pace.Interval.TotalSeconds);
        using IDisposable peer = pace.Listen();
        // A few small changes: whatever the share, they are a trifle.
        for (int i = 0; i < 10; i++) Group(pace, 100, 16 << 10);
        Assert.Equal(1, pace.Interval.TotalSeconds);
        // Hundreds of logs that grow by a line each second.
        foreach (double expected in new[] { 2.0, 4, 8, 16, 30, 30 })
        {
            Group(pace, 300 << 10, 20 << 20);
            Assert.Equal(expected, pace.Interval.TotalSeconds);
        }
        // Between a quarter and all of the new: it stays.
        Group(pace, 20 << 20, 30 << 20);
        Assert.Equal(30, pace.Interval.TotalSeconds);
        foreach (double expected in new[] { 15.0, 7.5, 3.75, 1.875, 1, 1 })
        {
            Group(pace, 20 << 20, 22 << 20);
            Assert.Equal(expected, pace.Interval.TotalSeconds);
        }
        Assert.True(pace.RewrittenBytes > 100 << 20);
    }

    [Fact]
    public void Writing_tells_what_is_new_and_what_is_stored_again()
    {
        using MirrorVolume volume = NewMaster();
        Create(volume, 1, "log");
        Assert.Equal(Errno.None, volume.Fs.Lookup(new Vnode(1, Tid.Max, 1), "log"u8, out Vnode log, out _));
        long before = volume.Fs.Core.Pace.RewrittenBytes;
        Assert.Equal(Errno.None, volume.Fs.Write(log, 0, new byte[1 << 20], false, false, out int written));
        Assert.Equal(1 << 20, written);
        volume.Fs.SyncAndWait();
        Assert.Equal(before, volume.Fs.Core.Pace.RewrittenBytes);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(Errno.None, volume.Fs.Write(log, (1UL << 20) + (ulong)(i * 100), new byte[100], false, false,
                out _));
            volume.Fs.SyncAndWait();
        }
        Assert.Equal(before + 3 * (65536 - 100), volume.Fs.Core.Pace.RewrittenBytes);
    }
}
