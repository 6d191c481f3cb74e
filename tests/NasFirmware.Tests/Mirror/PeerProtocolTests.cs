using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>The handshake between two boxes: what is taken, what is refused, and with which words.</summary>
public sealed class PeerProtocolTests
{
    static readonly PeerIdentity s_nas1 = new("nas1", new string('1', 64)), s_nas2 = new("nas2", new string('2', 64));

    /// <summary>A purpose that takes everybody, or tells why not.</summary>
    sealed class Purpose(string? refusal = null) : IPeerPurpose
    {
        internal PeerHello? Hello { get; private set; }
        string IPeerPurpose.Purpose => PeerPurpose.Mirror;

        public void Serve(PeerLink link, PeerHello hello, CancellationToken stop)
        {
            Hello = hello;
            if (refusal is null) link.Welcome(hello, "resume");
            else link.Refuse(refusal, later: true);
        }
    }

    sealed class Dialer(Stream stream) : IPeerDialer
    {
        public PeerConnection Dial(string peer, CancellationToken stop) => new(s_nas2, stream);
    }

    /// <summary>Serves one connection on a thread while the caller speaks on the other end.</summary>
    static List<string> Served(Action<Stream> speak, Purpose purpose, TimeProvider? time = null)
    {
        var pair = new MemoryDuplex();
        var log = new List<string>();
        var protocol = new PeerProtocol("nas2", [purpose], time ?? TimeProvider.System, log.Add);
        var thread = new Thread(() =>
            protocol.Serve(new PeerConnection(s_nas1, pair.B), TestContext.Current.CancellationToken));
        thread.Start();
        speak(pair.A);
        thread.Join();
        return log;
    }

    static PeerWelcome Call(Stream stream, PeerHello hello)
    {
        using PeerLink link = PeerLink.Call(new Dialer(stream), "nas2", hello, TimeProvider.System,
            TestContext.Current.CancellationToken, out PeerWelcome welcome);
        return welcome;
    }

    static readonly PeerHello s_hello = new()
    {
        Purpose = PeerPurpose.Mirror, Box = "nas1", Mirror = "family", Features = ["resume", "later"],
        SharedUuid = new Guid("5a5a5a5a-0000-1111-2222-333333333333"),
    };

    [Fact]
    public void Hello_of_a_known_purpose_is_welcomed_with_version_and_features()
    {
        var purpose = new Purpose();
        Served(stream =>
        {
            PeerWelcome welcome = Call(stream, s_hello);
            Assert.Equal((1, "nas2", "resume"), (welcome.Version, welcome.Box, Assert.Single(welcome.Features!)));
        }, purpose);
        Assert.Equal(("family", s_hello.SharedUuid), (purpose.Hello!.Mirror, purpose.Hello.SharedUuid));
        Assert.Equal(["resume", "later"], purpose.Hello.Features!);
    }

    [Fact]
    public void Refusal_arrives_as_the_sentence_that_was_said()
    {
        Served(stream =>
        {
            var e = Assert.Throws<PeerRefusedException>(() => Call(stream, s_hello));
            Assert.Equal(("no such\u0020PFS", true), (e.Message, e.Later));
        }, new Purpose("no such\nPFS"));
    }

    [Fact]
    public void Other_versions_and_purposes_are_refused_by_name()
    {
        Served(stream => Assert.Contains("versions 1 to 1", Assert.Throws<PeerRefusedException>(() =>
            Call(stream, s_hello with { VersionMin = 2, Version = 7 })).Message, StringComparison.Ordinal), new());
        Served(stream => Assert.Contains("'dance'", Assert.Throws<PeerRefusedException>(() =>
            Call(stream, s_hello with { Purpose = "dance" })).Message, StringComparison.Ordinal), new());
    }

    [Fact]
    public void Newer_peer_that_says_more_is_understood()
    {
        var purpose = new Purpose();
        Served(stream =>
        {
            Say(stream, """{"versionMin":1,"version":9,"purpose":"mirror","mood":"good"}""");
            Assert.Equal((int)FrameKind.Welcome, stream.ReadByte());
            stream.Dispose();
        }, purpose);
        Assert.Equal(9, purpose.Hello!.Version);
    }

    [Theory]
    [InlineData("", "is none")]
    [InlineData("null", "null")]
    [InlineData("[]", "is none")]
    [InlineData("""{}""", "is none")]
    [InlineData("""{"purpose":"mirror"}""", "'versions'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":""}""", "'purpose'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mir\u001bror"}""", "'purpose'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":7}""", "is none")]
    [InlineData("""{"version":0,"versionMin":0,"purpose":"mirror"}""", "'versions'")]
    [InlineData("""{"version":1,"versionMin":0,"purpose":"mirror"}""", "'versions'")]
    [InlineData("""{"version":2,"versionMin":3,"purpose":"mirror"}""", "'versions'")]
    [InlineData("""{"version":65536,"versionMin":1,"purpose":"mirror"}""", "'versions'")]
    [InlineData("""{"version":-1,"versionMin":-1,"purpose":"mirror"}""", "'versions'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","mirror":""}""", "'mirror'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","mirror":"a\u0000b"}""", "'mirror'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"m","sharedUuid":"00000000-0000-0000-0000-000000000000"}""",
        "'sharedUuid'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","sharedUuid":"x"}""", "is none")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","features":[""]}""", "'features'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","features":[1,2]}""", "is none")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","features":[null]}""", "'features'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","silence":1}""", "'silence'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","silence":-5000}""", "'silence'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","silence":9223372036854775807}""", "'silence'")]
    [InlineData("""{"version":1,"versionMin":1,"purpose":"mirror","box":[]}""", "is none")]
    public void Hello_with_a_lie_ends_the_connection_before_anyone_sees_it(string hello, string what)
    {
        var purpose = new Purpose();
        string line = Assert.Single(Served(stream => Say(stream, hello), purpose));
        Assert.StartsWith("nas1: the peer sent", line, StringComparison.Ordinal);
        Assert.Contains(what, line, StringComparison.Ordinal);
        Assert.Null(purpose.Hello);
    }

    [Fact]
    public void Hello_above_the_bound_is_not_read()
    {
        var purpose = new Purpose();
        string line = Assert.Single(Served(stream => Say(stream, new string(' ', 5000)), purpose));
        Assert.Contains("a message of 5000 bytes", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Connection_that_begins_with_something_else_ends()
    {
        var purpose = new Purpose();
        string line = Assert.Single(Served(stream => stream.Write("GET / HTTP/1.1\r\n\r\n"u8), purpose));
        Assert.Contains("carries a frame of kind 71", line, StringComparison.Ordinal);
        line = Assert.Single(Served(stream => new MirrorFrames(stream).Write(FrameKind.Data, [1, 2]), purpose));
        Assert.Contains("Hello was expected", line, StringComparison.Ordinal);
        Served(stream => stream.Dispose(), purpose);
        Assert.Null(purpose.Hello);
    }

    [Fact]
    public void Silent_peer_is_hung_up_on_when_the_handshake_takes_too_long()
    {
        var time = new PushedTime();
        Served(stream =>
        {
            time.WaitForTimer();
            time.Advance(PeerProtocol.HandshakeMax);
            Assert.Equal(0, stream.Read(new byte[1]));
        }, new(), time);
    }

    static void Say(Stream stream, string hello) =>
        new MirrorFrames(stream).Write(FrameKind.Hello, Encoding.UTF8.GetBytes(hello));
}
