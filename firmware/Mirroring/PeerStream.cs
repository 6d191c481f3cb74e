using System;
using System.IO;
using System.Net.Security;
using System.Net.Sockets;
using System.Threading;

namespace NasFirmware.Mirroring;

/// <summary>
/// The synchronous face of a TLS connection: one thread reads, one writes, any thread disposes. Whatever way the
/// runtime has of saying that a connection is over becomes an <see cref="IOException"/>.
/// </summary>
/// <param name="tls">Where the bytes go.</param>
/// <param name="close">Ends the connection at once, from any thread, once.</param>
sealed class PeerStream(SslStream tls, Action close) : Stream
{
    int _closed;

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return tls.Read(buffer);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Ended(e);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            tls.Write(buffer);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Ended(e);
        }
    }

    public override void Flush()
    {
        try
        {
            tls.Flush();
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Ended(e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    static bool IsEnd(Exception e) => e is IOException or SocketException or ObjectDisposedException
        or OperationCanceledException or InvalidOperationException or NotSupportedException;

    static IOException Ended(Exception e) => new("the connection to the peer is closed", e);

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _closed, 1) == 0) close();
        base.Dispose(disposing);
    }
}
