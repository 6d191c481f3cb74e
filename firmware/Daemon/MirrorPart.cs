using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging;
using NasCore.Primitives;
using NasFirmware.Config;
using NasFirmware.Mirroring;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>The mirrors of the box: what it sends, and what it takes from peers.</summary>
sealed class MirrorPart : IDaemonPart, IDisposable
{
    /// <summary>So many beats must be missed before a peer is taken for gone.</summary>

    readonly DaemonContext _context;
    readonly PeerPart _peers;
    readonly MirrorService _service;
    readonly IProbe _probe;
    readonly NetworkWatch _network;

    /// <param name="context">What the parts share.</param>
    /// <param name="peers">Makes and takes connections; is told here who serves them.</param>
    /// <param name="volumes">The file systems.</param>
    /// <param name="purposes">What peers may connect for besides mirrors.</param>
    internal MirrorPart(DaemonContext context, PeerPart peers, IVolumes volumes, params IPeerPurpose[] purposes)
    {
        _context = context;
        _peers = peers;
        ILogger log = context.Loggers.CreateLogger("mirrors");
        void Say(string line) => MirrorLog.Line(log, line);
        Settings settings = context.Settings;
        var host = new MirrorHost
        {
            Box = settings.Box.Name, Runtime = new SystemLoopRuntime(context.Time), Volumes = volumes,
            Dialer = peers.Dialer, Pfs = new MirrorPfs(), Board = context.Board, Log = Say,
            State = () => context.Status?.Invoke() is { } box ? StateOf(box) : null,
            NewSeed = () => Guid.NewGuid().GetHashCode(),
        };
        _service = new MirrorService(host, Sends(settings), Receives(settings));
        _probe = new ServiceProbe(_service);
        peers.Serve(new PeerProtocol(settings.Box.Name, [.. _service.Purposes, .. purposes], context.Time, Say,
            _service.PeerCalled));
        // Who is told that we are here calls at once.
        peers.Listening += () => _service.Announce();
        _network = new NetworkWatch(_service.NetworkChanged, Say);
    }

    /// <summary>How the box is, for the owner of another one: the word for it, and what is worst.</summary>
    internal static string StateOf(BoxStatus box) => box.Problems.Count == 0 ? box.State
        : $"{box.State}: {box.Problems[0]}";

    internal static IReadOnlyList<MirrorSendOptions> Sends(Settings settings) => [.. settings.Mirrors
        .Where(m => m.From.Box == settings.Box.Name)
        .Select(m => new MirrorSendOptions
        {
            Name = m.Name, Peer = m.To.Box, Volume = m.From.Volume, Pfs = m.From.Pfs, Bandwidth = m.Bandwidth,
            LagLimit = m.LagLimit, Stall = m.Stall, Times = Times(m),
        })];

    internal static IReadOnlyList<MirrorReceiveOptions> Receives(Settings settings) => [.. settings.Mirrors
        .Where(m => m.To.Box == settings.Box.Name)
        .Select(m => new MirrorReceiveOptions
        {
            Name = m.Name, Peer = m.From.Box, Volume = m.To.Volume, Pfs = m.To.Pfs, LagLimit = m.LagLimit,
            Times = Times(m),
        })];

    static MirrorTimes Times(MirrorStreamSettings mirror) =>
        new() { Silence = mirror.Silence, Beat = mirror.Silence / MirrorTimes.BeatsInSilence };

    public void Start()
    {
        _context.AddProbe(_probe);
        _peers.Settled += Nudge;
        _peers.Told += Nudge;
        _peers.Peers.Changed += Nudge;
        _service.Start();
        _network.Start();
    }

    public void Stop(CancellationToken hurry)
    {
        _context.RemoveProbe(_probe);
        _network.Dispose();
        _peers.Settled -= Nudge;
        _peers.Told -= Nudge;
        _peers.Peers.Changed -= Nudge;
        _service.Stop();
    }

    public void Reload(Settings before, Settings now)
    {
        // Addresses and keys are looked up at each attempt; who waits for one tries now.
        _service.Apply(Sends(now), Receives(now));
        _service.NetworkChanged();
    }

    void Nudge() => _service.Nudge(peer: null);

    public void Dispose() => _service.Dispose();

    sealed class ServiceProbe(MirrorService service) : IProbe
    {
        public string Name => "mirrors";
        public bool UsesDisks => true;
        public bool IsAlive(TimeSpan within) => service.IsTurning;
    }
}

/// <summary>PFSs of mounted volumes, made where a mirror needs one.</summary>
sealed class MirrorPfs : IMirrorPfs
{
    public int? Find(VolumeHandle volume, string path) =>
        PfsNames.Find(volume.Fs, path, out int id).IsError ? null : id;

    public int EnsureSlave(VolumeHandle volume, string path, Guid shared)
    {
        Errno result = PfsNames.Ensure(volume.Fs, path, slave: true, shared, out int id, volume.Notifier);
        if (!result.IsError) return id;
        string why = result == Errno.Exist ? "something else stands at this path"
            : result == Errno.NoEnt ? "its folder is not there" : result.ToString();
        throw new IOException($"the slave PFS '{volume.Name}/{path}' cannot be made: {why}");
    }
}

/// <summary>Event ids 400 to 499.</summary>
static partial class MirrorLog
{
    [LoggerMessage(400, LogLevel.Information, "{Line}")]
    internal static partial void Line(ILogger log, string line);
}
