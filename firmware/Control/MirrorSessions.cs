using System;
using System.Threading;

namespace NasFirmware.Control;

/// <summary>
/// The mirror sessions that run in this process. The file system under them must not close before the last has ended.
/// </summary>
sealed class MirrorSessions : IDisposable
{
    readonly CancellationTokenSource _stop = new();
    readonly Lock _lock = new();
    readonly ManualResetEventSlim _none = new(true);
    int _count;

    /// <summary>Sessions shall end.</summary>
    internal CancellationToken Stop => _stop.Token;

    /// <summary>False once the server is going down.</summary>
    internal bool TryEnter()
    {
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) return false;
            _count++;
            _none.Reset();
            return true;
        }
    }

    internal void Leave()
    {
        lock (_lock)
        {
            if (--_count == 0) _none.Set();
        }
    }

    /// <summary>Asks all to end; none begins any more.</summary>
    internal void RequestStop()
    {
        lock (_lock) _stop.Cancel();
    }

    /// <summary>Waits for the last; its connection is closed by now.</summary>
    internal void WaitForNone() => _none.Wait();

    public void Dispose()
    {
        _stop.Dispose();
        _none.Dispose();
    }
}
