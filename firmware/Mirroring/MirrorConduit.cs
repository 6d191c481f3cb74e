using System;
using System.IO;
using System.Threading;
using NasFirmware.Control;

namespace NasFirmware.Mirroring;

// A mirror's connection at work
//
// The session (one thread) sees a plain byte channel. Beside it a pump reads every frame as it comes, puts data into a
// bounded ring for the session and takes messages out, and a second thread says something at least every few seconds.
// A clock looks at both, so that each way in which a connection dies is found:
//  - it is closed or reset: the pump sees it at once, also while the session waits for news and reads nothing;
//  - it is half open: nothing arrives although the pump listens: silence;
//  - the other side lives, and says so, but its stream does not move although there is something to move: a stall.
// What a connection dies of is kept as one sentence, the first.
//
// What is on the way when a link breaks comes again. So at most WindowBytes of the stream are ahead of what the other
// side's session says that it has taken, wherever they are: in a socket, in a router, in its ring.
//
// While the ring is full the pump does not listen, and nothing can be told from silence: then it is this side's session
// that is slow.

/// <summary>A byte channel for a mirror session on a connection between two boxes, with heartbeats.</summary>
sealed class MirrorConduit : IMirrorCarrier
{
    const int RingBytes = 1 << 18;
    /// <summary>How far the stream may be ahead, and how often is told what was taken.</summary>
    const int WindowBytes = 768 << 10, TakenEvery = 128 << 10;
    /// <summary>A frame with its head fills whole records of TLS.</summary>
    const int PieceMax = (64 << 10) - 4;

    readonly LoopRuntime _runtime;
    readonly PeerLink _link;
    readonly MirrorTimes _times;
    readonly TimeSpan _stall;
    readonly LoopMonitor _monitor;
    readonly CancellationTokenSource _closed = new();
    readonly byte[] _ring = new byte[RingBytes];
    readonly Func<PeerEvent> _beat;
    readonly Action<PeerEvent> _heard;
    readonly Action? _looked;
    int _ringAt, _ringCount, _writingBytes, _lineWaiters;
    bool _ended, _discard, _writing, _beatWaits, _listening, _behind, _over, _drains;
    long _arrivedAt, _beatAt, _movedAt, _work, _takenHere, _takenSaid;
    string? _reason;
    LoopThread? _pump, _beater;
    ITimer? _clock;

    /// <param name="runtime">Threads and clock.</param>
    /// <param name="link">A connection behind its handshake; taken over.</param>
    /// <param name="times">Heartbeat, silence.</param>
    /// <param name="stall">Behind and nothing moved for so long; infinite: never.</param>
    /// <param name="beat">Gives the numbers to be sent; called on a thread of the conduit.</param>
    /// <param name="heard">Takes what the other side says, on a thread of the conduit.</param>
    /// <param name="looked">Called by the clock each time.</param>
    internal MirrorConduit(LoopRuntime runtime, PeerLink link, MirrorTimes times, TimeSpan stall, Func<PeerEvent> beat,
        Action<PeerEvent> heard, Action? looked = null)
    {
        _runtime = runtime;
        _link = link;
        _times = times with { Beat = Agreed(times.Beat, link.PeerSilence) };
        _stall = stall;
        _beat = beat;
        _heard = heard;
        _looked = looked;
        _monitor = runtime.NewMonitor();
        _arrivedAt = _movedAt = Now;
        // The first beat goes out at once: it tells the other side where this one stands.
        _beatAt = Now - (long)(_times.Beat.TotalSeconds * runtime.Time.TimestampFrequency);
    }

    /// <summary>
    /// How often something is said: as often as this side wants to hear, or oftener if the other one gives up sooner;
    /// both come to the same. A box of before this was told says nothing of its patience.
    /// </summary>
    internal static TimeSpan Agreed(TimeSpan own, TimeSpan? peerSilence) =>
        peerSilence / MirrorTimes.BeatsInSilence is { } wanted && wanted < own ? wanted : own;

    long Now => _runtime.Time.GetTimestamp();

    /// <summary>Cancelled when the connection is of no use any more.</summary>
    public CancellationToken Closed => _closed.Token;
    /// <summary>What the connection died of.</summary>
    public string? Reason => _reason;
    /// <summary>The other side said that it will be the same again until somebody decides.</summary>
    public bool IsRefused { get; private set; }
    /// <summary>The other side has ended the stream with an error.</summary>
    public bool IsPeerEnd { get; private set; }
    /// <summary>The link is good, and the other side cannot go on for now.</summary>
    public bool IsHindered { get; private set; }
    public bool IsStalled { get; private set; }
    /// <summary>Bytes of the stream so far.</summary>
    internal long BytesOut { get; private set; }
    internal long BytesIn { get; private set; }
    /// <summary>Both sides tell what they have taken.</summary>
    internal bool IsWindowed { get; init; }
    /// <summary>Bytes of the stream that the other side has taken; without a window what was written.</summary>
    public long BytesTaken { get; private set; }
    /// <summary>When it was told to end; 0: not yet.</summary>
    public long BrokenAt { get; private set; }

    public void Start(string name)
    {
        _pump = _runtime.Start(name + "-pump", Pump);
        _beater = _runtime.Start(name + "-beat", Beat);
        // A short silence is not seen a whole look later.
        TimeSpan quarter = _times.Silence / MirrorTimes.BeatsInSilence;
        TimeSpan every = quarter < _times.StatusEvery ? quarter : _times.StatusEvery;
        _clock = _runtime.Time.CreateTimer(static c => ((MirrorConduit)c!).Look(), this, every, every);
    }

    // ------------------------------------------------------------------ the session's side

    public int Read(Span<byte> destination)
    {
        using (_monitor.Hold())
        {
            while (_ringCount == 0 || _discard)
            {
                if (_reason is not null) throw new IOException(_reason);
                if (_ended) return 0;
                _monitor.Wait(Timeout.InfiniteTimeSpan);
            }
            bool wasFull = _ringCount == RingBytes;
            int n = Math.Min(Math.Min(destination.Length, _ringCount), RingBytes - _ringAt);
            _ring.AsSpan(_ringAt, n).CopyTo(destination);
            _ringAt = (_ringAt + n) % RingBytes;
            _ringCount -= n;
            _takenHere += n;
            // The pump waits for room, the other thread for something to tell; each wakes up for a reason only.
            if (wasFull || TellsTaken) _monitor.PulseAll();
            return n;
        }
    }

    bool TellsTaken => IsWindowed && _takenHere - _takenSaid >= TakenEvery;

    public void Write(ReadOnlySpan<byte> source)
    {
        int max = Math.Min(PieceMax, _link.PayloadBytesMax);
        for (; source.Length > max; source = source[max..]) WritePiece(source[..max]);
        WritePiece(source);
    }

    void WritePiece(ReadOnlySpan<byte> source)
    {
        WriteBegin(isBeat: false, source.Length);
        try
        {
            _link.Frames.Write(FrameKind.Data, source);
        }
        catch (IOException e)
        {
            Break(e.Message);
            throw new IOException(_reason, e);
        }
        finally
        {
            WriteEnd(source.Length);
        }
    }

    void WriteBegin(bool isBeat, int bytes = 0)
    {
        using (_monitor.Hold())
        {
            _lineWaiters++;
            while ((_writing || (_beatWaits && !isBeat) || !HasRoom(bytes)) && _reason is null)
                _monitor.Wait(Timeout.InfiniteTimeSpan);
            _lineWaiters--;
            if (_reason is not null) throw new IOException(_reason);
            _writing = true;
            _writingBytes = bytes;
        }
    }

    bool HasRoom(int bytes) => !IsWindowed || BytesOut + bytes - BytesTaken <= WindowBytes;

    void WriteEnd(int bytes)
    {
        using (_monitor.Hold())
        {
            _writing = false;
            BytesOut += bytes;
            if (!IsWindowed) BytesTaken = BytesOut;
            if (bytes > 0) _movedAt = Now;
            if (_beatWaits || _lineWaiters > 0) _monitor.PulseAll();
        }
    }

    /// <summary>There is something to move: from now on the stream must not stand still.</summary>
    public void SetBehind(bool behind)
    {
        using (_monitor.Hold())
        {
            if (behind && !_behind) _movedAt = Now;
            _behind = behind;
        }
    }

    /// <summary>
    /// The last message: how this side ended. The connection may be gone already. Returns when the other side has taken
    /// it and hangs up, or after a moment; what still comes is dropped, for a connection that is closed with something
    /// unread is reset, and the reset may overtake the message.
    /// </summary>
    public void SendEnd(PeerEnd end)
    {
        using (_monitor.Hold())
        {
            _drains = true;
            _monitor.PulseAll();
        }
        try
        {
            WriteBegin(isBeat: true);
            try
            {
                _link.Send(FrameKind.Result, end, PeerJson.Default.PeerEnd);
            }
            finally
            {
                WriteEnd(0);
            }
        }
        catch (IOException)
        {
            // Nobody is there to be told.
            return;
        }
        long said = Now;
        using (_monitor.Hold())
        {
            while (_reason is null)
            {
                TimeSpan left = PeerProtocol.LastWordMax - _runtime.Time.GetElapsedTime(said);
                if (left <= TimeSpan.Zero) return;
                _monitor.Wait(left);
            }
        }
    }

    /// <summary>Ends the connection, from any thread; the first reason counts.</summary>
    /// <param name="reason">A sentence for the owner.</param>
    /// <param name="discard">The session shall not take what has arrived already.</param>
    public void Break(string reason, bool discard = false)
    {
        using (_monitor.Hold())
        {
            _discard |= discard;
            bool first = _reason is null;
            _reason ??= reason;
            _monitor.PulseAll();
            if (!first) return;
            BrokenAt = Math.Max(1, Now);
        }
        _link.Dispose();
        _closed.Cancel();
        using (_monitor.Hold())
        {
            _over = true;
            _monitor.PulseAll();
        }
    }

    // ------------------------------------------------------------------ the pump

    void Pump()
    {
        try
        {
            while (Listen(out FrameKind kind, out int length))
            {
                switch (kind)
                {
                    case FrameKind.Data: PumpData(length); break;
                    case FrameKind.End: PumpEnded(); break;
                    case FrameKind.Event: PumpEvent(PeerMessages.DecodeEvent(PumpMessage(length))); break;
                    case FrameKind.Result: PumpEnd(PeerMessages.DecodeEnd(PumpMessage(length))); return;
                    default: throw new InvalidDataException($"{_link.Peer.Name} sent {kind} in a mirror stream");
                }
            }
            Break($"{_link.Peer.Name} hung up");
        }
        catch (Exception e)
        {
            // The end of a thread of the daemon: whatever it is, the connection is over and the loop goes on.
            Break(e.Message);
        }
    }

    // It listens on: the line may fall silent behind a head as well.
    bool Listen(out FrameKind kind, out int length)
    {
        SetListening(true);
        return _link.Frames.TryReadHead(out kind, out length);
    }

    ReadOnlySpan<byte> PumpMessage(int length)
    {
        ReadOnlySpan<byte> message = _link.ReadMessage(length);
        SetListening(false);
        return message;
    }

    void SetListening(bool listening)
    {
        using (_monitor.Hold())
        {
            _listening = listening;
            _arrivedAt = Now;
        }
    }

    void PumpData(int length)
    {
        while (length > 0)
        {
            int at, room;
            using (_monitor.Hold())
            {
                _listening = false;
                while (_ringCount == RingBytes && _reason is null && !_drains)
                    _monitor.Wait(Timeout.InfiniteTimeSpan);
                if (_reason is not null) throw new IOException(_reason);
                if (_drains) _ringCount = 0;
                at = (_ringAt + _ringCount) % RingBytes;
                room = Math.Min(RingBytes - _ringCount, RingBytes - at);
                _listening = true;
                _arrivedAt = Now;
            }
            // The free part of the ring is the pump's alone.
            int got = _link.Frames.ReadSome(_ring.AsSpan(at, Math.Min(room, length)));
            if (got == 0) throw new IOException($"{_link.Peer.Name} hung up inside a frame");
            length -= got;
            using (_monitor.Hold())
            {
                _listening = false;
                bool wasEmpty = _ringCount == 0;
                _ringCount += got;
                BytesIn += got;
                _arrivedAt = _movedAt = Now;
                if (wasEmpty) _monitor.PulseAll();
            }
        }
    }

    void PumpEnded()
    {
        using (_monitor.Hold())
        {
            _ended = true;
            _monitor.PulseAll();
        }
    }

    void PumpEvent(PeerEvent e)
    {
        // That something came is all that a kind of a newer box tells us.
        if (e.Kind is not (PeerEventKind.Beat or PeerEventKind.Taken)) return;
        using (_monitor.Hold())
        {
            if (e.Work > _work)
            {
                _work = e.Work.Value;
                _movedAt = Now;
            }
            if (IsWindowed && e.Taken > BytesTaken) PumpTaken(e.Taken.Value);
        }
        if (e.Kind == PeerEventKind.Beat) _heard(e);
    }

    void PumpTaken(long taken)
    {
        // What is being written counts only when the write has returned, and may be there before.
        if (taken > BytesOut + (_writing ? _writingBytes : 0))
            throw new InvalidDataException($"{_link.Peer.Name} has taken {taken} bytes of {BytesOut}");
        BytesTaken = taken;
        _movedAt = Now;
        if (_lineWaiters > 0) _monitor.PulseAll();
    }

    void PumpEnd(PeerEnd end)
    {
        IsRefused = end.Refused;
        IsHindered = PeerEndClass.IsHindrance(end.Class);
        IsPeerEnd = true;
        Break(end.Ok ? $"{_link.Peer.Name} ended the stream" : end.Error ?? $"{_link.Peer.Name} failed");
    }

    // ------------------------------------------------------------------ heartbeat and clock

    void Beat()
    {
        try
        {
            while (BeatWait(out PeerEvent? taken))
            {
                _link.Send(FrameKind.Event, taken ?? _beat(), PeerJson.Default.PeerEvent);
                WriteEnd(0);
            }
        }
        catch (Exception e)
        {
            WriteEnd(0);
            Break(e.Message);
        }
    }

    /// <summary>
    /// Waits until a beat is due, or what was taken is to be told, and the line is free, and takes it; false at the
    /// end.
    /// </summary>
    bool BeatWait(out PeerEvent? taken)
    {
        taken = null;
        using (_monitor.Hold())
        {
            while (true)
            {
                if (_reason is not null) return false;
                TimeSpan left = _times.Beat - _runtime.Time.GetElapsedTime(_beatAt);
                bool tells = TellsTaken;
                _beatWaits = left <= TimeSpan.Zero || tells;
                if (_beatWaits && !_writing)
                {
                    if (tells) taken = new PeerEvent { Kind = PeerEventKind.Taken, Taken = _takenSaid = _takenHere };
                    break;
                }
                _monitor.Wait(_beatWaits ? Timeout.InfiniteTimeSpan : left);
            }
            _beatWaits = false;
            if (taken is null) _beatAt = Now;
            _writingBytes = 0;
            return _writing = true;
        }
    }

    /// <summary>Numbers have changed that the other side should know: the next beat goes out now.</summary>
    public void BeatSoon()
    {
        using (_monitor.Hold())
        {
            _beatAt = Now - (long)(_times.Beat.TotalSeconds * _runtime.Time.TimestampFrequency);
            _monitor.PulseAll();
        }
    }

    /// <summary>
    /// The network or the other box may have changed: a connection on which nothing has come for longer than a beat is
    /// given up, and something is said on any other, which tells at once if the other side knows it no more.
    /// </summary>
    public void Doubt()
    {
        string? reason = null;
        using (_monitor.Hold())
        {
            if (_reason is not null) return;
            if (_listening && _runtime.Time.GetElapsedTime(_arrivedAt) > _times.Beat * 1.2)
                reason = $"{_link.Peer.Name} has missed a beat, and the network has changed";
        }
        if (reason is null) BeatSoon();
        else Break(reason);
    }

    void Look()
    {
        string? reason = null;
        using (_monitor.Hold())
        {
            if (_reason is not null) return;
            if (_listening && _runtime.Time.GetElapsedTime(_arrivedAt) > _times.Silence)
            {
                reason = FormattableString.Invariant(
                    $"{_link.Peer.Name} has not been heard for {_times.Silence.TotalSeconds:0} seconds");
            }
            else if (_behind && _stall > TimeSpan.Zero && _runtime.Time.GetElapsedTime(_movedAt) > _stall)
            {
                IsStalled = true;
                reason = FormattableString.Invariant(
                    $"the stream has not moved for {_stall.TotalSeconds:0} seconds");
            }
        }
        if (reason is not null) Break(reason);
        _looked?.Invoke();
    }

    /// <summary>Ends the connection if it has not ended, and waits for its threads.</summary>
    public void Dispose()
    {
        Break("closed");
        _clock?.Dispose();
        _pump?.Join();
        _beater?.Join();
        using (_monitor.Hold())
        {
            // Somebody else may be in the middle of ending it.
            while (!_over) _monitor.Wait(Timeout.InfiniteTimeSpan);
        }
        _closed.Dispose();
    }
}
