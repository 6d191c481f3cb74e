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

namespace NasFirmware.Control;

/// <summary>
/// HTTP and JSON on a Unix socket for the owner of this machine, with the same rules for the socket of a mount and that
/// of the daemon: it lies in a directory that only root can enter; the kernel tells who connects (SO_PEERCRED), and
/// whoever is not root, or the user of this process, is turned away.
/// </summary>
static class LocalSocket
{
    const int SolSocket = 1, SoPeerCred = 17, UcredBytes = 12;

    /// <summary>A server for requests at this path, to be given them and then to be started.</summary>
    internal static WebApplication Build(string path)
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
        // Signals are the process's own business.
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
        return builder.Build();
    }

    /// <summary>Listens; the path that <see cref="Build"/> was given.</summary>
    internal static async Task StartAsync(WebApplication app, string path)
    {
        await app.StartAsync();
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
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
}
