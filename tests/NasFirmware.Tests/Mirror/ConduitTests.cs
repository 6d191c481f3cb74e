using System;
using System.Collections.Concurrent;
using System.Threading;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>What two boxes whose settings or versions differ make of each other on one connection.</summary>
public sealed class ConduitTests
{
    static readonly PeerIdentity s_nas1 = new("nas1", new string('1', 64)), s_nas2 = new("nas2", new string('2', 64));

    /// <summary>Beats come so often that neither side takes the other for gone, however differently they are set.
    /// </summary>
    [Theory]
    [InlineData(2, 10)]
    [InlineData(10, 2)]
    [InlineData(1, 600)]
    [InlineData(10, 10)]
    public void Boxes_with_different_patience_agree_on_the_shorter_one(int own, int peer)
    {
        TimeSpan Beat(int a, int b) => MirrorConduit.Agreed(
            TimeSpan.FromSeconds(a) / MirrorTimes.BeatsInSilence, TimeSpan.FromSeconds(b));
        Assert.Equal(Beat(own, peer), Beat(peer, own));
        Assert.Equal(TimeSpan.FromSeconds(Math.Min(own, peer)) / 4, Beat(own, peer));
    }

    [Fact]
    public void Box_that_does_not_tell_its_patience_is_spoken_to_as_before() =>
        Assert.Equal(TimeSpan.FromSeconds(3), MirrorConduit.Agreed(TimeSpan.FromSeconds(3), null));

    [Fact]
    public void Patience_is_told_in_both_directions()
    {
        var pair = new MemoryDuplex();
        using var taker = new PeerLink(new PeerConnection(s_nas1, pair.B), "nas2", TimeProvider.System);
        var thread = new Thread(() =>
        {
            PeerHello hello = taker.ReadHello(TestContext.Current.CancellationToken);
            taker.OwnSilence = TimeSpan.FromSeconds(7);
            taker.Welcome(hello);
        });
        thread.Start();
        var hello = new PeerHello { Purpose = PeerPurpose.Mirror, Box = "nas1", Silence = 2500 };
        using PeerLink caller = PeerLink.Call(new OneDialer(new PeerConnection(s_nas2, pair.A)), "nas2", hello,
            TimeProvider.System, TestContext.Current.CancellationToken, out _);
        thread.Join();
        Assert.Equal(TimeSpan.FromSeconds(7), caller.PeerSilence);
        Assert.Equal(TimeSpan.FromSeconds(2.5), taker.PeerSilence);
    }

    sealed class OneDialer(PeerConnection connection) : IPeerDialer
    {
        public PeerConnection Dial(string peer, CancellationToken stop) => connection;
    }

    [Fact]
    public void Event_of_a_kind_that_only_a_newer_box_knows_takes_no_number_away()
    {
        var pair = new MemoryDuplex();
        var heard = new BlockingCollection<PeerEvent>();
        using var conduit = new MirrorConduit(new SystemLoopRuntime(TimeProvider.System),
            new PeerLink(new PeerConnection(s_nas1, pair.B), "nas2", TimeProvider.System), new MirrorTimes(),
            TimeSpan.Zero, () => new PeerEvent { Kind = PeerEventKind.Beat }, heard.Add);
        conduit.Start("conduit");
        using var other = new PeerLink(new PeerConnection(s_nas2, pair.A), "nas1", TimeProvider.System);
        other.Send(FrameKind.Event, new PeerEvent { Kind = "mood", Lag = 99 }, PeerJson.Default.PeerEvent);
        other.Send(FrameKind.Event, new PeerEvent { Kind = PeerEventKind.Beat, Lag = 3 }, PeerJson.Default.PeerEvent);
        Assert.True(heard.TryTake(out PeerEvent? first, TimeSpan.FromMinutes(1)));
        Assert.Equal((PeerEventKind.Beat, 3.0), (first.Kind, first.Lag));
    }
}
