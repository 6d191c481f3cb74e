using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging;
using NasCore;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasDevices.Disks;
using NasFirmware.Config;
using NasLinux;

namespace NasFirmware.Daemon;

/*
 * The clean-up of the box: a thread for each volume, so that one whose disk hangs keeps no other waiting. For each
 * mounted file system there is a HistoryKeeper, which marks moments and thins the past by the policies of the
 * configuration, and now and then a reblock, which gives back the room that the thinning left in half-empty big-blocks.
 *
 * Looking costs nothing: the keeper looks at memory only, and where nothing changed nothing is done. Nothing of this
 * wakes a disk: before work begins the disk is asked whether it sleeps (IVolumes.PowerOf), and if so the work waits
 * until somebody else wakes it. Disks that cannot be asked are taken for awake where the volume was in use within the
 * last looks. So that no moment has to be marked on a disk that has gone to sleep meanwhile, it is marked as soon as
 * the volume has come to rest. Work is done in slices of a fraction of a second with pauses between them, so that it
 * has no more than its share of the time (and at low priority, where the system lets a thread have one); each slice
 * holds a use of the volume, and ends at once when the volume goes.
 */

/// <summary>Thins history and tidies space.</summary>
sealed class CleanupPart : IDaemonPart, IDisposable
{
    readonly DaemonContext _context;
    readonly IVolumes _volumes;
    readonly ILogger _log;
    readonly CancellationTokenSource _stop = new();
    readonly Dictionary<string, CleanupThread> _threads = new(StringComparer.Ordinal);

    internal CleanupPart(DaemonContext context, IVolumes volumes)
    {
        _context = context;
        _volumes = volumes;
        _log = context.Loggers.CreateLogger("cleanup");
    }

    public void Start()
    {
        foreach (VolumeSettings volume in _context.Settings.Volumes.Where(v => v.Cleanup && !v.ReadOnly))
        {
            if (!_threads.ContainsKey(volume.Name))
                _threads[volume.Name] = new CleanupThread(volume.Name, _context, _volumes, _log, _stop.Token);
        }
    }

    public void Stop(CancellationToken hurry)
    {
        _stop.Cancel();
        foreach (CleanupThread thread in _threads.Values) thread.Wake();
        foreach (CleanupThread thread in _threads.Values) thread.Wait(hurry);
    }

    public void Reload(Settings before, Settings now)
    {
        Start();
        foreach (CleanupThread thread in _threads.Values) thread.Renew();
    }

    /// <summary>After <see cref="Stop"/>.</summary>
    public void Dispose()
    {
        foreach (CleanupThread thread in _threads.Values) thread.Dispose();
        _stop.Dispose();
    }
}

/// <summary>The clean-up of a volume of the configuration, whether it is mounted or not.</summary>
sealed class CleanupThread : IDisposable
{
    static readonly TimeSpan s_look = TimeSpan.FromMinutes(1), s_slice = TimeSpan.FromMilliseconds(200),
        s_stopLook = TimeSpan.FromMilliseconds(100);

    readonly string _volume;
    readonly DaemonContext _context;
    readonly IVolumes _volumes;
    readonly ILogger _log;
    readonly CancellationToken _stop;
    readonly Thread _thread;
    readonly AutoResetEvent _wake = new(false);
    CleanupOfVolume? _cleanup;
    volatile bool _isNew;

    internal CleanupThread(string volume, DaemonContext context, IVolumes volumes, ILogger log, CancellationToken stop)
    {
        _volume = volume;
        _context = context;
        _volumes = volumes;
        _log = log;
        _stop = stop;
        _thread = new Thread(Run)
        {
            IsBackground = true, Name = "cleanup-" + volume, Priority = ThreadPriority.Lowest,
        };
        _thread.Start();
    }

    internal void Wake() => _wake.Set();

    /// <summary>The settings are new.</summary>
    internal void Renew()
    {
        _isNew = true;
        _wake.Set();
    }

    /// <summary>Waits for the end; in a hurry it is left behind.</summary>
    internal void Wait(CancellationToken hurry)
    {
        while (!_thread.Join(s_stopLook) && !hurry.IsCancellationRequested)
        {
            // A slice ends soon, but for a disk that hangs.
        }
    }

    public void Dispose() => _wake.Dispose();

    void Run()
    {
        LinuxProcess.LowerPriority();
        while (!_stop.IsCancellationRequested)
        {
            bool isNew = _isNew;
            _isNew = false;
            if (isNew) _cleanup?.Renew();
            if (_context.Settings.Volumes.Any(v => v.Name == _volume && v.Cleanup && !v.ReadOnly)) RunVolume();
            else RunEnd();
            _wake.WaitOne(s_look);
        }
        RunEnd();
    }

    void RunEnd()
    {
        _cleanup?.Dispose();
        _cleanup = null;
    }

    void RunVolume()
    {
        if (_volumes.Find(_volume) is not { } handle)
        {
            RunEnd();
            return;
        }
        if (_cleanup?.Handle != handle) RunEnd();
        _cleanup ??= new CleanupOfVolume(handle, _context, _log, () => _volumes.PowerOf(_volume));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop, handle.Gone);
        double share = _context.Settings.History.Share;
        try
        {
            bool more = _cleanup.Look();
            while (more && !_isNew && !stop.IsCancellationRequested)
            {
                long from = _context.Time.GetTimestamp();
                using (IDisposable? use = handle.TryUse())
                {
                    more = use is not null && _cleanup.Slice(s_slice, stop.Token);
                }
                // The rest of the time belongs to others.
                TimeSpan pause = _context.Time.GetElapsedTime(from) * ((1 - share) / share);
                if (more) stop.Token.WaitHandle.WaitOne(pause);
            }
        }
        catch (Exception e)
        {
            // One of the few places where every exception ends: tidying up must not take the mounts with it.
            CleanupLog.Failed(_log, _volume, Cli.CommandLine.IsExpected(e) ? e.Message : e.ToString());
            _context.Board.UpdateVolume(_volume, v => v with { LastCleanup = "failed: " + e.Message });
        }
    }
}

/// <summary>The clean-up of one mounted volume. For one thread.</summary>
sealed class CleanupOfVolume : IDisposable
{
    /// <summary>Big-blocks that are filled less are emptied.</summary>
    const int ReblockFillPercent = 95;

    readonly DaemonContext _context;
    readonly ILogger _log;
    readonly HistoryKeeper _keeper;
    long _floorBytes;
    Dictionary<int, HistoryPolicy> _policies = [];
    Reblock? _reblock;
    readonly Func<DiskPower> _power;
    long _reblockedAt, _busyAt, _busyBytes = -1;
    ulong _reblockedTid;
    string? _said;

    /// <param name="power">Whether the volume's disks sleep, asked of them now.</param>
    internal CleanupOfVolume(VolumeHandle handle, DaemonContext context, ILogger log, Func<DiskPower> power)
    {
        _power = power;
        Handle = handle;
        _context = context;
        _log = log;
        _keeper = new HistoryKeeper(handle.Fs, Options());
        // A box that starts often does not tidy often.
        _reblockedAt = context.Time.GetTimestamp();
        _reblockedTid = handle.Fs.DurableTid;
        // It has just been mounted.
        _busyAt = context.Time.GetTimestamp();
    }

    internal VolumeHandle Handle { get; }

    HistoryKeeperOptions Options()
    {
        HistorySettings history = _context.Settings.History;
        _floorBytes = (long)(Handle.Fs.TotalBytes * history.FreeFloor);
        return new HistoryKeeperOptions
        {
            PolicyOf = id => _policies.TryGetValue(id, out HistoryPolicy? own) ? own : Policy(history.Keep),
            FreeFloorBytes = _floorBytes, Period = history.Interval,
            Log = text => CleanupLog.Line(_log, Handle.Name, text),
        };
    }

    /// <summary>The settings are new: they hold from now on, and what is under way goes on.</summary>
    internal void Renew() => _keeper.Renew(Options());

    /// <summary>Gives back what a reblock under way had reserved, if the file system is still there.</summary>
    public void Dispose()
    {
        if (_reblock is null) return;
        using IDisposable? use = Handle.TryUse();
        if (use is not null) _reblock.Dispose();
        _reblock = null;
    }

    static HistoryPolicy Policy(KeepSettings keep) => new()
    {
        EveryVersion = keep.EveryVersion, Hourly = keep.Hourly, Daily = keep.Daily,
    };

    /// <summary>
    /// A look at what there is to do, once a minute; true if there is work, and it wakes no disk. Looks at memory, and
    /// only if there is work at the disk's power mode.
    /// </summary>
    internal bool Look()
    {
        HammerFs fs = Handle.Fs;
        long busy = fs.Volumes.BytesRead + fs.Volumes.BytesWritten;
        bool isBusy = busy != _busyBytes;
        if (isBusy) _busyAt = _context.Time.GetTimestamp();
        _busyBytes = busy;
        _keeper.IsQuiet = !isBusy;
        bool isDue = _keeper.Plan().IsDue || _reblock is not null || IsReblockDue();
        if (!isDue) Show();
        return isDue && IsAwake();
    }

    bool IsAwake() => _power() switch
    {
        DiskPower.Awake => true,
        DiskPower.Asleep => false,
        // Nobody can say; what was in use lately spins.
        _ => _context.Time.GetElapsedTime(_busyAt) <= s_spins,
    };

    /// <summary>Disks that spin down sooner after their last use would never come to sleep.</summary>
    static readonly TimeSpan s_spins = TimeSpan.FromMinutes(3);

    /// <summary>Works for about this long; true if there is more to do now.</summary>
    internal bool Slice(TimeSpan time, CancellationToken stop)
    {
        var budget = new StepBudget { TimeMax = time };
        HistoryPlan plan = _keeper.Plan();
        HistoryRunEnd end = HistoryRunEnd.Done;
        if (plan.IsDue)
        {
            if (plan.Thins) _policies = Policies();
            end = _keeper.Run(in budget, stop);
        }
        bool more = end == HistoryRunEnd.Budget;
        if (!more && !stop.IsCancellationRequested) more = SliceReblock(in budget, stop);
        Show();
        return more;
    }

    /// <summary>The policies of PFSs that have one of their own, by number: masters and slaves.</summary>
    Dictionary<int, HistoryPolicy> Policies()
    {
        Settings settings = _context.Settings;
        IEnumerable<(string Path, KeepSettings Keep)> own =
        [
            .. settings.Pfs.Where(p => p.Volume == Handle.Name).Select(p => (p.Path, p.Keep)),
            .. settings.Mirrors.Where(m => m.To.Box == settings.Box.Name && m.To.Volume == Handle.Name)
                .Select(m => (m.To.Pfs, m.Keep)),
        ];
        var policies = new Dictionary<int, HistoryPolicy>();
        foreach ((string path, KeepSettings keep) in own)
        {
            if (!PfsNames.Find(Handle.Fs, path, out int id).IsError) policies[id] = Policy(keep);
        }
        return policies;
    }

    // ------------------------------------------------------------------ reblock

    bool SliceReblock(in StepBudget budget, CancellationToken stop)
    {
        if (_reblock is null && !IsReblockDue()) return false;
        if (_reblock is null)
        {
            Errno opened = Handle.Fs.OpenReblock(new ReblockRequest
            {
                AllPfs = true, FillPercent = ReblockFillPercent,
            }, out _reblock);
            if (opened.IsError || _reblock is null)
            {
                CleanupLog.Failed(_log, Handle.Name, $"reblock: {opened}");
                SliceReblockDone();
                return false;
            }
        }
        StepEnd end = Handle.Fs.RunReblock(_reblock, in budget, stop);
        if (end is StepEnd.Budget or StepEnd.Stopped) return end == StepEnd.Budget;
        if (end == StepEnd.Done)
        {
            CleanupLog.Line(_log, Handle.Name, string.Create(CultureInfo.InvariantCulture,
                $"reblock: {_reblock.BytesChanged} bytes were moved"));
            _keeper.NoteReblocked();
        }
        else
        {
            CleanupLog.Failed(_log, Handle.Name, $"reblock: {end}");
            // Without room to move things in, waiting for it would keep history that has to make way.
            if (end == StepEnd.NoSpace) _keeper.NoteReblocked();
        }
        SliceReblockDone();
        return false;
    }

    void SliceReblockDone()
    {
        // Gives back what it had reserved.
        _reblock?.Dispose();
        _reblock = null;
        _reblockedAt = _context.Time.GetTimestamp();
        _reblockedTid = Handle.Fs.DurableTid;
    }

    bool IsReblockDue()
    {
        HammerFs fs = Handle.Fs;
        if (fs.Health.IsCritical || fs.DurableTid == _reblockedTid) return false;
        bool isShort = ((IHistoryHost)fs).FreeBytes < _floorBytes && _keeper.Status.WantsReblock;
        TimeSpan period = _context.Settings.History.Reblock;
        bool isTime = period > TimeSpan.Zero && _context.Time.GetElapsedTime(_reblockedAt) >= period;
        return isShort || isTime;
    }

    // ------------------------------------------------------------------ status

    void Show()
    {
        HistoryStatus status = _keeper.Status;
        string? last = status.Problem ?? (status.LastThinned is { } at ? string.Create(CultureInfo.InvariantCulture,
            $"{at:yyyy-MM-dd HH:mm}Z: {status.RecordsRemoved} records, {status.BytesRemoved} bytes")
            : null);
        string text = $"{status.OldestReachable} {status.FullInDays} {last}";
        if (text == _said) return;
        _said = text;
        _context.Board.UpdateVolume(Handle.Name, v => v with
        {
            OldestReachable = status.OldestReachable, FullInDays = status.FullInDays, LastCleanup = last,
        });
    }
}

/// <summary>What the clean-up logs. Event ids 300 to 319.</summary>
static partial class CleanupLog
{
    [LoggerMessage(300, LogLevel.Information, "volume={Volume}: {Message}")]
    internal static partial void Line(ILogger log, string volume, string message);

    [LoggerMessage(301, LogLevel.Error, "volume={Volume}: {Trouble}")]
    internal static partial void Failed(ILogger log, string volume, string trouble);
}
