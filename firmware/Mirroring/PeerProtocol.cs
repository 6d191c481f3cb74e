using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;

namespace NasFirmware.Mirroring;

// The protocol between two boxes (docs/MIRRORING.md 9)
//
// TLS has settled who speaks. The side that dialled says Hello: versions, what the connection is for, which mirror. The
// other one says Welcome with the version to be spoken, or refuses with a sentence, and closes. What follows is the
// business of the purpose: "mirror" carries HAMMER's own stream and heartbeats (MirrorConduit), "verify" compares,
// "here" says nothing but that the caller is there (MirrorAnnouncer).
//
// Frames have the four-byte head of the control socket's mirror sessions (MirrorFrames). Messages are bounded to 4 KiB
// before they are read; the handshake has a time limit; nothing is allocated for a peer beyond the frame's buffer
// before its purpose has taken it.

/// <summary>What a kind of connection does on the side that was dialled.</summary>
interface IPeerPurpose
{
    /// <summary>See <see cref="PeerPurpose"/>.</summary>
    string Purpose { get; }

    /// <summary>
    /// Serves one connection whose Hello has been read and whose version fits, to its end. Says
    /// <see cref="PeerLink.Welcome"/> or <see cref="PeerLink.Refuse"/> first. <see cref="IOException"/> and
    /// <see cref="InvalidDataException"/> end it and are logged.
    /// </summary>
    void Serve(PeerLink link, PeerHello hello, CancellationToken stop);
}

/// <summary>The other side does not take the connection; the message is its sentence.</summary>
sealed class PeerRefusedException(string sentence, bool later, string? kind = null) : IOException(sentence)
{
    /// <summary>The link is good, and the other side cannot take anything for now.</summary>
    internal bool IsHindrance => PeerEndClass.IsHindrance(kind);
    /// <summary>It may be different soon, without anybody doing anything.</summary>
    internal bool Later => later;
}

/// <summary>Takes the connections of peers and hands each to its purpose.</summary>
/// <param name="box">This box's name.</param>
/// <param name="purposes">What peers may connect for.</param>
/// <param name="time">For time limits.</param>
/// <param name="log">Sentences for the log.</param>
/// <param name="called">Told the name of each peer that has said Hello.</param>
sealed class PeerProtocol(string box, IEnumerable<IPeerPurpose> purposes, TimeProvider time, Action<string> log,
    Action<string>? called = null) : IPeerHandler
{
    internal const int VersionMin = 1, Version = 1;
    /// <summary>From the connection to the end of the handshake.</summary>
    internal static readonly TimeSpan HandshakeMax = TimeSpan.FromSeconds(15);

    /// <summary>Who has said how it ends waits so long for the other side to hang up.</summary>
    internal static readonly TimeSpan LastWordMax = TimeSpan.FromSeconds(2);

    readonly Dictionary<string, IPeerPurpose> _purposes =
        purposes.ToDictionary(p => p.Purpose, StringComparer.Ordinal);

    public void Serve(PeerConnection connection, CancellationToken stop)
    {
        using var link = new PeerLink(connection, box, time);
        try
        {
            PeerHello hello = link.ReadHello(stop);
            called?.Invoke(link.Peer.Name);
            if (hello.VersionMin > Version || hello.Version < VersionMin)
            {
                link.Refuse($"{box} speaks versions {VersionMin} to {Version} of the peer protocol, "
                    + $"not {hello.VersionMin} to {hello.Version}: the older box needs an update", later: false);
            }
            else if (_purposes.TryGetValue(hello.Purpose, out IPeerPurpose? purpose))
            {
                purpose.Serve(link, hello, stop);
            }
            else
            {
                link.Refuse($"{box} does not know the purpose '{hello.Purpose}'", later: false);
            }
            using CancellationTokenRegistration ending = stop.Register(link.Dispose);
            link.AwaitEnd(time);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            if (!stop.IsCancellationRequested) log($"{connection.Peer.Name}: {e.Message}");
        }
    }
}
