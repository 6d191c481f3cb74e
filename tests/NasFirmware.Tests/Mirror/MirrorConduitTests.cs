using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>How far a stream may be ahead of the side that takes it: that is what a cut can make come again.</summary>
public sealed class MirrorConduitTests
{
    const int StreamBytes = 5_000_000;

    static MirrorConduit Open(Stream stream, string peer, bool isWindowed)
    {
        var link = new PeerLink(new PeerConnection(new PeerIdentity(peer, "00"), stream), "box", TimeProvider.System);
        var conduit = new MirrorConduit(new SystemLoopRuntime(TimeProvider.System), link, LoopPair.Times, TimeSpan.Zero,
            static () => new PeerEvent { Kind = PeerEventKind.Beat }, static _ => { })
        {
            IsWindowed = isWindowed,
        };
        conduit.Start(peer);
        return conduit;
    }

    static Task Send(MirrorConduit from) => Task.Run(() =>
    {
        byte[] piece = new byte[50_000];
        for (int done = 0; done < StreamBytes; done += piece.Length)
        {
            Array.Fill(piece, (byte)(done / piece.Length));
            from.Write(piece);
        }
    });

    [Fact]
    public async Task Stream_is_ahead_of_what_was_taken_by_no_more_than_the_window()
    {
        var pair = new MemoryDuplex();
        using MirrorConduit from = Open(pair.A, "b", true), to = Open(pair.B, "a", true);
        Task sending = Send(from);
        byte[] piece = new byte[100_000];
        for (long taken = 0; taken < StreamBytes;)
        {
            int n = to.Read(piece);
            taken += n;
            Assert.Equal((byte)((taken - 1) / 50_000), piece[n - 1]);
            Assert.InRange(from.BytesOut - taken, -256 << 10, 768 << 10);
        }
        await sending;
        Assert.Equal(StreamBytes, from.BytesOut);
    }

    [Fact]
    public async Task Side_that_takes_nothing_stops_the_stream_before_a_megabyte()
    {
        var pair = new MemoryDuplex();
        using MirrorConduit from = Open(pair.A, "b", true), to = Open(pair.B, "a", true);
        Task sending = Send(from);
        Assert.True(SpinWait.SpinUntil(() => from.BytesOut >= 700_000, TimeSpan.FromSeconds(20)));
        // Nobody reads: it stands still, though the line has room.
        await Task.WhenAny(sending, Task.Delay(200, TestContext.Current.CancellationToken));
        Assert.InRange(from.BytesOut, 700_000, 768 << 10);
        from.Break("over");
        await Assert.ThrowsAsync<IOException>(() => sending);
    }

    [Fact]
    public void Peer_that_has_taken_more_than_was_sent_is_hung_up_on()
    {
        var pair = new MemoryDuplex();
        using MirrorConduit from = Open(pair.A, "b", true);
        var liar = new PeerLink(new PeerConnection(new PeerIdentity("a", "00"), pair.B), "box", TimeProvider.System);
        liar.Send(NasFirmware.Control.FrameKind.Event, new PeerEvent { Kind = PeerEventKind.Taken, Taken = 1 << 20 },
            PeerJson.Default.PeerEvent);
        Assert.True(from.Closed.WaitHandle.WaitOne(TimeSpan.FromSeconds(20)));
        Assert.Contains("has taken 1048576 bytes of 0", from.Reason, StringComparison.Ordinal);
    }
}
