using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using NasCore.Primitives;
using NasFirmware.Config;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>The mirrors of the box: what it sends, and what it takes from peers.</summary>
sealed class MirrorPart : IDaemonPart, IDaemonApi, IDisposable
{
    /// <summary>So many beats must be missed before a peer is taken for gone.</summary>

    readonly DaemonContext _context;
    readonly PeerPart _peers;
    readonly MirrorService _service;
    readonly MirrorDirector _director;
    readonly SwitchService _switches;
    readonly VerifyPart _verify;
    readonly IProbe _probe;
    readonly NetworkWatch _network;

    /// <param name="context">What the parts share.</param>
    /// <param name="peers">Makes and takes connections; is told here who serves them.</param>
    /// <param name="volumes">The file systems.</param>
    /// <param name="verify">Compares mirrors; is told which way they go.</param>
    internal MirrorPart(DaemonContext context, PeerPart peers, IVolumes volumes, VerifyPart verify)
    {
        _context = context;
        _verify = verify;
        _peers = peers;
        ILogger log = context.Loggers.CreateLogger("mirrors");
        void Say(string line) => MirrorLog.Line(log, line);
        Settings settings = context.Settings;
        var host = new MirrorHost
        {
            Box = settings.Box.Name, Runtime = new SystemLoopRuntime(context.Time), Volumes = volumes,
            Dialer = peers.Dialer, Pfs = new MirrorPfs(), Board = context.Board, Log = Say,
            LogMirror = line => MirrorLog.Of(log, line),
            State = () => context.Status?.Invoke() is { } box ? StateOf(box) : null,
            RunFolder = settings.Box.Run, Paces = verify.Paces, NewSeed = () => Guid.NewGuid().GetHashCode(),
        };
        _service = new MirrorService(host, [], []);
        _director = new MirrorDirector(host, _service, Ends(settings));
        _switches = new SwitchService(host, _director, _service, verify.Compare);
        _director.Changed += ShowRoles;
        context.Apis.Add(this);
        _probe = new ServiceProbe(_service);
        IPeerPurpose[] purposes = [.. _service.Purposes, verify.Service, _switches];
        peers.Serve(new PeerProtocol(settings.Box.Name, purposes, context.Time, Say,
            _service.PeerCalled));
        // Who is told that we are here calls at once.
        peers.Listening += () => _service.Announce();
        _network = new NetworkWatch(_service.NetworkChanged, Say);
    }

    /// <summary>How the box is, for the owner of another one: the word for it, and what is worst.</summary>
    internal static string StateOf(BoxStatus box) => box.Problems.Count == 0 ? box.State
        : $"{box.State}: {box.Problems[0]}";

    /// <summary>The mirrors of the configuration that have an end on this box.</summary>
    internal static IReadOnlyList<MirrorEndOptions> Ends(Settings settings) => [.. settings.Mirrors
        .Where(m => (m.From.Box == settings.Box.Name) != (m.To.Box == settings.Box.Name))
        .Select(m => m.From.Box == settings.Box.Name
            ? End(m, m.From, m.Ssh?.Name ?? m.To.Box, true) : End(m, m.To, m.From.Box, false))];

    static MirrorEndOptions End(MirrorStreamSettings m, MirrorEnd here, string peer, bool isFrom) => new(
        new MirrorSendOptions
        {
            Name = m.Name, Peer = peer, Ssh = isFrom ? m.Ssh : null, Volume = here.Volume, Pfs = here.Pfs,
            Bandwidth = m.Bandwidth, LagLimit = m.LagLimit, Stall = m.Stall, Times = Times(m),
        }, isFrom);

    void ShowRoles() => _verify.ShowRoles(name => _director.RoleOf(name) == MirrorRole.Sends);

    static MirrorTimes Times(MirrorStreamSettings mirror) => new()
    {
        Silence = mirror.Silence, Beat = mirror.Silence / MirrorTimes.BeatsInSilence,
        BatchDelay = mirror.Ssh is null ? TimeSpan.Zero : MirrorTimes.OriginalDelay,
    };

    public void Start()
    {
        _context.AddProbe(_probe);
        _peers.Settled += Nudge;
        _peers.Told += Nudge;
        _peers.Peers.Changed += Nudge;
        _director.Start();
        _network.Start();
    }

    public void Stop(CancellationToken hurry)
    {
        _context.RemoveProbe(_probe);
        _network.Dispose();
        _peers.Settled -= Nudge;
        _peers.Told -= Nudge;
        _peers.Peers.Changed -= Nudge;
        _switches.Dispose();
        _director.Stop();
    }

    public void Reload(Settings before, Settings now)
    {
        // Addresses and keys are looked up at each attempt; who waits for one tries now.
        _director.Apply(Ends(now));
        _service.NetworkChanged();
    }

    void Nudge() => _service.Nudge(peer: null);

    public void Map(WebApplication app)
    {
        app.MapPost("/switch-over", ControlApi.Handle(async c =>
        {
            SwitchRequest request = await ControlApi.Body(c, SwitchJson.Default.SwitchRequest);
            return ControlApi.Reply(_switches.Begin(request).View, SwitchJson.Default.SwitchView);
        }));
        app.MapGet("/switch-over/{id:int}", ControlApi.Handle(c =>
        {
            int id = int.Parse((string)c.GetRouteValue("id")!, CultureInfo.InvariantCulture);
            SwitchJob job = _switches.Job(id) ?? throw new IOException($"switch-over {id} is not known any more");
            return ControlApi.Reply(job.View, SwitchJson.Default.SwitchView);
        }));
    }

    public void Dispose()
    {
        _switches.Dispose();
        _director.Dispose();
    }

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
            : result == Errno.NoEnt ? "its folder is not there" : MirrorReceiver.Why(volume, result);
        throw new MirrorPfsException($"the slave PFS '{volume.Name}/{path}' cannot be made: {why}", result);
    }
}

/// <summary>Event ids 400 to 499.</summary>
static partial class MirrorLog
{
    [LoggerMessage(400, LogLevel.Information, "{Line}")]
    internal static partial void Line(ILogger log, string line);

    internal static void Of(ILogger log, MirrorLine line)
    {
        if (line.IsSource) To(log, line.Mirror, line.Peer, line.Trouble);
        else From(log, line.Mirror, line.Peer, line.Trouble);
    }

    [LoggerMessage(401, LogLevel.Information, "mirror {Mirror} to {Peer}: {Trouble}")]
    static partial void To(ILogger log, string mirror, string peer, string trouble);

    [LoggerMessage(402, LogLevel.Information, "mirror {Mirror} from {Peer}: {Trouble}")]
    static partial void From(ILogger log, string mirror, string peer, string trouble);
}
