using System;
using System.Globalization;
using System.Threading;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace NasFirmware.Daemon;

/// <summary>
/// Tells systemd that all is well, as often as it wants (WATCHDOG_USEC), but only when every loop of the daemon has
/// turned lately: a process that hangs is killed and started anew, and its mounts are recovered. Without a watchdog it
/// still looks, and says in the log what hangs.
/// </summary>
sealed class Watchdog : IDisposable
{
    static readonly TimeSpan s_withoutSystemd = TimeSpan.FromMinutes(1);

    readonly DaemonContext _context;
    readonly ISystemdNotifier _systemd;
    readonly ILogger _log;
    readonly TimeSpan _within;
    readonly ManualResetEventSlim _stop = new();
    readonly Thread _thread;
    string? _said;

    internal Watchdog(DaemonContext context, ISystemdNotifier systemd)
    {
        _context = context;
        _systemd = systemd;
        _log = context.Loggers.CreateLogger("watchdog");
        _within = Interval(Environment.GetEnvironmentVariable("WATCHDOG_USEC")) ?? s_withoutSystemd;
        _thread = new Thread(Run) { IsBackground = true, Name = "watchdog" };
    }

    /// <summary>The time after which systemd gives up; null if it does not watch.</summary>
    internal static TimeSpan? Interval(string? microseconds) =>
        long.TryParse(microseconds, NumberStyles.None, CultureInfo.InvariantCulture, out long us) && us > 0
            ? TimeSpan.FromMicroseconds(us) : null;

    internal void Start() => _thread.Start();

    void Run()
    {
        // Three looks in the time that systemd gives: one may come late.
        while (!_stop.Wait(_within / 3)) Look();
    }

    /// <summary>One look: tells systemd, or the log. True if all is well.</summary>
    internal bool Look()
    {
        string? dead = null;
        foreach (IProbe probe in _context.Probes())
        {
            if (!probe.IsAlive(_within) && !(probe.UsesDisks && _context.HasSilentDisk)) dead = probe.Name;
        }
        if (dead is null) _systemd.Notify(new ServiceState("WATCHDOG=1"));
        else if (dead != _said) DaemonLog.ProbeDead(_log, dead, _within.TotalSeconds);
        _said = dead;
        return dead is null;
    }

    public void Dispose()
    {
        _stop.Set();
        if (_thread.IsAlive && Thread.CurrentThread != _thread) _thread.Join(TimeSpan.FromSeconds(2));
    }
}
