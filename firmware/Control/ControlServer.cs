using System;
using System.Buffers.Binary;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NasCore;
using NasCore.Fuse.Session;
using NasFirmware.Cli;

namespace NasFirmware.Control;

/// <summary>
/// The local control socket of the process that serves a mount: HTTP and JSON on a Unix socket in a directory that
/// only root can
/// enter; the kernel tells who connects (SO_PEERCRED), and whoever is not root, or the user of this process, is
/// turned away.
/// Commands find it through the mount's source name; the process itself never touches its own mount.
/// </summary>
sealed class ControlServer : IDisposable
{
    const int SolSocket = 1, SoPeerCred = 17, UcredBytes = 12;

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
        string directory = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(directory,
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.Delete(path);
        // Empty: the other builders watch the current folder for configuration files, with everything below it, and
        // that may be our own mount.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(
            new WebApplicationOptions { ContentRootPath = directory });
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        builder.Services.AddLogging();
        // Signals are the mounting process's own business.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Mirror sessions are synchronous, on threads of their own.
            kestrel.AllowSynchronousIO = true;
            kestrel.Limits.MaxRequestBodySize = 64 * 1024;
            kestrel.ListenUnixSocket(path, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(next => connection => IsAllowed(connection) ? next(connection) : Refuse(connection));
            });
        });
        WebApplication app = builder.Build();
        var sessions = new MirrorSessions();
        ControlApi.Map(app, fs, time, sessions);
        await app.StartAsync();
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return new ControlServer(app, sessions, path);
    }

    sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    static bool IsAllowed(ConnectionContext connection)
    {
        Socket? socket = connection.Features.Get<IConnectionSocketFeature>()?.Socket;
        if (socket is null) return false;
        Span<byte> ucred = stackalloc byte[UcredBytes];
        if (socket.GetRawSocketOption(SolSocket, SoPeerCred, ucred) != UcredBytes) return false;
        uint uid = BinaryPrimitives.ReadUInt32LittleEndian(ucred[4..]);
        return uid == 0 || Environment.IsPrivilegedProcess == false && uid == OwnUid();
    }

    // A process without privileges (tests, rootless use) serves its own user.
    static uint OwnUid()
    {
        foreach (string line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("Uid:", StringComparison.Ordinal)
                && uint.TryParse(line.Split('\t', StringSplitOptions.RemoveEmptyEntries)[2], out uint uid)) return uid;
        }
        return 0;
    }

    static Task Refuse(ConnectionContext connection)
    {
        connection.Abort();
        return Task.CompletedTask;
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
