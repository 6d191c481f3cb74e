using System;
using System.Threading;

namespace NasDevices.Disks;

/// <summary>
/// One piece of work that may wait for a disk, on a thread of its own, whose result is fetched by the loop that began
/// it: reading a header, mounting, asking for the temperature. A disk that hangs keeps this thread and nothing else. An
/// exception is part of the result.
/// </summary>
public sealed class DiskJob<T>
{
    readonly Thread _thread;
    volatile bool _isDone;
    T? _result;

    /// <param name="name">The thread's name.</param>
    /// <param name="work">The work.</param>
    /// <param name="done">Called on the job's thread when the result is there; must be quick.</param>
    public DiskJob(string name, Func<T> work, Action done)
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

    public bool IsDone => _isDone;
    public Exception? Failure { get; private set; }
    public T? Result => _result;

    /// <summary>Waits for the end.</summary>
    public void Wait() => _thread.Join();

    /// <summary>Waits for the end, at most so long; true if it has ended.</summary>
    public bool Wait(TimeSpan longest) => _isDone || (longest > TimeSpan.Zero && _thread.Join(longest)) || _isDone;
}
