using System.Collections.Generic;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Flush;

/// <summary>
/// Who waits for which flush group, and which group is durable. Callbacks run on the thread that answers, outside of
/// the lock of this class.
/// </summary>
sealed class DurableWaiters(MountHealth health)
{
    readonly record struct Waiter(long Group, DurableCallback Callback, object? State);

    readonly Lock _lock = new();
    readonly List<Waiter> _waiting = [];
    /// <summary>Lists to collect in, given back after use: answering allocates nothing.</summary>
    List<Waiter>? _spare = [];
    long _wanted;
    long _durable;
    bool _stopped;

    /// <summary>Number of the last durable group.</summary>
    public long Durable => Volatile.Read(ref _durable);

    /// <summary>The highest group that somebody waits for.</summary>
    public long Wanted => Volatile.Read(ref _wanted);
    public bool IsWanted => Wanted > Durable;

    /// <summary>Takes a waiter in; false if there is nothing to wait for: the caller answers with
    /// <see cref="Result"/>.</summary>
    public bool Add(long group, DurableCallback callback, object? state)
    {
        lock (_lock)
        {
            // Asked under the lock: a failing group latches first and answers everybody in the list then.
            if (group <= _durable || _stopped || health.IsCritical) return false;
            _waiting.Add(new Waiter(group, callback, state));
            if (group > _wanted) _wanted = group;
            return true;
        }
    }

    /// <summary>What somebody is told who does not wait.</summary>
    public Errno Result(long group) => health.IsCritical || group > Durable ? Errno.Io : Errno.None;

    public void SetDurable(long group)
    {
        lock (_lock) Volatile.Write(ref _durable, group);
    }

    /// <summary>Nothing is reachable any more: a latched mount has nothing to flush.</summary>
    public void ForgetGoal() => Volatile.Write(ref _wanted, 0);

    /// <summary>Nobody can wait from here on.</summary>
    public void Stop()
    {
        lock (_lock) _stopped = true;
    }

    /// <summary>Answers everybody who waits for a group up to this one, in the order of their coming.</summary>
    public void Answer(Errno result, long upTo)
    {
        List<Waiter> ready = Interlocked.Exchange(ref _spare, null) ?? [];
        lock (_lock)
        {
            int kept = 0;
            for (int i = 0; i < _waiting.Count; i++)
            {
                if (_waiting[i].Group <= upTo) ready.Add(_waiting[i]);
                else _waiting[kept++] = _waiting[i];
            }
            _waiting.RemoveRange(kept, _waiting.Count - kept);
        }
        foreach (Waiter waiter in ready) waiter.Callback(waiter.State, result);
        ready.Clear();
        _spare = ready;
    }
}
