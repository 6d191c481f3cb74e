using System;
using System.IO;
using System.Threading;

namespace NasFirmware.Mirroring;

/// <summary>
/// Who is at the other end: the name that the configuration gives it, and the SHA-256 of its public key (64 hex
/// digits), which is what it is known by.
/// </summary>
sealed record PeerIdentity(string Name, string KeyHash);

/// <summary>
/// An authenticated connection to a peer: who it is, and a duplex byte stream. One thread reads, one thread writes;
/// disposing it, from any thread, ends both with an <see cref="IOException"/>.
/// </summary>
sealed class PeerConnection(PeerIdentity peer, Stream stream) : IDisposable
{
    internal PeerIdentity Peer => peer;
    internal Stream Stream => stream;

    public void Dispose() => stream.Dispose();
}

/// <summary>Makes connections to peers by the names that the configuration gives them.</summary>
interface IPeerDialer
{
    /// <summary>
    /// Connects and authenticates, both ways. <see cref="IOException"/> with a sentence for the owner if the peer is
    /// unknown, cannot be reached, takes too long or is not who it should be.
    /// </summary>
    PeerConnection Dial(string peer, CancellationToken stop);
}

/// <summary>Takes connections that peers made to this box, after they were authenticated.</summary>
interface IPeerHandler
{
    /// <summary>Serves one connection to its end, on a thread of its own; the caller disposes it.</summary>
    void Serve(PeerConnection connection, CancellationToken stop);
}
