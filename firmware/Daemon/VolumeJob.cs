using System;
using System.Threading;

namespace NasFirmware.Daemon;

/// <summary>
/// One piece of work on a thread of its own whose result is fetched by the loop that began it: mounting, closing. An
/// exception is part of the result.
/// </summary>
sealed class VolumeJob<T>
{
    readonly Thread _thread;
    volatile bool _isDone;
    T? _result;

    internal VolumeJob(string name, Func<T> work, Action done)
    {
        _thread = new Thread(() =>
        {
            try
            {
                _result = work();
            }
            catch (Exception e)
            {
                // The loop decides: a sentence for the owner, or a broken invariant.
                Failure = e;
            }
            _isDone = true;
            done();
        }) { IsBackground = true, Name = name };
        _thread.Start();
    }

    internal bool IsDone => _isDone;
    internal Exception? Failure { get; private set; }
    internal T? Result => _result;

    internal void Wait() => _thread.Join();
}
