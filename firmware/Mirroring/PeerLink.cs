using System;
using System.IO;
using System.Text.Json.Serialization.Metadata;
using System.Threading;
using NasCore.Mirror;
using NasFirmware.Control;

namespace NasFirmware.Mirroring;

/// <summary>
/// A connection to a peer with frames on it, and its handshake. One thread reads, one writes; disposing it, from any
/// thread, ends both.
/// </summary>
sealed class PeerLink : IDisposable
{
    /// <summary>In front of what is sent as a frame: its head.</summary>
    const int FrameHeadBytes = 4;

    readonly PeerConnection _connection;
    readonly PacedStream _stream;
    readonly string _box;
    readonly byte[] _message = new byte[PeerMessages.BytesMax];
    ITimer? _limit;

    /// <param name="connection">Taken over.</param>
    /// <param name="box">This box's name.</param>
    /// <param name="time">For the time limit of the handshake, which begins now.</param>
    internal PeerLink(PeerConnection connection, string box, TimeProvider time)
    {
        _connection = connection;
        _box = box;
        _stream = new PacedStream(connection.Stream, time);
        Frames = new MirrorFrames(_stream, "the connection to " + connection.Peer.Name);
        _limit = time.CreateTimer(static c => ((PeerConnection)c!).Dispose(), connection, PeerProtocol.HandshakeMax,
            Timeout.InfiniteTimeSpan);
    }

    internal PeerIdentity Peer => _connection.Peer;
    internal MirrorFrames Frames { get; }
    /// <summary>Held to from now on, frames and what TLS adds to them; null: no limit.</summary>
    internal BandwidthLimiter? Limiter { set => _stream.Limiter = value; }
    /// <summary>A frame's payload that takes the line for no longer than a piece of the bandwidth.</summary>
    internal int PayloadBytesMax => _stream.Limiter is { } limiter
        ? Math.Clamp(limiter.PieceBytesMax - TlsRecord.Overhead - FrameHeadBytes, 1, int.MaxValue) : int.MaxValue;
    /// <summary>After how long without a word this side gives up; told by <see cref="Welcome"/>.</summary>
    internal TimeSpan? OwnSilence { get; set; }
    /// <summary>After how long without a word the other side gives up; null: it did not say.</summary>
    internal TimeSpan? PeerSilence { get; private set; }

    /// <summary>
    /// Dials and says Hello; returns when the other side has said Welcome.
    /// </summary>
    /// <exception cref="PeerRefusedException">It refused.</exception>
    /// <exception cref="IOException">It cannot be reached, is silent, or hung up.</exception>
    /// <exception cref="InvalidDataException">Its answer is none.</exception>
    internal static PeerLink Call(IPeerDialer dialer, string peer, PeerHello hello, TimeProvider time,
        CancellationToken stop, out PeerWelcome welcome)
    {
        PeerConnection connection = dialer.Dial(peer, stop);
        var link = new PeerLink(connection, hello.Box ?? "", time);
        try
        {
            using CancellationTokenRegistration ending = stop.Register(connection.Dispose);
            link.Send(FrameKind.Hello, hello, PeerJson.Default.PeerHello);
            welcome = PeerMessages.DecodeWelcome(link.ReadMessage(FrameKind.Welcome));
            link.HandshakeDone();
            link.PeerSilence = OfMilliseconds(welcome.Silence);
            if (welcome.Refusal is { } sentence) throw new PeerRefusedException(sentence, welcome.Later, welcome.Class);
            return link;
        }
        catch
        {
            link.Dispose();
            throw;
        }
    }

    internal PeerHello ReadHello(CancellationToken stop)
    {
        using CancellationTokenRegistration ending = stop.Register(_connection.Dispose);
        PeerHello hello = PeerMessages.DecodeHello(ReadMessage(FrameKind.Hello));
        PeerSilence = OfMilliseconds(hello.Silence);
        return hello;
    }

    static TimeSpan? OfMilliseconds(long? value) => value is { } ms ? TimeSpan.FromMilliseconds(ms) : null;

    /// <summary>Takes the connection; the purpose's own frames follow.</summary>
    internal void Welcome(PeerHello hello, params string[] features)
    {
        Send(FrameKind.Welcome, new PeerWelcome
        {
            Box = _box, Version = Math.Min(hello.Version, PeerProtocol.Version), Silence = InMilliseconds(OwnSilence),
            Features = features.Length == 0 ? null : features,
        }, PeerJson.Default.PeerWelcome);
        HandshakeDone();
    }

    /// <summary>As Hello and Welcome say it.</summary>
    internal static long? InMilliseconds(TimeSpan? silence) => (long?)silence?.TotalMilliseconds;

    /// <summary>Does not take it.</summary>
    /// <param name="sentence">Why, for the owner of the other box.</param>
    /// <param name="later">It may be different soon, without anybody doing anything.</param>
    /// <param name="kind">One of <see cref="PeerEndClass"/>; null: none.</param>
    internal void Refuse(string sentence, bool later, string? kind = null)
    {
        Send(FrameKind.Welcome, new PeerWelcome
        {
            Box = _box, Refusal = PeerMessages.Sentence(sentence), Later = later, Class = kind,
        }, PeerJson.Default.PeerWelcome);
        HandshakeDone();
    }

    /// <summary>Writes a message; not while another thread writes.</summary>
    internal void Send<T>(FrameKind kind, T message, JsonTypeInfo<T> type) =>
        Frames.Write(kind, PeerMessages.Encode(message, type));

    /// <summary>Reads the next frame, which is a message of this kind; valid until the next one is read.</summary>
    internal ReadOnlySpan<byte> ReadMessage(FrameKind expected)
    {
        if (!Frames.TryReadHead(out FrameKind kind, out int length))
            throw new IOException($"{Peer.Name} hung up");
        if (kind != expected) throw new InvalidDataException($"{Peer.Name} sent {kind}, {expected} was expected");
        return ReadMessage(length);
    }

    /// <summary>Reads the message whose head was read; valid until the next one is read.</summary>
    internal ReadOnlySpan<byte> ReadMessage(int length)
    {
        if (length > PeerMessages.BytesMax)
            throw new InvalidDataException($"{Peer.Name} sent a message of {length} bytes");
        Frames.ReadPayload(_message.AsSpan(0, length));
        return _message.AsSpan(0, length);
    }

    /// <summary>
    /// The last word is said: waits, within a bound, until the other side has taken it and hangs up. Closing at once
    /// would drop what is not sent yet. What it still says is dropped.
    /// </summary>
    internal void AwaitEnd(TimeProvider time)
    {
        using ITimer limit = time.CreateTimer(static c => ((PeerConnection)c!).Dispose(), _connection,
            PeerProtocol.LastWordMax, Timeout.InfiniteTimeSpan);
        byte[] dropped = new byte[4096];
        try
        {
            while (Frames.ReadSome(dropped) > 0)
            {
            }
        }
        catch (IOException)
        {
            // Over in another way.
        }
    }

    void HandshakeDone() => Interlocked.Exchange(ref _limit, null)?.Dispose();

    public void Dispose()
    {
        HandshakeDone();
        // First the connection: whoever waits for its turn finds it closed.
        _connection.Dispose();
        _stream.Dispose();
    }
}
