using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasLinux;

namespace NasCore.Fuse.Session;

/// <summary>Where and how a file system is to appear in the tree.</summary>
public sealed record FuseMountRequest
{
    /// <summary>Source name shown by mountinfo (<see cref="MountSource"/>).</summary>
    public required string Source { get; init; }
    /// <summary>An existing directory.</summary>
    public required string Directory { get; init; }
    public MountFlags Flags { get; init; } = MountFlags.NoAtime;
    /// <summary>Threads that serve requests.</summary>
    public int Workers { get; init; } = Math.Max(2, Environment.ProcessorCount);
    public FuseLimits Limits { get; init; } = new();
}

/// <summary>
/// A file system in the tree: mount(2) on /dev/fuse, the session that serves it, and the way out. The process that
/// holds it never touches its own mount.
/// </summary>
public sealed class FuseMount : IDisposable
{
    /// <summary>Type of our mounts in mountinfo.</summary>
    public const string FsType = "fuse.nashammer";
    const int ReadAheadKiB = 1024;
    const int EBusy = 16;

    readonly FuseMountRequest _request;
    readonly Action<string> _log;
    string? _device;

    FuseMount(FuseMountRequest request, FuseSession session, Action<string> log)
    {
        _request = request;
        Session = session;
        _log = log;
    }

    public FuseSession Session { get; }
    public string Directory => _request.Directory;
    public string Source => _request.Source;

    /// <summary>
    /// Mounts; on return the mount is live. <see cref="IOException"/> with the reason if that is not possible, also
    /// when the directory carries a live mount of ours; a dead one there is detached first.
    /// </summary>
    public static FuseMount Open(IFileSystem fs, FuseMountRequest request, TimeProvider time, Action<string> log)
    {
        request = request with { Directory = LinuxMount.RealPath(request.Directory) };
        ClearStale(request.Directory, log);
        if (!LinuxMount.IsDirectory(request.Directory))
            throw new IOException($"cannot mount on {request.Directory}: it is not a directory");
        var transports = new List<IFuseTransport>();
        FuseDevice first = FuseDevice.Open();
        transports.Add(new FuseDeviceTransport(first));
        FuseMount? mount = null;
        bool mounted = false;
        try
        {
            LinuxMount.Mount(request.Source, request.Directory, FsType, request.Flags,
                MountData(first.Fd, request.Limits));
            mounted = true;
            for (int i = 1; i < request.Workers; i++) transports.Add(new FuseDeviceTransport(first.Clone()));
            uint epoch = (uint)time.GetUtcNow().ToUnixTimeSeconds();
            var session = new FuseSession(fs, transports, request.Limits, time, log, epoch);
            mount = new FuseMount(request, session, log);
            if (!session.Start()) throw new IOException($"the mount on {request.Directory} ended before it began");
        }
        catch
        {
            if (mounted) _ = LinuxMount.Unmount(request.Directory, detach: true);
            foreach (IFuseTransport transport in transports) transport.Dispose();
            throw;
        }
        mount.Settle();
        return mount;
    }

    /// <summary>The topmost mount on a directory if it is one of ours.</summary>
    public static MountEntry? FindOurs(string directory) => MountTable.Find(directory, FsType);

    /// <summary>
    /// Detaches mounts of ours whose server has died from a directory; an <see cref="IOException"/> if a living one
    /// is there.
    /// </summary>
    public static void ClearStale(string directory, Action<string> log)
    {
        while (FindOurs(directory) is { } entry)
        {
            if (!LinuxMount.IsDeadMount(directory))
                throw new IOException($"{directory} already has {entry.Source} mounted on it; unmount that first");
            int error = LinuxMount.Unmount(directory, detach: true);
            if (error != 0)
                throw new IOException($"cannot detach the dead mount on {directory}: {LinuxMount.Describe(error)}");
            log($"detached the dead mount of {entry.Source} on {directory}");
        }
    }

    /// <summary>
    /// Takes the mount out of the tree; with users in it, it is detached and ends with the last of them. False if it
    /// had to be detached. The session's end is awaited with <see cref="FuseSession.WaitForEnd"/>.
    /// </summary>
    public bool Unmount()
    {
        if (FindOurs(Directory)?.Device != _device) return true;
        int error = LinuxMount.Unmount(Directory, detach: false);
        if (error == 0) return true;
        if (error != EBusy) _log($"umount {Directory}: {LinuxMount.Describe(error)}");
        error = LinuxMount.Unmount(Directory, detach: true);
        if (error != 0) _log($"cannot detach {Directory}: {LinuxMount.Describe(error)}");
        return false;
    }

    /// <summary>Cuts the connection: users of a detached mount get errors from now on, the session ends.</summary>
    public void Abort()
    {
        if (_device is not null && FuseConnection.Abort(_device) is { } trouble)
            _log($"cannot abort the mount on {Directory}: {trouble}");
    }

    static string MountData(int fd, FuseLimits limits) => string.Create(CultureInfo.InvariantCulture,
        $"fd={fd},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other," +
        $"max_read={limits.TransferBytesMax}");

    /// <summary>
    /// Notes the device number, and raises the kernel's read-ahead: INIT can only lower it from 128 KiB.
    /// </summary>
    void Settle()
    {
        _device = FindOurs(Directory)?.Device;
        if (_device is not null && FuseConnection.SetReadAhead(_device, ReadAheadKiB) is { } trouble)
            _log($"read-ahead of the mount on {Directory} stays as it is: {trouble}");
    }

    /// <summary>Unmounts, waits ten seconds for users, then aborts.</summary>
    public void Dispose()
    {
        Unmount();
        if (!Session.WaitForEnd(TimeSpan.FromSeconds(10))) Abort();
        Session.Dispose();
    }
}
