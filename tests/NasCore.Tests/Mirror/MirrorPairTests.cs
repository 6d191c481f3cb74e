using System;
using System.Globalization;
using System.Text;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>Two volumes in memory and a link between them: histories, breaks, crashes, sessions of many batches.
/// </summary>
public sealed class MirrorPairTests
{
    static readonly Caller s_root = new(0, 0, 0);

    /// <summary>A master with random work on it, and its slave.</summary>
    sealed class Pair : IDisposable
    {
        readonly Random _random;
        readonly Vnode _dir = new(1, Tid.Max, HammerConst.RootObjId);

        internal Pair(int seed, bool noHistory = false)
        {
            _random = new Random(seed);
            Master = new MirrorVolume(7, 256L << 20, noHistory);
            Slave = new MirrorVolume(7, 256L << 20);
            Assert.Equal(Errno.None, Master.Fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
            Slave.MakeSlave(1, Master.Pfs(1).SharedUuid);
        }

        internal MirrorVolume Master { get; }
        internal MirrorVolume Slave { get; }

        internal void Work(int operations)
        {
            for (int i = 0; i < operations; i++)
            {
                byte[] name = NewName();
                switch (_random.Next(6))
                {
                    case 0: Do(() => Master.Fs.Unlink(_dir, name)); break;
                    case 1:
                        byte[] other = NewName();
                        Do(() => Master.Fs.Rename(_dir, name, _dir, other, RenameKind.Replace));
                        break;
                    default: WriteFile(name); break;
                }
            }
        }

        byte[] NewName() =>
            Encoding.ASCII.GetBytes("n" + _random.Next(60).ToString(CultureInfo.InvariantCulture));

        void WriteFile(byte[] name)
        {
            if (Master.Fs.Lookup(_dir, name, out Vnode file, out _).IsError)
            {
                Do(() => Master.Fs.Create(_dir, name, ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _));
            }
            byte[] data = new byte[_random.Next(3) == 0 ? _random.Next(200_000) : _random.Next(3000)];
            _random.NextBytes(data);
            ulong offset = (ulong)_random.Next(100_000);
            for (int done = 0; done < data.Length;)
            {
                int written = 0, from = done;
                Do(() => Master.Fs.Write(file, offset + (ulong)from, data.AsSpan(from), false, false, out written));
                if (written == 0) break;
                done += written;
            }
        }

        void Do(Func<Errno> operation)
        {
            while (operation() == Errno.NeedFlush) Master.Fs.Core.FlushOnce();
        }

        /// <summary>One session; the source does some work between its batches. Returns what ended the sides.</summary>
        internal (Exception? Source, Exception? Target) Mirror(int batches, long breakAfter = long.MaxValue)
        {
            var pipe = new DuplexPipe(breakAfter);
            using var stop = new CancellationTokenSource();
            Exception? sourceError = null;
            var source = new Working(this, batches, stop);
            var thread = new Thread(() =>
            {
                var options = new MirrorSourceOptions { TwoWay = true, Stream = batches > 1 };
                sourceError = Record.Exception(() =>
                    new MirrorSourceSession(pipe.A, source, options, new VirtualTime()).Run(stop.Token));
                pipe.A.Close();
            });
            thread.Start();
            Exception? targetError = Record.Exception(() =>
            {
                Assert.Equal(Errno.None, Slave.Fs.OpenMirrorTarget(1, out HammerFs.MirrorTargetLease? lease));
                using (lease)
                {
                    new MirrorTargetSession(pipe.B, _ => lease!.Target, new MirrorOptions { TwoWay = true }).Run();
                }
            });
            pipe.B.Close();
            thread.Join();
            return (sourceError, targetError);
        }

        internal void CheckEqual(string when)
        {
            ulong end = Slave.Pfs(1).SyncEndTid;
            string differences = GoldenManifest.Differences(Master.Tree(1, end), Slave.Tree(1, end));
            Assert.True(differences.Length == 0, $"{when}, at {Tid.Format(end)}:\n{differences}");
        }

        public void Dispose()
        {
            Master.Dispose();
            Slave.Dispose();
        }
    }

    /// <summary>A source on which work is done whenever the session waits for something new.</summary>
    sealed class Working(Pair pair, int batches, CancellationTokenSource stop) : IMirrorSource
    {
        int _left = batches - 1;
        IMirrorSource Inner => pair.Master.Fs.MirrorSource(1);
        public Errno ReadPfs(out PseudofsData pfs) => Inner.ReadPfs(out pfs);
        public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage) => Inner.ReadPfs(out pfs, out lineage);
        public IMirrorScan Scan(MirrorRange range) => Inner.Scan(range);
        public IMirrorScan Scan(MirrorRange range, in BaseElm from) => Inner.Scan(range, in from);
        public long BytesMax => Inner.BytesMax;
        public bool IsWhole(ulong tid) => Inner.IsWhole(tid);

        public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken token)
        {
            if (_left-- == 0)
            {
                stop.Cancel();
                return false;
            }
            pair.Work(40);
            pair.Master.Fs.SyncAndWait();
            // Left open, so that the scan meets what is not durable.
            pair.Work(10);
            return true;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Session_of_many_batches_keeps_every_version_of_a_changing_master(int seed)
    {
        using var pair = new Pair(seed);
        pair.Work(100);
        pair.Master.Fs.SyncAndWait();
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal((null, null), pair.Mirror(4));
            pair.CheckEqual($"seed {seed} round {round}");
        }
        pair.Master.Fs.SyncAndWait();
        Assert.Equal((null, null), pair.Mirror(1));
        Assert.Equal(pair.Master.Records(1), pair.Slave.Records(1));
        pair.Slave.Verify();
    }

    [Fact]
    public void Broken_links_and_crashes_of_both_sides_leave_equal_states()
    {
        for (int seed = 10; seed < 13; seed++)
        {
            using var pair = new Pair(seed);
            var random = new Random(seed);
            ulong last = 0;
            for (int round = 0; round < 8; round++)
            {
                pair.Work(50);
                pair.Master.Fs.SyncAndWait();
                pair.Mirror(3, random.Next(400_000));
                if (random.Next(2) == 0) pair.Slave.Crash();
                if (random.Next(2) == 0) pair.Master.Crash();
                ulong end = pair.Slave.Pfs(1).SyncEndTid;
                Assert.True(end >= last, $"seed {seed} round {round}: the slave went back");
                last = end;
                if (end > 1) pair.CheckEqual($"seed {seed} round {round}");
            }
            Assert.Equal((null, null), pair.Mirror(1));
            pair.CheckEqual($"seed {seed} at the end");
            pair.Slave.Verify();
        }
    }

    [Fact]
    public void Source_without_history_is_equal_once_idle()
    {
        using var pair = new Pair(20, noHistory: true);
        for (int round = 0; round < 4; round++)
        {
            pair.Work(80);
            // Physical removal comes a group after the mark (W8).
            for (int i = 0; i < 3; i++) pair.Master.Fs.SyncAndWait();
            Assert.Equal((null, null), pair.Mirror(1));
            ulong end = pair.Slave.Pfs(1).SyncEndTid;
            string differences = GoldenManifest.Differences(pair.Master.Tree(1, Tid.Max), pair.Slave.Tree(1, end),
                ManifestIgnore.Mtime);
            Assert.True(differences.Length == 0, $"round {round}:\n{differences}");
        }
    }

    [Fact]
    public void Slave_is_read_only_and_its_link_leads_to_the_synced_state()
    {
        using var pair = new Pair(30);
        pair.Work(20);
        pair.Master.Fs.SyncAndWait();
        Assert.Equal(Errno.None, pair.Slave.Fs.Symlink(pair.Slave.Fs.Root, "dst"u8, "@@PFS00001"u8, s_root,
            out Vnode link, out _));
        Assert.Equal("@@0x0000000000000001:00001", LinkText(pair.Slave, link));
        Assert.Equal((null, null), pair.Mirror(1));
        ulong end = pair.Slave.Pfs(1).SyncEndTid;
        Assert.Equal($"@@{Tid.Format(end)}:00001", LinkText(pair.Slave, link));
        var root = new Vnode(1, end, HammerConst.RootObjId);
        Assert.Equal(Errno.RoFs, pair.Slave.Fs.Create(root, "x"u8, ObjType.RegFile, 0, 0, 0, s_root, out _, out _));
        Assert.Equal(Errno.RoFs, pair.Slave.Fs.Create(root with { AsOf = Tid.Max }, "x"u8, ObjType.RegFile, 0, 0, 0,
            s_root, out _, out _));
        Assert.Equal(Errno.Busy, Busy(pair.Slave));
    }

    static string LinkText(MirrorVolume volume, Vnode link)
    {
        Span<byte> buffer = stackalloc byte[64];
        Assert.Equal(Errno.None, volume.Fs.ReadLink(link, buffer, out int length));
        return Encoding.ASCII.GetString(buffer[..length]);
    }

    static Errno Busy(MirrorVolume volume)
    {
        Assert.Equal(Errno.None, volume.Fs.OpenMirrorTarget(1, out HammerFs.MirrorTargetLease? lease));
        using (lease) return volume.Fs.OpenMirrorTarget(1, out _);
    }

    [Fact]
    public void Scan_allocates_nothing_for_a_record_and_visits_only_what_changed()
    {
        using var pair = new Pair(40);
        pair.Work(600);
        pair.Master.Fs.SyncAndWait();
        ulong before = pair.Master.Fs.DurableTid;
        IMirrorSource source = pair.Master.Fs.MirrorSource(1);
        byte[] room = new byte[HammerConst.ExtentBytesMax];
        long Nodes(MirrorRange range, out long allocated, out int records)
        {
            using IMirrorScan scan = source.Scan(range);
            records = 0;
            scan.MoveNext();
            long start = GC.GetAllocatedBytesForCurrentThread();
            while (scan.MoveNext())
            {
                if (scan.Kind == MirrorItemKind.Rec) scan.ReadData(room);
                records++;
            }
            allocated = GC.GetAllocatedBytesForCurrentThread() - start;
            return scan.NodesVisited;
        }
        Nodes(new MirrorRange(1, before), out _, out _);
        long all = Nodes(new MirrorRange(1, before), out long allocated, out int records);
        Assert.True(allocated < records, $"{allocated} bytes for {records} records");
        pair.Work(1);
        pair.Master.Fs.SyncAndWait();
        long few = Nodes(new MirrorRange(before + 1, pair.Master.Fs.DurableTid), out _, out _);
        Assert.True(few * 3 < all, $"{few} nodes for one change, {all} for everything");
    }
}
