using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Primitives;
using NasFirmware.Daemon;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using NasFirmware.Tests.Peers;
using Xunit;
using BandwidthLimiter = NasCore.Mirror.BandwidthLimiter;

namespace NasFirmware.Tests.Mirror;

/// <summary>Comparing by the daemon: by itself, on request from both ends, and for peers.</summary>
public sealed class VerifyServiceTests
{
    /// <summary>A comparing service on a box of a <see cref="LoopPair"/>.</summary>
    sealed class Comparer : IPeerDialer, IDisposable
    {
        readonly LoopBox _box;

        internal Comparer(LoopBox box, VerifyMirror mirror, string? state = null, TimeProvider? time = null)
        {
            _box = box;
            Service = new VerifyService(new VerifyHost
            {
                Box = box.Name, Volumes = box, Pfs = box, Dialer = this, Board = box.Board,
                Time = time ?? TimeProvider.System,
                Log = line => Lines.Add(line), State = state,
                Times = new VerifyTimes { GapMin = TimeSpan.Zero, Share = 1 }, Paces = Paces,
            });
            Service.Apply([mirror]);
        }

        internal MirrorPaces Paces { get; } = new();
        internal VerifyService Service { get; }
        internal Comparer? Other { get; set; }
        internal string KnownAs { get; set; } = "";
        internal List<string> Lines { get; } = [];
        /// <summary>Answers a connection in place of the other box; false: does not.</summary>
        internal Func<MemoryDuplex, bool>? Answer { get; set; }

        public PeerConnection Dial(string peer, CancellationToken stop)
        {
            var pair = new MemoryDuplex();
            if (Answer?.Invoke(pair) == true)
                return new PeerConnection(new PeerIdentity(peer, new string('2', 64)), pair.A);
            var protocol = new PeerProtocol(Other!._box.Name, [Other.Service], TimeProvider.System, Other.Lines.Add);
            var connection = new PeerConnection(new PeerIdentity(KnownAs, new string('1', 64)), pair.B);
            new Thread(() =>
            {
                using (connection) protocol.Serve(connection, CancellationToken.None);
            }) { IsBackground = true }.Start();
            return new PeerConnection(new PeerIdentity(peer, new string('2', 64)), pair.A);
        }

        internal VerifyView Ask(bool full, string mirror = "family")
        {
            VerifyJob job = Service.Enqueue(mirror, full);
            PeerBox.Until(() => job.IsDone, "the comparison ends");
            Assert.Same(job, Service.Job(job.Id));
            return job.View;
        }

        public void Dispose() => Service.Dispose();
    }

    static VerifyMirror Source => new("family", "nas2", true, "data", "family", TimeSpan.Zero);
    static VerifyMirror Target => new("family", "nas1", false, "data", "family", TimeSpan.Zero);

    static (Comparer A, Comparer B) Compare(LoopPair pair)
    {
        var a = new Comparer(pair.A, Source) { KnownAs = "nas1" };
        var b = new Comparer(pair.B, Target) { KnownAs = "nas2", Other = a };
        a.Other = b;
        a.Service.Start();
        b.Service.Start();
        return (a, b);
    }

    [Fact]
    public void Source_proves_each_state_by_itself_and_both_boxes_show_it()
    {
        using var pair = new LoopPair();
        pair.Start();
        (Comparer a, Comparer b) = Compare(pair);
        using (a)
        using (b)
        {
            for (int i = 0; i < 3; i++)
            {
                ulong tid = pair.Write("file" + i, 100_000);
                pair.UntilInStep(tid);
                bool IsProven(MirrorStatus s) => string.CompareOrdinal(s.ProvenTid, Tid.Format(tid)) >= 0;
                MirrorStatus here = pair.A.Until(true, IsProven), there = pair.B.Until(false, IsProven);
                Assert.Equal((false, null, true), (here.ProvenFull, here.Differs, here.ProvenAt is not null));
                Assert.Equal((false, null), (there.ProvenFull, there.Differs));
            }
        }
    }

    // What both ends say in a comparison, whoever leads it, counts against the mirror's bandwidth.
    [Fact]
    public void Comparison_is_held_to_the_bandwidth_on_both_ends()
    {
        const long rate = 50_000_000;
        using var pair = new LoopPair();
        pair.Start();
        pair.UntilInStep(pair.Write("file", 300_000));
        using var a = new Comparer(pair.A, Source with { Bandwidth = rate }) { KnownAs = "nas1" };
        using var b = new Comparer(pair.B, Target with { Bandwidth = rate }) { KnownAs = "nas2", Other = a };
        a.Other = b;
        a.Service.Start();
        b.Service.Start();
        foreach (Comparer end in new[] { a, b })
        {
            BandwidthLimiter here = a.Paces.Of("family", rate, TimeProvider.System)!;
            BandwidthLimiter there = b.Paces.Of("family", rate, TimeProvider.System)!;
            long before = here.BytesTaken, beforeThere = there.BytesTaken;
            VerifyView view = end.Ask(full: true);
            Assert.Equal(VerifyJob.Equal, view.Outcome);
            // Heads of frames and what TLS adds count as well.
            Assert.InRange(here.BytesTaken - before + there.BytesTaken - beforeThere, view.WireBytes + 100, 20_000);
            Assert.InRange(here.BytesTaken - before, 50, 20_000);
            Assert.InRange(there.BytesTaken - beforeThere, 50, 20_000);
        }
    }

    [Fact]
    public void Either_end_compares_on_request()
    {
        using var pair = new LoopPair();
        pair.Start();
        pair.UntilInStep(pair.Write("file", 300_000));
        (Comparer a, Comparer b) = Compare(pair);
        using (a)
        using (b)
        {
            foreach (Comparer end in new[] { a, b })
            {
                VerifyView view = end.Ask(full: true);
                Assert.Equal((true, VerifyJob.Equal, null), (view.Done, view.Outcome, view.What));
                Assert.InRange(view.DataBytes, 300_000, 330_000);
                Assert.InRange(view.WireBytes, 100, 2000);
            }
            pair.A.Until(true, s => s.ProvenFull);
            pair.B.Until(false, s => s.ProvenFull);
            Assert.Throws<System.IO.IOException>(() => a.Service.Enqueue("other", false));
        }
    }

    [Fact]
    public void Difference_found_by_reading_the_data_is_not_taken_back_by_a_comparison_of_sums()
    {
        using var pair = new LoopPair();
        pair.Start();
        pair.UntilInStep(pair.Write("file", 100_000));
        (Comparer a, Comparer b) = Compare(pair);
        using (a)
        using (b)
        {
            pair.A.Board.UpdateMirror("family", isSource: true, m => m with { Differs = "rot", DiffersFull = true });
            Assert.Equal(VerifyJob.Equal, a.Ask(full: false).Outcome);
            Assert.Equal("rot", pair.A.Until(true, s => s.Phase == MirrorPhase.InStep).Differs);
            Assert.Equal(VerifyJob.Equal, a.Ask(full: true).Outcome);
            Assert.Null(pair.A.Until(true, s => s.Differs is null).Differs);
        }
    }

    [Fact]
    public void Difference_and_proof_are_on_the_board_again_after_a_restart()
    {
        string folder = System.IO.Directory.CreateTempSubdirectory("nashammer-proofs-").FullName;
        try
        {
            using var pair = new LoopPair();
            pair.Start();
            pair.UntilInStep(pair.Write("file", 1000));
            (Comparer a, Comparer b) = Compare(pair);
            using (b)
            {
                using (a) a.Ask(full: true);
                using (var kept = new Comparer(pair.A, Source, folder) { KnownAs = "nas1", Other = b })
                {
                    kept.Service.Start();
                    Assert.Equal(VerifyJob.Equal, kept.Ask(full: true).Outcome);
                }
                // The loop of the mirror is made anew, as after a start of the daemon; nobody compares.
                string tid = pair.A.Until(true, s => s.ProvenTid is not null).ProvenTid!;
                pair.A.Service!.Stop();
                using (new Comparer(pair.A, Source, folder))
                {
                    pair.A.Service.Apply([pair.Send], []);
                    pair.A.Service.Start();
                    MirrorStatus again = pair.A.Until(true, s => s.Phase == MirrorPhase.InStep);
                    Assert.Equal((tid, true, true), (again.ProvenTid, again.ProvenFull, again.IsProvenEarlier));
                }
            }
        }
        finally
        {
            System.IO.Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Full_comparison_that_takes_for_ever_keeps_no_quick_one_of_another_mirror_waiting()
    {
        using var pair = new LoopPair();
        pair.Start();
        ulong tid = pair.Write("file", 1000);
        pair.UntilInStep(tid);
        // Two sections, each of which is compared by itself; the clock stands.
        var time = new PushedTime();
        using var a = new Comparer(pair.A, Source, time: time) { KnownAs = "nas1" };
        using var b = new Comparer(pair.B, Target) { KnownAs = "nas2", Other = a };
        a.Other = b;
        a.Service.Apply([Source, Source with { Name = "music" }]);
        b.Service.Apply([Target, Target with { Name = "music" }]);
        a.Service.Start();
        b.Service.Start();
        pair.A.Until(true, s => string.CompareOrdinal(s.ProvenTid, Tid.Format(tid)) >= 0);
        MemoryDuplex? held = null;
        a.Answer = duplex =>
        {
            if (Volatile.Read(ref held) is not null) return false;
            Volatile.Write(ref held, duplex);
            new NasFirmware.Control.MirrorFrames(duplex.B).Write(NasFirmware.Control.FrameKind.Welcome,
                """{"version":1}"""u8);
            return true;
        };
        VerifyJob full = a.Service.Enqueue("family", full: true);
        PeerBox.Until(() => Volatile.Read(ref held) is not null, "the full one has begun");
        for (int i = 0; i < 3; i++) Assert.Equal(VerifyJob.Equal, a.Ask(full: false, "music").Outcome);
        // One of the same mirror waits for it, and another full one too; both have their turn.
        VerifyJob quick = a.Service.Enqueue("family", full: false), other = a.Service.Enqueue("music", full: true);
        Assert.Equal(VerifyJob.Equal, a.Ask(full: false, "music").Outcome);
        Assert.Equal((false, false, false), (full.IsDone, quick.IsDone, other.IsDone));
        // Nobody hears a word of it: a minute later it is given up.
        time.Advance(TimeSpan.FromSeconds(61));
        PeerBox.Until(() => full.IsDone && quick.IsDone && other.IsDone, "all have had their turn");
        Assert.Equal((VerifyJob.NotComparable, "nas2 said nothing for 60 seconds"),
            (full.View.Outcome, full.View.What));
        Assert.Equal((VerifyJob.Equal, VerifyJob.Equal), (quick.View.Outcome, other.View.Outcome));
    }

    [Fact]
    public void Quick_one_is_due_while_a_full_one_waits_for_its_turn()
    {
        var time = new PushedTime();
        VerifyMirror mirror = Source with { FullEvery = TimeSpan.FromHours(1) };
        var memory = new ProofMemory(null, time, _ => { });
        var schedule = new VerifySchedule(new VerifyTimes(), mirror, memory, time);
        var status = new MirrorStatus
        {
            Name = "family", IsSource = true, Peer = "nas2", Pfs = "data/family", Phase = MirrorPhase.InStep,
            SlaveTid = Tid.Format(7),
        };
        Assert.Equal(VerifyDue.Quick, schedule.Due(status, out _));
        time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(VerifyDue.Quick, schedule.Due(status, out _));
        schedule.Done(full: false, TimeSpan.Zero, compared: true);
        // The full one has never been done, and its thread is busy: the other one wakes when its own turn comes.
        Assert.Equal(VerifyDue.Full, schedule.Due(status, out TimeSpan wait));
        Assert.Equal(TimeSpan.FromSeconds(10), wait);
        time.Advance(wait);
        Assert.Equal(VerifyDue.Quick, schedule.Due(status, out _));
    }

    [Fact]
    public void Peer_that_has_no_end_of_the_mirror_learns_nothing()
    {
        using var pair = new LoopPair();
        pair.Start();
        pair.UntilInStep(pair.Write("file", 1000));
        (Comparer a, Comparer b) = Compare(pair);
        using (a)
        using (b)
        {
            a.KnownAs = "nas3";
            VerifyView stranger = a.Ask(full: false);
            Assert.Equal((VerifyJob.NotComparable, "nas2 has no mirror 'family' with nas3"),
                (stranger.Outcome, stranger.What));
            a.KnownAs = "nas1";
            b.Service.Apply([]);
            Assert.Equal("nas2 has no mirror 'family' with nas1", a.Ask(full: false).What);
            b.Service.Apply([Target with { Volume = "gone" }]);
            Assert.Equal("nas2: the volume is not mounted, or has no such PFS", a.Ask(full: false).What);
            pair.A.Unmount();
            Assert.Equal("volume data is not mounted", a.Ask(full: false).What);
        }
    }

    [Fact]
    public void Peer_that_falls_silent_is_given_up()
    {
        var pair = new MemoryDuplex { IsHalfOpen = true };
        using var connection = new PeerConnection(new PeerIdentity("nas2", new string('2', 64)), pair.A);
        using var link = new PeerLink(connection, "nas1", TimeProvider.System);
        using var channel = new VerifyChannel(link, TimeProvider.System, TimeSpan.FromMilliseconds(100));
        System.IO.IOException e = Assert.Throws<System.IO.IOException>(() => channel.Read(new byte[1]));
        Assert.StartsWith("nas2 said nothing for", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mirrors_of_the_configuration_have_one_end_here()
    {
        NasFirmware.Config.ConfigOutcome outcome = NasFirmware.Config.ConfigReader.Read("""
            [box]
            name = "nas2"
            [peers.nas1]
            address = "a:1"
            [peers.nas3]
            address = "b:1"
            [volumes.backup]
            box = "nas2"
            label = "B"
            mount = "/b"
            [mirrors.in]
            from = "nas1:photos/family"
            to = "nas2:backup/family"
            [mirrors.out]
            from = "nas2:backup/family"
            to = "nas3:away/family"
            [mirrors.others]
            from = "nas1:photos/family"
            to = "nas3:away/second"
            """, null);
        Assert.Empty(outcome.Mistakes);
        IReadOnlyList<VerifyMirror> mirrors = VerifyPart.Mirrors(outcome.Settings!);
        Assert.Equal(["in nas1 False backup family", "out nas3 True backup family"], mirrors.OrderBy(m => m.Name)
            .Select(m => $"{m.Name} {m.Peer} {m.IsSource} {m.Volume} {m.Pfs}"));
    }
}
