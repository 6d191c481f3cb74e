using System;
using System.Collections.Concurrent;
using System.IO;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Threading;

namespace NasFirmware.Mirroring;

/// <summary>How long a dialler waits.</summary>
sealed record PeerDialerOptions
{
    /// <summary>For the name and all its addresses together.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>For TLS and the other side's greeting.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// Connects to peers. The name is looked up at each dial, since addresses change in a home, and all its addresses are
/// tried in turn. The key of the other side must be the one that the store has for the name.
/// </summary>
sealed class PeerDialer(PeerKey key, PeerStore peers, PeerDialerOptions options) : IPeerDialer
{
    const int AddressesMax = 8;

    /// <summary>Open connections by the sockets below them.</summary>
    readonly ConcurrentDictionary<Socket, (PeerIdentity Peer, PeerStream Stream)> _open = new();

    public PeerConnection Dial(string peer, CancellationToken stop)
    {
        PeerEntry entry = peers.Find(peer) ?? throw new IOException($"no peer is called {peer}; "
            + "pair the boxes, or put it into the configuration");
        if (entry.Key is null) throw new IOException($"peer {peer} is not paired yet: its key is not known");
        if (entry.Address is null || !PeerAddress.TryParse(entry.Address, out PeerAddress address))
            throw new IOException($"peer {peer} has no address; give it one in the configuration or with peer add");
        var identity = new PeerIdentity(peer, entry.Key);
        return new PeerConnection(identity, Open(address, TlsPolicy.Peer, identity, stop, out _));
    }

    /// <summary>Closes the connections to boxes that are no longer peers, or have another key now.</summary>
    internal void CutStrangers()
    {
        foreach ((PeerIdentity peer, PeerStream stream) in _open.Values)
        {
            if (peers.Find(peer.Name)?.Key != peer.KeyHash) stream.Dispose();
        }
    }

    /// <summary>Connects for pairing: whoever is there, known or not. Tells the key that the other side has.</summary>
    internal PeerStream DialForPairing(PeerAddress address, CancellationToken stop, out string remoteKey) =>
        Open(address, TlsPolicy.Pairing, null, stop, out remoteKey);

    PeerStream Open(PeerAddress address, SslApplicationProtocol protocol, PeerIdentity? peer, CancellationToken stop,
        out string seen)
    {
        if (!key.IsSettled) throw new IOException("the key of this box is still looked for on its disks");
        string? wanted = peer?.KeyHash;
        Socket socket = Connect(address, stop);
        SslStream? tls = null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(options.HandshakeTimeout);
        string found = "";
        try
        {
            socket.NoDelay = true;
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            tls.AuthenticateAsClientAsync(TlsPolicy.Client(key, protocol, hash =>
            {
                found = hash;
                return wanted is null || hash == wanted;
            }), limit.Token).GetAwaiter().GetResult();
            if (tls.NegotiatedApplicationProtocol != protocol) throw new IOException("it speaks another protocol");
            Greeting(tls, limit.Token);
            seen = found;
            // First the transport: it wakes whoever reads or writes on other threads.
            var stream = new PeerStream(tls, () =>
            {
                _open.TryRemove(socket, out _);
                socket.Dispose();
                tls.Dispose();
            });
            if (peer is not null) _open[socket] = (peer, stream);
            return stream;
        }
        catch (Exception e) when (e is IOException or AuthenticationException or OperationCanceledException
            or SocketException or ObjectDisposedException)
        {
            tls?.Dispose();
            socket.Dispose();
            stop.ThrowIfCancellationRequested();
            throw new IOException(Sentence(address, wanted, found, protocol, e), e);
        }
    }

    static void Greeting(SslStream tls, CancellationToken limit)
    {
        byte[] greeting = new byte[1];
        int got = tls.ReadAsync(greeting, limit).AsTask().GetAwaiter().GetResult();
        if (got == 0) throw new EndOfStreamException();
        if ((PeerGreeting)greeting[0] == PeerGreeting.Welcome) return;
        throw new GreetingException((PeerGreeting)greeting[0] switch
        {
            PeerGreeting.TooManyConnections => "it has enough connections of this box already",
            PeerGreeting.PairingIsClosed => "pairing is not open there",
            PeerGreeting.PairingIsBusy => "it is being paired with another box",
            _ => "it speaks another protocol",
        });
    }

    sealed class GreetingException(string message) : IOException(message);

    string Sentence(PeerAddress address, string? wanted, string found, SslApplicationProtocol protocol, Exception e)
    {
        if (e is GreetingException) return $"the box at {address} refuses: {e.Message}";
        if (e is OperationCanceledException) return $"the box at {address} does not answer the handshake in time";
        if (found.Length > 0 && wanted is not null && found != wanted)
            return $"the box at {address} is another one: its key is {found}, and not {wanted}";
        if (found.Length == 0) return $"there is no NasHammer box at {address}: {e.Message}";
        return protocol == TlsPolicy.Pairing ? $"the box at {address} does not pair now; open pairing there too"
            : $"the box at {address} does not let this one in. There: nashammer peer add NAME {key.Hash}";
    }

    Socket Connect(PeerAddress address, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(options.ConnectTimeout);
        try
        {
            IPAddress[] found = IPAddress.TryParse(address.Host, out IPAddress? one) ? [one]
                : Dns.GetHostAddressesAsync(address.Host, limit.Token).GetAwaiter().GetResult();
            Exception? last = null;
            int count = Math.Min(found.Length, AddressesMax);
            for (int i = 0; i < count; i++)
            {
                try
                {
                    var place = new IPEndPoint(found[i], address.Port);
                    return ConnectTo(place, options.ConnectTimeout / count, limit.Token);
                }
                catch (Exception e) when (!limit.IsCancellationRequested
                    && e is SocketException or OperationCanceledException)
                {
                    last = e;
                }
            }
            throw last ?? new IOException("it has no address");
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or IOException)
        {
            stop.ThrowIfCancellationRequested();
            string why = e is OperationCanceledException ? "no answer in time" : e.Message;
            throw new IOException($"cannot reach {address}: {why}", e);
        }
    }

    static Socket ConnectTo(IPEndPoint address, TimeSpan timeout, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(timeout);
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.ConnectAsync(address, limit.Token).AsTask().GetAwaiter().GetResult();
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
