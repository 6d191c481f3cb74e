using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Threading;
using NasCore.Fuse.Session;
using NasCore.Mirror;

namespace NasFirmware.Control;

/// <summary>
/// The straight way of a mirror between two serving processes of one machine: a Unix socket in the directory that only
/// root can enter. The command makes up its name and tells it to both over their control sockets, which keep carrying
/// events and results; the stream itself passes through nobody else. The target listens, the source connects. The end
/// of either session closes it, as does a command that goes away.
/// </summary>
sealed class DataLink : IByteChannel, IDisposable
{
    const string Prefix = "link-";
    const int NameHexDigits = 32;
    const int SocketBytes = 1 << 20;
    const int AcceptSeconds = 30, AcceptSliceMicroseconds = 200_000;

    readonly string _path;
    readonly bool _listens;
    Socket _socket;
    CancellationTokenRegistration _stop;

    DataLink(string path, bool listens)
    {
        Check(path);
        _path = path;
        _listens = listens;
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    }

    /// <summary>A name that nobody has.</summary>
    internal static string NewPath() =>
        $"{MountSource.RunDirectory}/{Prefix}{RandomNumberGenerator.GetHexString(NameHexDigits, lowercase: true)}";

    /// <summary>The target's end; connections are taken from now on.</summary>
    internal static DataLink Listen(string path) => Make(path, listens: true, static (link, end) =>
    {
        link._socket.Bind(end);
        link._socket.Listen(1);
    });

    /// <summary>The source's end.</summary>
    internal static DataLink Connect(string path) => Make(path, listens: false, static (link, end) =>
    {
        link._socket.Connect(end);
        link._socket.SendBufferSize = SocketBytes;
    });

    static DataLink Make(string path, bool listens, Action<DataLink, UnixDomainSocketEndPoint> open)
    {
        var link = new DataLink(path, listens);
        try
        {
            open(link, new UnixDomainSocketEndPoint(path));
            return link;
        }
        catch (SocketException e)
        {
            link.Dispose();
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"the link {path}: {e.Message}"), e);
        }
    }

    /// <summary>Only names of our own making: whoever asks is root, but a slip must not bind elsewhere.</summary>
    static void Check(string path)
    {
        string start = $"{MountSource.RunDirectory}/{Prefix}";
        if (!path.StartsWith(start, StringComparison.Ordinal) || path.Length != start.Length + NameHexDigits
            || !path.Skip(start.Length).All(char.IsAsciiHexDigitLower))
            throw new IOException($"'{path}' is no name of a link");
    }

    /// <summary>Waits for the source if this is the target's end; the token ends the link at any time.</summary>
    internal void Open(CancellationToken stop)
    {
        if (_listens) Accept(stop);
        _stop = stop.Register(_socket.Dispose);
    }

    void Accept(CancellationToken stop)
    {
        using Socket listener = _socket;
        try
        {
            for (int i = 0; !listener.Poll(AcceptSliceMicroseconds, SelectMode.SelectRead); i++)
            {
                if (stop.IsCancellationRequested || i * (long)AcceptSliceMicroseconds > AcceptSeconds * 1_000_000L)
                    throw new IOException("the source does not come");
            }
            _socket = listener.Accept();
        }
        catch (SocketException e)
        {
            throw new IOException("the source cannot come: " + e.Message, e);
        }
        finally
        {
            File.Delete(_path);
        }
    }

    public int Read(Span<byte> destination)
    {
        try
        {
            return _socket.Receive(destination);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new IOException("the link to the source is broken: " + e.Message, e);
        }
    }

    public void Write(ReadOnlySpan<byte> source)
    {
        try
        {
            while (source.Length > 0) source = source[_socket.Send(source)..];
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new IOException("the link to the other side is broken: " + e.Message, e);
        }
    }

    public void Dispose()
    {
        _stop.Dispose();
        _socket.Dispose();
        if (_listens) File.Delete(_path);
    }
}
