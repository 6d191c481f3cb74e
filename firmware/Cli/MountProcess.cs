using System;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore;
using NasCore.Fuse.Session;
using NasCore.Primitives;

namespace NasFirmware.Cli;

/// <summary>A process that serves one mount from its beginning to its end.</summary>
sealed class MountProcess(string[] volumes, string directory, MountOptions options, Action<string> log)
{
    /// <summary>Mounts, calls back when the mount is live, serves it until it ends; the exit code.</summary>
    internal int Run(Action live)
    {
        MountVerb.CheckNotMounted(volumes);
        FuseMount.ClearStale(directory, log);
        // Removed last: who unmounts waits for that, and then the volumes are closed.
        MountPidFile? running = null;
        try
        {
            return Serve(live, ref running);
        }
        finally
        {
            running?.Dispose();
        }
    }

    int Serve(Action live, ref MountPidFile? running)
    {
        using HammerFs fs = MountVerb.OpenFileSystem(volumes, options, log);
        fs.Health.OnLatch = message => log($"{volumes[0]}: {message}");
        string source = MountSource.Of(volumes);
        using var stop = new ManualResetEventSlim();
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => context.Cancel = true);
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Set();
        }

        FuseMount mount = FuseMount.Open(fs, new FuseMountRequest
        {
            Source = source, Directory = directory, Flags = options.Flags,
        }, TimeProvider.System, log);
        IDisposable? services = null;
        try
        {
            running = new MountPidFile(source);
            services = MountVerb.Services(fs, mount);
            live();
            var end = new Thread(() =>
            {
                mount.Session.WaitForEnd();
                stop.Set();
            }) { IsBackground = true, Name = "mount-end" };
            end.Start();
            stop.Wait();
        }
        finally
        {
            services?.Dispose();
            mount.Dispose();
        }
        return Close(fs);
    }

    int Close(HammerFs fs)
    {
        Errno error = fs.SyncAndWait();
        if (error.IsError) log($"{volumes[0]}: what was written last could not be made durable: {error}");
        return error.IsError || fs.Health.IsCritical ? CommandLine.Failed : 0;
    }
}

/// <summary>The file that names the serving process of a mount (<see cref="MountSource.PidPath"/>).</summary>
sealed class MountPidFile : IDisposable
{
    readonly string _path;

    internal MountPidFile(string source)
    {
        _path = MountSource.PidPath(source);
        Directory.CreateDirectory(MountSource.RunDirectory);
        File.WriteAllText(_path, Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
    }

    /// <summary>True while the process that serves a mount lives and has not closed its volumes yet.</summary>
    internal static bool IsServed(string source)
    {
        try
        {
            string pid = File.ReadAllText(MountSource.PidPath(source)).Trim();
            return pid.Length > 0 && Directory.Exists("/proc/" + pid);
        }
        catch (IOException)
        {
            return false;
        }
    }

    public void Dispose() => File.Delete(_path);
}
