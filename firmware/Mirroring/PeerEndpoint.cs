using System;
using System.Collections.Concurrent;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace NasFirmware.Mirroring;

/// <summary>What the endpoint needs and may use.</summary>
sealed record PeerEndpointOptions
{
    /// <summary>Where to listen, ADDRESS:PORT or [IPV6]:PORT; port 0 takes a free one.</summary>
    public required IPEndPoint Listen { get; init; }
    public required PeerKey Key { get; init; }
    public required PeerStore Peers { get; init; }
    public required IPeerHandler Handler { get; init; }
    /// <summary>Null: this endpoint never pairs.</summary>
    public PairingDesk? Pairing { get; init; }
    public required ILogger Log { get; init; }
    public required TimeProvider Time { get; init; }
    /// <summary>From the first byte to the certificate.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);
    public int HandshakesMax { get; init; } = 32;
    public int HandshakesPerAddressMax { get; init; } = 8;
    public int ConnectionsPerPeerMax { get; init; } = 16;
    /// <summary>What a connection may hold of received bytes that nobody has read yet.</summary>
    public int ReadBufferBytes { get; init; } = 256 * 1024;
}

/// <summary>The first byte that the listening side sends on an authenticated connection.</summary>
enum PeerGreeting : byte
{
    Welcome = 1,
    TooManyConnections = 2,
    PairingIsClosed = 3,
    PairingIsBusy = 4,
}

/// <summary>
/// Where other boxes connect: TLS 1.3 with certificates on both sides behind Kestrel, on a host of its own that has
/// nothing else. A stranger is refused inside the handshake, which is bounded in number and time. A peer is greeted
/// with one byte, so that it knows that it was let in, and handed over on a thread of its own.
/// </summary>
sealed class PeerEndpoint : IDisposable
{
    readonly PeerEndpointOptions _options;
    readonly PeerGate _gate;
    readonly StrangerLog _strangers;
    readonly CancellationTokenSource _stop = new();
    readonly ConcurrentDictionary<PeerConnection, bool> _open = new();
    WebApplication? _app;

    PeerEndpoint(PeerEndpointOptions options)
    {
        _options = options;
        _gate = new PeerGate(options.HandshakesMax, options.HandshakesPerAddressMax, options.ConnectionsPerPeerMax);
        _strangers = new StrangerLog(options.Log, options.Time);
    }

    /// <summary>Where it really listens.</summary>
    internal IPEndPoint Address { get; private set; } = new(IPAddress.None, 0);
    internal long HandshakesRefused => _gate.Refused;

    /// <summary>Listens; <see cref="IOException"/> if the address is taken or not ours.</summary>
    internal static PeerEndpoint Start(PeerEndpointOptions options)
    {
        var endpoint = new PeerEndpoint(options);
        try
        {
            endpoint.StartAsync().GetAwaiter().GetResult();
            return endpoint;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            endpoint.Dispose();
            throw new IOException($"cannot listen for peers at {options.Listen}: {e.Message}", e);
        }
    }

    async Task StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(
            new WebApplicationOptions { ContentRootPath = Path.GetTempPath() });
        builder.WebHost.UseKestrelCore();
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>>(new WirePool());
        builder.Services.AddLogging();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.Configure<SocketTransportOptions>(o => o.MaxReadBufferSize = _options.ReadBufferBytes);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(Usable(_options.Listen), listen =>
        {
            listen.Use(next => connection => Enter(connection, next));
            listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                HandshakeTimeout = _options.HandshakeTimeout,
                OnConnection = c => new(TlsPolicy.Server(_options.Key, _options.Pairing?.IsOpen == true,
                    (key, protocol) => IsAdmitted(key, protocol, c.Connection.RemoteEndPoint))),
            });
            listen.Run(Serve);
        }));
        _app = builder.Build();
        await _app.StartAsync();
        var bound = new Uri(_app.Urls.First());
        Address = new IPEndPoint(_options.Listen.Address, bound.Port);
        PeerLog.Listening(_options.Log, Address.ToString(), _options.Key.Hash);
    }

    // A kernel without IPv6 listens on IPv4.
    static IPEndPoint Usable(IPEndPoint listen) => listen.Address.Equals(IPAddress.IPv6Any) && !Socket.OSSupportsIPv6
        ? new IPEndPoint(IPAddress.Any, listen.Port) : listen;

    async Task Enter(ConnectionContext connection, ConnectionDelegate next)
    {
        using IDisposable? place = _gate.TryHandshake(connection.RemoteEndPoint);
        if (place is null)
        {
            connection.Abort();
            return;
        }
        connection.Items[typeof(PeerGate)] = place;
        await next(connection);
    }

    bool IsAdmitted(string key, SslApplicationProtocol protocol, EndPoint? remote)
    {
        if (protocol == TlsPolicy.Pairing && _options.Pairing?.IsOpen == true) return true;
        if (protocol == TlsPolicy.Peer && _options.Peers.FindKey(key) is not null) return true;
        _strangers.Tell(HostOf(remote), key);
        return false;
    }

    async Task Serve(ConnectionContext connection)
    {
        (connection.Items[typeof(PeerGate)] as IDisposable)?.Dispose();
        SslStream tls = connection.Features.Get<ISslStreamFeature>()!.SslStream;
        string key = tls.RemoteCertificate is X509Certificate2 certificate ? PeerKey.HashOf(certificate) : "";
        // Aborting drops what is not sent yet; who ends in order just returns, and Kestrel sends it and closes.
        var stream = new PeerStream(tls, connection.Abort);
        if (tls.NegotiatedApplicationProtocol == TlsPolicy.Pairing)
        {
            await OnThread("pairing", () => ServePairing(stream, key, HostOf(connection.RemoteEndPoint)));
        }
        else if (tls.NegotiatedApplicationProtocol != TlsPolicy.Peer)
        {
            connection.Abort();
        }
        else if (_options.Peers.FindKey(key) is PeerEntry peer)
        {
            await OnThread("peer " + peer.Name, () => ServePeer(stream, new PeerIdentity(peer.Name, key),
                HostOf(connection.RemoteEndPoint)));
        }
        else
        {
            _strangers.Tell(HostOf(connection.RemoteEndPoint), key);
            connection.Abort();
        }
    }

    static Task OnThread(string name, Action work)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                work();
            }
            finally
            {
                done.SetResult();
            }
        }) { IsBackground = true, Name = name }.Start();
        return done.Task;
    }

    void ServePeer(PeerStream stream, PeerIdentity peer, string address)
    {
        var connection = new PeerConnection(peer, stream);
        using IDisposable? place = _gate.TryConnection(peer.KeyHash);
        _open[connection] = true;
        try
        {
            stream.WriteByte((byte)(place is null ? PeerGreeting.TooManyConnections : PeerGreeting.Welcome));
            if (place is null)
            {
                PeerLog.TooMany(_options.Log, peer.Name, _options.ConnectionsPerPeerMax);
                return;
            }
            PeerLog.Connected(_options.Log, peer.Name, address);
            _options.Handler.Serve(connection, _stop.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            PeerLog.Ended(_options.Log, peer.Name, e.Message);
            connection.Dispose();
        }
        catch (Exception e)
        {
            // One connection must not take the others, nor the mounts, with it.
            PeerLog.Failed(_options.Log, e, peer.Name);
            connection.Dispose();
        }
        finally
        {
            _open.TryRemove(connection, out _);
        }
    }

    void ServePairing(PeerStream stream, string key, string address)
    {
        try
        {
            _options.Pairing?.Answer(stream, key, address);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            PeerLog.Ended(_options.Log, "a box that is being paired", e.Message);
            stream.Dispose();
        }
    }

    /// <summary>Closes the connections of boxes that are no longer peers.</summary>
    internal void CutStrangers()
    {
        foreach (PeerConnection connection in _open.Keys)
        {
            if (_options.Peers.FindKey(connection.Peer.KeyHash)?.Name != connection.Peer.Name) connection.Dispose();
        }
    }

    static string HostOf(EndPoint? remote)
    {
        if (remote is not IPEndPoint { Address: IPAddress address }) return "an unknown address";
        return (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString();
    }

    /// <summary>Stops listening and closes all connections; those who serve them are told, and not waited for longer
    /// than a moment.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        foreach (PeerConnection connection in _open.Keys) connection.Dispose();
        if (_app is WebApplication app)
        {
            _app = null;
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            app.StopAsync(soon.Token).GetAwaiter().GetResult();
            app.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>ADDRESS:PORT of the configuration; false if it is none.</summary>
    internal static bool TryParseListen(string text, out IPEndPoint listen)
    {
        listen = new IPEndPoint(IPAddress.None, 0);
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !IPEndPoint.TryParse(text, out IPEndPoint? parsed)
            || !text.EndsWith(":" + parsed.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))
            return false;
        listen = parsed;
        return true;
    }

    sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
