using System;
using System.Collections.Generic;
using System.Threading;
using NasFirmware.Config;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/*
 * The panel: lights and display, each on a thread of its own. A device that hangs keeps its own thread and nothing
 * else: nobody ever waits for one of them, the daemon's watchdog does not ask them, and a stop leaves them behind after
 * a moment. A light whose thread hangs, or whose daemon does, is not renewed, and goes over to the failure rhythm.
 *
 * It starts first and stops last, so that mounting and closing are to be seen.
 */

/// <summary>The daemon's part that shows the status on lights and display.</summary>
sealed class StatusPanel(DaemonContext context, Func<BoxStatus> status, Func<Settings, PanelOptions> options)
    : IDaemonPart
{
    static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    PanelThread[] _threads = [];
    PanelOptions? _options;

    public void Start()
    {
        PanelOptions now = _options = options(context.Settings);
        var threads = new List<PanelThread>();
        if (now.HasLight) threads.Add(Run(new PanelLights(now, status, context.Board, context.Time)));
        if (now.HasDisplay) threads.Add(Run(new PanelScreen(now, status, context.Board, context.Time)));
        Volatile.Write(ref _threads, [.. threads]);
        context.Board.Changed += Wake;
    }

    PanelThread Run(IPanelPart part) => new(part, context.Board, context.Time);

    void Wake()
    {
        foreach (PanelThread thread in Volatile.Read(ref _threads)) thread.Wake();
    }

    public void Reload(Settings before, Settings now)
    {
        if (options(now) == _options) return;
        End(show: false);
        Start();
    }

    public void Stop(CancellationToken hurry) => End(show: true);

    void End(bool show)
    {
        context.Board.Changed -= Wake;
        foreach (PanelThread thread in _threads) thread.End(s_patience, show);
        Volatile.Write(ref _threads, []);
        context.Board.RemovePanel();
    }
}

/// <summary>The thread of a device: steps when the device wants, or when something changed, at most twice a second.
/// </summary>
sealed class PanelThread
{
    static readonly TimeSpan s_between = TimeSpan.FromMilliseconds(500), s_afterFault = TimeSpan.FromSeconds(10);

    readonly IPanelPart _part;
    readonly StatusBoard _board;
    readonly TimeProvider _time;
    readonly object _gate = new();
    readonly Thread _thread;
    bool _isWoken, _ends, _showEnd;

    internal PanelThread(IPanelPart part, StatusBoard board, TimeProvider time)
    {
        _time = time;
        _part = part;
        _board = board;
        _thread = new Thread(Run) { IsBackground = true, Name = part.Name };
        _thread.Start();
    }

    /// <summary>Never waits: the lock is held for moments only.</summary>
    internal void Wake()
    {
        lock (_gate)
        {
            _isWoken = true;
            Monitor.PulseAll(_gate);
        }
    }

    void Run()
    {
        while (!Wait(Step()))
        {
            // Until the end.
        }
        try
        {
            if (_showEnd) _part.End();
            _part.Dispose();
        }
        catch (Exception e)
        {
            Report(e);
        }
    }

    void Report(Exception e) =>
        _board.Report(_part.Name, $"fault in this program: {e.GetType().Name}: {e.Message}");

    // The panel is for looking at: a mistake in it must not take the file systems down with it.
    TimeSpan Step()
    {
        try
        {
            return _part.Step();
        }
        catch (Exception e)
        {
            Report(e);
            return s_afterFault;
        }
    }

    /// <summary>True at the end.</summary>
    bool Wait(TimeSpan wait)
    {
        lock (_gate)
        {
            long start = _time.GetTimestamp();
            while (!_ends)
            {
                TimeSpan until = _isWoken && wait > s_between ? s_between : wait;
                TimeSpan left = until - _time.GetElapsedTime(start);
                if (left <= TimeSpan.Zero) break;
                Monitor.Wait(_gate, left + TimeSpan.FromMilliseconds(1));
            }
            _isWoken = false;
            return _ends;
        }
    }

    /// <summary>Ends the thread, or leaves it behind.</summary>
    internal void End(TimeSpan patience, bool show)
    {
        lock (_gate)
        {
            _showEnd = show;
            _ends = true;
            Monitor.PulseAll(_gate);
        }
        _thread.Join(patience);
    }
}
