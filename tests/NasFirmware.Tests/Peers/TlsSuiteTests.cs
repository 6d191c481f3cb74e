using System;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Threading.Tasks;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>The cipher that two boxes really speak.</summary>
public sealed class TlsSuiteTests
{
    const TlsCipherSuite ChaCha = TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256;
    const TlsCipherSuite Aes = TlsCipherSuite.TLS_AES_128_GCM_SHA256;

    // OpenSSL's own order begins with AES of 256 bits; the server's order decides.
    [Theory]
    [InlineData(true, true, Aes)]
    [InlineData(false, true, ChaCha)]
    [InlineData(true, false, ChaCha)]
    [InlineData(false, false, ChaCha)]
    public async Task Boxes_speak_ChaCha20_as_soon_as_one_has_no_AES_instructions(bool server, bool client,
        TlsCipherSuite expected)
    {
        using PeerBox a = new("a"), b = new("b");
        SslServerAuthenticationOptions there = TlsPolicy.Server(b.Key, false, (key, _) => key == a.Key.Hash, server);
        SslClientAuthenticationOptions here = TlsPolicy.Client(a.Key, TlsPolicy.Peer, key => key == b.Key.Hash, client);
        Assert.Equal(expected, await Negotiated(there, here));
    }

    [Fact]
    public async Task Each_side_alone_settles_the_suite_with_a_partner_of_no_opinion()
    {
        using PeerBox a = new("a"), b = new("b");
        foreach (bool aes in new[] { true, false })
        {
            SslServerAuthenticationOptions there = TlsPolicy.Server(b.Key, false, (_, _) => true, aes);
            SslClientAuthenticationOptions open = TlsPolicy.Client(a.Key, TlsPolicy.Peer, _ => true);
            open.CipherSuitesPolicy = null;
            Assert.Equal(aes ? Aes : ChaCha, await Negotiated(there, open));
        }
        SslServerAuthenticationOptions any = TlsPolicy.Server(b.Key, false, (_, _) => true);
        any.CipherSuitesPolicy = null;
        Assert.Equal(ChaCha, await Negotiated(any, TlsPolicy.Client(a.Key, TlsPolicy.Peer, _ => true, false)));
    }

    [Fact]
    public async Task Endpoint_uses_the_list_of_this_CPU()
    {
        using PeerBox a = new("a"), b = new("b");
        b.Listen(o => o with { HandshakeTimeout = TimeSpan.FromSeconds(30) });
        b.Knows(a);
        SslClientAuthenticationOptions open = TlsPolicy.Client(a.Key, TlsPolicy.Peer, _ => true);
        open.CipherSuitesPolicy = null;
        using var socket = new TcpClient();
        await socket.ConnectAsync(b.Address, TestContext.Current.CancellationToken);
        using var tls = new SslStream(socket.GetStream());
        await tls.AuthenticateAsClientAsync(open, TestContext.Current.CancellationToken);
        Assert.Equal(TlsPolicy.HasAes ? Aes : ChaCha, tls.NegotiatedCipherSuite);
    }

    static async Task<TlsCipherSuite> Negotiated(SslServerAuthenticationOptions there,
        SslClientAuthenticationOptions here)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        Task connecting = client.ConnectAsync((IPEndPoint)listener.LocalEndpoint,
            TestContext.Current.CancellationToken).AsTask();
        using TcpClient server = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await connecting;
        using SslStream a = new(client.GetStream()), b = new(server.GetStream());
        await Task.WhenAll(a.AuthenticateAsClientAsync(here), b.AuthenticateAsServerAsync(there));
        Assert.Equal(a.NegotiatedCipherSuite, b.NegotiatedCipherSuite);
        return a.NegotiatedCipherSuite;
    }
}
