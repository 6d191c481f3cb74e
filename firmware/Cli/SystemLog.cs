using System;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Threading;

namespace NasFirmware.Cli;

/// <summary>
/// Messages of a mounting process: to the terminal while it has one, then to the system log (the socket /dev/log,
/// syslog(3)); without one they are lost.
/// </summary>
sealed class SystemLog : IDisposable
{
    // Facility daemon, severity notice.
    const int Priority = (3 << 3) | 5;

    readonly Lock _lock = new();
    Socket? _socket;

    internal bool HasTerminal { get; set; } = true;

    internal void Write(string message)
    {
        if (HasTerminal)
        {
            CommandLine.Complain(message);
            return;
        }
        lock (_lock)
        {
            try
            {
                _socket ??= Connect();
                _socket.Send(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
                    $"<{Priority}>nashammer[{Environment.ProcessId}]: {message}")));
            }
            catch (SocketException)
            {
                _socket?.Dispose();
                _socket = null;
            }
        }
    }

    static Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint("/dev/log"));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Dispose() => _socket?.Dispose();
}
