using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>The handshake of both dialects between a model source and a model target, with links that break.</summary>
public sealed class MirrorSessionTests
{
    static readonly Guid Shared = new("e8decfc5-a4ab-11e3-942b-f56d04d293e0");

    sealed class Recorder : MirrorWatcher
    {
        internal readonly List<MirrorBatch> Batches = [];
        internal int Waits, Delays, BadRecords;
        public override void BatchEnded(in MirrorBatch batch) => Batches.Add(batch);
        public override void Waiting() => Waits++;
        public override void Delaying() => Delays++;
        public override void BadData(in LeafElm leaf) => BadRecords++;
    }

    sealed record Outcome(Exception? Source, Exception? Target, bool TargetWhole, long Sent, long Answered);

    static Outcome Run(IMirrorSource source, IMirrorTarget target, MirrorSourceOptions options, DuplexPipe pipe,
        Recorder? watch = null, CancellationTokenSource? stopper = null, VirtualTime? time = null)
    {
        Exception? sourceError = null, targetError = null;
        bool whole = false;
        var thread = new Thread(() =>
        {
            try
            {
                new MirrorSourceSession(pipe.A, source, options, time ?? new VirtualTime(), watch)
                    .Run((stopper ?? new CancellationTokenSource()).Token);
            }
            catch (Exception e) when (e is IOException or MirrorStreamException or MirrorRefusedException)
            {
                sourceError = e;
            }
            pipe.A.Close();
        });
        thread.Start();
        try
        {
            whole = new MirrorTargetSession(pipe.B, _ => target, options).Run();
        }
        catch (Exception e) when (e is IOException or MirrorStreamException or MirrorRefusedException)
        {
            targetError = e;
        }
        pipe.B.Close();
        thread.Join();
        return new(sourceError, targetError, whole, pipe.A.Sent, pipe.B.Sent);
    }

    static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    static ModelPfs Master()
    {
        var master = new ModelPfs(1, false, Shared);
        for (int i = 1; i <= 12; i++) master.Put(i, 16, Bytes(i, i * 9));
        master.Publish();
        return master;
    }

    static ModelPfs Slave() => new(2, true, Shared);

    static MirrorSourceOptions Options(MirrorDialect dialect) => new() { TwoWay = true, Dialect = dialect };

    [Theory]
    [InlineData(MirrorDialect.B)]
    [InlineData(MirrorDialect.A)]
    public void Batches_two_way_carry_every_version(MirrorDialect dialect)
    {
        ModelPfs master = Master(), slave = Slave();
        var watch = new Recorder();
        for (int round = 0; round < 4; round++)
        {
            ulong end = master.Pfs.SyncEndTid;
            Outcome outcome = Run(master, slave, Options(dialect), new DuplexPipe(), watch);
            Assert.Equal((null, null, true), (outcome.Source, outcome.Target, outcome.TargetWhole));
            Assert.Equal(end, slave.Pfs.SyncEndTid);
            Assert.Equal(master.LinesAsOf(end), slave.LinesAsOf(end));
            master.Put(3, 16, Bytes(100 + round, 20));
            master.Remove(5 + round, 16);
            master.Publish();
        }
        Assert.All(watch.Batches, b => Assert.Equal(MirrorBatchEnd.Synced, b.End));
        Assert.True(watch.Batches[^1].Skips > 0);
        Assert.Equal(4, slave.Commits);
    }

    [Fact]
    public void Batch_without_news_is_idle_and_acknowledged()
    {
        ModelPfs master = Master(), slave = Slave();
        Run(master, slave, Options(MirrorDialect.B), new DuplexPipe());
        var watch = new Recorder();
        Outcome outcome = Run(master, slave, Options(MirrorDialect.B), new DuplexPipe(), watch);
        Assert.Equal((null, null), (outcome.Source, outcome.Target));
        Assert.Equal(MirrorBatchEnd.Idle, watch.Batches.Single().End);
        Assert.Equal(1, slave.Commits);
        Assert.Equal(320 + 320 + 24 + 24, outcome.Sent);
        Assert.Equal(320 + 24, outcome.Answered);
    }

    [Theory]
    [InlineData(MirrorDialect.B)]
    [InlineData(MirrorDialect.A)]
    public void Link_that_breaks_at_any_byte_leaves_the_last_synced_state(MirrorDialect dialect)
    {
        Outcome full = Run(Master(), Slave(), Options(dialect), new DuplexPipe());
        for (int direction = 0; direction < 2; direction++)
        {
            long total = direction == 0 ? full.Sent : full.Answered;
            for (long cut = 0; cut < total; cut++)
            {
                ModelPfs master = Master(), slave = Slave();
                var pipe = direction == 0 ? new DuplexPipe(cut) : new DuplexPipe(long.MaxValue, cut);
                Outcome outcome = Run(master, slave, Options(dialect), pipe);
                bool afterSync = slave.Commits == 1;
                // Dialect A's target may fail to open a next batch that the source has already declined with TERM.
                bool whole = outcome.TargetWhole && afterSync && dialect == MirrorDialect.A;
                Assert.True(whole || outcome.Source is not null || outcome.Target is not null, $"cut {cut} unnoticed");
                Assert.Equal(afterSync ? master.Pfs.SyncEndTid : 1UL, slave.Pfs.SyncEndTid);
                Assert.Empty(slave.LinesAsOf(1));
                Outcome again = Run(master, slave, Options(dialect), new DuplexPipe());
                Assert.Equal((null, null), (again.Source, again.Target));
                Assert.Equal(master.LinesAsOf(master.Pfs.SyncEndTid), slave.LinesAsOf(master.Pfs.SyncEndTid));
            }
        }
    }

    [Fact]
    public void Stream_goes_on_until_stopped_and_keeps_its_distance()
    {
        ModelPfs master = Master(), slave = Slave();
        using var stop = new CancellationTokenSource();
        var time = new VirtualTime();
        var watch = new Recorder();
        var source = new Feeding(master, 5, stop);
        Outcome outcome = Run(source, slave, Options(MirrorDialect.B) with { Stream = true }, new DuplexPipe(), watch,
            stop, time);
        Assert.Equal((null, null), (outcome.Source, outcome.Target));
        Assert.Equal(6, slave.Commits);
        Assert.Equal(master.LinesAsOf(master.Pfs.SyncEndTid), slave.LinesAsOf(master.Pfs.SyncEndTid));
        Assert.Equal(TimeSpan.FromSeconds(25), time.Elapsed);
    }

    /// <summary>A source on which something happens whenever it is waited for.</summary>
    sealed class Feeding(ModelPfs inner, int times, CancellationTokenSource stop) : IMirrorSource
    {
        int _left = times;
        public Errno ReadPfs(out PseudofsData pfs) => inner.ReadPfs(out pfs);
        public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage) => inner.ReadPfs(out pfs, out lineage);
        public IMirrorScan Scan(MirrorRange range) => inner.Scan(range);
        public IMirrorScan Scan(MirrorRange range, in BaseElm from) => inner.Scan(range, in from);
        public long BytesMax => inner.BytesMax;
        public bool IsWhole(ulong tid) => inner.IsWhole(tid);

        public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken token)
        {
            if (_left-- == 0)
            {
                stop.Cancel();
                return false;
            }
            inner.Put(50 + _left, 16, Bytes(_left, 33));
            inner.Publish();
            return true;
        }
    }

    [Fact]
    public void One_way_stream_is_taken_without_answers()
    {
        ModelPfs master = Master(), slave = Slave();
        var channel = new ArrayChannel([]);
        var options = new MirrorSourceOptions();
        new MirrorSourceSession(channel, master, options, new VirtualTime()).Run(TestContext.Current.CancellationToken);
        byte[] stream = channel.Written.ToArray();
        var back = new ArrayChannel(stream, 100);
        Assert.True(new MirrorTargetSession(back, _ => slave, options).Run());
        Assert.Equal(0, back.Written.Length);
        Assert.Equal(master.LinesAsOf(master.Pfs.SyncEndTid), slave.LinesAsOf(master.Pfs.SyncEndTid));
        // The same again changes nothing: idempotence.
        string[] before = [.. slave.Records.Select(r => r.ToString())];
        Assert.True(new MirrorTargetSession(new ArrayChannel(stream), _ => slave, options).Run());
        Assert.Equal(before, slave.Records.Select(r => r.ToString()));
    }

    [Fact]
    public void Range_is_split_into_batches_that_are_restart_points()
    {
        var master = new ModelPfs(1, false, Shared);
        ModelPfs slave = Slave();
        for (int i = 1; i <= 40; i++)
        {
            master.Put(i, 16, Bytes(i, 1000));
            master.Publish();
        }
        master.BytesMax = 1 << 20;
        var watch = new Recorder();
        MirrorSourceOptions options = Options(MirrorDialect.B) with { ChunkBytes = 5000 };
        var pipe = new DuplexPipe(25_000);
        Outcome broken = Run(master, slave, options, pipe);
        Assert.NotNull(broken.Source);
        Assert.InRange(slave.Commits, 2, 5);
        ulong reached = slave.Pfs.SyncEndTid;
        Assert.Equal(master.LinesAsOf(reached), slave.LinesAsOf(reached));
        Run(master, slave, options, new DuplexPipe(), watch);
        Assert.True(watch.Batches.Count > 3, "the rest was not split");
        Assert.Equal(reached + 1, watch.Batches[0].Range.Begin);
        Assert.Equal(master.Pfs.SyncEndTid, slave.Pfs.SyncEndTid);
        Assert.Equal(master.LinesAsOf(slave.Pfs.SyncEndTid), slave.LinesAsOf(slave.Pfs.SyncEndTid));
    }

    [Fact]
    public void Refusals_name_the_facts()
    {
        ModelPfs master = Master();
        Outcome other = Run(master, new ModelPfs(2, true, Guid.NewGuid()), Options(MirrorDialect.B), new DuplexPipe());
        Assert.IsType<MirrorPlan.Unrelated>(Assert.IsType<MirrorRefusedException>(other.Source).Plan);
        Outcome mastered = Run(master, new ModelPfs(2, false, Shared), Options(MirrorDialect.B), new DuplexPipe());
        Assert.IsType<MirrorPlan.TargetIsMaster>(Assert.IsType<MirrorRefusedException>(mastered.Source).Plan);
        ModelPfs ahead = Slave();
        ahead.Pfs.SyncEndTid = master.Pfs.SyncEndTid + 16;
        Outcome back = Run(master, ahead, Options(MirrorDialect.B), new DuplexPipe());
        Assert.IsType<MirrorPlan.SlaveAhead>(Assert.IsType<MirrorRefusedException>(back.Source).Plan);
    }

    [Fact]
    public void One_way_batch_that_ends_below_the_targets_state_is_refused_and_lowers_nothing()
    {
        ModelPfs master = Master(), slave = Slave();
        var channel = new ArrayChannel([]);
        new MirrorSourceSession(channel, master, new MirrorSourceOptions(), new VirtualTime())
            .Run(TestContext.Current.CancellationToken);
        slave.Pfs.SyncEndTid = master.Pfs.SyncEndTid + 1;
        MirrorRefusedException e = Assert.Throws<MirrorRefusedException>(() =>
            new MirrorTargetSession(
                new ArrayChannel(channel.Written.ToArray()), _ => slave, new MirrorOptions()).Run());
        Assert.IsType<MirrorPlan.SlaveAhead>(e.Plan);
        Assert.Equal(master.Pfs.SyncEndTid + 1, slave.Pfs.SyncEndTid);
        Assert.Empty(slave.Records);
    }

    [Fact]
    public void Bad_data_at_the_source_do_not_delete_the_good_copy_at_the_target()
    {
        ModelPfs master = Master(), slave = Slave();
        Run(master, slave, Options(MirrorDialect.B), new DuplexPipe());
        ModelRecord victim = slave.Records.First(r => r.Leaf.Base.ObjId == 4);
        master.Records.First(r => r.Leaf.Base.ObjId == 4).Data[0] ^= 1;
        master.Put(3, 16, Bytes(7, 7));
        master.Put(5, 16, Bytes(8, 7));
        master.Publish();
        ModelPfs fresh = Slave();
        var watch = new Recorder();
        // Sent again from the start, as to a target whose sync_end_tid was set back.
        Outcome outcome = Run(master, slave, Options(MirrorDialect.B) with { ForcedBegin = 1 }, new DuplexPipe(),
            watch);
        Assert.Equal((null, null), (outcome.Source, outcome.Target));
        Assert.Equal(1, watch.BadRecords);
        Assert.Equal(victim, slave.Records.First(r => r.Leaf.Base.ObjId == 4));
        Assert.Empty(fresh.Records);
    }

    [Fact]
    public void Time_limit_ends_the_stream_inside_the_batch_without_commit()
    {
        var master = new ModelPfs(1, false, Shared);
        for (int i = 1; i <= 400; i++) master.Put(i, 16, Bytes(i, 10));
        master.Publish();
        ModelPfs slave = Slave();
        var time = new VirtualTime();
        var slow = new SlowWatcher(time);
        var pipe = new DuplexPipe();
        Exception? error = null;
        var thread = new Thread(() => error = Record.Exception(() =>
            new MirrorSourceSession(pipe.A, master,
                Options(MirrorDialect.B) with { TimeLimit = TimeSpan.FromSeconds(100) }, time, slow)
                .Run(TestContext.Current.CancellationToken)));
        thread.Start();
        Assert.False(new MirrorTargetSession(pipe.B, _ => slave, Options(MirrorDialect.B)).Run());
        thread.Join();
        Assert.Null(error);
        Assert.Equal((0, 1), (slave.Commits, slave.Abandoned));
    }

    sealed class SlowWatcher(VirtualTime time) : MirrorWatcher
    {
        public override void Progress(long objId, long bytes) =>
            MirrorTimer.Wait(time, TimeSpan.FromSeconds(1), CancellationToken.None);
    }

    [Fact]
    public void Mutated_streams_end_in_a_typed_error_or_a_batch()
    {
        ModelPfs master = Master();
        var channel = new ArrayChannel([]);
        new MirrorSourceSession(channel, master, new MirrorSourceOptions(), new VirtualTime())
            .Run(TestContext.Current.CancellationToken);
        byte[] stream = channel.Written.ToArray();
        for (int seed = 0; seed < 2000; seed++)
        {
            byte[] bad = MirrorMutator.Mutate(stream, new Random(seed));
            ModelPfs slave = Slave();
            try
            {
                new MirrorTargetSession(new ArrayChannel(bad), _ => slave, new MirrorOptions()).Run();
            }
            catch (Exception e) when (e is MirrorStreamException or MirrorRefusedException)
            {
                // One of the two ways in which a bad stream ends.
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
            Assert.True(slave.Commits <= 2, $"seed {seed}");
        }
    }
}
