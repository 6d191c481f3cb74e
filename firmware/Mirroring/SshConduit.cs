using System;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Text;
using System.Threading;
using NasCore.Mirror;
using NasFirmware.Config;

namespace NasFirmware.Mirroring;

// A mirror's stream over ssh
//
// The child's standard input and output are the channel. A pump reads the output, so that the end is seen at once, also
// while the session waits for news and reads nothing; a second thread reads what ssh and the other machine have to say,
// for ever, keeps the last of it, and ends a child that says too much between two answers. A half-open link is ssh's
// business (ServerAliveInterval); a stream that does not move is that of the clock here. There are no heartbeats:
// what the other side has is known when it has acknowledged a batch, and nothing else.
//
// The child never outlives this: it is killed and waited for.

/// <summary>A byte channel for a mirror session to the original's mirror-write, behind ssh.</summary>
sealed class SshConduit : IMirrorCarrier
{
    const int AnswerBytesMax = 16 << 10, SaidKept = 2 << 10;
    /// <summary>More words than this without an answer between them are no complaint, but a flood.</summary>
    internal const int SaidMax = 1 << 20;
    static readonly TimeSpan s_endMax = TimeSpan.FromSeconds(5);

    readonly LoopRuntime _runtime;
    readonly SshTarget _target;
    readonly MirrorTimes _times;
    readonly TimeSpan _stall;
    readonly Action? _looked;
    readonly LoopMonitor _monitor;
    readonly CancellationTokenSource _closed = new();
    readonly Process _process;
    readonly byte[] _answer = new byte[AnswerBytesMax];
    readonly byte[] _said = new byte[SaidKept];
    int _answerAt, _answerCount, _saidCount;
    long _saidTotal, _movedAt;
    bool _behind, _over, _saidAll;
    LoopThread? _pump, _listener;
    ITimer? _clock;

    /// <summary>Starts ssh.</summary>
    /// <param name="runtime">Threads and clock.</param>
    /// <param name="target">Where to.</param>
    /// <param name="times">Silence, and how often numbers are looked at.</param>
    /// <param name="stall">Behind and nothing moved for so long; infinite: never.</param>
    /// <param name="looked">Called by the clock each time.</param>
    /// <exception cref="MirrorRefusedException">Something is missing here that only a person can give.</exception>
    internal SshConduit(LoopRuntime runtime, SshTarget target, MirrorTimes times, TimeSpan stall, Action? looked)
    {
        _runtime = runtime;
        _target = target;
        _times = times;
        _stall = stall;
        _looked = looked;
        _monitor = runtime.NewMonitor();
        _movedAt = Now;
        if (SshCommand.Missing(target) is { } missing) throw new MirrorRefusedException(null, missing);
        _process = StartProcess(SshCommand.Start(target, times.Silence));
    }

    static Process StartProcess(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new IOException($"{start.FileName} did not start");
        }
        catch (Win32Exception e)
        {
            throw new MirrorRefusedException(null, $"{start.FileName} cannot be started: {e.Message}");
        }
    }

    long Now => _runtime.Time.GetTimestamp();

    public CancellationToken Closed => _closed.Token;
    public string? Reason { get; private set; }
    public bool IsRefused { get; private set; }
    public bool IsPeerEnd { get; private set; }
    public bool IsHindered { get; private set; }
    public bool IsStalled { get; private set; }
    /// <summary>What ssh has taken: it may be on the way.</summary>
    public long BytesTaken { get; private set; }
    public long BrokenAt { get; private set; }

    /// <summary>Of the child, for tests.</summary>
    internal int ProcessId => _process.Id;

    public void Start(string name)
    {
        _pump = _runtime.Start(name + "-pump", Pump);
        _listener = _runtime.Start(name + "-words", Listen);
        _clock = _runtime.Time.CreateTimer(static c => ((SshConduit)c!).Look(), this, _times.StatusEvery,
            _times.StatusEvery);
    }

    // ------------------------------------------------------------------ the session's side

    public int Read(Span<byte> destination)
    {
        using (_monitor.Hold())
        {
            while (_answerCount == 0)
            {
                if (Reason is not null) throw new IOException(Reason);
                _monitor.Wait(Timeout.InfiniteTimeSpan);
            }
            int n = Math.Min(Math.Min(destination.Length, _answerCount), AnswerBytesMax - _answerAt);
            _answer.AsSpan(_answerAt, n).CopyTo(destination);
            _answerAt = (_answerAt + n) % AnswerBytesMax;
            _answerCount -= n;
            _monitor.PulseAll();
            return n;
        }
    }

    public void Write(ReadOnlySpan<byte> source)
    {
        try
        {
            _process.StandardInput.BaseStream.Write(source);
        }
        catch (Exception e) when (IsEnd(e))
        {
            // It has closed its input: why, it says by its end.
            AwaitReason(s_endMax);
            Break($"ssh to {_target.Name} takes no more");
            throw new IOException(Reason, e);
        }
        using (_monitor.Hold())
        {
            BytesTaken += source.Length;
            _movedAt = Now;
        }
    }

    static bool IsEnd(Exception e) => e is IOException or ObjectDisposedException or InvalidOperationException;

    void AwaitReason(TimeSpan most)
    {
        long began = Now;
        using (_monitor.Hold())
        {
            while (Reason is null)
            {
                TimeSpan left = most - _runtime.Time.GetElapsedTime(began);
                if (left <= TimeSpan.Zero) return;
                _monitor.Wait(left);
            }
        }
    }

    public void SetBehind(bool behind)
    {
        using (_monitor.Hold())
        {
            if (behind && !_behind) _movedAt = Now;
            _behind = behind;
        }
    }

    public void BeatSoon()
    {
        // There is nobody who would understand.
    }

    public void Doubt()
    {
        // ssh asks by itself, and ends if nobody answers.
    }

    public void SendEnd(PeerEnd end)
    {
        // The original's dialect has no word for it: the other side sees the end of the stream.
    }

    public void Break(string reason, bool discard = false) => Break(SshEndKind.Unreachable, reason);

    void Break(SshEndKind kind, string reason)
    {
        using (_monitor.Hold())
        {
            bool first = Reason is null;
            if (first)
            {
                IsRefused = kind == SshEndKind.Refused;
                IsPeerEnd = kind is SshEndKind.Hindered or SshEndKind.Ended;
                IsHindered = kind == SshEndKind.Hindered;
                Reason = reason;
            }
            _monitor.PulseAll();
            if (!first) return;
            BrokenAt = Math.Max(1, Now);
        }
        Kill();
        _closed.Cancel();
        using (_monitor.Hold())
        {
            _over = true;
            _monitor.PulseAll();
        }
    }

    // What a wrapper has started (HAMMER_RSH) goes, too: it would hold the pipes.
    void Kill()
    {
        try
        {
            if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It has ended by itself.
        }
    }

    // ------------------------------------------------------------------ the child's output

    void Pump()
    {
        byte[] buffer = new byte[4096];
        try
        {
            int got;
            while ((got = _process.StandardOutput.BaseStream.Read(buffer)) > 0) Take(buffer.AsSpan(0, got));
        }
        catch (Exception e) when (IsEnd(e))
        {
            // It ends here as well.
        }
        catch (Exception e)
        {
            // The end of a thread of the daemon: whatever it is, the stream is over and the loop goes on.
            Break(e.Message);
        }
        Ended();
    }

    void Take(ReadOnlySpan<byte> bytes)
    {
        using (_monitor.Hold())
        {
            _saidTotal = 0;
            _movedAt = Now;
            while (bytes.Length > 0)
            {
                while (_answerCount == AnswerBytesMax && Reason is null) _monitor.Wait(Timeout.InfiniteTimeSpan);
                if (Reason is not null) return;
                int at = (_answerAt + _answerCount) % AnswerBytesMax;
                int n = Math.Min(Math.Min(AnswerBytesMax - _answerCount, AnswerBytesMax - at), bytes.Length);
                bytes[..n].CopyTo(_answer.AsSpan(at));
                _answerCount += n;
                bytes = bytes[n..];
                _monitor.PulseAll();
            }
        }
    }

    /// <summary>Nothing more comes: how did it end?</summary>
    void Ended()
    {
        if (!_process.WaitForExit(s_endMax)) Kill();
        long began = Now;
        using (_monitor.Hold())
        {
            // Its last words may still be on their way.
            while (!_saidAll && Reason is null && _runtime.Time.GetElapsedTime(began) < s_endMax)
                _monitor.Wait(s_endMax - _runtime.Time.GetElapsedTime(began));
        }
        _process.WaitForExit(s_endMax);
        SshEnd end = _process.HasExited ? SshCommand.End(_target, _process.ExitCode, Said())
            : new SshEnd(SshEndKind.Unreachable, $"ssh to {_target.Name} hangs");
        Break(end.Kind, end.Sentence);
    }

    // ------------------------------------------------------------------ what is said

    void Listen()
    {
        byte[] buffer = new byte[4096];
        try
        {
            int got;
            while ((got = _process.StandardError.BaseStream.Read(buffer)) > 0) Keep(buffer.AsSpan(0, got));
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The same as its end.
        }
        catch (Exception e)
        {
            Break(e.Message);
        }
        using (_monitor.Hold())
        {
            _saidAll = true;
            _monitor.PulseAll();
        }
    }

    void Keep(ReadOnlySpan<byte> words)
    {
        using (_monitor.Hold())
        {
            _saidTotal += words.Length;
            if (words.Length > SaidKept) words = words[^SaidKept..];
            int keep = Math.Min(_saidCount, SaidKept - words.Length);
            _said.AsSpan(_saidCount - keep, keep).CopyTo(_said);
            words.CopyTo(_said.AsSpan(keep));
            _saidCount = keep + words.Length;
            if (_saidTotal <= SaidMax) return;
        }
        Break(SshEndKind.Hindered, $"{_target.Name} does not stop complaining: {SshCommand.Sentence(Said())}");
    }

    string Said()
    {
        using (_monitor.Hold()) return Encoding.UTF8.GetString(_said, 0, _saidCount);
    }

    // ------------------------------------------------------------------ the clock

    void Look()
    {
        bool stalled;
        using (_monitor.Hold())
        {
            if (Reason is not null) return;
            stalled = _behind && _stall > TimeSpan.Zero && _runtime.Time.GetElapsedTime(_movedAt) > _stall;
            if (stalled) IsStalled = true;
        }
        if (stalled)
            Break(FormattableString.Invariant($"the stream has not moved for {_stall.TotalSeconds:0} seconds"));
        _looked?.Invoke();
    }

    /// <summary>Ends the child if it has not ended, and waits for it and the threads.</summary>
    public void Dispose()
    {
        Break("closed");
        _clock?.Dispose();
        _pump?.Join();
        _listener?.Join();
        using (_monitor.Hold())
        {
            // Somebody else may be in the middle of ending it.
            while (!_over) _monitor.Wait(Timeout.InfiniteTimeSpan);
        }
        _process.WaitForExit(s_endMax);
        _process.Dispose();
        _closed.Dispose();
    }
}
