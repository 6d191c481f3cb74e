using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>Who is let in by the endpoint, and what it costs to be refused.</summary>
public sealed class PeerEndpointTests
{
    static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(400);

    static (PeerBox A, PeerBox B) Pair(Func<PeerEndpointOptions, PeerEndpointOptions>? change = null)
    {
        var a = new PeerBox("a");
        PeerBox b = new PeerBox("b").Listen(change);
        a.Knows(b);
        b.Knows(a);
        return (a, b);
    }

    static void Echo(PeerConnection connection, int bytes)
    {
        byte[] sent = new byte[bytes], got = new byte[bytes];
        new Random(bytes).NextBytes(sent);
        connection.Stream.Write(sent);
        connection.Stream.ReadExactly(got);
        Assert.Equal(sent, got);
    }

    [Fact]
    public void Peers_that_know_each_other_exchange_bytes()
    {
        (PeerBox a, PeerBox b) = Pair();
        using (a)
        using (b)
        using (PeerConnection connection = a.Dial("b"))
        {
            Assert.Equal(new PeerIdentity("b", b.Key.Hash), connection.Peer);
            Echo(connection, 1);
            Echo(connection, 60_000);
            Assert.Equal(new PeerIdentity("a", a.Key.Hash), Assert.Single(b.Served));
        }
    }

    [Fact]
    public void Disposing_a_connection_ends_a_read_on_another_thread_and_the_other_side()
    {
        (PeerBox a, PeerBox b) = Pair();
        using (a)
        using (b)
        {
            PeerConnection connection = a.Dial("b");
            Exception? ended = null;
            var reader = new Thread(() => ended = Record.Exception(() => connection.Stream.ReadByte()));
            reader.Start();
            PeerBox.Until(() => reader.ThreadState == ThreadState.WaitSleepJoin, "the reader waits");
            connection.Dispose();
            Assert.True(reader.Join(TimeSpan.FromSeconds(10)));
            Assert.IsAssignableFrom<IOException>(ended);
            Assert.IsAssignableFrom<IOException>(Record.Exception(() => connection.Stream.WriteByte(1)));
        }
    }

    [Fact]
    public void Endpoint_that_stops_ends_its_connections()
    {
        (PeerBox a, PeerBox b) = Pair();
        using (a)
        {
            using PeerConnection connection = a.Dial("b");
            b.Dispose();
            Assert.ThrowsAny<IOException>(() => connection.Stream.ReadExactly(new byte[1]));
        }
    }

    [Fact]
    public void Stranger_is_refused_in_the_handshake_and_named_once_in_the_log()
    {
        (PeerBox a, PeerBox b) = Pair();
        using var stranger = new PeerBox("c");
        using (a)
        using (b)
        {
            stranger.Knows(b);
            for (int i = 0; i < 3; i++)
            {
                IOException e = Assert.ThrowsAny<IOException>(() => stranger.Dial("b"));
                Assert.Contains($"peer add NAME {stranger.Key.Hash}", e.Message, StringComparison.Ordinal);
            }
            Assert.Empty(b.Served);
            string line = Assert.Single(b.Log.Lines, l => l.Contains("stranger", StringComparison.Ordinal));
            Assert.Contains("127.0.0.1: key " + stranger.Key.Hash, line, StringComparison.Ordinal);
            Assert.DoesNotContain(b.Log.Lines, l => l.StartsWith("Error", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Many_strangers_make_few_lines_in_the_log()
    {
        var log = new LineLog();
        var strangers = new StrangerLog(log, TimeProvider.System);
        for (int i = 0; i < 1000; i++) strangers.Tell("1.2.3.4", i.ToString("x64", null));
        Assert.Equal(16, log.Lines.Count);
    }

    [Fact]
    public void Caller_pins_the_key_and_does_not_talk_to_another_box()
    {
        (PeerBox a, PeerBox b) = Pair();
        using var c = new PeerBox("c");
        using (a)
        using (b)
        {
            a.Peers.Remove("b");
            a.Knows(b, c.Key.Hash);
            IOException e = Assert.ThrowsAny<IOException>(() => a.Dial("b"));
            Assert.Contains($"its key is {b.Key.Hash}, and not {c.Key.Hash}", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Dates_of_certificates_mean_nothing()
    {
        using var a = new PeerBox("a");
        using var b = new PeerBox("b");
        a.Use(PeerKey.Of(PeerKey.Make(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1))));
        b.Use(PeerKey.Of(PeerKey.Make(DateTimeOffset.UnixEpoch.AddYears(200), DateTimeOffset.UnixEpoch.AddYears(201))));
        b.Listen();
        a.Knows(b);
        b.Knows(a);
        using PeerConnection connection = a.Dial("b");
        Echo(connection, 100);
    }

    [Fact]
    public void Removed_peer_is_cut_and_stays_out()
    {
        (PeerBox a, PeerBox b) = Pair();
        using (a)
        using (b)
        {
            using PeerConnection connection = a.Dial("b");
            Echo(connection, 10);
            b.Endpoint!.CutStrangers();
            Echo(connection, 10);
            b.Peers.Remove("a");
            b.Endpoint.CutStrangers();
            Assert.ThrowsAny<IOException>(() => connection.Stream.ReadExactly(new byte[1]));
            Assert.ThrowsAny<IOException>(() => a.Dial("b"));
        }
    }

    [Fact]
    public void Caller_that_removes_a_peer_hangs_up()
    {
        (PeerBox a, PeerBox b) = Pair();
        using (a)
        using (b)
        {
            var dialer = new PeerDialer(a.Key, a.Peers, new PeerDialerOptions());
            using PeerConnection connection = dialer.Dial("b", CancellationToken.None);
            dialer.CutStrangers();
            Echo(connection, 10);
            a.Peers.Remove("b");
            dialer.CutStrangers();
            Assert.ThrowsAny<IOException>(() => connection.Stream.ReadExactly(new byte[1]));
        }
    }

    [Fact]
    public void Peer_has_so_many_connections_and_is_told()
    {
        (PeerBox a, PeerBox b) = Pair(o => o with { ConnectionsPerPeerMax = 2 });
        using (a)
        using (b)
        {
            using PeerConnection one = a.Dial("b");
            PeerConnection two = a.Dial("b");
            IOException e = Assert.ThrowsAny<IOException>(() => a.Dial("b"));
            Assert.Contains("enough connections", e.Message, StringComparison.Ordinal);
            two.Dispose();
            PeerBox.Until(() => Record.Exception(() => a.Dial("b").Dispose()) is null, "the place is free again");
            Echo(one, 10);
        }
    }

    // A stranger's own TLS client; what became of the connection.
    static Exception? Try(PeerBox box, Action<SslClientAuthenticationOptions> change)
    {
        using var a = new TcpClient();
        a.Connect(box.Address);
        using var tls = new SslStream(a.GetStream());
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "x", EnabledSslProtocols = SslProtocols.Tls13, ApplicationProtocols = [TlsPolicy.Peer],
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
        };
        change(options);
        return Record.Exception(() =>
        {
            tls.AuthenticateAsClient(options);
            tls.ReadTimeout = 10_000;
            if (tls.ReadByte() < 0) throw new EndOfStreamException();
        });
    }

    static void With(SslClientAuthenticationOptions options, X509Certificate2 certificate) =>
        options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);

    [Fact]
    public void Only_version_1_3_our_protocol_and_a_certificate_get_in()
    {
        (PeerBox a, PeerBox b) = Pair();
        using (a)
        using (b)
        {
            X509Certificate2 good = a.Key.Certificate;
            Assert.Null(Try(b, o => With(o, good)));
            PeerBox.Until(() => b.Served.Count == 1, "the good one is served");
            var wrong = new Dictionary<string, Action<SslClientAuthenticationOptions>>
            {
                ["no certificate"] = _ => { },
                ["TLS 1.2"] = o => { With(o, good); o.EnabledSslProtocols = SslProtocols.Tls12; },
                ["no ALPN"] = o => { With(o, good); o.ApplicationProtocols = null; },
                ["HTTP"] = o => { With(o, good); o.ApplicationProtocols = [SslApplicationProtocol.Http11]; },
                ["pairing that is closed"] = o => { With(o, good); o.ApplicationProtocols = [TlsPolicy.Pairing]; },
            };
            foreach ((string what, Action<SslClientAuthenticationOptions> change) in wrong)
            {
                Exception? e = Try(b, change);
                Assert.True(e is IOException or AuthenticationException, $"{what}: {e}");
            }
            Assert.Single(b.Served);
        }
    }

    public static TheoryData<string> Floods => ["nothing", "slow", "garbage", "oversized", "http"];

    // What the endpoint does with bytes that are no handshake: it closes within the time-out, and serves others.
    [Theory]
    [MemberData(nameof(Floods))]
    public void Bad_handshake_is_closed_in_time(string kind)
    {
        (PeerBox a, PeerBox b) = Pair(o => o with { HandshakeTimeout = s_short });
        using (a)
        using (b)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(b.Address);
            long begin = TimeProvider.System.GetTimestamp();
            var closed = new ManualResetEventSlim();
            var writer = new Thread(() => Flood(socket, kind, closed));
            writer.Start();
            Assert.Null(ReadToEnd(socket));
            TimeSpan took = TimeProvider.System.GetElapsedTime(begin);
            closed.Set();
            writer.Join();
            Assert.True(took < TimeSpan.FromSeconds(8), $"closed after {took}");
            using PeerConnection connection = a.Dial("b");
            Echo(connection, 10);
        }
    }

    static void Flood(Socket socket, string kind, ManualResetEventSlim closed)
    {
        byte[] noise = new byte[1 << 20];
        new Random(1).NextBytes(noise);
        // A handshake record whose message says that it is 16 MiB long.
        byte[] oversized = [22, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF, .. noise];
        try
        {
            switch (kind)
            {
                case "slow":
                    for (int i = 0; !closed.Wait(50); i++) socket.Send(oversized, i, 1, SocketFlags.None);
                    break;
                case "garbage": socket.Send(noise); break;
                case "oversized": socket.Send(oversized); break;
                case "http": socket.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8); break;
                default: break;
            }
        }
        catch (SocketException)
        {
            // Closed by the other side.
        }
    }

    static SocketException? ReadToEnd(Socket socket)
    {
        socket.ReceiveTimeout = 10_000;
        byte[] buffer = new byte[4096];
        try
        {
            while (socket.Receive(buffer) > 0) { }
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.TimedOut ? e : null;
        }
    }

    [Fact]
    public void Thousand_silent_connections_keep_no_peer_out()
    {
        (PeerBox a, PeerBox b) = Pair(o => o with { HandshakeTimeout = TimeSpan.FromSeconds(30) });
        var sockets = new List<Socket>();
        using (a)
        using (b)
        {
            for (int i = 0; i < 1000; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
                socket.Connect(b.Address);
                sockets.Add(socket);
            }
            PeerBox.Until(() => b.Endpoint!.HandshakesRefused >= 992, "all but eight are closed");
            using PeerConnection connection = a.Dial("b");
            Echo(connection, 1000);
            Assert.Equal(992, b.Endpoint!.HandshakesRefused);
            sockets.ForEach(s => s.Dispose());
        }
    }

    [Fact]
    public void Gate_counts_by_address_and_in_total_and_gives_back()
    {
        var gate = new PeerGate(4, 2, 1);
        static IPEndPoint At(string address) => new(IPAddress.Parse(address), 1);
        IDisposable? one = gate.TryHandshake(At("10.0.0.1")), two = gate.TryHandshake(At("::ffff:10.0.0.1"));
        Assert.NotNull(one);
        Assert.NotNull(two);
        Assert.Null(gate.TryHandshake(At("10.0.0.1")));
        Assert.NotNull(gate.TryHandshake(At("2001:db8:0:1::1")));
        Assert.NotNull(gate.TryHandshake(At("2001:db8:0:1:ffff::2")));
        Assert.Null(gate.TryHandshake(At("2001:db8:0:2::1")));
        one.Dispose();
        one.Dispose();
        Assert.Null(gate.TryHandshake(At("2001:db8:0:1::3")));
        Assert.NotNull(gate.TryHandshake(At("10.0.0.1")));
        using IDisposable? peer = gate.TryConnection("k");
        Assert.Null(gate.TryConnection("k"));
        Assert.NotNull(gate.TryConnection("l"));
    }

    [Fact]
    public void Boxes_without_AES_instructions_get_ChaCha20()
    {
        const TlsCipherSuite chaCha = TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256;
        Assert.Equal(chaCha, TlsPolicy.Suites(hasAes: false, asClient: false)[0]);
        Assert.Equal([chaCha], TlsPolicy.Suites(hasAes: false, asClient: true));
        Assert.NotEqual(chaCha, TlsPolicy.Suites(hasAes: true, asClient: false)[0]);
        // Whatever the two boxes are, there is a suite for them.
        Assert.All([true, false], server => Assert.All([true, false], client =>
            Assert.NotEmpty(TlsPolicy.Suites(server, false).Intersect(TlsPolicy.Suites(client, true)))));
    }

    [Fact]
    public void Address_that_is_taken_is_told()
    {
        using PeerBox b = new PeerBox("b").Listen();
        using var c = new PeerBox("c");
        IOException e = Assert.ThrowsAny<IOException>(() => c.Listen(o => o with { Listen = b.Address }));
        Assert.Contains($"cannot listen for peers at {b.Address}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unreachable_unknown_and_unpaired_peers_are_told_apart()
    {
        using var a = new PeerBox("a");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        a.Peers.Configure([new PeerEntry { Name = "unpaired", Address = "localhost" },
            new PeerEntry { Name = "off", Address = $"127.0.0.1:{port}", Key = new string('a', 64) },
            new PeerEntry { Name = "caller", Key = new string('b', 64) },
            new PeerEntry { Name = "nowhere", Address = "no-such-host.invalid", Key = new string('c', 64) }]);
        string Says(string peer) => Assert.ThrowsAny<IOException>(() => a.Dial(peer)).Message;
        Assert.Contains("no peer is called x", Says("x"), StringComparison.Ordinal);
        Assert.Contains("not paired", Says("unpaired"), StringComparison.Ordinal);
        Assert.Contains("cannot reach 127.0.0.1", Says("off"), StringComparison.Ordinal);
        Assert.Contains("no address", Says("caller"), StringComparison.Ordinal);
        Assert.Contains("cannot reach no-such-host", Says("nowhere"), StringComparison.Ordinal);
    }
}
