using System;
using System.Globalization;
using System.IO;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using NasFirmware.Config;
using NasFirmware.Control;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>
/// The daemon's control socket (<see cref="LocalSocket"/>): GET /status, POST /reload, and what the parts map. It
/// starts first and stops last, so that the status is there while disks are still being recovered.
/// </summary>
sealed class DaemonServer(DaemonContext context, Func<BoxStatus> status, Func<ReloadReply> reload) : IDaemonPart
{
    /// <summary>A box that is looked for longer has been forgotten.</summary>
    internal const int LocateSecondsMax = 24 * 3600;

    readonly ILogger _log = context.Loggers.CreateLogger("socket");
    WebApplication? _app;
    FileStream? _only;
    string? _path;

    public void Start()
    {
        string path = context.Settings.Box.SocketPath;
        try
        {
            _only = TakeFolder(Path.GetDirectoryName(path)!);
            WebApplication app = LocalSocket.Build(path);
            Map(app);
            LocalSocket.StartAsync(app, path).GetAwaiter().GetResult();
            _app = app;
            _path = path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException)
        {
            throw new IOException($"no control socket at {path}: {e.Message}", e);
        }
        context.AddProbe(new SocketProbe(path, context.Time));
    }

    /// <summary>A folder has one daemon: a second one would take the socket away from the first.</summary>
    static FileStream TakeFolder(string folder)
    {
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string path = Path.Combine(folder, "daemon.pid");
        try
        {
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            file.SetLength(0);
            file.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"));
            file.Flush();
            return file;
        }
        catch (IOException e)
        {
            throw new IOException($"another daemon seems to use {folder} ({e.Message})", e);
        }
    }

    void Map(WebApplication app)
    {
        app.MapGet("/status", ControlApi.Handle(_ => ControlApi.Reply(status(), StatusJson.Default.BoxStatus)));
        app.MapPost("/reload", ControlApi.Handle(_ => ControlApi.Reply(reload(), DaemonJson.Default.ReloadReply)));
        app.MapPost("/acknowledge", (RequestDelegate)(c =>
        {
            context.Board.Acknowledge();
            c.Response.StatusCode = StatusCodes.Status200OK;
            return Task.CompletedTask;
        }));
        app.MapPost("/locate", (RequestDelegate)(c =>
        {
            bool isGood = int.TryParse(c.Request.Query["seconds"], NumberStyles.None, CultureInfo.InvariantCulture,
                out int seconds) && seconds <= LocateSecondsMax;
            if (isGood) context.Board.Locate(TimeSpan.FromSeconds(seconds));
            c.Response.StatusCode = isGood ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
            return Task.CompletedTask;
        }));
        app.MapGet("/alive", (RequestDelegate)(c =>
        {
            c.Response.StatusCode = StatusCodes.Status204NoContent;
            return Task.CompletedTask;
        }));
        foreach (IDaemonApi api in context.Apis) api.Map(app);
    }

    public void Reload(Settings before, Settings now)
    {
        if (before.Box.Run != now.Box.Run) DaemonLog.NeedsRestart(_log, "box.run");
    }

    public void Stop(CancellationToken hurry)
    {
        if (_app is null) return;
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(hurry);
        soon.CancelAfter(TimeSpan.FromSeconds(2));
        _app.StopAsync(soon.Token).GetAwaiter().GetResult();
        _app.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _app = null;
        File.Delete(_path!);
        _only?.Dispose();
    }

    /// <summary>Asks the socket as any client does: is the process still able to answer?</summary>
    sealed class SocketProbe(string path, TimeProvider time) : IProbe
    {
        long _answered = time.GetTimestamp();
        Task? _asking;

        public string Name => "socket";

        public bool IsAlive(TimeSpan within)
        {
            // One question at a time: a server that hangs must not collect them.
            if (_asking is null || _asking.IsCompleted) _asking = Task.Run(Ask);
            _asking.Wait(TimeSpan.FromSeconds(1));
            return time.GetElapsedTime(Volatile.Read(ref _answered)) <= within;
        }

        void Ask()
        {
            try
            {
                using var client = new DaemonClient(path);
                client.Alive();
                Volatile.Write(ref _answered, time.GetTimestamp());
            }
            catch (IOException)
            {
                // No answer: the time of the last one tells.
            }
        }
    }
}
