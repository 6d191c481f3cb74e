using System;
using System.IO;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Threading;
using NasFirmware.Status;

namespace NasFirmware.Tests.Status;

/// <summary>A control socket that answers every request with the same text, or not at all.</summary>
sealed class FakeDaemon : IDisposable
{
    readonly string _directory = Directory.CreateTempSubdirectory("nh-face").FullName;
    readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    readonly Thread _thread;

    internal FakeDaemon(string? reply)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(Socket));
        _listener.Listen();
        _thread = new Thread(() => Serve(reply)) { IsBackground = true, Name = "fake daemon" };
        if (reply is not null) _thread.Start();
    }

    internal string Socket => Path.Combine(_directory, "daemon.sock");

    internal static FakeDaemon Of(BoxStatus facts) => new(Ok(JsonSerializer.Serialize(
        Judgement.Of(facts, new StatusLimits()), StatusJson.Default.BoxStatus)));

    internal static string Ok(string body) =>
        $"HTTP/1.1 200 OK\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}";

    void Serve(string? reply)
    {
        try
        {
            while (true)
            {
                using Socket peer = _listener.Accept();
                var request = new byte[4096];
                if (peer.Receive(request) > 0) peer.Send(Encoding.UTF8.GetBytes(reply!));
                peer.Shutdown(SocketShutdown.Both);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
