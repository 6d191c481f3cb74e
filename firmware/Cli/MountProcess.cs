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
            MountLoss.Forget(source);
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
        return Close(fs, source);
    }

    int Close(HammerFs fs, string source)
    {
        Errno error = fs.SyncAndWait();
        // Stops the flusher after its last groups: those may fail, too.
        fs.Dispose();
        if (!error.IsError && !fs.Health.IsCritical) return 0;
        string loss = $"what was written last could not be made durable: {fs.Health.Message ?? error.ToString()}";
        log($"{volumes[0]}: {loss}");
        MountLoss.Leave(source, loss);
        return CommandLine.Failed;
    }
}

/// <summary>
/// What a serving process leaves for whoever unmounts (<see cref="MountSource.LossPath"/>): that the last changes did
/// not reach the disk. Its own exit code goes to nobody.
/// </summary>
static class MountLoss
{
    internal static void Leave(string source, string loss)
    {
        try
        {
            File.WriteAllText(MountSource.LossPath(source), loss + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // /run may be full; the system log has it.
        }
    }

    internal static void Forget(string source) => File.Delete(MountSource.LossPath(source));

    /// <summary>Reads and removes the mark; null if all went well.</summary>
    internal static string? Take(string source)
    {
        try
        {
            string path = MountSource.LossPath(source);
            if (!File.Exists(path)) return null;
            string loss = File.ReadAllText(path).Trim();
            File.Delete(path);
            return loss;
        }
        catch (IOException)
        {
            return null;
        }
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
