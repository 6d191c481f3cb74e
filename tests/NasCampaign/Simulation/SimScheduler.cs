using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO.Hashing;
using System.Linq;
using System.Text;
using System.Threading;

namespace NasCampaign.Simulation;

// One thread at a time
//
// Every actor of a simulation is a real thread, so that the code under test is the real one, blocking calls and all.
// But only the one that holds the baton runs. Whatever may block gives the baton back (Block) together with a
// condition and a time; the next holder is drawn by the seed among those whose condition holds or whose time has
// come. When there is none, the clock jumps to the next time. When there is no such time either, all wait for each
// other: a finding, with the table of who waits for what.
//
// Conditions are only looked at by the thread that gives the baton away, so nothing here needs a lock. Everything that
// happens goes into a digest: the same seed must give the same one.

/// <summary>A box, or the world around the boxes: dies with all of its threads.</summary>
sealed class SimProcess(string name)
{
    internal string Name => name;
    internal bool IsDead { get; set; }
    /// <summary>Steps until it dies by itself; negative: it does not.</summary>
    internal int StepsLeft { get; set; } = -1;
    /// <summary>Called on its own thread when the steps are used up: it dies in the middle of what it does.</summary>
    internal Action? Die { get; set; }
    /// <summary>Called on its own thread when a step begins.</summary>
    internal Action? StepBegins { get; set; }
}

/// <summary>Unwinds the threads of a process that has died.</summary>
sealed class SimDeathException : Exception
{
}

/// <summary>The baton, the clock and the timers of one simulation.</summary>
sealed class SimScheduler
{
    internal const long Never = long.MaxValue;
    const int StepsMax = 3_000_000;

    /// <summary>An actor and the thread that plays it.</summary>
    sealed class Actor(string name, SimProcess process, Action body)
    {
        internal readonly AutoResetEvent Turn = new(false);
        internal string Name => name;
        internal SimProcess Process => process;
        internal Action Body => body;
        internal Func<bool>? Ready;
        internal long WakeAt;
        internal string What = "start";
        internal bool Ended;
    }

    sealed class Timer(SimScheduler scheduler, SimProcess process, Action callback) : ITimer
    {
        internal SimProcess Process => process;
        internal Action Callback => callback;
        internal long Due = Never, Period;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Due = dueTime == Timeout.InfiniteTimeSpan ? Never : scheduler.Now + dueTime.Ticks;
            Period = period == Timeout.InfiniteTimeSpan ? 0 : period.Ticks;
            return true;
        }

        public void Dispose() => scheduler._timers.Remove(this);

        public System.Threading.Tasks.ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }

    [ThreadStatic]
    static Actor? s_current;

    readonly Random _random;
    readonly List<Actor> _actors = [];
    readonly List<Actor> _runnable = [];
    readonly List<Timer> _timers = [];
    readonly ManualResetEventSlim _over = new();
    readonly XxHash64 _digest = new();
    readonly SimProcess _world = new("world");
    readonly Queue<string> _last = new();
    Exception? _failure;
    bool _ending;

    internal SimScheduler(Random random) => _random = random;

    /// <summary>Ticks of 100 ns since the beginning.</summary>
    internal long Now { get; private set; }
    internal long Steps { get; private set; }
    internal ulong Digest => _digest.GetCurrentHashAsUInt64();
    internal SimProcess World => _world;
    internal Random Random => _random;
    /// <summary>The simulation is being taken down: nothing counts any more.</summary>
    internal bool IsEnding => _ending;

    /// <summary>Runs until the main actor is through; throws what any of them has found.</summary>
    internal void Run(Action main)
    {
        Start("clock", _world, Clock);
        Start("main", _world, () =>
        {
            main();
            _ending = true;
        });
        Actor first = Pick();
        first.Turn.Set();
        _over.Wait();
        if (_failure is CampaignFinding finding)
            throw new CampaignFinding($"{finding.Message}\n{Table()}", finding.InnerException ?? finding);
        if (_failure is not null) throw new CampaignFinding($"{_failure.Message}\n{Table()}", _failure);
    }

    /// <summary>Adds an actor; it runs when it is drawn. The function waits for its end.</summary>
    internal Action Start(string name, SimProcess process, Action body)
    {
        var actor = new Actor(name, process, body);
        _actors.Add(actor);
        new Thread(() => Play(actor), 512 << 10) { IsBackground = true, Name = name }.Start();
        return () =>
        {
            if (!actor.Ended) Block(() => actor.Ended, Never, "the end of " + name);
        };
    }

    void Play(Actor actor)
    {
        s_current = actor;
        actor.Turn.WaitOne();
        try
        {
            if (!actor.Process.IsDead && !_ending)
            {
                actor.Process.StepBegins?.Invoke();
                actor.Body();
            }
        }
        catch (Exception e)
        {
            // A dead box may end in any way; what a living one throws is a finding.
            if (!actor.Process.IsDead && !_ending) Fail(e);
        }
        actor.Ended = true;
        _actors.Remove(actor);
        if (_actors.Count == 0) _over.Set();
        else Pick().Turn.Set();
    }

    /// <summary>Ends the simulation with a finding.</summary>
    internal void Fail(Exception e)
    {
        _failure ??= e;
        if (!_ending) _tableAtFailure = Describe();
        _ending = true;
    }

    string? _tableAtFailure;

    /// <summary>
    /// Gives the baton away until the condition holds or the time has come. True if the condition held.
    /// </summary>
    internal bool Block(Func<bool>? ready, long wakeAt, string what)
    {
        Actor me = s_current ?? throw new InvalidOperationException("no actor of the simulation");
        Step(me);
        me.Ready = ready;
        me.WakeAt = wakeAt;
        me.What = what;
        Actor next = Pick();
        if (next != me)
        {
            next.Turn.Set();
            me.Turn.WaitOne();
        }
        me.Ready = null;
        if (me.Process.IsDead || _ending) throw new SimDeathException();
        me.Process.StepBegins?.Invoke();
        return ready is null || ready();
    }

    /// <summary>Somebody else may go first.</summary>
    internal void Yield(string what) => Block(null, Now, what);

    internal void Sleep(TimeSpan span, string what = "sleep") => Block(static () => false, Now + span.Ticks, what);

    /// <summary>The end of a step of a box, before what others would see of it.</summary>
    void Step(Actor me)
    {
        if (me.Process.IsDead || _ending) throw new SimDeathException();
        if (me.Process.StepsLeft < 0 || me.Process.StepsLeft-- > 0) return;
        me.Process.Die!();
        throw new SimDeathException();
    }

    Actor Pick()
    {
        while (true)
        {
            if (++Steps > StepsMax && !_ending)
                Fail(new CampaignFinding($"no end after {StepsMax} steps"));
            _runnable.Clear();
            long next = Never;
            foreach (Actor actor in _actors)
            {
                if (actor.Process.IsDead || _ending || actor.WakeAt <= Now || actor.Ready?.Invoke() == true)
                    _runnable.Add(actor);
                else next = Math.Min(next, actor.WakeAt);
            }
            if (_runnable.Count > 0) return Chosen(_runnable[_random.Next(_runnable.Count)]);
            if (next == Never) Fail(new CampaignFinding("all wait for each other"));
            else Now = next;
        }
    }

    Actor Chosen(Actor actor)
    {
        if (_ending) return actor;
        Note($"{actor.Process.Name} {actor.Name}: {actor.What}");
        return actor;
    }

    /// <summary>Something that happens, for the digest and for the last lines before a finding.</summary>
    internal void Note(string what)
    {
        string line = string.Create(CultureInfo.InvariantCulture, $"{Now} {what}");
        _digest.Append(Encoding.UTF8.GetBytes(line));
        if (_last.Count == 40) _last.Dequeue();
        _last.Enqueue(line);
    }

    // ------------------------------------------------------------------ timers

    internal ITimer AddTimer(SimProcess process, Action callback, TimeSpan due, TimeSpan period)
    {
        var timer = new Timer(this, process, callback);
        timer.Change(due, period);
        _timers.Add(timer);
        return timer;
    }

    void Clock()
    {
        while (true)
        {
            _timers.RemoveAll(t => t.Process.IsDead);
            Timer? due = _timers.Where(t => t.Due <= Now).MinBy(t => t.Due);
            if (due is not null)
            {
                due.Due = due.Period > 0 ? Now + due.Period : Never;
                due.Callback();
                continue;
            }
            long next = _timers.Count == 0 ? Never : _timers.Min(t => t.Due);
            int count = _timers.Count;
            long sum = next;
            Block(() => _timers.Count > 0 && _timers.Min(t => t.Due) < sum, next, $"{count} timers");
        }
    }

    // ------------------------------------------------------------------ for a person

    string Table() => _tableAtFailure ?? "";

    string Describe()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"  at {TimeSpan.FromTicks(Now)}, step {Steps}; ");
        text.Append("who waits for what:\n");
        foreach (Actor actor in _actors)
        {
            string until = actor.WakeAt == Never ? "" : $" until {TimeSpan.FromTicks(actor.WakeAt)}";
            text.Append(CultureInfo.InvariantCulture, $"    {actor.Process.Name} {actor.Name}: {actor.What}{until}\n");
        }
        text.Append("  the last that happened:\n    ").AppendJoin("\n    ", _last.TakeLast(15));
        return text.ToString();
    }
}
