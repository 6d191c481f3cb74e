using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Text.Json.Serialization;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using NasFirmware.Config;
using NasFirmware.Control;
using NasFirmware.Mirroring;

namespace NasFirmware.Daemon;

/// <summary>A request to open pairing.</summary>
/// <param name="Address">The box to be called; null: wait for it.</param>
sealed record PairingOpenRequest(string? Address);

/// <summary>The owner has compared the digits.</summary>
sealed record PairingConfirmRequest(bool Equal);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PairingOpenRequest))]
[JsonSerializable(typeof(PairingConfirmRequest))]
sealed partial class PeerPartJson : JsonSerializerContext;

/// <summary>
/// The daemon's link to other boxes: its key, the peers, the endpoint, the dialler, and pairing on request. An address
/// that cannot be listened at now (the network is not up yet, another process has it) is tried again and again.
/// </summary>
sealed class PeerPart : IDaemonPart, IDaemonApi, IDisposable
{
    static readonly TimeSpan s_again = TimeSpan.FromSeconds(10);

    readonly DaemonContext _context;
    readonly ILogger _log;
    readonly object _gate = new();
    readonly ManualResetEventSlim _stop = new();
    readonly ManualResetEvent _settled = new(false);
    IPeerHandler? _handler;
    PeerEndpoint? _endpoint;
    Thread? _thread;
    string? _listen;

    /// <summary>Without a key in the state folder nothing is served until <see cref="Identity.IdentityPart"/> has
    /// settled which one it is.</summary>
    internal PeerPart(DaemonContext context)
    {
        _context = context;
        _log = context.Loggers.CreateLogger("peers");
        Settings settings = context.Settings;
        Key = PeerKey.LoadOrWait(settings.Box.State, out string? damage);
        KeyDamage = damage;
        Peers = new PeerStore(settings.Box.State, Key.Hash, Entries(settings));
        Dialer = new PeerDialer(Key, Peers, new PeerDialerOptions());
        Pairing = new PairingDesk(Key, Peers, Introduction(settings), context.Board, context.Time);
        context.Apis.Add(this);
    }

    internal PeerKey Key { get; }
    /// <summary>What is wrong with the key in the state folder; null if nothing, or if there is none.</summary>
    internal string? KeyDamage { get; }
    /// <summary>The box has its key, or another one than before.</summary>
    internal event Action? Settled;
    /// <summary>Another process has changed the list of peers.</summary>
    internal event Action? Told;
    internal PeerStore Peers { get; }
    internal PeerDialer Dialer { get; }
    internal PairingDesk Pairing { get; }
    /// <summary>Where it listens now; null if it does not.</summary>
    internal IPEndPoint? Address => Volatile.Read(ref _endpoint)?.Address;

    /// <summary>Peers can connect from now on; on the thread that listens.</summary>
    internal event Action? Listening;

    /// <summary>Who takes the connections of peers; set before <see cref="Start"/>.</summary>
    internal void Serve(IPeerHandler handler) => _handler = handler;

    /// <summary>The key of the box is settled, or has changed: who waits for it goes on.</summary>
    internal void HasSettled()
    {
        _settled.Set();
        CutStrangers();
        Settled?.Invoke();
    }

    internal static IReadOnlyList<PeerEntry> Entries(Settings settings) =>
        [.. settings.Peers.Select(p => new PeerEntry { Name = p.Name, Address = p.Address, Key = p.Key })];

    /// <summary>What this box says of itself while it is paired.</summary>
    internal static PairingIntroduction Introduction(Settings settings)
    {
        bool listens = PeerEndpoint.TryParseListen(settings.Listen.Address, out IPEndPoint listen);
        return new PairingIntroduction(settings.Box.Name, listens ? listen.Port : 0);
    }

    public void Start()
    {
        if (Peers.All() is var _ && Peers.Problem is string problem) PeerLog.Problem(_log, problem);
        _thread = new Thread(Listen) { IsBackground = true, Name = "peers" };
        _thread.Start();
    }

    // Listens where the settings say; again after a while if that was not possible, and anew when they change.
    void Listen()
    {
        string? told = null;
        if (!Key.IsSettled) WaitHandle.WaitAny([_stop.WaitHandle, _settled]);
        while (!_stop.IsSet)
        {
            try
            {
                ListenAt(_context.Settings.Listen.Address);
                told = null;
            }
            catch (IOException e)
            {
                if (told != e.Message) PeerLog.Problem(_log, e.Message);
                told = e.Message;
            }
            _stop.Wait(s_again);
        }
        ListenAt("");
    }

    void ListenAt(string address)
    {
        lock (_gate)
        {
            if (_listen == address || !Key.IsSettled) return;
            Interlocked.Exchange(ref _endpoint, null)?.Dispose();
            _listen = null;
            if (address.Length > 0 && PeerEndpoint.TryParseListen(address, out IPEndPoint listen))
            {
                Volatile.Write(ref _endpoint, PeerEndpoint.Start(new PeerEndpointOptions
                {
                    Listen = listen, Key = Key, Peers = Peers, Pairing = Pairing, Log = _log, Time = _context.Time,
                    Handler = _handler ?? throw new InvalidOperationException("nobody takes the connections of peers"),
                }));
            }
            _listen = address;
            if (address.Length > 0) Listening?.Invoke();
        }
    }

    void CutStrangers()
    {
        Volatile.Read(ref _endpoint)?.CutStrangers();
        Dialer.CutStrangers();
    }

    public void Reload(Settings before, Settings now)
    {
        Peers.Configure(Entries(now));
        CutStrangers();
        if (before.Listen.Address != now.Listen.Address) ListenAt(now.Listen.Address);
        if (before.Box.State != now.Box.State) DaemonLog.NeedsRestart(_log, "box.state");
    }

    public void Stop(CancellationToken hurry)
    {
        _stop.Set();
        Pairing.Close();
        _thread?.Join();
    }

    public void Map(WebApplication app)
    {
        app.MapGet("/pairing", ControlApi.Handle(_ =>
            ControlApi.Reply(Pairing.View(), PairingJson.Default.PairingView)));
        app.MapPost("/pairing", ControlApi.Handle(async c =>
        {
            Pairing.Open((await ControlApi.Body(c, PeerPartJson.Default.PairingOpenRequest)).Address);
            return ControlApi.Reply(Pairing.View(), PairingJson.Default.PairingView);
        }));
        app.MapPost("/pairing/confirm", ControlApi.Handle(async c =>
        {
            Pairing.Confirm((await ControlApi.Body(c, PeerPartJson.Default.PairingConfirmRequest)).Equal);
            return ControlApi.Reply(Pairing.View(), PairingJson.Default.PairingView);
        }));
        app.MapPost("/pairing/close", ControlApi.Handle(_ =>
        {
            Pairing.Close();
            return ControlApi.Reply(Pairing.View(), PairingJson.Default.PairingView);
        }));
        // The list of peers was changed by the command line.
        app.MapPost("/peers/changed", ControlApi.Handle(_ =>
        {
            CutStrangers();
            Told?.Invoke();
            return ControlApi.Reply(new ReloadReply { Ok = true }, DaemonJson.Default.ReloadReply);
        }));
    }

    public void Dispose()
    {
        Pairing.Dispose();
        Key.Dispose();
        _stop.Dispose();
        _settled.Dispose();
    }
}

/// <summary>Pairing in the daemon, asked for through its control socket.</summary>
sealed class DaemonPairing(DaemonClient client) : IPairing
{
    public void Open(string? address) => client.Post("/pairing", new PairingOpenRequest(address),
        PeerPartJson.Default.PairingOpenRequest, PairingJson.Default.PairingView);

    public PairingView View() => client.Get("/pairing", PairingJson.Default.PairingView);

    public void Confirm(bool equal) => client.Post("/pairing/confirm", new PairingConfirmRequest(equal),
        PeerPartJson.Default.PairingConfirmRequest, PairingJson.Default.PairingView);

    public void Close() => client.Post("/pairing/close", PairingJson.Default.PairingView);
}
