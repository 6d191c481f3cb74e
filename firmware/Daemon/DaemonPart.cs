using System;
using System.Collections.Generic;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using NasFirmware.Config;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>
/// A part of the daemon: volumes, endpoint, mirrors, clean-up, panel. All parts are made before the first starts; they
/// start in the order of <see cref="DaemonParts"/> and stop in the opposite one.
/// </summary>
interface IDaemonPart
{
    /// <summary>Begins the work, on threads of its own; returns soon. What can be mended later is no exception, it
    /// stands on the status board.</summary>
    void Start();

    /// <summary>
    /// Ends the work and waits for that, until <paramref name="hurry"/> is cancelled: then only as long as giving up
    /// takes.
    /// </summary>
    void Stop(CancellationToken hurry);

    /// <summary>Its stop may take the whole bound; others are left behind soon after they were told to hurry.</summary>
    bool StopsLong => false;

    /// <summary>The settings are new (<see cref="DaemonContext.Settings"/> already); what did not change goes on
    /// undisturbed.</summary>
    void Reload(Settings before, Settings now);
}

/// <summary>Requests that a part answers on the daemon's socket; handlers as in <see cref="Control.ControlApi"/>.
/// </summary>
interface IDaemonApi
{
    void Map(WebApplication app);
}

/// <summary>
/// A loop that must turn: systemd restarts the daemon when one does not (never because a disk or peer is not there).
/// </summary>
interface IProbe
{
    string Name { get; }

    /// <summary>True if the loop has turned within this time, or has nothing to do.</summary>
    bool IsAlive(TimeSpan within);

    /// <summary>
    /// The loop works on disks: while one of them hangs nobody can say whether the loop does, and a restart would only
    /// take the other volumes away.
    /// </summary>
    bool UsesDisks => false;
}

/// <summary>What the parts of a daemon share.</summary>
sealed class DaemonContext
{
    Settings _settings = null!;

    /// <summary>The settings in force.</summary>
    internal required Settings Settings
    {
        get => Volatile.Read(ref _settings);
        set => Volatile.Write(ref _settings, value);
    }

    internal required TimeProvider Time { get; init; }
    internal required ILoggerFactory Loggers { get; init; }
    internal StatusBoard Board { get; } = new();
    /// <summary>The status of the box, judged; set when everything is made.</summary>
    internal Func<BoxStatus>? Status { get; set; }
    /// <summary>Filled while the parts are made; afterwards by <see cref="AddProbe"/> only.</summary>
    internal List<IDaemonApi> Apis { get; } = [];

    /// <summary>A disk of a volume has had requests for long and answers none.</summary>
    internal bool HasSilentDisk
    {
        get => Volatile.Read(ref _hasSilentDisk);
        set => Volatile.Write(ref _hasSilentDisk, value);
    }

    bool _hasSilentDisk;
    readonly List<IProbe> _probes = [];

    internal void AddProbe(IProbe probe)
    {
        lock (_probes) _probes.Add(probe);
    }

    internal void RemoveProbe(IProbe probe)
    {
        lock (_probes) _probes.Remove(probe);
    }

    internal IProbe[] Probes()
    {
        lock (_probes) return [.. _probes];
    }
}

/// <summary>A probe for a loop: the loop says that it turns, or that it waits for something outside.</summary>
sealed class LoopProbe(string name, TimeProvider time) : IProbe
{
    const long Resting = long.MinValue;

    long _turned = time.GetTimestamp();

    public string Name => name;

    /// <summary>The loop has turned just now.</summary>
    internal void Turn() => Volatile.Write(ref _turned, time.GetTimestamp());

    /// <summary>The loop sleeps until something happens; that is no hang.</summary>
    internal void Rest() => Volatile.Write(ref _turned, Resting);

    public bool IsAlive(TimeSpan within)
    {
        long turned = Volatile.Read(ref _turned);
        return turned == Resting || time.GetElapsedTime(turned) <= within;
    }
}
