using System;
using System.Threading;
using NasCore.Mirror;

namespace NasFirmware.Mirroring;

/// <summary>
/// What carries a mirror's stream to the other side, and finds out when it does not any more: a connection to a box
/// (<see cref="MirrorConduit"/>), or ssh to another machine (<see cref="SshConduit"/>). What it dies of is kept as one
/// sentence, the first; reading and writing then give an <see cref="System.IO.IOException"/>.
/// </summary>
interface IMirrorCarrier : IByteChannel, IDisposable
{
    /// <summary>Cancelled when it is of no use any more.</summary>
    CancellationToken Closed { get; }
    /// <summary>What it died of.</summary>
    string? Reason { get; }
    /// <summary>The other side said that it will be the same again until somebody decides.</summary>
    bool IsRefused { get; }
    /// <summary>The other side has ended the stream.</summary>
    bool IsPeerEnd { get; }
    /// <summary>The link is good, and the other side cannot go on for now.</summary>
    bool IsHindered { get; }
    /// <summary>The stream was behind and did not move.</summary>
    bool IsStalled { get; }
    /// <summary>Bytes of the stream that the other side has taken, as far as one can know.</summary>
    long BytesTaken { get; }
    /// <summary>When it was told to end; 0: not yet.</summary>
    long BrokenAt { get; }

    /// <summary>Begins; the name is that of its threads.</summary>
    void Start(string name);

    /// <summary>There is something to move: from now on the stream must not stand still.</summary>
    void SetBehind(bool behind);

    /// <summary>Numbers have changed that the other side should know.</summary>
    void BeatSoon();

    /// <summary>The network may have changed: is the other side still there?</summary>
    void Doubt();

    /// <summary>Ends it, from any thread; the first reason counts.</summary>
    void Break(string reason, bool discard = false);

    /// <summary>Tells the other side how this one ended, if there is a way to.</summary>
    void SendEnd(PeerEnd end);
}
