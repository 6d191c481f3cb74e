using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net.Sockets;
using System.Text;

namespace NasFirmware.Daemon;

/// <summary>
/// The journal's own protocol: one datagram for each entry, fields in it (systemd, "Native Journal Protocol"). Every
/// text is sent with its length before it, so that nothing in it can begin a field. Not for several threads.
/// </summary>
sealed class JournalSocket(string path = JournalSocket.Path) : IDisposable
{
    internal const string Path = "/run/systemd/journal/socket";
    internal const string Identifier = "nashammer";

    /// <summary>A datagram must fit the socket's buffer, of which the usual one has 208 KiB.</summary>
    internal const int MessageBytesMax = 32 << 10, FieldBytesMax = 2 << 10, FieldsMax = 32;
    const int NameCharsMax = 64, WaitMicroseconds = 100_000;

    Socket? _socket;
    long _lost;

    /// <summary>
    /// True if standard error is the journal's stream: who was started from there and writes to a file or a pipe has
    /// the variable, too.
    /// </summary>
    /// <param name="stream">JOURNAL_STREAM: device and inode of the journal's stream.</param>
    /// <param name="standardError">What /proc/self/fd/2 leads to; null: cannot be told.</param>
    internal static bool IsJournal(string? stream, string? standardError)
    {
        if (stream is not { Length: > 0 }) return false;
        return standardError is null || standardError == $"socket:[{stream[(stream.IndexOf(':') + 1)..]}]";
    }

    /// <summary>
    /// Sends an entry, within a moment; false: there is no such journal, the caller finds another way. An entry that
    /// finds the journal's queue full for longer is lost, and the next one that gets through tells it.
    /// </summary>
    internal bool TrySend(ReadOnlySpan<byte> entry)
    {
        // Once more on a new socket: the journal may have been started anew.
        for (int i = 0; i < 2; i++)
        {
            try
            {
                _socket ??= Connect();
                if (!HasRoom(_socket))
                {
                    _lost++;
                    return true;
                }
                _socket.Send(entry);
                if (_lost > 0) TellLost(_socket);
                return true;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock
                or SocketError.NoBufferSpaceAvailable)
            {
                _lost++;
                return true;
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or ArgumentException
                or InvalidOperationException)
            {
                _socket?.Dispose();
                _socket = null;
            }
        }
        return false;
    }

    void TellLost(Socket socket)
    {
        if (!HasRoom(socket)) return;
        string lost = string.Create(CultureInfo.InvariantCulture,
            $"{_lost} lines of the log are lost: the journal did not take them");
        socket.Send(Entry(4, lost, [], null));
        _lost = 0;
    }

    /// <summary>Waits for a moment; not again while entries are being lost.</summary>
    bool HasRoom(Socket socket) => socket.Poll(_lost == 0 ? WaitMicroseconds : 0, SelectMode.SelectWrite);

    Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            socket.Blocking = false;
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// One entry as the journal takes it. Too long texts are cut; fields whose name cannot be are left out.
    /// </summary>
    internal static byte[] Entry(int priority, string message, IEnumerable<KeyValuePair<string, object?>> fields,
        Exception? cause)
    {
        using var to = new MemoryStream();
        Add(to, "MESSAGE", message, MessageBytesMax);
        Add(to, "PRIORITY", priority.ToString(CultureInfo.InvariantCulture), FieldBytesMax);
        Add(to, "SYSLOG_IDENTIFIER", Identifier, FieldBytesMax);
        int count = 0;
        foreach ((string key, object? value) in fields)
        {
            if (value is null || FieldName(key) is not { } name || ++count > FieldsMax) continue;
            Add(to, name, Convert.ToString(value, CultureInfo.InvariantCulture) ?? "", FieldBytesMax);
        }
        if (cause is not null) Add(to, "EXCEPTION", cause.ToString(), MessageBytesMax);
        return to.ToArray();
    }

    /// <summary>The journal's form of a name: A to Z, digits, underscores, a letter first. Null: none.</summary>
    static string? FieldName(string name)
    {
        string upper = name.ToUpperInvariant();
        bool good = upper.Length is > 0 and <= NameCharsMax && char.IsAsciiLetterUpper(upper[0]);
        foreach (char c in upper) good &= char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_';
        // These are what the entry itself says.
        return good && upper is not ("MESSAGE" or "PRIORITY" or "SYSLOG_IDENTIFIER" or "EXCEPTION") ? upper : null;
    }

    static void Add(MemoryStream to, string name, string value, int bytesMax)
    {
        // At most three bytes come of each: what is too long is never made whole.
        byte[] bytes = Encoding.UTF8.GetBytes(value.Length > bytesMax ? value[..bytesMax] : value);
        int length = bytes.Length;
        if (length > bytesMax)
        {
            length = bytesMax;
            while ((bytes[length] & 0xC0) == 0x80) length--;
        }
        Span<byte> head = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(head, length);
        to.Write(Encoding.ASCII.GetBytes(name));
        to.WriteByte((byte)'\n');
        to.Write(head);
        to.Write(bytes, 0, length);
        to.WriteByte((byte)'\n');
    }

    public void Dispose() => _socket?.Dispose();
}
