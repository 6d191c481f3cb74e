using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using NasFirmware.Config;
using NasFirmware.Control;
using NasFirmware.Mirroring;

namespace NasFirmware.Daemon;

/// <summary>Comparing mirrors, as a part of the daemon: POST /verify begins one, GET /verify/ID tells of it.</summary>
sealed class VerifyPart : IDaemonPart, IDaemonApi
{
    readonly DaemonContext _context;
    static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);
    /// <summary>Whether the source of a mirror is here; null: as the configuration says.</summary>
    Func<string, bool>? _isSource;

    internal VerifyPart(DaemonContext context, IPeerDialer dialer, IVolumes volumes, IMirrorPfs pfs)
    {
        _context = context;
        ILogger log = context.Loggers.CreateLogger("verify");
        Service = new VerifyService(new VerifyHost
        {
            Box = context.Settings.Box.Name, Volumes = volumes, Pfs = pfs, Dialer = dialer, Board = context.Board,
            Time = context.Time, State = context.Settings.Box.State, Log = line => PeerLog.Problem(log, line),
            Paces = Paces,
        });
        context.Apis.Add(this);
    }

    /// <summary>Shared by the connections of each mirror.</summary>
    internal MirrorPaces Paces { get; } = new();

    /// <summary>To be given to <see cref="PeerProtocol"/>.</summary>
    internal VerifyService Service { get; }

    /// <summary>The mirrors of the configuration that have an end on this box.</summary>
    internal static IReadOnlyList<VerifyMirror> Mirrors(Settings settings) => [.. settings.Mirrors
        .Where(m => m.Ssh is null && (m.From.Box == settings.Box.Name) != (m.To.Box == settings.Box.Name))
        .Select(m => m.From.Box == settings.Box.Name
            ? new VerifyMirror(m.Name, m.To.Box, true, m.From.Volume, m.From.Pfs, m.VerifyFull, m.Bandwidth)
            : new VerifyMirror(m.Name, m.From.Box, false, m.To.Volume, m.To.Pfs, m.VerifyFull, m.Bandwidth))];

    void Apply()
    {
        Func<string, bool>? isSource = Volatile.Read(ref _isSource);
        IReadOnlyList<VerifyMirror> mirrors = Mirrors(_context.Settings);
        Service.Apply(isSource is null ? mirrors : [.. mirrors.Select(m => m with { IsSource = isSource(m.Name) })]);
    }

    /// <summary>Mirrors may go the other way than the configuration says.</summary>
    internal void ShowRoles(Func<string, bool> isSource)
    {
        Volatile.Write(ref _isSource, isSource);
        Apply();
    }

    /// <summary>Compares a mirror and waits for the result.</summary>
    internal VerifyView Compare(string mirror, bool full, CancellationToken stop)
    {
        VerifyJob job = Service.Enqueue(mirror, full);
        while (!job.IsDone)
        {
            if (stop.WaitHandle.WaitOne(s_poll)) throw new IOException("it was stopped");
        }
        return job.View;
    }

    public void Start()
    {
        Apply();
        Service.Start();
        foreach (IProbe probe in Service.Probes) _context.AddProbe(probe);
    }

    public void Reload(Settings before, Settings now) => Apply();

    public void Stop(CancellationToken hurry)
    {
        foreach (IProbe probe in Service.Probes) _context.RemoveProbe(probe);
        Service.Dispose();
    }

    public void Map(WebApplication app)
    {
        app.MapPost("/verify", ControlApi.Handle(async c =>
        {
            VerifyRequest request = await ControlApi.Body(c, VerifyJson.Default.VerifyRequest);
            SshTarget? ssh = _context.Settings.Mirrors.FirstOrDefault(m => m.Name == request.Mirror)?.Ssh;
            if (ssh is not null)
            {
                throw new IOException($"{ssh.Name} is reached over ssh and speaks the original's dialect, which cannot "
                    + "compare: compare a tree by hand as of the slave's TID, with nashammer mtree");
            }
            VerifyJob job = Service.Enqueue(request.Mirror, request.Full);
            return ControlApi.Reply(job.View, VerifyJson.Default.VerifyView);
        }));
        app.MapGet("/verify/{id:int}", ControlApi.Handle(c =>
        {
            int id = int.Parse((string)c.GetRouteValue("id")!, CultureInfo.InvariantCulture);
            VerifyJob job = Service.Job(id) ?? throw new IOException($"comparison {id} is not known any more");
            return ControlApi.Reply(job.View, VerifyJson.Default.VerifyView);
        }));
    }
}
