using System;
using System.Threading;
using NasCore.Mirror;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

/// <summary>
/// The numbers of one mirror on their way to the status board: only what has changed is put there, so that an idle
/// pair leaves the board alone. Thread-safe; nothing here waits.
/// </summary>
sealed class MirrorMeter(StatusBoard board, TimeProvider time, MirrorStatus first)
{
    /// <summary>Where a batch into a new slave begins: it has everything up to TID 1, which is nothing.</summary>
    internal const ulong FirstBegin = 2;

    /// <summary>Throughput is that of the last full seconds.</summary>
    const int WindowSeconds = 8;
    /// <summary>The shortest lag that is told.</summary>
    const double SecondsMin = 0.001;

    readonly Lock _lock = new(), _show = new();
    bool _removed;
    readonly long[] _bytes = new long[WindowSeconds];
    long _second;
    MirrorStatus _status = first;
    MirrorLag? _lag;

    internal MirrorStatus Status
    {
        get
        {
            lock (_lock) return Live(_status);
        }
    }

    internal void Show()
    {
        board.Put(Status);
        // The lag grows by itself, also while nobody reports: whoever looks gets that of this moment.
        board.SetLive(_status.Name, _status.IsSource, s => Volatile.Read(ref _lag) is null ? s : Live(s));
    }

    /// <summary>What knows the lag from here on; null: not known.</summary>
    internal void Follow(MirrorLag? lag) => Volatile.Write(ref _lag, lag);

    MirrorStatus Live(MirrorStatus s)
    {
        if (Volatile.Read(ref _lag) is not { } lag) return s;
        // Zero says that nothing is missing: what is missing is never so young.
        double seconds = lag.IsBehind ? Math.Max(SecondsMin, Math.Round(lag.Age.TotalSeconds, 3)) : 0;
        // In step is what has no lag: a change that has not been sent yet counts from its first byte.
        bool late = seconds > 0 && s.Phase == MirrorPhase.InStep;
        return s with { LagSeconds = seconds, Phase = late ? MirrorPhase.Streaming : s.Phase };
    }

    /// <summary>Takes the mirror off the board, for good: a session that is still ending puts nothing there.</summary>
    internal void Remove()
    {
        lock (_show)
        {
            _removed = true;
            board.RemoveMirror(_status.Name, _status.IsSource);
        }
    }

    internal void Change(Func<MirrorStatus, MirrorStatus> change)
    {
        MirrorStatus next;
        bool same;
        lock (_lock)
        {
            next = change(_status) with { BytesPerSecond = Rate() };
            same = next == _status;
            _status = next;
        }
        lock (_show)
        {
            // What is not renewed is not believed for long, however good it was.
            if (same) board.Renew(next.Name, next.IsSource);
            else if (!_removed) board.Put(Status);
        }
    }

    /// <summary>Bytes of the stream went by.</summary>
    internal void Moved(long bytes)
    {
        lock (_lock)
        {
            Rate();
            _bytes[_second % WindowSeconds] += bytes;
        }
    }

    double Rate()
    {
        long second = time.GetTimestamp() / time.TimestampFrequency;
        for (long at = Math.Max(_second + 1, second - WindowSeconds + 1); at <= second; at++)
            _bytes[at % WindowSeconds] = 0;
        _second = Math.Max(_second, second);
        long sum = 0;
        for (int i = 0; i < WindowSeconds; i++)
            if (i != _second % WindowSeconds) sum += _bytes[i];
        return Math.Round((double)sum / (WindowSeconds - 1));
    }
}
