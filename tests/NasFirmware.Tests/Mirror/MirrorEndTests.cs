using System;
using System.IO;
using System.Threading;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>How a stream that ended is told to the owner: by its true cause.</summary>
public sealed class MirrorEndTests
{
    [Theory]
    [InlineData("""{"error":"nas2: it is full","class":"no-room"}""", "Hindered")]
    [InlineData("""{"error":"nas2: it is full","class":"medium"}""", "Hindered")]
    [InlineData("""{"error":"nas2: it is full","class":"retry"}""", "Connecting")]
    [InlineData("""{"error":"nas2: it is full","class":"of a newer box"}""", "Connecting")]
    [InlineData("""{"error":"nas2: it is full"}""", "Connecting")]
    [InlineData("""{"error":"nas2: it is full","refused":true,"class":"refused"}""", "Refused")]
    public void Last_word_of_the_other_box_is_what_the_status_says(string word, string phase)
    {
        using var pair = new LoopPair();
        ulong tid = pair.Write("a", 1000);
        bool fails = true;
        pair.A.Answer = stream =>
        {
            if (!Volatile.Read(ref fails)) return false;
            var frames = new MirrorFrames(stream);
            frames.Write(FrameKind.Welcome, """{"version":1}"""u8);
            frames.Write(FrameKind.Result, System.Text.Encoding.ASCII.GetBytes(word));
            return true;
        };
        pair.Start();
        MirrorStatus status = pair.A.Until(true, s => s.Problem is not null);
        Assert.Equal((Enum.Parse<MirrorPhase>(phase), "nas2: it is full"), (status.Phase, status.Problem));
        Volatile.Write(ref fails, false);
        pair.UntilInStep(tid);
    }

    [Fact]
    public void Full_slave_is_neither_red_nor_a_peer_that_is_not_there()
    {
        using var pair = new LoopPair(slaveBytes: 96L << 20);
        pair.Write("a", 100 << 20);
        pair.Start();
        MirrorStatus sent = pair.A.Until(true, s => s.Problem is not null);
        Assert.Equal(MirrorPhase.Hindered, sent.Phase);
        Assert.Contains("the target cannot store it: ENOSPC", sent.Problem, StringComparison.Ordinal);
        MirrorStatus taken = pair.B.Until(false, s => s.Problem is not null);
        Assert.Equal(MirrorPhase.Hindered, taken.Phase);
    }

    [Fact]
    public void Third_stall_is_told_and_each_has_twice_the_patience()
    {
        using var pair = new LoopPair
        {
            Send = new MirrorSendOptions
            {
                Name = "family", Peer = "nas2", Volume = "data", Pfs = "family", Times = LoopPair.Times,
                Stall = TimeSpan.FromMilliseconds(501),
            },
        };
        ulong tid = pair.Write("a", 1000);
        int calls = 0;
        pair.A.Answer = stream =>
        {
            if (++calls > 3) return false;
            var frames = new MirrorFrames(stream);
            frames.Write(FrameKind.Welcome, """{"version":1}"""u8);
            new Thread(() => Beat(frames)) { IsBackground = true }.Start();
            return true;
        };
        pair.Start();
        const string third = "the stream has not moved for 2 seconds, for the 3rd time";
        MirrorStatus status = pair.A.Until(true, s => s.Problem == third);
        Assert.Equal(MirrorPhase.Hindered, status.Phase);
        // The first two came to the same second, and are one line of the log.
        Assert.Single(pair.A.Lines.ToArray(),
            l => l.EndsWith("the stream has not moved for 1 seconds", StringComparison.Ordinal));
        pair.UntilInStep(tid);
        pair.UntilInStep(pair.Write("b", 1000));
        pair.A.Until(true, s => s.Problem is null);
        Assert.Equal(4, Volatile.Read(ref calls));
    }

    [Theory]
    [InlineData(1, "1st")]
    [InlineData(2, "2nd")]
    [InlineData(3, "3rd")]
    [InlineData(4, "4th")]
    [InlineData(11, "11th")]
    [InlineData(12, "12th")]
    [InlineData(23, "23rd")]
    [InlineData(113, "113th")]
    public void Stalls_are_counted_as_people_do(int n, string text) => Assert.Equal(text, MirrorSender.Ordinal(n));

    static void Beat(MirrorFrames frames)
    {
        try
        {
            while (true) frames.Write(FrameKind.Event, """{"kind":"beat"}"""u8);
        }
        catch (IOException)
        {
        }
    }
}
