using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore;
using NasDevices.Disks;
using NasFirmware.Cli;
using NasFirmware.Config;
using NasFirmware.Status;
using NasLinux;

namespace NasFirmware.Daemon;

/*
 * A slot: one volume of the configuration and where it stands.
 *
 *   Missing  -> its disks are not there, or not all, or it is not clear which is meant
 *   Mounting -> a job opens, recovers and mounts
 *   Mounted  -> served; each turn looks whether its disks are still the same media
 *   Latched  -> mounted, but read-only after an error
 *   Failed   -> there, but could not be mounted: again when another medium comes, after a reload, and by itself with
 *               growing pauses
 *
 * Rules of coming back. A disk that is gone, or does not answer any more, ends the mount: users get errors, the device
 * is let go; when it is back, it is recovered and mounted. A mount that was latched by its medium, which answers
 * again, is closed and opened anew after a minute, at most once an hour; one latched by a broken invariant stays as it
 * is until the disk comes anew or the owner says reload: there, opening again could do harm. A mount that was ended by
 * hand stays ended until one of these two.
 *
 * A reload takes no mount away unless its section has left, or means another file system. Flush interval, cache and
 * PFSs follow at once; what only another mount can change is told, and waits for it.
 *
 * All of it is turned by the one loop of VolumeService; whatever may wait for a disk is a job beside it.
 */

/// <summary>What a slot needs of the service it belongs to.</summary>
interface IVolumeOwner
{
    TimeProvider Time { get; }
    IReadOnlyList<BlockDevice> Devices { get; }
    /// <param name="settings">The volume.</param>
    /// <param name="found">Null: for a mount that stays.</param>
    ServedVolumeOptions Options(VolumeSettings settings, FoundFileSystem? found);
    /// <summary>An image file is there, as far as its disk tells; never waits.</summary>
    bool HasImage(string path);
    /// <summary>The volume of another slot that has this file system mounted; null if none.</summary>
    string? MountedAs(Guid fsId, VolumeSlot except);
    void Wake();
    void Appeared(VolumeSlot slot);
    void Went(VolumeSlot slot);
    Microsoft.Extensions.Logging.ILogger Log { get; }
    CancellationToken Hurry { get; }
}

/// <summary>One volume of the configuration.</summary>
sealed class VolumeSlot(VolumeSettings settings, IVolumeOwner owner)
{
    static readonly TimeSpan s_retryMin = TimeSpan.FromSeconds(5), s_retryMax = TimeSpan.FromMinutes(10),
        s_latchPause = TimeSpan.FromMinutes(1), s_latchRetries = TimeSpan.FromHours(1),
        s_probePause = TimeSpan.FromSeconds(2);

    ServedVolume? _served;
    DiskJob<ServedVolume>? _opening;
    DiskJob<string?>? _closing;
    DiskJob<bool>? _probing, _configuring;
    BlockDevice[] _media = [];
    string? _openingMedia, _triedMedia, _heldMedia, _lastSeen;
    long _openingAt, _triedAt, _latchedAt, _latchRetriedAt;
    TimeSpan _pause;
    bool _restart, _toConfigure;
    VolumeStatus? _shown;

    internal VolumeSettings Settings { get; private set; } = settings;
    internal VolumeState State { get; private set; } = VolumeState.Missing;
    internal string? Problem { get; private set; } = "not looked for yet";
    internal ServedVolume? Served => _served;
    /// <summary>The file system that it mounts or has mounted; null if none.</summary>
    internal Guid? FsId { get; private set; }
    /// <summary>No job is under way.</summary>
    internal bool IsSettled => _opening is null && _closing is null;
    /// <summary>It has left the configuration: to be closed, then forgotten.</summary>
    internal bool IsLeaving { get; private set; }
    internal bool IsGone => IsLeaving && _served is null && IsSettled;

    /// <summary>New settings of the same volume.</summary>
    internal void Change(VolumeSettings now)
    {
        Settings = now;
        _lastSeen = null;
        Forgive();
        Configure();
        if (_served is { } served && WaitsForMount(served) is { } waits)
            VolumeLog.Trouble(owner.Log, Settings.Name, waits);
    }

    /// <summary>What can be changed of a mount that stays is to be brought up to date.</summary>
    internal void Configure() => _toConfigure = true;

    /// <summary>
    /// What the settings say that only another mount can do: files may be open, so that is left to the owner. Null if
    /// nothing.
    /// </summary>
    string? WaitsForMount(ServedVolume served)
    {
        VolumeSettings old = served.Settings;
        var keys = new List<string>();
        if (old.Mount != Settings.Mount) keys.Add("mount");
        if (old.ReadOnly != Settings.ReadOnly) keys.Add("read-only");
        if (old.History != Settings.History) keys.Add("history");
        if (old.Options != Settings.Options) keys.Add("options");
        return keys.Count == 0 ? null : $"what was changed of {string.Join(", ", keys)} is in force after the next "
            + "mount: when no file is open, systemctl restart nashammer";
    }

    bool IsMeant(ServedVolume served) => VolumeMatch.IsMeant(Settings,
        new FoundFileSystem(served.FsId, served.Fs.Volumes.Label, served.Devices.Length)
        {
            Paths = served.Devices.Index().ToDictionary(d => d.Index, d => d.Item), Media = "",
        }, owner.Devices);

    /// <summary>The owner wants another try now.</summary>
    internal void Forgive()
    {
        _triedMedia = _heldMedia = null;
        _latchRetriedAt = 0;
        if (State == VolumeState.Latched) _restart = true;
    }

    internal void Leave() => IsLeaving = true;

    /// <summary>One step; returns soon.</summary>
    internal void Turn(IReadOnlyList<FoundFileSystem> found)
    {
        TakeOpened();
        TakeClosed();
        // Also while it is being closed.
        _silence = _served?.Handle.LookForSilence(owner.Time) ?? TimeSpan.Zero;
        if (_opening is not null && owner.Time.GetElapsedTime(_openingAt) is var taken && taken >= s_silenceMax)
        {
            Problem = $"this has been going on for {StatusWords.Seconds(taken.TotalSeconds)}: a long recovery, or a "
                + "disk that does not answer";
        }
        if (!IsSettled) return;
        if (_served is not null) Watch(found);
        else if (!IsLeaving) TryMount(found);
    }

    // ------------------------------------------------------------------ mounting

    void TryMount(IReadOnlyList<FoundFileSystem> found)
    {
        VolumeMatch match = VolumeMatch.Of(Settings, found, owner.Devices);
        if (match.Found is not { } fs)
        {
            Problem = _lastSeen is null ? match.Problem : $"{match.Problem}; it was last on {_lastSeen}";
            State = VolumeState.Missing;
            _triedMedia = _heldMedia = null;
            return;
        }
        if (_heldMedia == fs.Media) return;
        if (_triedMedia == fs.Media && owner.Time.GetElapsedTime(_triedAt) < _pause) return;
        if (owner.MountedAs(fs.FsId, this) is { } other)
        {
            State = VolumeState.Failed;
            Problem = $"file system {fs.FsId:D} is mounted as {other} already; this is it, or a copy of it";
            return;
        }
        if (_triedMedia != fs.Media) _pause = TimeSpan.Zero;
        State = VolumeState.Mounting;
        Problem = null;
        _openingMedia = fs.Media;
        _openingAt = owner.Time.GetTimestamp();
        FsId = fs.FsId;
        _media = [.. owner.Devices.Where(d => fs.Devices.Contains(d.Path))];
        ServedVolumeOptions options = owner.Options(Settings, fs);
        _opening = new DiskJob<ServedVolume>("mount-" + Settings.Name, () =>
        {
            // What is cached of a dead disk may look alive.
            string? dead = options.Devices.FirstOrDefault(d => !LinuxFile.Answers(d));
            if (dead is not null) throw new IOException($"{dead} does not answer");
            return ServedVolume.Open(options);
        }, owner.Wake);
    }

    void TakeOpened()
    {
        if (_opening is not { IsDone: true } job) return;
        _opening = null;
        _triedAt = owner.Time.GetTimestamp();
        _triedMedia = _openingMedia;
        if (job.Result is { } served)
        {
            _served = served;
            _lastSeen = null;
            _pause = TimeSpan.Zero;
            _latchedAt = 0;
            _restart = false;
            State = VolumeState.Mounted;
            VolumeLog.Mounted(owner.Log, Settings.Name, served.Directory, string.Join(" ", served.Devices));
            owner.Appeared(this);
            return;
        }
        Exception failure = job.Failure!;
        bool isExpected = CommandLine.IsExpected(failure);
        FsId = null;
        State = VolumeState.Failed;
        Problem = isExpected ? failure.Message : $"broken invariant while mounting: {failure.Message}";
        _pause = _pause == TimeSpan.Zero ? s_retryMin : _pause * 2 < s_retryMax ? _pause * 2 : s_retryMax;
        // A broken invariant may do harm the second time.
        if (!isExpected) _heldMedia = _openingMedia;
        VolumeLog.NotMounted(owner.Log, Settings.Name, Problem, isExpected ? null : failure);
    }

    // ------------------------------------------------------------------ while it is mounted

    void Watch(IReadOnlyList<FoundFileSystem> found)
    {
        ServedVolume served = _served!;
        if (IsLeaving || _restart || (served.Settings != Settings && !IsMeant(served)))
        {
            Close(VolumeState.Missing, null, diskGone: false);
            return;
        }
        if (!HasMedia(served)) Vanish(served);
        else if (served.HasEnded) Ended(served);
        else if (served.Fs.Health.IsCritical) WatchLatched(served);
        else
        {
            State = VolumeState.Mounted;
            Problem = IsSilent ? $"its disk has not answered for {StatusWords.Seconds(_silence.TotalSeconds)}"
                : served.PfsProblem ?? WaitsForMount(served)
                    ?? found.FirstOrDefault(f => f.FsId == served.FsId)?.Problem;
            WatchConfigure(served);
        }
    }

    /// <summary>A disk that has had requests for so long and answered none hangs: retries of the kernel take less.
    /// </summary>
    static readonly TimeSpan s_silenceMax = TimeSpan.FromSeconds(30);

    TimeSpan _silence;

    /// <summary>A disk of it hangs.</summary>
    internal bool IsSilent => _silence >= s_silenceMax;

    void WatchConfigure(ServedVolume served)
    {
        if (_configuring is { IsDone: true } done)
        {
            _configuring = null;
            if (done.Failure is { } failure) VolumeLog.Trouble(owner.Log, Settings.Name, failure.Message);
        }
        if (!_toConfigure || _configuring is not null) return;
        _toConfigure = false;
        ServedVolumeOptions options = owner.Options(Settings, null);
        _configuring = new DiskJob<bool>("settings-" + Settings.Name, () => served.Configure(options.Settings.Flush,
            options.CacheBytes, options.Pfs), owner.Wake);
    }

    // What is told of a medium may change (a serial number comes with udev); path and sequence say which it is.
    bool HasMedia(ServedVolume served) => served.Devices.All(path =>
        Array.Find(_media, m => m.Path == path) is { } medium
            ? owner.Devices.Any(d => d.Path == path && d.Sequence == medium.Sequence) : owner.HasImage(path));

    void Vanish(ServedVolume served)
    {
        string devices = string.Join(", ", served.Devices);
        VolumeLog.Vanished(owner.Log, Settings.Name, devices);
        _lastSeen = devices;
        Close(VolumeState.Missing, $"its disk is gone ({devices})", diskGone: true);
    }

    void Ended(ServedVolume served)
    {
        bool byHand = served.EndedByHand;
        if (byHand)
        {
            VolumeLog.UnmountedByHand(owner.Log, Settings.Name);
            _heldMedia = _triedMedia;
        }
        Close(byHand ? VolumeState.Failed : VolumeState.Missing,
            byHand ? "it was unmounted by hand; systemctl reload nashammer mounts it again" : null, diskGone: false);
    }

    void WatchLatched(ServedVolume served)
    {
        State = VolumeState.Latched;
        Problem = served.Fs.Health.Message;
        if (_latchedAt == 0) _latchedAt = owner.Time.GetTimestamp();
        if (!IsOfMedium(served.Fs.Health.Cause)) return;
        if (_probing is { IsDone: true } probe)
        {
            _probing = null;
            if (!probe.Result)
            {
                Vanish(served);
                return;
            }
        }
        TimeSpan since = owner.Time.GetElapsedTime(_latchedAt);
        bool mayRetry = _latchRetriedAt == 0 || owner.Time.GetElapsedTime(_latchRetriedAt) >= s_latchRetries;
        if (since >= s_latchPause && mayRetry)
        {
            _latchRetriedAt = owner.Time.GetTimestamp();
            Close(VolumeState.Missing, null, diskGone: false);
        }
        else if (since >= s_probePause && since < s_latchPause && _probing is null)
        {
            _probing = new DiskJob<bool>("probe-" + Settings.Name, () => Array.TrueForAll(served.Devices,
                LinuxFile.Answers), owner.Wake);
        }
    }

    static bool IsOfMedium(Exception? cause)
    {
        for (Exception? e = cause; e is not null; e = e.InnerException)
        {
            if (e is IOException or NasCore.Primitives.HammerMediumException) return true;
        }
        return false;
    }

    // ------------------------------------------------------------------ closing

    void Close(VolumeState state, string? problem, bool diskGone)
    {
        ServedVolume served = _served!;
        State = state;
        Problem = problem;
        _restart = false;
        _probing = null;
        // After this it is tried again as if it were new; what is held is held by its own mark.
        _triedMedia = null;
        _closing = new DiskJob<string?>("umount-" + Settings.Name, () => served.Close(diskGone, owner.Hurry),
            owner.Wake);
        owner.Went(this);
    }

    void TakeClosed()
    {
        if (_closing is not { IsDone: true } job) return;
        _closing = null;
        _served = null;
        FsId = null;
        owner.Went(this);
        if (IsLeaving && (job.Failure?.Message ?? job.Result) is { } notKept)
            (State, Problem) = (VolumeState.Failed, notKept);
        if (job.Failure is { } failure) VolumeLog.NotMounted(owner.Log, Settings.Name, failure.Message, failure);
        else if (job.Result is { } loss) VolumeLog.Lost(owner.Log, Settings.Name, loss);
        else VolumeLog.Closed(owner.Log, Settings.Name);
    }

    /// <summary>
    /// At the end of the daemon, called again and again: closes what is mounted, and what is just being mounted when
    /// that is done. True when nothing is left to wait for.
    /// </summary>
    internal bool Stop()
    {
        IsLeaving = true;
        TakeOpened();
        if (_opening is null && _served is not null && _closing is null)
            Close(VolumeState.Missing, null, diskGone: false);
        TakeClosed();
        return IsSettled;
    }

    // ------------------------------------------------------------------ the board

    /// <summary>Puts what is known on the board, if it is new; what other parts put there stays.</summary>
    internal void Show(StatusBoard board)
    {
        VolumeStatus now = Status();
        if (now == _shown) return;
        if (_shown is null) board.Put(now);
        else
        {
            board.UpdateVolume(Settings.Name, old => old with
            {
                State = now.State, FsId = now.FsId, Label = now.Label, Mount = now.Mount, Problem = now.Problem,
                BytesTotal = now.BytesTotal, BytesFree = now.BytesFree, DurableTid = now.DurableTid,
                Devices = now.Devices,
            });
        }
        _shown = now;
    }

    VolumeStatus Status()
    {
        var status = new VolumeStatus
        {
            Name = Settings.Name, State = State, Mount = Settings.Mount, Problem = Problem, Label = Settings.Label,
            FsId = Settings.FsId?.ToString("D"), BytesTotal = _shown?.BytesTotal ?? 0,
            BytesFree = _shown?.BytesFree ?? 0, DurableTid = _shown?.DurableTid, Devices = _shown?.Devices ?? [],
        };
        if (_served is null || _closing is not null) return status;
        HammerFs fs = _served.Fs;
        _ = fs.StatFs(out FsStat stat);
        return status with
        {
            FsId = fs.Volumes.FsId.ToString("D"), Label = fs.Volumes.Label, Devices = _served.Devices,
            BytesTotal = (long)stat.TotalBytes, BytesFree = (long)stat.AvailBytes,
            DurableTid = NasCore.Primitives.Tid.Format(fs.DurableTid),
        };
    }
}
