using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace NasFirmware.Status;

/// <summary>The daemon cannot be asked: it does not run, does not answer, or answers nonsense.</summary>
sealed class NotRunningException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>Asks the daemon's control socket for the status; a daemon that hangs is told from one that is not there.
/// </summary>
sealed class StatusClient : IDisposable
{
    /// <summary>Where the daemon listens unless configured otherwise.</summary>
    internal const string DefaultSocket = "/run/nashammer/daemon.sock";

    const int ReplyBytesMax = 4 << 20;

    readonly HttpClient _http;
    readonly string _path;
    readonly TimeSpan _patience;

    internal StatusClient(string path, TimeSpan? patience = null)
    {
        _path = path;
        _patience = patience ?? TimeSpan.FromSeconds(5);
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false, ConnectCallback = async (_, stop) => await Connect(path, stop),
        })
        {
            BaseAddress = new Uri("http://nashammer"), MaxResponseContentBufferSize = ReplyBytesMax,
            Timeout = _patience,
        };
    }

    static async Task<Stream> Connect(string path, CancellationToken stop)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), stop);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <exception cref="NotRunningException">Says why, and what to do.</exception>
    internal BoxStatus Get() => Send(HttpMethod.Get, "/status", body => JsonSerializer.Deserialize(body,
        StatusJson.Default.BoxStatus));

    /// <summary>The owner has seen what is wrong.</summary>
    internal void Acknowledge() => Send<object>(HttpMethod.Post, "/acknowledge", _ => _path);

    /// <summary>The box says where it is for so long; zero ends that.</summary>
    internal void Locate(TimeSpan time) => Send<object>(HttpMethod.Post, "/locate?seconds="
        + ((long)time.TotalSeconds).ToString(System.Globalization.CultureInfo.InvariantCulture), _ => _path);

    T Send<T>(HttpMethod method, string path, Func<Stream, T?> read)
    {
        try
        {
            using var request = new HttpRequestMessage(method, path);
            using HttpResponseMessage reply = _http.SendAsync(request).GetAwaiter().GetResult();
            if (reply.StatusCode != HttpStatusCode.OK)
                throw new NotRunningException($"the daemon at {_path} answers {(int)reply.StatusCode} to {path}");
            using Stream body = reply.Content.ReadAsStream();
            return read(body) ?? throw new NotRunningException($"the daemon at {_path} answers nothing to {path}");
        }
        catch (OperationCanceledException e)
        {
            throw new NotRunningException($"the daemon at {_path} does not answer within "
                + $"{StatusWords.Seconds(_patience.TotalSeconds)}: it hangs; systemctl restart nashammer", e);
        }
        catch (HttpRequestException e)
        {
            SocketError? error = (e.InnerException as SocketException)?.SocketErrorCode;
            throw new NotRunningException(error == SocketError.AccessDenied
                ? $"the socket {_path} is for root only"
                : $"the daemon does not run: nobody answers at {_path} ({(e.InnerException ?? e).Message})", e);
        }
        catch (JsonException e)
        {
            throw new NotRunningException($"the daemon at {_path} answers no status: {e.Message}", e);
        }
    }

    public void Dispose() => _http.Dispose();
}
