using System;
using System.IO;
using System.Text.Json.Serialization;
using System.Threading;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

/// <summary>Where pairing stands.</summary>
enum PairingState
{
    Closed,
    /// <summary>Open, and no other box has come yet.</summary>
    Waiting,
    /// <summary>The digits are shown and wait for the owner.</summary>
    Code,
    /// <summary>The owner has confirmed here, and not there yet.</summary>
    Confirmed,
    /// <summary>Both confirmed; the other box is a peer now.</summary>
    Paired,
    Failed,
}

/// <summary>Pairing, as it is shown to the owner.</summary>
sealed record PairingView
{
    public required PairingState State { get; init; }
    /// <summary>Six digits.</summary>
    public string? Code { get; init; }
    /// <summary>What the other box calls itself.</summary>
    public string? Peer { get; init; }
    public string? Key { get; init; }
    public string? Address { get; init; }
    /// <summary>This name is known with another key, which the new one would replace.</summary>
    public bool Replaces { get; init; }
    public string? Problem { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PairingView))]
sealed partial class PairingJson : JsonSerializerContext;

/// <summary>What the owner can do about pairing: here, or in the daemon through its control socket.</summary>
interface IPairing
{
    /// <summary>Opens it, to wait for the other box or, with an address, to call it. <see cref="IOException"/> if it
    /// is open already.</summary>
    void Open(string? address);
    PairingView View();
    /// <summary>The owner has compared the digits.</summary>
    void Confirm(bool equal);
    void Close();
}

/// <summary>
/// Pairing on this box: open for two minutes after the owner asked for it, for one other box at a time and a few
/// attempts, and closed by itself. Thread-safe.
/// </summary>
sealed class PairingDesk : IPairing, IDisposable
{
    /// <summary>Boxes that may try while it is open: a wrong guess of the digits has one chance in a million.</summary>
    const int AttemptsMax = 3;
    /// <summary>From the connection to the digits: a stranger must not keep the desk from the right box.</summary>
    static readonly TimeSpan s_exchangeLimit = TimeSpan.FromSeconds(10);

    readonly object _gate = new();
    readonly PeerKey _key;
    readonly PeerStore _peers;
    readonly PairingIntroduction _own;
    readonly StatusBoard? _board;
    readonly TimeProvider _time;
    readonly TimeSpan _openFor;
    readonly PeerDialer _dialer;
    PairingView _view = new() { State = PairingState.Closed };
    CancellationTokenSource? _opened;
    Stream? _stream;
    bool? _owner;
    bool _calls;
    int _attempts;

    /// <param name="key">This box's key.</param>
    /// <param name="peers">Where the other box is noted.</param>
    /// <param name="own">What this box says of itself.</param>
    /// <param name="board">Where the digits are shown; may be null.</param>
    /// <param name="time">For the two minutes.</param>
    /// <param name="openFor">Two minutes if null.</param>
    internal PairingDesk(PeerKey key, PeerStore peers, PairingIntroduction own, StatusBoard? board, TimeProvider time,
        TimeSpan? openFor = null)
    {
        _key = key;
        _peers = peers;
        _own = own;
        _board = board;
        _time = time;
        _openFor = openFor ?? TimeSpan.FromMinutes(2);
        _dialer = new PeerDialer(key, peers, new PeerDialerOptions());
    }

    /// <summary>Other boxes may come. Not while this one calls.</summary>
    internal bool IsOpen
    {
        get
        {
            lock (_gate) return _opened is not null && !_calls;
        }
    }

    public PairingView View()
    {
        lock (_gate) return _view;
    }

    public void Open(string? address)
    {
        PeerAddress where = default;
        if (address is not null && !PeerAddress.TryParse(address, out where))
            throw new IOException($"{address}: not HOST, HOST:PORT or [IPV6]:PORT");
        if (!_key.IsSettled)
            throw new IOException("the key of this box is still looked for on its disks; try again in a minute");
        CancellationToken opened;
        lock (_gate)
        {
            if (_opened is not null) throw new IOException("pairing is open already");
            _opened = new CancellationTokenSource(_openFor, _time);
            opened = _opened.Token;
            _attempts = 0;
            _owner = null;
            _calls = address is not null;
            Show(new PairingView { State = PairingState.Waiting });
        }
        opened.Register(() => End("nobody confirmed in time"));
        if (address is null) return;
        new Thread(() => Call(where, opened)) { IsBackground = true, Name = "pairing" }.Start();
    }

    void Call(PeerAddress address, CancellationToken stop)
    {
        try
        {
            using PeerStream stream = _dialer.DialForPairing(address, stop, out string key);
            if (!TryTake(stream)) return;
            Run(PairingWire.Call(stream, _own, _key.Hash, key), stream, key, address.ToString());
        }
        catch (Exception e) when (IsExpected(e))
        {
            End(e.Message);
        }
    }

    /// <summary>Serves a box that calls, to the end; the caller closes the stream.</summary>
    internal void Answer(Stream stream, string key, string host)
    {
        bool taken = IsOpen && key != _key.Hash && TryTake(stream);
        if (!taken)
        {
            PairingGreeting(stream, taken);
            return;
        }
        try
        {
            PairingGreeting(stream, taken);
            PairingWire.Outcome outcome;
            using (var limit = new CancellationTokenSource(s_exchangeLimit, _time))
            using (limit.Token.Register(stream.Dispose))
            {
                outcome = PairingWire.Answer(stream, _own, _key.Hash, key);
            }
            string? address = outcome.Other.Port == 0 ? null
                : new PeerAddress(host, outcome.Other.Port).ToString();
            Run(outcome, stream, key, address);
        }
        catch (Exception e) when (IsExpected(e))
        {
            Drop(e.Message);
        }
    }

    static bool IsExpected(Exception e) => e is IOException or InvalidDataException or OperationCanceledException
        or UnauthorizedAccessException;

    void PairingGreeting(Stream stream, bool taken)
    {
        PeerGreeting greeting = taken ? PeerGreeting.Welcome
            : View().State is PairingState.Code or PairingState.Confirmed ? PeerGreeting.PairingIsBusy
            : PeerGreeting.PairingIsClosed;
        stream.WriteByte((byte)greeting);
        stream.Flush();
    }

    bool TryTake(Stream stream)
    {
        lock (_gate)
        {
            if (_opened is null || _stream is not null || _view.State != PairingState.Waiting) return false;
            _stream = stream;
            _attempts++;
            return true;
        }
    }

    // Both sides, once they have the digits: each waits for its own owner and for the other's.
    void Run(PairingWire.Outcome outcome, Stream stream, string key, string? address)
    {
        lock (_gate)
        {
            if (_stream != stream) throw new IOException("pairing was closed");
            Show(new PairingView
            {
                State = PairingState.Code, Code = outcome.Digits, Peer = outcome.Other.Name, Key = key,
                Address = address, Replaces = _peers.Find(outcome.Other.Name)?.Key is string known && known != key,
            });
        }
        if (stream.ReadByte() != 1) throw new IOException("it was not confirmed on the other box");
        lock (_gate)
        {
            while (_owner is null && _stream == stream) Monitor.Wait(_gate);
            if (_stream != stream || _owner != true) throw new IOException("pairing was closed");
        }
        _peers.Add(new PeerEntry { Name = outcome.Other.Name, Address = address, Key = key });
        Finish(View() with { State = PairingState.Paired });
    }

    public void Confirm(bool equal)
    {
        Stream stream;
        lock (_gate)
        {
            if (_view.State != PairingState.Code || _stream is null || _owner is not null)
                throw new IOException("there are no digits to confirm now");
            stream = _stream;
            if (equal) Show(_view with { State = PairingState.Confirmed });
        }
        if (!equal)
        {
            End("the digits differ: somebody is between the two boxes, or they are not the two that were meant");
            return;
        }
        stream.WriteByte(1);
        stream.Flush();
        lock (_gate)
        {
            _owner = true;
            Monitor.PulseAll(_gate);
        }
    }

    public void Close() => End("closed by the owner");

    // A caller that went before there were digits costs one attempt; afterwards the owner has to begin again.
    void Drop(string problem)
    {
        lock (_gate)
        {
            if (_view.State == PairingState.Waiting && _attempts < AttemptsMax)
            {
                _stream = null;
                return;
            }
        }
        End(problem);
    }

    void End(string problem)
    {
        lock (_gate)
        {
            if (_opened is null) return;
        }
        Finish(View() with { State = PairingState.Failed, Code = null, Problem = problem });
    }

    void Finish(PairingView last)
    {
        CancellationTokenSource? opened;
        Stream? stream;
        lock (_gate)
        {
            (opened, _opened) = (_opened, null);
            (stream, _stream) = (_stream, null);
            if (opened is null) return;
            Show(last);
            Monitor.PulseAll(_gate);
        }
        opened.Dispose();
        // The other side may still wait for the byte that says yes: what was written goes out first.
        if (last.State == PairingState.Failed) stream?.Dispose();
    }

    void Show(PairingView view)
    {
        _view = view;
        bool on = view.State is PairingState.Waiting or PairingState.Code or PairingState.Confirmed;
        _board?.Show(on ? Activity.Pairing : Activity.None, on ? view.Code : null);
    }

    public void Dispose() => Close();
}
