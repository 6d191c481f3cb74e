using System;
using System.Collections.Generic;
using System.Threading;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>The last message of a connection says why it ends: it must arrive, over real TLS.</summary>
public sealed class LastWordTests
{
    [Fact]
    public void Reason_of_a_refusal_always_arrives()
    {
        using PeerBox nas1 = new("nas1"), nas2 = new PeerBox("nas2");
        var protocol = new PeerProtocol("nas2", [], TimeProvider.System, _ => { });
        nas2.Listen(o => o with { Handler = protocol });
        nas1.Knows(nas2);
        nas2.Knows(nas1);
        var dialer = new PeerDialer(nas1.Key, nas1.Peers, new PeerDialerOptions());
        var hello = new PeerHello { Purpose = "dance", Box = "nas1" };
        for (int i = 0; i < 60; i++)
        {
            var e = Assert.Throws<PeerRefusedException>(() => PeerLink.Call(dialer, "nas2", hello, TimeProvider.System,
                TestContext.Current.CancellationToken, out _));
            Assert.Equal("nas2 does not know the purpose 'dance'", e.Message);
        }
    }

    /// <summary>Takes a stream, says why it does not go on, and ends.</summary>
    sealed class Unwilling : IPeerPurpose
    {
        string IPeerPurpose.Purpose => PeerPurpose.Mirror;

        public void Serve(PeerLink link, PeerHello hello, CancellationToken stop)
        {
            link.Welcome(hello);
            using var conduit = new MirrorConduit(new SystemLoopRuntime(TimeProvider.System), link, new MirrorTimes(),
                TimeSpan.Zero, () => new PeerEvent { Kind = PeerEventKind.Beat }, _ => { });
            conduit.Start("unwilling");
            conduit.ReadByteSoon();
            conduit.SendEnd(new PeerEnd { Error = "the disk is full", Refused = true });
        }
    }

    [Fact]
    public void Reason_that_a_stream_ends_with_arrives_though_data_are_on_their_way()
    {
        using PeerBox nas1 = new("nas1"), nas2 = new PeerBox("nas2");
        var protocol = new PeerProtocol("nas2", [new Unwilling()], TimeProvider.System, _ => { });
        nas2.Listen(o => o with { Handler = protocol });
        nas1.Knows(nas2);
        nas2.Knows(nas1);
        var dialer = new PeerDialer(nas1.Key, nas1.Peers, new PeerDialerOptions());
        var reasons = new HashSet<string?>();
        for (int i = 0; i < 30; i++)
        {
            PeerLink link = PeerLink.Call(dialer, "nas2", new PeerHello { Purpose = PeerPurpose.Mirror, Box = "nas1" },
                TimeProvider.System, TestContext.Current.CancellationToken, out _);
            using var conduit = new MirrorConduit(new SystemLoopRuntime(TimeProvider.System), link, new MirrorTimes(),
                TimeSpan.Zero, () => new PeerEvent { Kind = PeerEventKind.Beat }, _ => { });
            conduit.Start("willing");
            byte[] data = new byte[MirrorFrames.PayloadBytesMax];
            void Send()
            {
                while (true) conduit.Write(data);
            }
            Assert.ThrowsAny<System.IO.IOException>((Action)Send);
            reasons.Add(conduit.Reason);
        }
        Assert.Equal("the disk is full", Assert.Single(reasons));
    }
}

static class ConduitExtensions
{
    /// <summary>Waits until something of the stream is there.</summary>
    internal static void ReadByteSoon(this MirrorConduit conduit) => conduit.Read(new byte[1]);
}
