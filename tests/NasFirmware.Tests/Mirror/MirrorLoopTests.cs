using System;
using System.Diagnostics;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>
/// The loops of two boxes in one process, on real threads and a connection in memory. The simulation (campaigns
/// sim-*) drives the same code through everything that can happen; here each situation has its name.
/// </summary>
public sealed class MirrorLoopTests
{
    [Fact]
    public void Slave_is_made_at_first_contact_and_follows()
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 300_000);
        pair.Start();
        pair.UntilInStep(tid);
        Assert.True(pair.B.Fs.TryGetPfs(1, out PseudofsData pfs));
        Assert.Equal((true, LoopPair.Shared), (pfs.IsSlave, pfs.SharedUuid));
        Assert.Equal(300_000, pair.SlaveSize("a"));
        tid = pair.Write("b", 1000);
        MirrorStatus status = pair.UntilInStep(tid);
        Assert.Equal(1000, pair.SlaveSize("b"));
        Assert.Equal((0, 0, null), (status.Reconnects, status.BytesResent, status.Problem));
        MirrorStatus taken = pair.B.Until(false, s => s.Phase == MirrorPhase.InStep && s.LagSeconds == 0);
        Assert.Equal(Tid.Format(tid), taken.SlaveTid);
    }

    [Fact]
    public void Each_box_shows_what_the_other_one_says_of_itself_while_it_is_there()
    {
        using var pair = new LoopPair();
        pair.A.State = "In step";
        pair.B.State = "Attention: disk sda is\u001b not well" + new string('!', 300);
        pair.UntilInStepAfterStart("a");
        string Said(LoopBox box) => box.Board.Snapshot("", "").Peers is [{ } first, ..] ? first.Summary ?? "" : "";
        Peers.PeerBox.Until(() => Said(pair.B) == "In step"
            && Said(pair.A).StartsWith("Attention: disk sda is  not well!!", StringComparison.Ordinal),
            "both have heard");
        Assert.Equal(160, Said(pair.A).Length);
        pair.A.Other = null;
        pair.A.Connections[0].A.Dispose();
        pair.A.Until(true, s => s.Phase == MirrorPhase.Unreachable);
        Assert.Equal("", Said(pair.A));
    }

    [Fact]
    public void Cut_connection_comes_back_by_itself()
    {
        using var pair = new LoopPair();
        pair.UntilInStepAfterStart("a");
        pair.A.Connections[0].A.Dispose();
        ulong tid = pair.Write("b", 100_000);
        MirrorStatus status = pair.UntilInStep(tid);
        Assert.True(status.Reconnects >= 1);
        Assert.Equal(100_000, pair.SlaveSize("b"));
    }

    // The stream and every frame beside it, of both ends.
    [Fact]
    public void Stream_and_beats_are_held_to_the_bandwidth()
    {
        const long rate = 400_000;
        const int bytes = 300_000;
        using var pair = new LoopPair
        {
            Send = new MirrorSendOptions
            {
                Name = "family", Peer = "nas2", Volume = "data", Pfs = "family", Times = LoopPair.Times,
                Bandwidth = rate,
            },
            Receive = new MirrorReceiveOptions
            {
                Name = "family", Peer = "nas1", Volume = "data", Pfs = "family", Times = LoopPair.Times,
                Bandwidth = rate,
            },
        };
        ulong tid = pair.Write("a", bytes);
        long begin = Stopwatch.GetTimestamp();
        pair.Start();
        pair.UntilInStep(tid);
        Assert.True(Stopwatch.GetElapsedTime(begin) > TimeSpan.FromSeconds((bytes - (rate / 20.0)) / rate));
        BandwidthLimiter sent = pair.A.Host.Paces.Of("family", rate, TimeProvider.System)!;
        BandwidthLimiter answered = pair.B.Host.Paces.Of("family", rate, TimeProvider.System)!;
        Assert.InRange(sent.BytesTaken, bytes, bytes * 1.1);
        Assert.InRange(answered.BytesTaken, 200, bytes / 10);
        Assert.Equal(0, pair.A.Board.Snapshot("", "").Mirrors[0].Reconnects);
        Assert.Equal(bytes, pair.SlaveSize("a"));
    }

    [Fact]
    public void Half_open_connection_is_found_and_replaced()
    {
        using var pair = new LoopPair();
        pair.UntilInStepAfterStart("a");
        pair.A.Connections[0].IsHalfOpen = true;
        ulong tid = pair.Write("b", 100_000);
        pair.UntilInStep(tid);
        Assert.Contains(pair.A.Lines.ToArray(),
            l => l.Contains("nas2 has not been heard for", StringComparison.Ordinal));
    }

    [Fact]
    public void Newer_connection_takes_the_place_of_one_that_the_target_believes_alive()
    {
        using var pair = new LoopPair
        {
            Receive = new MirrorReceiveOptions
            {
                Name = "family", Peer = "nas1", Volume = "data", Pfs = "family",
                Times = LoopPair.Times with { Silence = TimeSpan.FromHours(1) },
            },
        };
        pair.UntilInStepAfterStart("a");
        pair.A.Connections[0].IsHalfOpen = true;
        ulong tid = pair.Write("b", 1000);
        pair.UntilInStep(tid);
        Assert.Contains(pair.B.Lines.ToArray(),
            l => l.Contains("a newer connection of nas1 has taken its place", StringComparison.Ordinal));
    }

    [Fact]
    public void Peer_without_a_grant_is_refused_with_a_sentence_and_taken_once_it_has_one()
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 1000);
        pair.B.Service!.Start();
        pair.B.Service!.Apply([], [pair.Receive with { Peer = "nas9" }]);
        pair.Start();
        MirrorStatus status = pair.A.Until(true, s => s.Phase == MirrorPhase.Refused);
        Assert.Equal("nas2 takes no mirror 'family' from nas1: its config.toml has no such [mirrors] section",
            status.Problem);
        pair.B.Service.Apply([], [pair.Receive]);
        pair.UntilInStep(tid);
    }

    [Fact]
    public void Unrelated_slave_is_refused_with_both_uuids()
    {
        using var pair = new LoopPair();
        pair.B.Make("family", slave: true, new Guid("bbbbbbbb-0000-1111-2222-333333333333"));
        pair.Start();
        MirrorStatus status = pair.A.Until(true, s => s.Phase == MirrorPhase.Refused);
        Assert.Contains("the shared UUIDs differ", status.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Slave_that_cannot_be_opened_hinders_and_does_not_refuse()
    {
        using var pair = new LoopPair();
        pair.B.NoSlave = Errno.NoSpc;
        ulong tid = pair.Write("a", 1000);
        pair.Start();
        MirrorStatus sends = pair.A.Until(true, s => s.Phase == MirrorPhase.Hindered);
        Assert.Equal("nas2: no slave: the file system 'data' is full", sends.Problem);
        Assert.Equal(MirrorPhase.Hindered, pair.B.Until(false, s => s.Problem is not null).Phase);
        pair.B.NoSlave = null;
        pair.UntilInStep(tid);
        pair.B.RemountReadOnly();
        sends = pair.A.Until(true, s => s.Phase == MirrorPhase.Hindered);
        Assert.Equal("nas2: 'data/family' cannot be written to: the file system 'data' is mounted read-only",
            sends.Problem);
        Assert.Equal(MirrorPhase.Hindered, pair.B.Until(false, s => s.Problem is not null).Phase);
    }

    [Fact]
    public void What_a_killed_source_had_sent_is_counted_when_it_is_sent_again()
    {
        string state = System.IO.Directory.CreateTempSubdirectory("nashammer-sent-").FullName;
        using var pair = new LoopPair
        {
            Send = new() { Name = "family", Peer = "nas2", Volume = "data", Pfs = "family", Times = LoopPair.Times,
                Bandwidth = 4 << 20 },
        };
        using var other = new LoopBox("nas2");
        try
        {
            pair.A.Host = pair.A.Host with { RunFolder = state };
            pair.A.Service = new MirrorService(pair.A.Host, [], []);
            ulong tid = pair.Write("a", 6_000_000);
            pair.Start();
            pair.A.Until(true, s => s.BytesSent > 2_000_000);
            // Its counters die with it, and the other disk is a new one.
            pair.A.Service.Stop();
            string note = System.IO.Path.Combine(state, SentMemory.Folder, "family");
            byte[] left = System.IO.File.ReadAllBytes(note);
            pair.A.Other = other;
            other.Service = new MirrorService(other.Host, [], [pair.Receive]);
            other.Service.Start();
            using var again = new MirrorService(pair.A.Host, [pair.Send with { Bandwidth = 0 }], []);
            again.Start();
            MirrorStatus status = pair.UntilInStep(tid);
            Assert.InRange(status.BytesResent, 2_000_000 - (3 * SentCounter.NoteBytes), 5_500_000);
            Assert.True(status.BytesSent > 6_000_000, $"{status}");
            // Nothing is under way any more: the note says so.
            Assert.NotEqual(left, System.IO.File.ReadAllBytes(note));
            Assert.All(System.IO.File.ReadAllBytes(note), b => Assert.Equal(0, b));
        }
        finally
        {
            System.IO.Directory.Delete(state, recursive: true);
        }
    }

    [Fact]
    public void Note_of_another_pair_or_source_or_a_torn_one_is_none()
    {
        string state = System.IO.Directory.CreateTempSubdirectory("nashammer-sent-").FullName;
        try
        {
            Guid source = Guid.NewGuid();
            var key = new BaseElm { ObjId = 7, Key = 8, CreateTid = 9, RecTypeRaw = 1, Localization = 0x10002 };
            SentMemory Memory(string where) => new(state, "family", where, line => Assert.Fail(line));
            Assert.False(Memory("x").TryRead(source, out _, out _, out _));
            Memory("x").Write(source, 2, 3, in key);
            Assert.True(Memory("x").TryRead(source, out ulong begin, out ulong end, out BaseElm read));
            Assert.Equal((2UL, 3UL, 0), (begin, end, BaseElm.Compare(in key, in read)));
            Assert.False(Memory("y").TryRead(source, out _, out _, out _));
            Assert.False(Memory("x").TryRead(Guid.NewGuid(), out _, out _, out _));
            string path = System.IO.Path.Combine(state, SentMemory.Folder, "family");
            byte[] bytes = System.IO.File.ReadAllBytes(path);
            bytes[40] ^= 1;
            System.IO.File.WriteAllBytes(path, bytes);
            Assert.False(Memory("x").TryRead(source, out _, out _, out _));
            System.IO.File.WriteAllBytes(path, bytes[..33]);
            Assert.False(Memory("x").TryRead(source, out _, out _, out _));
            var lines = new System.Collections.Generic.List<string>();
            var nowhere = new SentMemory(path, "family", "x", lines.Add);
            nowhere.Write(source, 2, 3, in key);
            nowhere.Write(source, 2, 3, in key);
            Assert.Single(lines);
        }
        finally
        {
            System.IO.Directory.Delete(state, recursive: true);
        }
    }

    [Fact]
    public void Volume_that_goes_and_returns_needs_nobody()
    {
        using var pair = new LoopPair();
        pair.UntilInStepAfterStart("a");
        pair.B.Unmount();
        ulong tid = pair.Write("b", 1000);
        pair.A.Until(true, s => s.Problem is { } p && p.Contains("'data' is not mounted", StringComparison.Ordinal));
        pair.B.Mount();
        pair.UntilInStep(tid);
        pair.A.Unmount();
        pair.A.Until(true, s => s.Phase == MirrorPhase.NoSource);
        pair.A.Mount();
        pair.UntilInStep(pair.Write("c", 1000));
        Assert.Equal(1000, pair.SlaveSize("c"));
    }

    [Fact]
    public void Peer_that_cannot_be_reached_is_called_again_when_it_appears()
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 1000);
        pair.A.Other = null;
        pair.Start();
        pair.A.Until(true, s => s.Phase == MirrorPhase.Unreachable && s.Problem == "nas2 cannot be reached");
        pair.A.Other = pair.B;
        pair.A.Service!.Nudge("nas2");
        pair.UntilInStep(tid);
    }

    [Fact]
    public void Why_the_peer_did_not_answer_is_not_told_once_it_does()
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 1000);
        int calls = 0;
        using var over = new CancellationTokenSource();
        pair.A.Answer = stream =>
        {
            if (++calls > 1) return false;
            // It lets the box in, lives, and does not begin.
            var frames = new NasFirmware.Control.MirrorFrames(stream);
            frames.Write(NasFirmware.Control.FrameKind.Welcome, """{"version":1}"""u8);
            over.Token.Register(stream.Dispose);
            new Thread(() => Babble(frames)) { IsBackground = true }.Start();
            return true;
        };
        pair.A.Other = null;
        pair.Start();
        pair.A.Until(true, s => s.Phase == MirrorPhase.Unreachable && s.Problem == "nas2 cannot be reached");
        pair.A.Other = pair.B;
        pair.A.Service!.Nudge("nas2");
        MirrorStatus status = pair.A.Until(true, s => s.Phase != MirrorPhase.Unreachable);
        Assert.Equal((MirrorPhase.Connecting, null), (status.Phase, status.Problem));
        over.Cancel();
        pair.UntilInStep(tid);
    }

    [Fact]
    public void Why_a_mirror_could_not_begin_is_not_told_while_it_runs()
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 1000);
        pair.B.Unmount();
        pair.Start();
        pair.A.Until(true, s => s.Problem is { } p && p.Contains("'data' is not mounted", StringComparison.Ordinal));
        var told = new System.Collections.Concurrent.ConcurrentQueue<MirrorStatus>();
        pair.A.Board.Changed += () =>
        {
            foreach (MirrorStatus s in pair.A.Board.Snapshot("", "").Mirrors)
                if (s.Phase >= MirrorPhase.FirstLoad && s.Problem is not null) told.Enqueue(s);
        };
        pair.B.Mount();
        pair.UntilInStep(tid);
        Assert.Empty(told);
    }

    [Fact]
    public void Stop_ends_every_loop_and_leaves_the_board_empty()
    {
        using var pair = new LoopPair();
        pair.UntilInStepAfterStart("a");
        Assert.True(pair.A.Service!.IsTurning && pair.B.Service!.IsTurning);
        pair.A.Service.Stop();
        pair.B.Service!.Stop();
        Assert.Empty(pair.A.Board.Snapshot("", "").Mirrors);
        Assert.Empty(pair.B.Board.Snapshot("", "").Mirrors);
    }

    [Fact]
    public void Reload_without_the_section_ends_the_connection_at_work()
    {
        using var pair = new LoopPair();
        pair.UntilInStepAfterStart("a");
        pair.B.Service!.Apply([], []);
        pair.A.Until(true, s => s.Phase == MirrorPhase.Refused);
        Assert.Empty(pair.B.Board.Snapshot("", "").Mirrors);
    }

    [Fact]
    public void Line_that_falls_silent_inside_a_frame_is_found()
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 1000);
        int calls = 0;
        pair.A.Answer = stream =>
        {
            if (++calls > 1) return false;
            new NasFirmware.Control.MirrorFrames(stream).Write(NasFirmware.Control.FrameKind.Welcome,
                """{"version":1}"""u8);
            // The head of an event of 20 bytes, which never come.
            stream.Write([(byte)NasFirmware.Control.FrameKind.Event, 20, 0, 0]);
            return true;
        };
        pair.Start();
        pair.UntilInStep(tid);
        Assert.Contains(pair.A.Lines.ToArray(), l => l.Contains("has not been heard for", StringComparison.Ordinal));
    }

    [Fact]
    public void Target_that_lives_and_does_not_move_is_left_after_the_stall_time()
    {
        using var pair = new LoopPair
        {
            Send = new MirrorSendOptions
            {
                Name = "family", Peer = "nas2", Volume = "data", Pfs = "family", Times = LoopPair.Times,
                Stall = TimeSpan.FromMilliseconds(400),
            },
        };
        ulong tid = pair.Write("a", 1000);
        int calls = 0;
        pair.A.Answer = stream =>
        {
            if (++calls > 1) return false;
            var frames = new NasFirmware.Control.MirrorFrames(stream);
            frames.Write(NasFirmware.Control.FrameKind.Welcome, """{"version":1}"""u8);
            new Thread(() => Babble(frames)) { IsBackground = true }.Start();
            return true;
        };
        pair.Start();
        pair.UntilInStep(tid);
        Assert.Contains(pair.A.Lines.ToArray(), l => l.Contains("has not moved for", StringComparison.Ordinal));
    }

    [Fact]
    public void Target_that_falls_silent_between_batches_is_left_once_there_is_something_to_send()
    {
        using var pair = new LoopPair
        {
            Send = new MirrorSendOptions
            {
                Name = "family", Peer = "nas2", Volume = "data", Pfs = "family", Times = LoopPair.Times,
                Stall = TimeSpan.FromMilliseconds(400),
            },
        };
        FrameRelay? relay = null;
        pair.A.Answer = stream =>
        {
            if (relay is not null) return false;
            relay = new FrameRelay(stream, pair.A.Answering());
            return true;
        };
        pair.UntilInStepAfterStart("a");
        Assert.NotNull(relay);
        // Heartbeats go on both ways; the stream does not.
        relay.DropsData = true;
        ulong tid = pair.Write("b", 1000);
        pair.UntilInStep(tid);
        Assert.Contains(pair.A.Lines.ToArray(), l => l.Contains("has not moved for", StringComparison.Ordinal));
        Assert.Equal(1000, pair.SlaveSize("b"));
    }

    /// <summary>Beats and nothing else, as fast as they are taken, until the other side hangs up.</summary>
    static void Babble(NasFirmware.Control.MirrorFrames frames)
    {
        try
        {
            while (true) frames.Write(NasFirmware.Control.FrameKind.Event, """{"kind":"beat"}"""u8);
        }
        catch (System.IO.IOException)
        {
        }
    }

    [Fact]
    public void Lying_target_cannot_stop_the_loop()
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 1000);
        // The first connections are answered by somebody who talks nonsense after the handshake.
        int calls = 0;
        pair.A.Answer = stream =>
        {
            if (++calls > 3) return false;
            var frames = new NasFirmware.Control.MirrorFrames(stream);
            frames.Write(NasFirmware.Control.FrameKind.Welcome, """{"version":1}"""u8);
            if (calls == 1) frames.Write(NasFirmware.Control.FrameKind.Data, new byte[500]);
            else if (calls == 2) frames.Write(NasFirmware.Control.FrameKind.Event, """{"kind":"beat","lag":-1}"""u8);
            else stream.Write([0xFF, 0xFF, 0xFF, 0xFF]);
            return true;
        };
        pair.Start();
        pair.UntilInStep(tid);
        Assert.Equal(4, Volatile.Read(ref calls));
    }
}

static class LoopPairExtensions
{
    internal static void UntilInStepAfterStart(this LoopPair pair, string name)
    {
        ulong tid = pair.Write(name, 1000);
        pair.Start();
        pair.UntilInStep(tid);
    }
}
