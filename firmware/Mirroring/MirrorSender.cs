using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Config;
using NasFirmware.Daemon;
using NasFirmware.Identity;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

// One mirror, for ever
//
// An owned thread goes round: wait for the file system and the PFS; dial; say Hello; stream until something breaks;
// wait; again. Nothing that happens here needs a person, and only two things wait for one: a pair that must not go on
// (refused, with the sentence of who refused), and a PFS that is not there. Both are looked at again by themselves.
//
// Waits grow from a second to a minute, with jitter, and begin anew as soon as a batch was acknowledged, or a
// megabyte of one was taken. A nudge (a file system appeared, the peer called, the network came back) ends a wait,
// and a dial that nobody has answered for longer than the first wait; a connection that should have been heard of is
// given up. It never makes attempts come faster than the first wait. A stream that is behind and does not move is
// restarted with more patience each time, so that a target that really needs long gets through in the end; from the
// third time on the status says so.

/// <summary>What the loops of a box have in common.</summary>
sealed record MirrorHost
{
    /// <summary>This box's name.</summary>
    public required string Box { get; init; }
    public required LoopRuntime Runtime { get; init; }
    public required IVolumes Volumes { get; init; }
    public required IPeerDialer Dialer { get; init; }
    public required IMirrorPfs Pfs { get; init; }
    public required StatusBoard Board { get; init; }
    public required Action<string> Log { get; init; }
    /// <summary>Takes lines on one mirror, for who keeps its name apart from the text; null: they go to
    /// <see cref="Log"/>.</summary>
    public Action<MirrorLine>? LogMirror { get; init; }
    /// <summary>Shared with who compares mirrors.</summary>
    public MirrorPaces Paces { get; init; } = new();
    /// <summary>How this box is, in one line; goes to the others with each beat. Null: nobody knows.</summary>
    public Func<string?> State { get; init; } = static () => null;
    /// <summary>The run folder, in memory: the state folder may lie on a card that nothing writes to. Null: nothing
    /// is kept over restarts.</summary>
    public string? RunFolder { get; init; }
    /// <summary>For jitter; called once for each loop.</summary>
    public required Func<int> NewSeed { get; init; }

    internal void Say(MirrorLine line)
    {
        if (LogMirror is { } log) log(line);
        else Log(line.ToString());
    }
}

/// <summary>A line of the log on one mirror.</summary>
readonly record struct MirrorLine(string Mirror, bool IsSource, string Peer, string Trouble)
{
    public override string ToString() => $"mirror {Mirror} {(IsSource ? "to" : "from")} {Peer}: {Trouble}";
}

/// <summary>The loop of a mirror that this box sends.</summary>
sealed class MirrorSender : IPeerDialer, IDisposable
{
    const int StallsToTell = 3, PatienceMax = 16;
    const long MovedEnough = 1 << 20;

    readonly MirrorHost _host;
    readonly MirrorSendOptions _options;
    readonly LoopRuntime _runtime;
    readonly LoopMonitor _monitor;
    readonly MirrorMeter _meter;
    readonly SentCounter _counter;
    readonly Random _random;
    readonly CancellationTokenSource _stop = new();
    readonly PeerHello _hello;
    LoopThread? _thread;
    IMirrorCarrier? _conduit;
    string _wayBack = "";
    MirrorLag? _lag;
    VolumeHandle? _lagOf;
    /// <summary>Ends the dial at hand; set while there is one.</summary>
    ITimer? _redial;
    bool _nudged, _unreached;
    int _failures, _stalls;
    long _attemptAt, _dueAt;

    internal MirrorSender(MirrorHost host, MirrorSendOptions options)
    {
        _host = host;
        _options = options;
        _runtime = host.Runtime;
        _monitor = _runtime.NewMonitor();
        _random = new Random(host.NewSeed());
        _counter = new SentCounter(host.RunFolder is not { } folder ? null : new SentMemory(folder, options.Name,
            $"{options.Volume}/{options.Pfs} to {options.Peer}", Say));
        _hello = new PeerHello
        {
            Purpose = PeerPurpose.Mirror, Box = host.Box, Mirror = options.Name,
            Features = [PeerFeature.Window], Silence = PeerLink.InMilliseconds(options.Times.Silence),
        };
        _meter = new MirrorMeter(host.Board, _runtime.Time, new MirrorStatus
        {
            Name = options.Name, IsSource = true, Peer = options.Peer, Pfs = options.Place,
            Phase = MirrorPhase.NoSource, LagLimitSeconds = options.LagLimit.TotalSeconds,
        });
    }

    internal MirrorSendOptions Options => _options;
    internal MirrorStatus Status => _meter.Status;

    internal void Start()
    {
        _meter.Show();
        _thread = _runtime.Start("mirror-" + _options.Name, Loop);
    }

    /// <summary>Something has changed that may let an attempt succeed: it is made now.</summary>
    internal void Nudge()
    {
        using (_monitor.Hold())
        {
            _nudged = true;
            _monitor.PulseAll();
            TimeSpan least = _options.Times.BackoffMin - _runtime.Time.GetElapsedTime(_attemptAt);
            _redial?.Change(least > TimeSpan.Zero ? least : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
        Volatile.Read(ref _conduit)?.Doubt();
    }

    /// <summary>
    /// The peer has called for something else. Who could not reach it tries now; nobody else does, or two boxes that
    /// refuse each other would call each other for ever.
    /// </summary>
    internal void PeerCalled()
    {
        if (Volatile.Read(ref _unreached)) Nudge();
    }

    /// <summary>False if the loop hangs: it was told to let go, or its wait is over, long ago.</summary>
    internal bool IsTurning
    {
        get
        {
            TimeProvider time = _runtime.Time;
            long due = Volatile.Read(ref _dueAt), broken = Volatile.Read(ref _conduit)?.BrokenAt ?? 0;
            return (due == 0 || time.GetElapsedTime(due) < _options.Times.HungAfter)
                && (broken == 0 || time.GetElapsedTime(broken) < _options.Times.HungAfter);
        }
    }

    /// <summary>Asks the loop to end; <see cref="Dispose"/> waits for it.</summary>
    internal void RequestStop()
    {
        _stop.Cancel();
        Nudge();
    }

    public void Dispose()
    {
        RequestStop();
        _thread?.Join();
        _lag?.Dispose();
        _stop.Dispose();
        _meter.Remove();
    }

    // ------------------------------------------------------------------ the loop

    void Loop()
    {
        while (!_stop.IsCancellationRequested) Wait(Turn());
    }

    /// <summary>One attempt; returns how long to wait before the next.</summary>
    internal TimeSpan Turn()
    {
        using (_monitor.Hold()) _attemptAt = _runtime.Time.GetTimestamp();
        try
        {
            if (TurnStream() is { } missing) return Failed(MirrorPhase.NoSource, missing);
            return Failed(MirrorPhase.Connecting, null);
        }
        catch (MirrorUnreachableException e)
        {
            Volatile.Write(ref _unreached, true);
            return Failed(MirrorPhase.Unreachable, e.Message);
        }
        catch (PeerRefusedException e) when (e.IsHindrance)
        {
            return Failed(MirrorPhase.Hindered, e.Message);
        }
        catch (PeerRefusedException e) when (e.Later)
        {
            return Failed(MirrorPhase.Connecting, e.Message);
        }
        catch (Exception e) when (e is PeerRefusedException or MirrorRefusedException)
        {
            // Where the two know how they parted, the sentence names the command itself.
            bool isTold = e.Message.Contains("pfs-rejoin", StringComparison.Ordinal);
            Failed(MirrorPhase.Refused, isTold ? e.Message : e.Message + _wayBack);
            return Jittered(_options.Times.RefusedRetry);
        }
        catch (MirrorEndedException e)
        {
            return Failed(e.IsHindered ? MirrorPhase.Hindered : MirrorPhase.Connecting, e.Message);
        }
        catch (HammerMediumException e)
        {
            return Failed(MirrorPhase.Hindered, e.Message);
        }
        catch (IOException e)
        {
            // The other box is not there any more: silent or gone.
            return Failed(MirrorPhase.Unreachable, e.Message);
        }
        catch (Exception e)
        {
            // One of the four places where every exception ends: the loop goes on, the reason is shown.
            return Failed(MirrorPhase.Connecting, e.Message);
        }
    }

    TimeSpan Failed(MirrorPhase phase, string? problem)
    {
        if (_stop.IsCancellationRequested) return TimeSpan.Zero;
        MirrorStatus before = _meter.Status;
        if (problem is not null && (problem != before.Problem || phase != before.Phase))
            Say(problem);
        _meter.Change(s => s with { Phase = phase, Problem = problem, SecondsLeft = null });
        double factor = Math.Pow(2, Math.Min(_failures++, 30));
        double wait = Math.Min(_options.Times.BackoffMin.TotalSeconds * factor,
            _options.Times.BackoffMax.TotalSeconds);
        return Jittered(TimeSpan.FromSeconds(wait));
    }

    void Say(string trouble) => _host.Say(new MirrorLine(_options.Name, true, _options.Peer, trouble));

    /// <summary>Between three quarters and all of it.</summary>
    TimeSpan Jittered(TimeSpan wait) => wait * (0.75 + (_random.NextDouble() / 4));

    void Wait(TimeSpan wait)
    {
        TimeProvider time = _runtime.Time;
        long began = time.GetTimestamp();
        using (_monitor.Hold())
        {
            while (!_stop.IsCancellationRequested)
            {
                bool tooSoon = time.GetElapsedTime(_attemptAt) < _options.Times.BackoffMin;
                TimeSpan left = (_nudged && !tooSoon ? TimeSpan.Zero : wait) - time.GetElapsedTime(began);
                if (_nudged && tooSoon)
                {
                    TimeSpan least = _options.Times.BackoffMin - time.GetElapsedTime(_attemptAt);
                    if (least < left) left = least;
                }
                if (left <= TimeSpan.Zero) break;
                Volatile.Write(ref _dueAt, time.GetTimestamp() + (long)(left.TotalSeconds * time.TimestampFrequency));
                _monitor.Wait(left);
            }
            Volatile.Write(ref _dueAt, 0);
            // What has failed so often before says nothing about now.
            if (_nudged) _failures = 0;
            _nudged = false;
        }
    }

    // ------------------------------------------------------------------ one session

    /// <summary>Streams until something breaks; returns what is missing on this side, if that is it.</summary>
    string? TurnStream()
    {
        if (_host.Volumes.Find(_options.Volume) is not { } volume)
            return $"the file system '{_options.Volume}' is not mounted";
        using IDisposable? use = volume.TryUse();
        if (use is null) return $"the file system '{_options.Volume}' is going";
        if (_host.Pfs.Find(volume, _options.Pfs) is not { } pfsId)
            return $"there is no PFS '{_options.Pfs}' in '{_options.Volume}'";
        if (pfsId == 0 && VolumeCopy.IsThere(volume.Fs)) return VolumeCopy.WhyNotSent(_options.Volume);
        MirrorLag lag = FollowLag(volume, pfsId);
        var source = new MeteredSource(_runtime.Source(volume, pfsId), _counter);
        Errno read = source.ReadPfs(out PseudofsData pfs);
        if (read.IsError) return $"the PFS '{_options.Place}' cannot be read: {read}";
        // Two masters: the other one may be that whose slave this was.
        _wayBack = _options.Ssh is null && !pfs.IsSlave && PromotionMark.TryGet(pfs, out PromotionMark mark)
            ? $"; if it was the master before {_host.Box}: pfs-rejoin PATH {mark} there makes it a slave, and shows "
                + "before what it loses" : "";
        if (_meter.Status.Phase == MirrorPhase.NoSource)
            _meter.Change(s => s with { Phase = MirrorPhase.Connecting, Problem = null });
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, volume.Gone);
        var session = new SenderSession(_meter, _counter, lag, source.BytesMax,
            line => Say($"cannot go on where it broke: {line}"));
        using IMirrorCarrier carrier = _options.Ssh is { } ssh ? CallSsh(ssh, session)
            : CallPeer(pfs.SharedUuid, session, gone.Token);
        try
        {
            // Somebody waits for the changes: groups close soon.
            using IDisposable listening = volume.Fs.Listen();
            Stream(carrier, session, source, gone.Token);
            return null;
        }
        catch (Exception) when (volume.Gone.IsCancellationRequested)
        {
            return $"the file system '{_options.Volume}' has gone";
        }
    }

    /// <summary>The age of changes goes on from session to session, until the file system has gone.</summary>
    MirrorLag FollowLag(VolumeHandle volume, int pfsId)
    {
        if (_lag is { } lag && _lagOf == volume && lag.PfsId == pfsId) return lag;
        _lag?.Dispose();
        _lagOf = volume;
        _lag = volume.Fs.OpenLag(pfsId);
        _meter.Follow(_lag);
        return _lag;
    }

    PeerLink Dial(Guid shared, CancellationToken stop, out bool isWindowed)
    {
        PeerHello hello = _hello with { SharedUuid = shared };
        try
        {
            PeerLink link = PeerLink.Call(this, _options.Peer, hello, _runtime.Time, stop,
                out PeerWelcome welcome);
            isWindowed = welcome.Features?.Contains(PeerFeature.Window) == true;
            Volatile.Write(ref _unreached, false);
            // It does answer: why it did not is no more, also where the stream says nothing for long.
            _meter.Change(static s => s.Phase != MirrorPhase.Unreachable ? s
                : s with { Phase = MirrorPhase.Connecting, Problem = null });
            return link;
        }
        catch (PeerRefusedException)
        {
            Volatile.Write(ref _unreached, false);
            throw;
        }
        catch (Exception e) when (e is not PeerRefusedException && e is IOException or InvalidDataException)
        {
            throw new MirrorUnreachableException(e.Message, e);
        }
    }

    /// <summary>Dials; begins anew when a nudge ends it.</summary>
    PeerConnection IPeerDialer.Dial(string peer, CancellationToken stop)
    {
        while (true)
        {
            // Not disposed: the timer may fire at any time, and it holds nothing.
            var nudged = new CancellationTokenSource();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop, nudged.Token);
            using ITimer redial = _runtime.Time.CreateTimer(_ => nudged.Cancel(), null, Timeout.InfiniteTimeSpan,
                Timeout.InfiniteTimeSpan);
            using (_monitor.Hold()) _redial = redial;
            try
            {
                return _host.Dialer.Dial(peer, limit.Token);
            }
            catch (Exception e) when (nudged.IsCancellationRequested && !stop.IsCancellationRequested
                && e is IOException or OperationCanceledException)
            {
                using (_monitor.Hold())
                {
                    _attemptAt = _runtime.Time.GetTimestamp();
                    _nudged = false;
                }
            }
            finally
            {
                using (_monitor.Hold()) _redial = null;
            }
        }
    }

    /// <summary>How long the stream may stand still: longer each time that it did.</summary>
    TimeSpan Patience => _options.Stall * (int)Math.Min(1L << Math.Min(_stalls, 10), PatienceMax);

    BandwidthLimiter? Limiter => _host.Paces.Of(_options.Name, _options.Bandwidth, _runtime.Time);

    MirrorConduit CallPeer(Guid shared, SenderSession session, CancellationToken stop)
    {
        PeerLink link = Dial(shared, stop, out bool isWindowed);
        link.Limiter = Limiter;
        return new MirrorConduit(_runtime, link, _options.Times, Patience,
            () => session.Beat() with { State = PeerMessages.Line(_host.State()) }, e =>
            {
                _host.Board.Hear(_options.Peer, e.State);
                session.Heard(e);
            }, session.Look)
        {
            IsWindowed = isWindowed,
        };
    }

    SshConduit CallSsh(SshTarget ssh, SenderSession session) =>
        new(_runtime, ssh, _options.Times, Patience, session.Look);

    void Stream(IMirrorCarrier conduit, SenderSession session, MeteredSource source, CancellationToken stop)
    {
        session.Conduit = conduit;
        source.News = session.News;
        session.Acknowledged = () =>
        {
            _failures = 0;
            if (_stalls < StallsToTell) _meter.Change(static s => s with { Problem = null });
            _stalls = 0;
        };
        Volatile.Write(ref _conduit, conduit);
        try
        {
            conduit.SetBehind(true);
            conduit.Start("mirror-" + _options.Name);
            using CancellationTokenRegistration ending = stop.Register(() => conduit.Break("the stream ends here"));
            StreamRun(conduit, session, source, stop);
        }
        finally
        {
            Volatile.Write(ref _conduit, null);
            if (conduit.IsStalled) _stalls++;
            // The link works, and breaks from time to time: a long first load shall not wait a minute each time.
            // One that has no room takes as much each time, and waits grow.
            if (conduit.BytesTaken >= MovedEnough && !conduit.IsHindered) _failures = 0;
            _meter.Change(s => s with
            {
                Reconnects = s.Reconnects + 1, BytesSent = _counter.Sent, BytesResent = _counter.Resent,
            });
        }
    }

    void StreamRun(IMirrorCarrier conduit, SenderSession session, MeteredSource source, CancellationToken stop)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop, conduit.Closed);
        var options = new MirrorSourceOptions
        {
            TwoWay = true, Stream = true, Delay = _options.Times.BatchDelay,
            // No prescan: a restart point inside a load is the resume hint's business, not that of smaller batches;
            // where nobody gives hints, they are all there is.
            ChunkBytes = _options.Ssh is null ? 0 : MirrorSourceOptions.ChunkBytesUsual,
        };
        // A connection between boxes keeps the limit itself; what ssh makes of the stream is its own.
        IByteChannel channel = _options.Ssh is not null && Limiter is { } limiter
            ? new PacedChannel(conduit, limiter, _runtime.Time, ended.Token) : conduit;
        try
        {
            new MirrorSourceSession(channel, source, options, _runtime.Time, session).Run(ended.Token);
        }
        catch (MirrorRefusedException e)
        {
            conduit.SendEnd(new PeerEnd
            {
                Error = PeerMessages.Sentence(e.Message), Refused = true, Class = PeerEndClass.Refused,
            });
            throw;
        }
        catch (Exception e) when (conduit.Reason is { } reason && e is IOException or MirrorStreamException)
        {
            if (conduit.IsRefused) throw new MirrorRefusedException(null, reason);
            if (conduit.IsPeerEnd) throw new MirrorEndedException(reason, conduit.IsHindered, e);
            if (conduit.IsStalled)
            {
                bool tells = _stalls + 1 >= StallsToTell;
                throw new MirrorEndedException(tells ? $"{reason}, for the {Ordinal(_stalls + 1)} time" : reason,
                    tells, e);
            }
            throw new IOException(reason, e);
        }
        catch (HammerMediumException e)
        {
            conduit.SendEnd(new PeerEnd
            {
                Error = PeerMessages.Sentence($"{_host.Box} cannot read: {e.Message}"), Class = PeerEndClass.Medium,
            });
            throw;
        }
    }

    internal static string Ordinal(int n)
    {
        string end = (n / 10 % 10 == 1 ? 0 : n % 10) switch { 1 => "st", 2 => "nd", 3 => "rd", _ => "th" };
        return n.ToString(CultureInfo.InvariantCulture) + end;
    }
}

/// <summary>The other box answers and the stream ended all the same: by its word, or by standing still.</summary>
sealed class MirrorEndedException(string message, bool isHindered, Exception cause) : IOException(message, cause)
{
    /// <summary>The owner shall know: it is not one of the ends that the next attempt mends.</summary>
    internal bool IsHindered => isHindered;
}

/// <summary>The other box does not answer.</summary>
sealed class MirrorUnreachableException(string message, Exception cause) : IOException(message, cause);
