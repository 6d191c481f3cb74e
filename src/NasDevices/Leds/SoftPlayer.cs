using System;
using System.IO;
using System.Threading;

namespace NasDevices.Leds;

/// <summary>
/// Plays shows by switching a light on and off itself, where no kernel does: a GPIO line, or an LED without triggers.
/// It keeps the hold of a show like everything else: when nobody renews it, the failure rhythm follows. What it cannot
/// do is go on after the process.
///
/// <see cref="Step"/> is the whole of it; the thread is a loop around it.
/// </summary>
public sealed class SoftPlayer : IDisposable
{
    static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);

    readonly object _gate = new();
    readonly TimeProvider _time;
    readonly Action<bool> _switch;
    readonly Thread? _thread;
    LightShow? _show;
    long _start;
    bool? _isLit;
    IOException? _failure;
    bool _stopped;

    /// <param name="switchTo">Switches the light; may throw an <see cref="IOException"/>.</param>
    /// <param name="ownThread">False where a test calls <see cref="Step"/>.</param>
    public SoftPlayer(string name, TimeProvider time, Action<bool> switchTo, bool ownThread = true)
    {
        _time = time;
        _switch = switchTo;
        if (!ownThread) return;
        _thread = new Thread(Run) { IsBackground = true, Name = "light " + name };
        _thread.Start();
    }

    /// <summary>Plays this from its beginning.</summary>
    /// <exception cref="IOException">Switching failed since the last call.</exception>
    public void Play(LightShow show)
    {
        lock (_gate)
        {
            _show = show;
            _start = _time.GetTimestamp();
            Monitor.PulseAll(_gate);
            if (_thread is null) Step();
            if (_failure is not { } failure) return;
            _failure = null;
            throw new IOException(failure.Message, failure);
        }
    }

    /// <summary>Switches the light as it must be now; returns how long it stays so, null: until the next show.
    /// </summary>
    public TimeSpan? Step()
    {
        lock (_gate)
        {
            if (_show is not { } show) return null;
            (bool lit, TimeSpan? remaining) = show.At(_time.GetElapsedTime(_start));
            if (_isLit == lit) return remaining;
            try
            {
                _switch(lit);
                _isLit = lit;
            }
            catch (IOException e)
            {
                _failure = e;
                _isLit = null;
            }
            return remaining;
        }
    }

    void Run()
    {
        lock (_gate)
        {
            while (!_stopped)
            {
                TimeSpan wait = Step() is { } until && until < s_longest ? until : s_longest;
                Monitor.Wait(_gate, wait + TimeSpan.FromMilliseconds(1));
            }
        }
    }

    /// <summary>Ends the thread; a device that hangs is not waited for.</summary>
    public void Dispose()
    {
        if (_thread is null) return;
        if (Monitor.TryEnter(_gate, TimeSpan.FromSeconds(1)))
        {
            _stopped = true;
            Monitor.PulseAll(_gate);
            Monitor.Exit(_gate);
        }
        _thread.Join(TimeSpan.FromSeconds(1));
    }
}
