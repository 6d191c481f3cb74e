using System;
using System.Collections.Concurrent;
using System.IO;
using System.Net;
using System.Threading;
using Microsoft.Extensions.Logging;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>A box as far as the link is concerned: a state folder, a key, peers, and an endpoint that echoes.</summary>
sealed class PeerBox : IPeerHandler, IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-peer-").FullName;

    internal PeerBox(string name)
    {
        Name = name;
        Key = PeerKey.LoadOrMake(_folder);
        Peers = new PeerStore(_folder, Key.Hash, []);
    }

    internal string Name { get; }
    internal string Folder => _folder;
    internal PeerKey Key { get; private set; }
    internal PeerStore Peers { get; private set; }
    internal PeerEndpoint? Endpoint { get; private set; }
    internal PairingDesk? Desk { get; private set; }
    internal LineLog Log { get; } = new();
    internal ConcurrentQueue<PeerIdentity> Served { get; } = [];
    internal IPEndPoint Address => Endpoint!.Address;
    internal PeerAddress PeerAddress => new("127.0.0.1", Address.Port);

    internal PeerBox Listen(Func<PeerEndpointOptions, PeerEndpointOptions>? change = null, bool pairs = false)
    {
        if (pairs) Desk = NewDesk(7445);
        var options = new PeerEndpointOptions
        {
            Listen = new IPEndPoint(IPAddress.Loopback, 0), Key = Key, Peers = Peers, Handler = this, Pairing = Desk,
            Log = Log, Time = TimeProvider.System,
        };
        Endpoint = PeerEndpoint.Start(change is null ? options : change(options));
        return this;
    }

    internal PairingDesk NewDesk(int port, TimeSpan? openFor = null) =>
        new(Key, Peers, new PairingIntroduction(Name, port), null, TimeProvider.System, openFor);

    /// <summary>Another key for this box.</summary>
    internal void Use(PeerKey key)
    {
        Key = key;
        Peers = new PeerStore(_folder, key.Hash, []);
    }

    internal void Knows(PeerBox other, string? key = null) => Peers.Add(new PeerEntry
    {
        Name = other.Name, Key = key ?? other.Key.Hash,
        Address = other.Endpoint is null ? null : other.PeerAddress.ToString(),
    });

    internal PeerConnection Dial(string peer) => new PeerDialer(Key, Peers, new PeerDialerOptions
    {
        ConnectTimeout = TimeSpan.FromSeconds(5), HandshakeTimeout = TimeSpan.FromSeconds(5),
    }).Dial(peer, CancellationToken.None);

    public void Serve(PeerConnection connection, CancellationToken stop)
    {
        Served.Enqueue(connection.Peer);
        byte[] buffer = new byte[65536];
        for (int n; (n = connection.Stream.Read(buffer)) > 0;) connection.Stream.Write(buffer.AsSpan(0, n));
    }

    public void Dispose()
    {
        Desk?.Dispose();
        Endpoint?.Dispose();
        Key.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Waits for something that happens on another thread.</summary>
    internal static void Until(Func<bool> condition, string what) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)), what);
}

/// <summary>Keeps log lines.</summary>
sealed class LineLog : ILogger
{
    internal ConcurrentQueue<string> Lines { get; } = [];

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter) => Lines.Enqueue($"{logLevel}: {formatter(state, exception)}");
}
