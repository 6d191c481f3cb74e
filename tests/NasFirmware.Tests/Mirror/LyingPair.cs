using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using NasFirmware.Tests.Peers;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>Something that a peer says and that is not so.</summary>
/// <param name="What">The field, and the lie.</param>
/// <param name="Problem">What the honest box says of it; null: it passes over it.</param>
/// <param name="Tell">Says it.</param>
sealed record Lie(string What, string? Problem, Action<Liar> Tell)
{
    /// <summary>A message.</summary>
    internal static Lie Message(FrameKind kind, string json, string? problem) => new($"{kind} {Shown(json)}", problem,
        liar => liar.Frames.Write(kind, Encoding.UTF8.GetBytes(json)));

    /// <summary>Something of the stream.</summary>
    internal static Lie Stream(string what, string? problem, Action<MrecordWriter> write) => new(what, problem,
        liar => liar.Frames.Write(FrameKind.Data, Bytes(write)));

    /// <summary>Bytes on the connection, whatever they are.</summary>
    internal static Lie Raw(string what, string? problem, params byte[] bytes) => new(what, problem,
        liar => liar.Stream.Write(bytes));

    static string Shown(string json) => json.Length > 100 ? json[..100] + "..." : json;

    static byte[] Bytes(Action<MrecordWriter> write)
    {
        var sink = new Sink();
        var writer = new MrecordWriter(sink);
        write(writer);
        writer.Flush();
        return sink.Bytes.ToArray();
    }

    sealed class Sink : IByteChannel
    {
        internal MemoryStream Bytes { get; } = new();
        public int Read(Span<byte> destination) => 0;
        public void Write(ReadOnlySpan<byte> source) => Bytes.Write(source);
    }
}

/// <summary>The end of a connection at which somebody lies.</summary>
sealed class Liar(Stream stream)
{
    static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    internal Stream Stream => stream;
    internal MirrorFrames Frames { get; } = new(stream);
    /// <summary>The last word of the honest side.</summary>
    internal string? Said { get; private set; }

    internal string Read(FrameKind expected)
    {
        Assert.True(Frames.TryReadHead(out FrameKind kind, out int length));
        byte[] payload = new byte[length];
        Frames.ReadPayload(payload);
        Assert.Equal(expected, kind);
        return Encoding.UTF8.GetString(payload);
    }

    /// <summary>Tells a lie and waits, saying nothing more; false if the other side does not end it.</summary>
    internal bool Tell(Lie lie)
    {
        bool ended = true;
        using var limit = new Timer(_ =>
        {
            Volatile.Write(ref ended, false);
            stream.Dispose();
        }, null, s_patience, Timeout.InfiniteTimeSpan);
        byte[] payload = new byte[MirrorFrames.PayloadBytesMax];
        try
        {
            lie.Tell(this);
            // What is passed over is followed by an end that is none of the lie's.
            if (lie.Problem is null) Frames.Write(FrameKind.Result, """{"error":"an honest end"}"""u8);
            while (Frames.TryReadHead(out FrameKind kind, out int length))
            {
                Frames.ReadPayload(payload.AsSpan(0, length));
                if (kind != FrameKind.Result) continue;
                Said = Encoding.UTF8.GetString(payload, 0, length);
                break;
            }
        }
        catch (IOException)
        {
            // It has hung up.
        }
        stream.Dispose();
        return Volatile.Read(ref ended);
    }
}

/// <summary>
/// Two boxes with two mirrors: on "family" somebody lies, for a while; "music" is honest all the time, and must not
/// suffer.
/// </summary>
sealed class LyingPair : IDisposable
{
    static readonly Guid s_music = new("6b6b6b6b-0000-1111-2222-333333333333");
    static readonly MirrorTimes s_times = LoopPair.Times with
    {
        BackoffMax = TimeSpan.FromMilliseconds(20), RefusedRetry = TimeSpan.FromMilliseconds(20),
        Silence = TimeSpan.FromSeconds(30),
    };

    readonly LoopPair _pair = new();
    int _songs;

    internal LyingPair()
    {
        A.Make("music", slave: false, s_music);
        Received = [Receive("music"), Receive("family")];
        B.Service!.Apply([], Received);
    }

    internal LoopBox A => _pair.A;
    internal LoopBox B => _pair.B;
    internal MirrorReceiveOptions[] Received { get; }

    internal static MirrorSendOptions Send(string name) => new()
    {
        Name = name, Peer = "nas2", Volume = "data", Pfs = name, Times = s_times,
    };

    internal static MirrorReceiveOptions Receive(string name) => new()
    {
        Name = name, Peer = "nas1", Volume = "data", Pfs = name, Times = s_times,
    };

    internal ulong Write(string name) => _pair.Write(name, 50_000);
    internal long SlaveSize(string name) => _pair.SlaveSize(name);

    internal static MirrorStatus? Status(LoopBox box, string mirror) =>
        box.Board.Snapshot("", "").Mirrors.FirstOrDefault(m => m.Name == mirror);

    internal void UntilInStep(string mirror, ulong tid) => PeerBox.Until(() => Status(A, mirror) is
        { Phase: MirrorPhase.InStep, SlaveTid: { } at } && string.CompareOrdinal(at, Tid.Format(tid)) >= 0,
        $"{mirror} is in step: {Status(A, mirror)}");

    /// <summary>The other mirror takes a change.</summary>
    internal void Sing() => UntilInStep("music", _pair.Write($"song{++_songs}", 3000, pfs: 2));

    /// <summary>Everything that a PFS shows at a TID, read from the medium.</summary>
    internal static VerifyDigest Digest(LoopBox box, int pfsId, ulong tid)
    {
        var maker = new VerifyDigest.Maker();
        VerifyRecord first = VerifyRecord.First, last = VerifyRecord.Last;
        var view = new NasCore.Mirror.VerifyView(tid, Full: true, Times: false);
        using var scan = new VerifyScan(box.Fs.VerifySide(pfsId), view, in first, in last,
            new byte[HammerConst.ExtentBytesMax]);
        while (scan.MoveNext()) maker.Add(in scan.Current);
        return maker.Take();
    }

    /// <summary>One lie after the other on the mirror "family", then the honest box; what is wrong about it.</summary>
    internal List<string> MeetTarget(IReadOnlyList<Lie> lies)
    {
        var wrong = new List<string>();
        int at = -1;
        void Answer(Stream stream)
        {
            var liar = new Liar(stream);
            string hello = liar.Read(FrameKind.Hello);
            int i = hello.Contains("music", StringComparison.Ordinal) ? int.MaxValue : Interlocked.Increment(ref at);
            if (i < int.MaxValue && i > 0 && i <= lies.Count) Judge(lies[i - 1], Status(A, "family")?.Problem, wrong);
            if (i < lies.Count)
            {
                if (!liar.Tell(lies[i])) Add(wrong, $"{lies[i].What}: the connection was not ended");
                return;
            }
            Stream honest = A.Answering();
            new MirrorFrames(honest).Write(FrameKind.Hello, Encoding.UTF8.GetBytes(hello));
            _ = new FrameRelay(stream, honest);
        }
        A.Answer = stream =>
        {
            new Thread(() => Answer(stream)) { IsBackground = true }.Start();
            return true;
        };
        ulong tid = Write("a");
        VerifyDigest before = Digest(A, 1, tid);
        A.Service!.Apply([Send("family"), Send("music")], []);
        A.Service.Start();
        B.Service!.Start();
        while (Volatile.Read(ref at) < lies.Count) Sing();
        UntilInStep("family", tid);
        if (!Digest(A, 1, tid).IsSame(before)) Add(wrong, "the master has changed");
        Compare(Find("family"), tid, wrong);
        return wrong;
    }

    /// <summary>The same on the slave's box, which has everything up to a TID before.</summary>
    internal List<string> MeetSource(IReadOnlyList<Lie> lies, Guid shared)
    {
        var wrong = new List<string>();
        ulong tid = Write("a");
        A.Service!.Apply([Send("family"), Send("music")], []);
        A.Service.Start();
        B.Service!.Start();
        UntilInStep("family", tid);
        A.Service.Apply([Send("music")], []);
        int pfsId = Find("family");
        Assert.True(B.Fs.TryGetPfs(pfsId, out PseudofsData has));
        VerifyDigest before = Digest(B, pfsId, has.SyncEndTid);
        PeerBox.Until(() => Status(B, "family") is { Reconnects: > 0 }, "the honest one has gone");
        foreach (Lie lie in lies)
        {
            int ends = Status(B, "family")!.Reconnects;
            var liar = new Liar(A.Answering());
            liar.Frames.Write(FrameKind.Hello, Encoding.ASCII.GetBytes($$"""
                {"version":1,"versionMin":1,"purpose":"mirror","mirror":"family","sharedUuid":"{{shared}}",
                "features":["window"]}
                """));
            Assert.DoesNotContain("refusal", liar.Read(FrameKind.Welcome), StringComparison.Ordinal);
            if (!liar.Tell(lie)) Add(wrong, $"{lie.What}: the connection was not ended");
            PeerBox.Until(() => Status(B, "family")!.Reconnects > ends, "the session has ended");
            Judge(lie, Status(B, "family")!.Problem, wrong);
            Assert.True(B.Fs.TryGetPfs(pfsId, out PseudofsData now));
            if (now.SyncEndTid != has.SyncEndTid) Add(wrong, $"{lie.What}: the slave is at another TID");
            if (ends % 10 == 0) Sing();
        }
        if (!Digest(B, pfsId, has.SyncEndTid).IsSame(before)) Add(wrong, "the slave has changed");
        A.Service.Apply([Send("family"), Send("music")], []);
        tid = Write("b");
        UntilInStep("family", tid);
        Compare(pfsId, tid, wrong);
        return wrong;
    }

    /// <summary>As of the state that the slave shows, which is this one or a later one.</summary>
    void Compare(int pfsId, ulong tid, List<string> wrong)
    {
        Assert.True(B.Fs.TryGetPfs(pfsId, out PseudofsData has));
        if (has.SyncEndTid < tid) Add(wrong, "the slave has not come to where it is said to be");
        VerifyDigest there = Digest(B, pfsId, has.SyncEndTid), here = Digest(A, 1, has.SyncEndTid);
        if (!there.IsSame(here))
            Add(wrong, $"the slave has {there.Records} records, {there.DataBytes} bytes, its master {here.Records}, "
                + $"{here.DataBytes}");
    }

    static void Judge(Lie lie, string? problem, List<string> wrong)
    {
        string[] wanted = (lie.Problem ?? "an honest end").Split('|');
        if (problem is null || !wanted.Any(w => problem.Contains(w, StringComparison.Ordinal))
            || problem.Any(char.IsControl) || problem.Length > 700)
            Add(wrong, $"{lie.What}: '{problem}'");
    }

    static void Add(List<string> wrong, string what)
    {
        lock (wrong) wrong.Add(what);
    }

    int Find(string path) => B.Find(B.Find("data")!, path)!.Value;

    public void Dispose() => _pair.Dispose();
}
