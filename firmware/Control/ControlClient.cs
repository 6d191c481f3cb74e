using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading;
using System.Threading.Tasks;
using NasCore.Primitives;

namespace NasFirmware.Control;

/// <summary>A request that the mounting process refused.</summary>
sealed class ControlException(Errno errno, string message) : IOException(message)
{
    internal Errno Errno { get; } = errno;
}

/// <summary>The client of a mount's control socket, or of another <see cref="LocalSocket"/>.</summary>
sealed class ControlClient : IDisposable
{
    readonly HttpClient _http;

    /// <param name="socketPath">Where the server listens.</param>
    /// <param name="server">What does not answer if it does not, in words.</param>
    internal ControlClient(string socketPath, string server = "the process that serves the mount")
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = (_, stop) => Connect(socketPath, server, stop),
        };
        _http = new HttpClient(handler)
        {
            BaseAddress = new Uri("http://nashammer"), Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    static async ValueTask<Stream> Connect(string path, string server, CancellationToken stop)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), stop);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"{server} does not answer at {path} ({e.Message}); "
                + "this command needs to be root, and that process to be alive", e);
        }
    }

    internal MountReply Mount() => Get("/mount", ControlJson.Default.MountReply);
    internal PfsReply Pfs(int id) => Get($"/pfs/{id}", ControlJson.Default.PfsReply);

    internal PfsReply Create(bool slave) => Post("/pfs", JsonContent.Create(new PfsCreateRequest(slave),
        ControlJson.Default.PfsCreateRequest), ControlJson.Default.PfsReply);

    internal PfsReply Update(int id, PfsUpdateRequest request) => Post($"/pfs/{id}/update",
        JsonContent.Create(request, ControlJson.Default.PfsUpdateRequest), ControlJson.Default.PfsReply);

    /// <param name="id">The PFS.</param>
    /// <param name="what">upgrade, downgrade or destroy.</param>
    internal PfsReply Change(int id, string what) => Post($"/pfs/{id}/{what}", null, ControlJson.Default.PfsReply);

    internal string SyncTid() => Post("/synctid", null, ControlJson.Default.TidReply).Tid;

    /// <summary>Opens a mirror session; the connection carries frames from now on.</summary>
    internal MirrorFrames OpenMirror(string pathAndQuery)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, pathAndQuery);
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.Add(new System.Net.Http.Headers.ProductHeaderValue(ControlApi.MirrorUpgrade));
        HttpResponseMessage response = Send(request, HttpCompletionOption.ResponseHeadersRead);
        if (response.StatusCode == HttpStatusCode.SwitchingProtocols)
        {
            return new MirrorFrames(response.Content.ReadAsStream());
        }
        using (response) throw Failure(response);
    }

    /// <summary>A request without a reply but that there is one.</summary>
    internal void Ask(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        using HttpResponseMessage response = Send(request, HttpCompletionOption.ResponseContentRead);
        if (!response.IsSuccessStatusCode) throw Failure(response);
    }

    internal T Get<T>(string path, JsonTypeInfo<T> type)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        return Read(request, type);
    }

    internal T Post<T>(string path, HttpContent? content, JsonTypeInfo<T> type)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        return Read(request, type);
    }

    T Read<T>(HttpRequestMessage request, JsonTypeInfo<T> type)
    {
        using HttpResponseMessage response = Send(request, HttpCompletionOption.ResponseContentRead);
        if (response.StatusCode != HttpStatusCode.OK) throw Failure(response);
        using Stream body = response.Content.ReadAsStream();
        return JsonSerializer.Deserialize(body, type)
            ?? throw new IOException("the control socket sent an empty reply");
    }

    HttpResponseMessage Send(HttpRequestMessage request, HttpCompletionOption completion)
    {
        try
        {
            return _http.SendAsync(request, completion).GetAwaiter().GetResult();
        }
        catch (HttpRequestException e)
        {
            throw new IOException(e.InnerException is IOException inner ? inner.Message
                : "the control connection broke: " + e.Message, e);
        }
    }

    static ControlException Failure(HttpResponseMessage response)
    {
        try
        {
            using Stream body = response.Content.ReadAsStream();
            ErrorReply? error = JsonSerializer.Deserialize(body, ControlJson.Default.ErrorReply);
            if (error is not null) return new ControlException(new Errno(error.Errno), error.Message);
        }
        catch (JsonException)
        {
            // A reply without a reason: the status code has to do.
        }
        return new ControlException(Errno.Io, $"the control socket answered {(int)response.StatusCode}");
    }

    public void Dispose() => _http.Dispose();
}
