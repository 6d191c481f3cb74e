using System;
using System.IO;
using System.Threading;
using NasCore.Mirror;
using NasFirmware.Control;

namespace NasFirmware.Mirroring;

/// <summary>
/// The messages of a comparison as data frames of a connection. A wait for the other side has a limit: whoever is at
/// work says so more often.
/// </summary>
sealed class VerifyChannel : IByteChannel, IDisposable
{
    readonly PeerLink _link;
    readonly TimeSpan _limit;
    readonly ITimer _timer;
    bool _silent;
    int _left;

    internal VerifyChannel(PeerLink link, TimeProvider time, TimeSpan limit)
    {
        _link = link;
        _limit = limit;
        _timer = time.CreateTimer(static c => ((VerifyChannel)c!).Silence(), this, Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
    }

    void Silence()
    {
        Volatile.Write(ref _silent, true);
        _link.Dispose();
    }

    public int Read(Span<byte> destination)
    {
        _timer.Change(_limit, Timeout.InfiniteTimeSpan);
        try
        {
            while (_left == 0)
            {
                if (!_link.Frames.TryReadHead(out FrameKind kind, out int length) || kind == FrameKind.End) return 0;
                if (kind != FrameKind.Data)
                    throw new InvalidDataException($"{_link.Peer.Name} sent {kind} in a comparison");
                _left = length;
            }
            int got = _link.Frames.ReadSome(destination[..Math.Min(_left, destination.Length)]);
            _left -= got;
            return got;
        }
        catch (IOException e) when (Volatile.Read(ref _silent))
        {
            throw Silent(e);
        }
        finally
        {
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public void Write(ReadOnlySpan<byte> source)
    {
        _timer.Change(_limit, Timeout.InfiniteTimeSpan);
        try
        {
            _link.Frames.Write(FrameKind.Data, source);
        }
        catch (IOException e) when (Volatile.Read(ref _silent))
        {
            throw Silent(e);
        }
        finally
        {
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    IOException Silent(IOException e) => new($"{_link.Peer.Name} said nothing for {_limit.TotalSeconds:0} seconds", e);

    public void Dispose() => _timer.Dispose();
}
