using System;
using System.Threading;
using NasCore.Fuse.Abi;

namespace NasCore.Fuse.Session;

/// <summary>
/// Lets one worker at a time look out for the next request for a moment before it goes to sleep: a program that works
/// with many small files asks again within microseconds, and waking a sleeping thread on another core costs more than
/// the request (docs/BENCH.md). While nobody asks nothing runs; where looking out does not pay it is tried rarely.
/// </summary>
sealed class RequestWatch
{
    const int WatchMicroseconds = 50;
    /// <summary>Failures in a row after which looking out is tried only once in so many times.</summary>
    const int FailuresMax = 8, RareTry = 32;

    int _watching;
    int _failures;

    /// <summary>Returns when there is a request, or when it is time to sleep for one.</summary>
    public void Await(IFuseTransport transport)
    {
        if (Environment.ProcessorCount < 2 || Interlocked.Exchange(ref _watching, 1) != 0) return;
        // Only the thread that set the flag gets here.
        if (_failures < FailuresMax || _failures % RareTry == 0)
            _failures = transport.Poll(WatchMicroseconds) ? 0 : _failures + 1;
        else
            _failures++;
        Volatile.Write(ref _watching, 0);
    }
}
