using System;
using System.Linq;
using System.Text;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Transactions;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>Peers that use up TIDs, and what comes of it for everybody else; records without their data.</summary>
public sealed class PeerTidTests
{
    const int Slave = 1, Own = 2;
    static readonly Caller s_root = new(0, 0, 0);

    /// <summary>A master; or with a slave of another PFS at first, then a master of its own.</summary>
    static MirrorVolume Volume(Guid? slaveOf)
    {
        var volume = new MirrorVolume(7, 128L << 20);
        if (slaveOf is { } shared) volume.MakeSlave(Slave, shared);
        Assert.Equal(Errno.None, volume.Fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
        return volume;
    }

    static void Work(MirrorVolume volume, int pfs, string name)
    {
        Errno e;
        while ((e = volume.Fs.Create(new Vnode(pfs, Tid.Max, HammerConst.RootObjId), Encoding.ASCII.GetBytes(name),
            ObjType.RegFile, 0x1A4, 0, 0, s_root, out _, out _)) == Errno.NeedFlush) volume.Fs.Core.FlushOnce();
        Assert.Equal(Errno.None, e);
        volume.Fs.SyncAndWait();
    }

    /// <summary>The stream with another end of its range, and other records.</summary>
    static byte[] Forge(byte[] stream, ulong? end, Func<LeafElm, LeafElm>? forge = null)
    {
        var reader = new MrecordReader(new ArrayChannel(stream));
        var channel = new ArrayChannel([]);
        var writer = new MrecordWriter(channel);
        while (reader.TryRead())
        {
            switch (reader.Kind)
            {
                case MrecordType.Rec:
                    LeafElm leaf = forge is null ? reader.Leaf : forge(reader.Leaf);
                    writer.WriteRec(in leaf, reader.Data, reader.Head.IsCrcError);
                    break;
                case MrecordType.Pass: writer.WritePass(in reader.Leaf); break;
                case MrecordType.Skip: writer.WriteSkip(in reader.Skip.SkipBeg, in reader.Skip.SkipEnd); break;
                case MrecordType.Pfsd:
                    PseudofsData pfs = reader.Pfsd;
                    pfs.SyncEndTid = end ?? pfs.SyncEndTid;
                    writer.WritePfsd(pfs);
                    break;
                default: writer.WriteMark(reader.Kind); break;
            }
        }
        writer.Flush();
        return channel.Written.ToArray();
    }

    static void Mirror(MirrorVolume from, int pfs, MirrorVolume to, int slave) =>
        to.Apply(slave, from.Read(pfs, to.Pfs(slave).SyncEndTid + 1));

    [Fact]
    public void Peer_that_sends_the_highest_TIDs_taken_ends_mirroring_of_no_other_master_nor_of_a_chain()
    {
        using MirrorVolume liar = Volume(null), box = Volume(liar.Pfs(1).SharedUuid);
        using var next = new MirrorVolume(7, 128L << 20);
        using var last = new MirrorVolume(7, 128L << 20);
        next.MakeSlave(Slave, box.Pfs(Own).SharedUuid);
        last.MakeSlave(Slave, box.Pfs(Own).SharedUuid);
        Work(liar, 1, "lie");
        byte[] stream = liar.Read(1, 1);
        foreach (ulong far in new[] { 1UL << 62, (1UL << 62) - 16, (1UL << 63) - 1, Tid.AllocLimit - 1 })
        {
            var refused = Assert.Throws<MirrorStreamException>(() => box.Apply(Slave, Forge(stream, far)));
            Assert.Contains("the range ends at", refused.Message, StringComparison.Ordinal);
        }
        // As much as it may, again and again, with restarts between.
        for (int i = 0; i < 3; i++)
        {
            Assert.True(box.Apply(Slave, Forge(stream, box.Fs.Core.PeerTids.Now)));
            Work(box, Own, "work" + i);
            Assert.True(box.Fs.DurableTid > Tid.PeerMax);
            box.Remount();
        }
        // Others follow: at once or after an hour or so, but not never.
        int waits = 0;
        while (Record.Exception(() => Mirror(box, Own, next, Slave)) is { } later)
        {
            Assert.Contains("more", Assert.IsType<MirrorStreamException>(later).Message, StringComparison.Ordinal);
            next.Time.CreateTimer(_ => { }, null, TimeSpan.FromMinutes(10), default).Dispose();
            Assert.True(++waits < 12, later.Message);
        }
        Work(box, Own, "end");
        Mirror(box, Own, next, Slave);
        last.Time.CreateTimer(_ => { }, null, TimeSpan.FromHours(2), default).Dispose();
        Mirror(next, Slave, last, Slave);
        Assert.Equal(box.Tree(Own, Tid.Max).Select(e => e.ToString()),
            last.Tree(Slave, last.Pfs(Slave).SyncEndTid).Select(e => e.ToString()));
        box.Verify();
        last.Verify();
    }

    [Fact]
    public void Volume_whose_TIDs_are_high_already_is_used_and_mirrored_on()
    {
        using MirrorVolume box = Volume(null);
        using var slave = new MirrorVolume(7, 128L << 20);
        slave.MakeSlave(Slave, box.Pfs(1).SharedUuid);
        foreach (MirrorVolume volume in new[] { box, slave })
        {
            volume.Fs.Core.Tids.RaiseTo((1UL << 62) + 4096);
            Work(volume, 0, "raised");
            volume.Remount();
        }
        Work(box, 1, "file");
        Mirror(box, 1, slave, Slave);
        box.Remount();
        slave.Remount();
        Work(box, 1, "more");
        Mirror(box, 1, slave, Slave);
        Assert.Equal(box.Tree(1, Tid.Max).Select(e => e.ToString()),
            slave.Tree(Slave, slave.Pfs(Slave).SyncEndTid).Select(e => e.ToString()));
    }

    [Fact]
    public void Bound_rises_with_uptime_faster_than_any_work_and_never_to_the_end()
    {
        var time = new VirtualTime();
        var bound = new PeerTidBound(1UL << 32, time);
        ulong first = bound.Now;
        Assert.True(first > Tid.PeerMax);
        Assert.Equal(0, bound.SecondsUntil(first));
        Assert.InRange(bound.SecondsUntil(first + (100UL << 30))!.Value, 99, 101);
        time.CreateTimer(_ => { }, null, TimeSpan.FromSeconds(100), default).Dispose();
        Assert.InRange(bound.Now - first, 99UL << 30, 101UL << 30);
        Assert.Null(bound.SecondsUntil((1UL << 63) - 1));
        Assert.True(new PeerTidBound(Tid.AllocLimit - 1, time).Now < 1UL << 63);
    }

    [Theory]
    [InlineData(RecType.Inode)]
    [InlineData(RecType.DirEntry)]
    [InlineData(RecType.Data)]
    public void Record_that_names_data_without_a_place_is_refused(RecType type)
    {
        using var pair = new VerifyPair();
        pair.Fill(3, 4);
        pair.Master.Fs.SyncAndWait();
        byte[] stream = pair.Master.Read(1, 1);
        int forged = 0;
        byte[] lie = Forge(stream, null, leaf =>
        {
            if (leaf.Base.RecType == type && forged++ == 0) leaf.DataOffset = 0;
            return leaf;
        });
        Assert.True(forged > 0);
        var refused = Assert.Throws<MirrorStreamException>(() => pair.Slave.Apply(VerifyPair.SlavePfs, lie));
        Assert.Contains("missing", refused.Message, StringComparison.Ordinal);
        pair.Slave.Apply(VerifyPair.SlavePfs, stream);
        pair.Slave.Verify();
        Assert.Equal(VerifyOutcome.Equal, pair.Compare(full: true).Outcome);
    }
}
