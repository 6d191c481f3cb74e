using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;
using NasFirmware.Config;
using NasFirmware.Status;
using NasFirmware.Update;
using NasLinux;

namespace NasFirmware.Daemon;

/*
 * The daemon's process: a Generic Host around the parts.
 *
 * The host gives what a service of systemd needs: READY when the parts have started, STOPPING, and in a terminal an end
 * by Ctrl-C; SIGTERM and SIGINT are the same everywhere. It is built empty, since the other builders watch the current
 * folder for configuration files. Parts are not hosted services of their own: they are synchronous, with threads of
 * their own, and DaemonService alone starts and stops them in order.
 *
 * SIGHUP, and POST /reload, read the configuration again; during the start both wait until all parts have started. A
 * file with mistakes changes nothing; a good one is given to every part together with the former settings, and each
 * does what the difference asks for.
 *
 * A stop has a bound, box.stop-limit. Parts stop one after the other; what is not done when two thirds of it are over
 * is told to hurry, and what is not done at the end is left behind: the process ends all the same, and what was
 * acknowledged is on the disks.
 */

/// <summary>What the daemon is started with.</summary>
/// <param name="ConfigPath">The configuration.</param>
/// <param name="Box">Which box to be; null: as the file or the host says.</param>
sealed record DaemonStart(string ConfigPath, string? Box);

/// <summary>Runs the daemon to its end.</summary>
static class DaemonHost
{
    /// <summary>The exit code; mistakes in the configuration are told on standard error.</summary>
    internal static int Run(DaemonStart start)
    {
        NativeHeap.KeepSmall();
        using var hangUp = new HangUp();
        ConfigOutcome outcome = ConfigReader.ReadFile(start.ConfigPath, start.Box);
        foreach (Mistake mistake in outcome.Mistakes) Console.Error.WriteLine(mistake.In(start.ConfigPath));
        if (outcome.Settings is not { } settings) return Cli.CommandLine.Failed;
        // Relative paths of libraries, core dumps: never in the way of an unmount.
        Directory.SetCurrentDirectory("/");
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings
        {
            ContentRootPath = "/", ApplicationName = "nashammer", DisableDefaults = true,
        });
        builder.Services.AddSystemd();
        builder.Services.Configure<ConsoleLifetimeOptions>(o => o.SuppressStatusMessages = true);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = settings.Box.StopLimit + s_hostMargin);
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(JournalLoggerProvider.Open());
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.AddSingleton<ISystemdNotifier, SystemdNotifier>();
        builder.Services.AddSingleton<IHostedService>(services => new DaemonService(start, settings,
            services.GetRequiredService<ILoggerFactory>(), services.GetRequiredService<ISystemdNotifier>(), hangUp));
        using IHost host = builder.Build();
        try
        {
            host.Run();
            return 0;
        }
        finally
        {
            Console.Error.Flush();
        }
    }

    /// <summary>The version of the program.</summary>
    internal static string Version => typeof(DaemonHost).Assembly.GetName().Version?.ToString(3) ?? "";

    static readonly TimeSpan s_hostMargin = TimeSpan.FromSeconds(5);
}

/// <summary>Starts and stops the parts, and reads the configuration again on request.</summary>
sealed class DaemonService : IHostedService, IDisposable
{
    readonly DaemonStart _start;
    readonly DaemonContext _context;
    readonly ISystemdNotifier _systemd;
    readonly ILogger _log;
    readonly List<IDaemonPart> _parts;
    readonly List<IDaemonPart> _started = [];
    readonly Lock _reloading = new();
    readonly StatusReporter _reporter;
    readonly Watchdog _watchdog;
    static readonly TimeSpan s_giveUp = TimeSpan.FromSeconds(1), s_closing = TimeSpan.FromSeconds(15);
    readonly HangUp _hangUp;
    readonly UpdateState _updates = new();
    volatile string? _configProblem;
    volatile bool _isStopping;

    /// <param name="parts">Makes the parts; null: all of the daemon.</param>
    internal DaemonService(DaemonStart start, Settings settings, ILoggerFactory loggers, ISystemdNotifier systemd,
        HangUp hangUp, Func<DaemonContext, List<IDaemonPart>>? parts = null)
    {
        _hangUp = hangUp;
        _start = start;
        _systemd = systemd;
        _log = loggers.CreateLogger("daemon");
        _context = new DaemonContext { Settings = settings, Time = TimeProvider.System, Loggers = loggers };
        _reporter = new StatusReporter(_context.Board, settings.Box.Name, DaemonHost.Version,
            () => PanelSettings.Limits(_context.Settings), _context.Time, _updates.Now,
            new SystemProblems());
        _context.Board.Acknowledged += Acknowledged;
        _parts = parts is null ? DaemonParts.Create(_context, Status, Reload) : parts(_context);
        _context.Status = Status;
        _watchdog = new Watchdog(_context, systemd);
    }

    /// <summary>The status of this box, judged.</summary>
    internal BoxStatus Status() => _reporter.Now(_configProblem);

    void Acknowledged()
    {
        try
        {
            _updates.Acknowledge();
        }
        catch (System.IO.IOException e)
        {
            DaemonLog.PartFailed(_log, "update", e.Message, null);
        }
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        DaemonLog.Started(_log, DaemonHost.Version, _context.Settings.Box.Name, _start.ConfigPath);
        if (_updates.Now() is { Phase: UpdatePhase.Trial or UpdatePhase.Back, IsSeen: false } update)
            DaemonLog.Updated(_log, UpdateState.Sentence(update));
        try
        {
            // A reload meanwhile waits, and then reaches all of them.
            lock (_reloading)
            {
                foreach (IDaemonPart part in _parts)
                {
                    part.Start();
                    _started.Add(part);
                }
            }
        }
        catch
        {
            // What is mounted already is not left behind dead.
            await StopAsync(cancellationToken);
            throw;
        }
        _hangUp.Serve(() => Reload());
        LightMemory.Keep(_context.Settings, _log);
        _watchdog.Start();
    }

    /// <summary>Reads the configuration again; one at a time.</summary>
    internal ReloadReply Reload()
    {
        lock (_reloading)
        {
            if (_isStopping) return new ReloadReply { Ok = false, Mistakes = ["the daemon is stopping"] };
            string now = (Environment.TickCount64 * 1000).ToString(CultureInfo.InvariantCulture);
            _systemd.Notify(new ServiceState("RELOADING=1\nMONOTONIC_USEC=" + now));
            try
            {
                return ReloadLocked();
            }
            finally
            {
                _systemd.Notify(ServiceState.Ready);
            }
        }
    }

    ReloadReply ReloadLocked()
    {
        string[] mistakes;
        Settings? settings = null;
        try
        {
            ConfigOutcome outcome = ConfigReader.ReadFile(_start.ConfigPath, _start.Box);
            settings = outcome.Settings;
            mistakes = [.. System.Linq.Enumerable.Select(outcome.Mistakes, m => m.In(_start.ConfigPath))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            mistakes = [e.Message];
        }
        if (settings is null)
        {
            foreach (string mistake in mistakes) DaemonLog.Mistake(_log, mistake);
            DaemonLog.NotReloaded(_log);
            _configProblem = $"the configuration has mistakes, the former settings are in force: {mistakes[0]}";
            return new ReloadReply { Ok = false, Mistakes = mistakes };
        }
        Settings before = _context.Settings;
        _context.Settings = settings;
        _configProblem = null;
        if (before.Box.Name != settings.Box.Name) DaemonLog.NeedsRestart(_log, "box.name");
        foreach (IDaemonPart part in _started)
        {
            Guarded(part, () => part.Reload(before, settings));
        }
        LightMemory.Keep(settings, _log);
        DaemonLog.Reloaded(_log);
        return new ReloadReply { Ok = true };
    }

    void Guarded(IDaemonPart part, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (Cli.CommandLine.IsExpected(e))
        {
            DaemonLog.PartFailed(_log, part.GetType().Name, e.Message, null);
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        TimeSpan limit = _context.Settings.Box.StopLimit;
        DaemonLog.Stopping(_log, limit.TotalSeconds);
        _isStopping = true;
        // The unit's own bound knows nothing of the configuration's.
        long granted = (long)(limit + s_closing).TotalMicroseconds;
        _systemd.Notify(new ServiceState("EXTEND_TIMEOUT_USEC=" + granted.ToString(CultureInfo.InvariantCulture)));
        _hangUp.Serve(null);
        _watchdog.Dispose();
        using var hurry = new CancellationTokenSource(limit * 2 / 3);
        Task end = Task.Delay(limit, CancellationToken.None);
        // A part that a sick disk holds must leave time to the volumes, which close the healthy ones.
        Task late = Task.Delay(limit * 2 / 3 + s_giveUp, CancellationToken.None);
        for (int i = _started.Count - 1; i >= 0; i--)
        {
            IDaemonPart part = _started[i];
            Task stopping = Task.Factory.StartNew(() => Guarded(part, () => part.Stop(hurry.Token)),
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            if (await Task.WhenAny(stopping, part.StopsLong ? end : late) == stopping) await stopping;
            else DaemonLog.PartLeft(_log, part.GetType().Name);
        }
        DaemonLog.Stopped(_log);
    }

    public void Dispose() => _watchdog.Dispose();
}
