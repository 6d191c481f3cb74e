using System;
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
    readonly record struct Waiter(long Group, DurableCallback Callback, object? State, int PfsId = 0, long ObjId = 0);

    readonly RankedLock _lock = new(LockRank.Leaf, "waiters");
    readonly List<Waiter> _waiting = [];
    /// <summary>Those who want their object's changes in REDO, and those whose changes are being written
    /// there.</summary>
    readonly List<Waiter> _redo = [], _taken = [];
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

    /// <summary>True if somebody waits for REDO.</summary>
    public bool HasRedo
    {
        get
        {
            using (_lock.Hold()) return _redo.Count > 0;
        }
    }

    /// <summary>Takes a waiter in; false if there is nothing to wait for: the caller answers with
    /// <see cref="Result"/>.</summary>
    public bool Add(long group, DurableCallback callback, object? state)
    {
        using (_lock.Hold())
        {
            if (!CanWait(group)) return false;
            AddToGroup(new Waiter(group, callback, state));
            return true;
        }
    }

    /// <summary>The same for one object, whose changes in REDO are enough.</summary>
    public bool AddRedo(int pfsId, long objId, long group, DurableCallback callback, object? state)
    {
        using (_lock.Hold())
        {
            if (!CanWait(group)) return false;
            _redo.Add(new Waiter(group, callback, state, pfsId, objId));
            return true;
        }
    }

    // Asked under the lock: a failing group latches first and answers everybody in the lists then.
    bool CanWait(long group) => group > _durable && !_stopped && !health.IsCritical;

    void AddToGroup(Waiter waiter)
    {
        _waiting.Add(waiter);
        if (waiter.Group > _wanted) _wanted = waiter.Group;
    }

    /// <summary>
    /// Asks for each object that somebody waits for whether its changes are in REDO now; who gets a no waits for the
    /// group. The others are answered by <see cref="AnswerRedo"/>.
    /// </summary>
    public void TakeRedo(Func<int, long, bool> log)
    {
        using (_lock.Hold())
        {
            _taken.AddRange(_redo);
            _redo.Clear();
        }
        int kept = 0;
        for (int i = 0; i < _taken.Count; i++)
        {
            Waiter waiter = _taken[i];
            if (log(waiter.PfsId, waiter.ObjId))
            {
                _taken[kept++] = waiter;
                continue;
            }
            using (_lock.Hold()) AddToGroup(waiter);
        }
        _taken.RemoveRange(kept, _taken.Count - kept);
    }

    /// <summary>Answers those whom <see cref="TakeRedo"/> has taken.</summary>
    public void AnswerRedo(Errno result)
    {
        int done = 0;
        try
        {
            while (done < _taken.Count)
            {
                Waiter waiter = _taken[done++];
                waiter.Callback(waiter.State, result);
            }
        }
        finally
        {
            // Nobody is answered twice, should a callback throw.
            _taken.RemoveRange(0, done);
        }
    }

    /// <summary>What somebody is told who does not wait.</summary>
    public Errno Result(long group) => health.IsCritical || group > Durable ? Errno.Io : Errno.None;

    public void SetDurable(long group)
    {
        using (_lock.Hold()) Volatile.Write(ref _durable, group);
    }

    /// <summary>Nothing is reachable any more: a latched mount has nothing to flush.</summary>
    public void ForgetGoal() => Volatile.Write(ref _wanted, 0);

    /// <summary>Nobody can wait from here on.</summary>
    public void Stop()
    {
        using (_lock.Hold()) _stopped = true;
    }

    /// <summary>Answers everybody who waits for a group up to this one, in the order of their coming.</summary>
    public void Answer(Errno result, long upTo)
    {
        List<Waiter> ready = Interlocked.Exchange(ref _spare, null) ?? [];
        using (_lock.Hold())
        {
            Collect(_waiting, upTo, ready);
            Collect(_redo, upTo, ready);
        }
        foreach (Waiter waiter in ready) waiter.Callback(waiter.State, result);
        ready.Clear();
        _spare = ready;
    }

    static void Collect(List<Waiter> from, long upTo, List<Waiter> ready)
    {
        int kept = 0;
        for (int i = 0; i < from.Count; i++)
        {
            if (from[i].Group <= upTo) ready.Add(from[i]);
            else from[kept++] = from[i];
        }
        from.RemoveRange(kept, from.Count - kept);
    }
}
