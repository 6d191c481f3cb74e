using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using NasCore;
using NasCore.Fuse.Session;
using NasFirmware.Cli;

namespace NasFirmware.Control;

/// <summary>
/// The control socket of the process that serves a mount (<see cref="LocalSocket"/>).
/// Commands find it through the mount's source name; the process itself never touches its own mount.
/// </summary>
sealed class ControlServer : IDisposable
{
    readonly WebApplication _app;
    readonly MirrorSessions _sessions;
    readonly string _path;

    ControlServer(WebApplication app, MirrorSessions sessions, string path)
    {
        _sessions = sessions;
        _app = app;
        _path = path;
    }

    /// <summary>Listens at the path; a stale socket there is replaced.</summary>
    internal static async Task<ControlServer> StartAsync(HammerFs fs, string path, TimeProvider time)
    {
        WebApplication app = LocalSocket.Build(path);
        var sessions = new MirrorSessions();
        ControlApi.Map(app, fs, time, sessions);
        await LocalSocket.StartAsync(app, path);
        return new ControlServer(app, sessions, path);
    }

    /// <summary>Starts the control socket of a mount; a mount without one is still a mount.</summary>
    internal static IDisposable? StartFor(HammerFs fs, FuseMount mount)
    {
        string path = MountSource.SocketPath(mount.Source);
        try
        {
            return StartAsync(fs, path, TimeProvider.System).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException)
        {
            CommandLine.Complain($"no control socket at {path}: {e.Message}");
            return null;
        }
    }

    /// <summary>Ends sessions under way and takes the socket away.</summary>
    public void Dispose()
    {
        _sessions.RequestStop();
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        _app.StopAsync(soon.Token).GetAwaiter().GetResult();
        _app.DisposeAsync().AsTask().GetAwaiter().GetResult();
        // Every connection is closed: what still runs finishes its flush group and finds nobody to talk to.
        _sessions.WaitForNone();
        _sessions.Dispose();
        File.Delete(_path);
    }
}
