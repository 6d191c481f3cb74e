using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;

namespace NasFirmware.Mirroring;

/// <summary>
/// Counts what strangers may use: handshakes under way in total and from one address (of IPv6 the first 64 bits), and
/// connections of each peer. What is above a bound is closed before anything is made for it. Thread-safe.
/// </summary>
sealed class PeerGate(int handshakesMax, int handshakesPerAddressMax, int connectionsPerPeerMax)
{
    readonly object _gate = new();
    readonly Dictionary<UInt128, int> _byAddress = [];
    readonly Dictionary<string, int> _byPeer = new(StringComparer.Ordinal);
    int _handshakes;

    /// <summary>Handshakes that were turned away.</summary>
    internal long Refused { get; private set; }

    /// <summary>A place for a handshake; null if there is none.</summary>
    internal IDisposable? TryHandshake(EndPoint? remote)
    {
        UInt128 address = AddressOf(remote);
        lock (_gate)
        {
            _byAddress.TryGetValue(address, out int count);
            if (_handshakes >= handshakesMax || count >= handshakesPerAddressMax)
            {
                Refused++;
                return null;
            }
            _handshakes++;
            _byAddress[address] = count + 1;
        }
        return new Place(() =>
        {
            _handshakes--;
            Release(_byAddress, address);
        }, _gate);
    }

    /// <summary>A place for a connection of a peer; null if it has enough.</summary>
    internal IDisposable? TryConnection(string key)
    {
        lock (_gate)
        {
            _byPeer.TryGetValue(key, out int count);
            if (count >= connectionsPerPeerMax) return null;
            _byPeer[key] = count + 1;
        }
        return new Place(() => Release(_byPeer, key), _gate);
    }

    static void Release<T>(Dictionary<T, int> counts, T key) where T : notnull
    {
        if (--counts[key] == 0) counts.Remove(key);
    }

    static UInt128 AddressOf(EndPoint? remote)
    {
        if (remote is not IPEndPoint { Address: IPAddress address }) return 0;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        address.TryWriteBytes(bytes, out _);
        if (address.AddressFamily == AddressFamily.InterNetworkV6) bytes[8..].Clear();
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    sealed class Place(Action release, object gate) : IDisposable
    {
        bool _given;

        public void Dispose()
        {
            lock (gate)
            {
                if (_given) return;
                _given = true;
                release();
            }
        }
    }
}
