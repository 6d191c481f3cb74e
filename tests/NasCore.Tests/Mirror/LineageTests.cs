using System;
using System.Linq;
using NasCampaign;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>Whose history a copy has, and what a plan makes of it.</summary>
public sealed class LineageTests
{
    static readonly Guid s_shared = Guid.NewGuid(), s_a = Guid.NewGuid(), s_b = Guid.NewGuid(), s_c = Guid.NewGuid();

    static readonly Lineage s_ofA = Lineage.Begin(10, s_a), s_ofB = Lineage.Promoted(s_ofA, 100, 5000, s_b),
        s_ofC = Lineage.Promoted(s_ofB, 6000, 9000, s_c);

    static PfsState Copy(Guid unique, Lineage? lineage, ulong end, bool slave = true) =>
        new(s_shared, unique, slave, 1, end) { Lineage = lineage };

    [Fact]
    public void Promotion_cuts_the_list_and_adds_to_it()
    {
        Assert.Equal([10, 101, 6001], s_ofC.Segments.Select(s => s.First));
        Assert.True(Lineage.IsSame(s_ofB, s_ofC.UpTo(6000)));
        Assert.Null(s_ofC.UpTo(9));
        // A slave that had nothing of the segment yet.
        Lineage early = Lineage.Promoted(s_ofC.UpTo(100), 100, 20_000, s_c);
        Assert.Equal([10, 101], early.Segments.Select(s => s.First));
        Lineage many = s_ofA;
        for (int i = 0; i < 200; i++)
            many = Lineage.Promoted(many, 1000 + (ulong)i, 1005 + (ulong)i, i % 2 == 0 ? s_b : s_c);
        Assert.Equal(Lineage.CountMax, many.Segments.Count);
        Assert.Equal(1200UL, many.Segments[^1].First);
    }

    [Fact]
    public void Bytes_are_read_back_and_anything_else_says_nothing()
    {
        foreach (Lineage lineage in new[] { s_ofA, s_ofC })
        {
            byte[] data = lineage.Encode();
            Assert.True(Lineage.IsSame(lineage, Lineage.Decode(data)));
            Assert.Null(Lineage.Decode(data.AsSpan(0, data.Length - 1)));
            for (int i = 0; i < data.Length; i++)
            {
                byte[] bad = [.. data];
                bad[i] ^= 0x80;
                if (Lineage.TryDecode(bad, out Lineage? read)) Assert.False(Lineage.IsSame(lineage, read));
            }
        }
        Assert.True(Lineage.TryDecode(Lineage.EncodeNone(), out Lineage? none));
        Assert.Null(none);
        byte[] backwards = s_ofC.Encode();
        backwards.AsSpan(8, 32).CopyTo(backwards.AsSpan(40));
        Assert.False(Lineage.TryDecode(backwards, out _));
        byte[] many = s_ofC.Encode();
        many[4] = Lineage.CountMax + 1;
        Assert.False(Lineage.TryDecode(many, out _));
    }

    [Theory]
    // What was common when B was promoted is common for ever.
    [InlineData("B", "A", 100, "Send")]
    [InlineData("B", "A", 101, "Parted 100")]
    [InlineData("B", "A", 4999, "Parted 100")]
    // Numbers are beyond those of the former master, and its records are below them.
    [InlineData("C", "A", 101, "Parted 100")]
    [InlineData("C", "B", 6000, "Send")]
    [InlineData("C", "B", 7000, "Parted 6000")]
    [InlineData("C", "C", 7000, "Send")]
    // The source is the one that has to come back.
    [InlineData("A", "B", 5500, "SourceParted 100")]
    // Nothing is known of one of them: by numbers, as ever.
    [InlineData("C", "", 7000, "Send")]
    [InlineData("", "A", 7000, "Send")]
    public void Plan_knows_whose_history_the_target_has(string source, string target, ulong end, string expected)
    {
        MirrorPlan plan = MirrorPlan.Of(Copy(s_a, Of(source), 20_000, slave: false), Copy(s_b, Of(target), end));
        string found = plan switch
        {
            MirrorPlan.Parted p => $"Parted {p.Promotion.EndTid}",
            MirrorPlan.SourceParted p => $"SourceParted {p.Promotion.EndTid}",
            _ => plan.GetType().Name,
        };
        Assert.Equal(expected, found);
        // The command names the PFS that it is for.
        if (plan is MirrorPlan.Parted parted) Assert.Equal(s_b, parted.Promotion.Former);
        if (plan is MirrorPlan.SourceParted own) Assert.Equal(s_a, own.Promotion.Former);
    }

    static Lineage? Of(string who) => who switch { "A" => s_ofA, "B" => s_ofB, "C" => s_ofC, _ => null };

    [Fact]
    public void Plan_with_a_source_on_its_way_back_is_about_numbers()
    {
        // The source of a chain has just come back and has nothing of the new master yet; its slave has.
        MirrorPlan plan = MirrorPlan.Of(Copy(s_a, s_ofA, 100), Copy(s_c, s_ofB, 5500));
        Assert.Equal(new MirrorPlan.SlaveAhead(5500, 100), plan);
        // Lists without a common segment say where they differ only where both know something.
        Lineage later = Lineage.Begin(7000, s_b);
        Assert.IsType<MirrorPlan.Send>(MirrorPlan.Of(Copy(s_b, later, 9000, false), Copy(s_c, s_ofA, 6999)));
        MirrorPlan.Parted parted = Assert.IsType<MirrorPlan.Parted>(
            MirrorPlan.Of(Copy(s_b, later, 9000, false), Copy(s_c, s_ofA, 7001)));
        Assert.Equal(0UL, parted.Promotion.EndTid);
        Assert.Contains("pfs-slave", parted.Sentence, StringComparison.Ordinal);
        // A short list that lacks the beginning of the other one.
        Lineage cut = Lineage.Promoted(null, 6000, 9000, s_c);
        Assert.Equal(s_ofC.Segments[^1], Assert.Single(cut.Segments));
        Assert.IsType<MirrorPlan.Send>(MirrorPlan.Of(Copy(s_c, s_ofC, 20_000, false), Copy(s_a, cut, 9500)));
    }

    /// <summary>Three boxes with PFS 1.</summary>
    sealed class Three : IDisposable
    {
        readonly MirrorVolume[] _boxes = [new(7, 128L << 20), new(7, 128L << 20), new(7, 128L << 20)];
        readonly Random _random = new(11);

        internal Three()
        {
            Guid shared = Guid.NewGuid();
            Must(_boxes[0].Fs.CreatePfs(false, shared, Guid.NewGuid(), out _));
            _boxes[1].MakeSlave(1, shared);
            _boxes[2].MakeSlave(1, shared);
            Work(0);
        }

        internal HammerFs this[int box] => _boxes[box].Fs;
        internal PseudofsData Pfs(int box) => _boxes[box].Pfs(1);

        internal void Work(int box)
        {
            var dir = new Vnode(1, Tid.Max, 1);
            for (int i = 0; i < 12; i++)
            {
                byte[] name = [(byte)'n', (byte)('a' + _random.Next(6))];
                this[box].Unlink(dir, name);
                Must(this[box].Create(dir, name, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0), out Vnode file,
                    out _));
                byte[] data = new byte[_random.Next(20_000)];
                _random.NextBytes(data);
                Must(this[box].Write(file, 0, data, false, false, out _));
            }
            Must(this[box].SyncAndWait());
        }

        internal MirrorPlan? Feed(int from, int to)
        {
            ResumeSession session = ResumeSession.Run(this[from].MirrorSource(1), this[to]);
            if (session.SourceError is MirrorRefusedException refused) return refused.Plan;
            Assert.True(session.IsWhole, $"{session.SourceError} {session.TargetError}");
            ulong end = Pfs(to).SyncEndTid;
            TreeState expected = TreeState.Capture(this[from], end, 1), found = TreeState.Capture(this[to], end, 1);
            Assert.True(expected.Equals(found), TreeState.Differences(expected, found));
            return null;
        }

        internal PromotionMark Promote(int box)
        {
            Must(this[box].UpgradePfs(1));
            PseudofsData pfs = Pfs(box);
            Assert.True(PromotionMark.TryGet(pfs, out PromotionMark mark));
            return mark;
        }

        /// <summary>By the command as it is printed.</summary>
        internal void Rejoin(int box, PromotionMark mark)
        {
            Assert.True(PromotionMark.TryParse(mark.ToString(), out PromotionMark typed));
            Assert.Null(this[box].RejoinRefusal(1, typed));
            Errno result = this[box].RejoinPfs(1, typed, Guid.NewGuid(), out string refusal);
            Assert.True(!result.IsError, refusal);
        }

        /// <summary>Each place on the medium that holds these bytes loses one bit.</summary>
        internal void Spoil(int box, byte[] bytes)
        {
            byte[] all = new byte[_boxes[box].Device.Length];
            _boxes[box].Device.Read(0, all);
            int spoiled = 0;
            for (int at = 0; all.AsSpan(at).IndexOf(bytes) is >= 0 and int next; at += next + 1)
            {
                _boxes[box].Device.Write(at + next, [(byte)(bytes[0] ^ 0x10)]);
                spoiled++;
            }
            Assert.NotEqual(0, spoiled);
            _boxes[box].Remount();
        }

        static void Must(Errno e) => Assert.Equal(Errno.None, e);

        public void Dispose()
        {
            foreach (MirrorVolume box in _boxes) box.Dispose();
        }
    }

    [Fact]
    public void Third_box_with_the_abandoned_history_is_refused_in_a_chain_and_comes_back_by_the_printed_command()
    {
        using var boxes = new Three();
        Assert.Null(boxes.Feed(0, 1));
        Assert.Null(boxes.Feed(0, 2));
        boxes.Work(0);
        Assert.Null(boxes.Feed(0, 2));
        PromotionMark mark = boxes.Promote(1);
        boxes.Work(1);
        boxes.Rejoin(0, mark);
        Assert.Null(boxes.Feed(1, 0));
        // By numbers alone box 0 could go on: its TIDs are above all that box 2 has.
        Assert.True(boxes.Pfs(0).SyncEndTid > boxes.Pfs(2).SyncEndTid);
        MirrorPlan.Parted parted = Assert.IsType<MirrorPlan.Parted>(boxes.Feed(0, 2));
        Assert.Equal(mark.EndTid, parted.Promotion.EndTid);
        boxes.Rejoin(2, parted.Promotion);
        Assert.Null(boxes.Feed(0, 2));
        boxes.Work(1);
        Assert.Null(boxes.Feed(1, 0));
        Assert.Null(boxes.Feed(0, 2));
        Assert.True(Lineage.IsSame(boxes[1].LineageOf(1), boxes[2].LineageOf(1)));
    }

    [Fact]
    public void Third_box_is_found_after_two_promotions_and_both_returns()
    {
        using var boxes = new Three();
        Assert.Null(boxes.Feed(0, 1));
        boxes.Work(0);
        Assert.Null(boxes.Feed(0, 2));
        ulong first = boxes.Promote(1).EndTid;
        boxes.Work(1);
        boxes.Rejoin(0, boxes.Pfs(1) is var pfs && PromotionMark.TryGet(pfs, out PromotionMark mark) ? mark : default);
        Assert.Null(boxes.Feed(1, 0));
        boxes.Work(1);
        // Box 0 again, while box 1 goes on; then that one comes back, and both feed box 2.
        PromotionMark second = boxes.Promote(0);
        boxes.Work(0);
        boxes.Rejoin(1, second);
        Assert.Null(boxes.Feed(0, 1));
        Assert.Equal(3, boxes[1].LineageOf(1)!.Segments.Count);
        for (int from = 0; from < 2; from++)
            Assert.Equal(first, Assert.IsType<MirrorPlan.Parted>(boxes.Feed(from, 2)).Promotion.EndTid);
        boxes.Rejoin(2, Assert.IsType<MirrorPlan.Parted>(boxes.Feed(1, 2)).Promotion);
        Assert.Null(boxes.Feed(1, 2));
        Assert.Null(boxes.Feed(0, 2));
    }

    [Fact]
    public void Slave_of_a_source_that_does_not_know_forgets()
    {
        using var boxes = new Three();
        Assert.Null(boxes.Feed(0, 1));
        boxes.Work(0);
        Assert.NotNull(boxes[1].LineageOf(1));
        ResumeSession old = ResumeSession.Run(boxes[0].MirrorSource(1), boxes[1], dialect: MirrorDialect.A);
        Assert.True(old.IsWhole);
        Assert.Null(boxes[1].LineageOf(1));
        Assert.Null(boxes.Feed(0, 1));
    }

    [Fact]
    public void List_that_went_bad_on_the_medium_keeps_nobody_from_promoting_the_slave()
    {
        using var boxes = new Three();
        Assert.Null(boxes.Feed(0, 1));
        boxes.Spoil(1, boxes[1].LineageOf(1)!.Encode());
        Assert.Throws<HammerMediumException>(() => boxes[1].LineageOf(1));
        PromotionMark mark = boxes.Promote(1);
        Assert.Equal(mark.EndTid + 1, Assert.Single(boxes[1].LineageOf(1)!.Segments).First);
        boxes.Work(1);
        boxes.Spoil(0, boxes[0].LineageOf(1)!.Encode());
        boxes.Rejoin(0, mark);
        Assert.Null(boxes.Feed(1, 0));
        Assert.True(Lineage.IsSame(boxes[1].LineageOf(1), boxes[0].LineageOf(1)));
    }
}
