using System;
using System.Runtime.InteropServices;
using System.Threading;

namespace NasFirmware.Daemon;

/// <summary>
/// SIGHUP from the first moment to the last: by itself it would end the process. What comes before somebody serves it
/// is kept, as one request.
/// </summary>
sealed class HangUp : IDisposable
{
    readonly PosixSignalRegistration _registration;
    readonly Lock _lock = new();
    Action? _serve;
    bool _waits;

    internal HangUp() => _registration = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
    {
        signal.Cancel = true;
        Come();
    });

    /// <summary>From now on each signal calls this, on a thread of the pool; null: signals are dropped.</summary>
    internal void Serve(Action? serve)
    {
        bool waits;
        lock (_lock)
        {
            _serve = serve;
            waits = _waits && serve is not null;
            _waits = false;
        }
        if (waits) Come();
    }

    void Come()
    {
        lock (_lock)
        {
            _waits |= _serve is null;
            if (_serve is { } serve) ThreadPool.QueueUserWorkItem(static call => call(), serve, preferLocal: false);
        }
    }

    public void Dispose() => _registration.Dispose();
}
