using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;
using Microsoft.Extensions.Logging;
using NasCore;
using NasCore.Fuse.Session;
using NasCore.Primitives;
using NasFirmware.Cli;
using NasFirmware.Config;
using NasLinux;

namespace NasFirmware.Daemon;

/// <summary>What a volume is opened with.</summary>
sealed record ServedVolumeOptions
{
    internal required VolumeSettings Settings { get; init; }
    /// <summary>In the order of the volume numbers.</summary>
    internal required string[] Devices { get; init; }
    internal required Guid FsId { get; init; }
    internal required long CacheBytes { get; init; }
    internal required IReadOnlyList<PfsSettings> Pfs { get; init; }
    internal required ILogger Log { get; init; }
    /// <summary>The mount has ended, or was latched; on any thread, must be quick.</summary>
    internal required Action Changed { get; init; }
}

/// <summary>
/// A file system that the daemon has open and mounted: the same pieces as in the process of `nashammer mount`, with the
/// same control socket, so that every verb works on it.
/// </summary>
sealed class ServedVolume : IDisposable
{
    static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100), s_usersPatience = TimeSpan.FromSeconds(10);

    readonly ServedVolumeOptions _options;
    readonly HammerFs _fs;
    readonly string _source;
    readonly CancellationTokenSource _gone = new();
    FuseMount? _mount;
    IDisposable? _services;
    MountPidFile? _running;
    volatile bool _hasEnded, _endedByHand;

    ServedVolume(ServedVolumeOptions options, HammerFs fs)
    {
        _options = options;
        _fs = fs;
        _source = MountSource.Of(options.Devices);
        Handle = new VolumeHandle(options.Settings.Name, fs, _gone.Token);
        _fs.Health.OnLatch = message =>
        {
            VolumeLog.Latched(options.Log, options.Settings.Name, message);
            options.Changed();
        };
    }

    internal VolumeHandle Handle { get; }
    internal HammerFs Fs => _fs;
    internal string[] Devices => _options.Devices;
    internal Guid FsId => _options.FsId;
    internal VolumeSettings Settings => _options.Settings;
    internal string Directory => _mount!.Directory;
    /// <summary>The kernel has ended the mount: unmounted by hand, or its connection was cut.</summary>
    internal bool HasEnded => _hasEnded;
    /// <summary>
    /// It has ended because somebody took it out of the tree. A dead mount still stands there when its connection was
    /// cut.
    /// </summary>
    internal bool EndedByHand => _endedByHand;
    /// <summary>PFSs of the configuration that could not be made; null if all are there.</summary>
    internal string? PfsProblem { get; private set; }

    /// <summary>
    /// Opens, recovers, makes missing PFSs, mounts. Takes as long as recovery takes. What can go wrong is an exception
    /// that says it (<see cref="CommandLine.IsExpected"/>).
    /// </summary>
    internal static ServedVolume Open(ServedVolumeOptions options)
    {
        VolumeSettings settings = options.Settings;
        void Log(string message) => VolumeLog.Engine(options.Log, settings.Name, message);
        MountVerb.CheckNotMounted(options.Devices);
        string directory = LinuxMount.RealPath(settings.Mount);
        FuseMount.ClearStale(directory, Log);
        System.IO.Directory.CreateDirectory(directory);
        MountOptions words = MountOptions.Parse(settings.Options);
        words = words with
        {
            ReadOnly = settings.ReadOnly, NoHistory = !settings.History, FlushInterval = settings.Flush,
            CacheBytes = options.CacheBytes,
            Flags = settings.ReadOnly ? words.Flags | MountFlags.ReadOnly : words.Flags,
        };
        HammerFs fs = MountVerb.OpenFileSystem(options.Devices, words, Log);
        ServedVolume? served = null;
        try
        {
            if (fs.Volumes.FsId != options.FsId)
                throw new IOException($"{options.Devices[0]} holds file system {fs.Volumes.FsId:D} by now");
            served = new ServedVolume(options, fs);
            served.Provision(options.Pfs);
            served.Mount(directory, words, Log);
            return served;
        }
        catch
        {
            if (served is not null) served.Close(diskGone: false, CancellationToken.None);
            else fs.Dispose();
            throw;
        }
    }

    void Mount(string directory, MountOptions words, Action<string> log)
    {
        _mount = FuseMount.Open(_fs, new FuseMountRequest
        {
            Source = _source, Directory = directory, Flags = words.Flags,
        }, TimeProvider.System, log);
        Handle.Notifier = _mount.Session.Notifier;
        MountLoss.Forget(_source);
        _running = new MountPidFile(_source);
        _services = MountVerb.Services(_fs, _mount);
        new Thread(() =>
        {
            _mount.Session.WaitForEnd();
            _endedByHand = !LinuxMount.IsDeadMount(Settings.Mount);
            _hasEnded = true;
            _options.Changed();
        }) { IsBackground = true, Name = "mount-end-" + Settings.Name }.Start();
    }

    /// <summary>
    /// What a reload may change of a mount that stays: flush interval, cache, PFSs. May wait for the disk.
    /// </summary>
    internal bool Configure(TimeSpan flush, long cacheBytes, IReadOnlyList<PfsSettings> pfs)
    {
        using IDisposable? use = Handle.TryUse();
        if (use is null) return false;
        _fs.Configure(flush, cacheBytes);
        Provision(pfs);
        return true;
    }

    /// <summary>Makes the master PFSs that are missing; what cannot be made is told, the rest goes on.</summary>
    internal void Provision(IReadOnlyList<PfsSettings> wanted)
    {
        var problems = new List<string>();
        foreach (PfsSettings pfs in wanted)
        {
            Errno result = PfsNames.Find(_fs, pfs.Path, out int id);
            if (result == Errno.NoEnt)
            {
                result = PfsNames.Ensure(_fs, pfs.Path, slave: false, Guid.NewGuid(), out id, Handle.Notifier);
                if (!result.IsError) VolumeLog.PfsMade(_options.Log, Settings.Name, pfs.Path, id);
            }
            if (result.IsError) problems.Add($"PFS {pfs.Path} cannot be made: {Reason(result)}");
        }
        PfsProblem = problems.Count == 0 ? null : string.Join("; ", problems);
        if (PfsProblem is not null) VolumeLog.Trouble(_options.Log, Settings.Name, PfsProblem);
    }

    static string Reason(Errno errno) =>
        errno == Errno.Exist ? "something else has this name"
        : errno == Errno.NoEnt ? "the folder that it is to lie in is not there"
        : errno.ToString();

    /// <summary>How long the flusher has been at one group; zero while it waits.</summary>
    internal TimeSpan FlusherBusy => _fs.IsReadOnly ? TimeSpan.Zero : _fs.Core.FlusherBusy;

    /// <summary>
    /// Ends it: whoever uses it is told; what was written becomes durable before the directory is taken away; users of
    /// files in it get some seconds, then errors. A sentence if something was lost, else null. Waits as long as the
    /// disk and the users of the handle take.
    /// </summary>
    /// <param name="diskGone">Nothing can be written any more: users get errors at once.</param>
    /// <param name="hurry">No more waiting for users.</param>
    internal string? Close(bool diskGone, CancellationToken hurry)
    {
        _gone.Cancel();
        try
        {
            if (!diskGone && !_fs.Health.IsCritical) _fs.SyncAndWait();
            CloseMount(diskGone, hurry);
            while (!Handle.Close(s_usersPatience)) VolumeLog.StillUsed(_options.Log, Settings.Name);
            return CloseFs();
        }
        finally
        {
            Dispose();
        }
    }

    /// <summary>The last step of <see cref="Close"/>, without which the file system stays open.</summary>
    public void Dispose()
    {
        _running?.Dispose();
        _gone.Dispose();
    }

    void CloseMount(bool diskGone, CancellationToken hurry)
    {
        if (_mount is null) return;
        // Not in the way of sessions that wait for the disk: they end when requests fail.
        if (diskGone) Detach(TimeSpan.Zero, hurry);
        _services?.Dispose();
        if (!diskGone) Detach(s_usersPatience, hurry);
        _mount.Dispose();
    }

    void Detach(TimeSpan patience, CancellationToken hurry)
    {
        if (_mount!.Unmount() && _mount.Session.WaitForEnd(s_look)) return;
        if (patience > TimeSpan.Zero) VolumeLog.Detached(_options.Log, Settings.Name, Directory);
        long started = Stopwatch.GetTimestamp();
        while (!hurry.IsCancellationRequested && Stopwatch.GetElapsedTime(started) < patience)
        {
            if (_mount.Session.WaitForEnd(s_look)) return;
        }
        _mount.Abort();
    }

    string? CloseFs()
    {
        Errno error = _fs.SyncAndWait();
        // Stops the flusher after its last groups: those may fail, too.
        _fs.Dispose();
        if (!error.IsError && !_fs.Health.IsCritical) return null;
        string loss = $"what was written last could not be made durable: {_fs.Health.Message ?? error.ToString()}";
        MountLoss.Leave(_source, loss);
        return loss;
    }
}
