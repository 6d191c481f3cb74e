using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore.Mirror;
using NasCore.Primitives;
using NasFirmware.Control;
using NasFirmware.Daemon;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

/// <summary>A mirror with one end here, as far as comparing needs it.</summary>
/// <param name="Name">Its section.</param>
/// <param name="Peer">The box at the other end.</param>
/// <param name="IsSource">The master, or the nearer copy, is here.</param>
/// <param name="Volume">The volume here.</param>
/// <param name="Pfs">Path of the PFS in it; empty: the root PFS.</param>
/// <param name="FullEvery">How often the full form is done by itself; zero: never.</param>
/// <param name="Bandwidth">Bytes a second on the wire, the mirror's stream included; 0: no limit.</param>
sealed record VerifyMirror(string Name, string Peer, bool IsSource, string Volume, string Pfs, TimeSpan FullEvery,
    long Bandwidth = 0);

/// <summary>What comparing stands on.</summary>
sealed record VerifyHost
{
    public required string Box { get; init; }
    public required IVolumes Volumes { get; init; }
    public required IMirrorPfs Pfs { get; init; }
    public required IPeerDialer Dialer { get; init; }
    public required StatusBoard Board { get; init; }
    public required TimeProvider Time { get; init; }
    public required Action<string> Log { get; init; }
    /// <summary>Folder where proofs are kept over restarts; null: they are not.</summary>
    public string? State { get; init; }
    public VerifyTimes Times { get; init; } = new();
    /// <summary>Shared with the mirrors' streams.</summary>
    public MirrorPaces Paces { get; init; } = new();
}

/// <summary>
/// Compares mirrors with their other end: on request, and by itself where the source is here; answers the comparisons
/// of peers. What was proven, or where the first difference is, goes to the status board. One thread leads the quick
/// comparisons and one the full ones, which may take days: none of them keeps the quick ones of other mirrors waiting.
/// Of one mirror there is one at a time. Each peer that compares is served on its connection's thread, one for each
/// mirror.
/// </summary>
sealed class VerifyService : IPeerPurpose, IDisposable
{
    const int JobsKept = 16;

    readonly VerifyHost _host;
    readonly Lock _lock = new();
    readonly Dictionary<string, (VerifyMirror Mirror, VerifySchedule Schedule)> _mirrors = new(StringComparer.Ordinal);
    readonly HashSet<string> _served = new(StringComparer.Ordinal);
    readonly List<VerifyJob> _jobs = [];
    /// <summary>Mirrors that are being compared from here.</summary>
    readonly HashSet<string> _led = new(StringComparer.Ordinal);
    readonly CancellationTokenSource _stop = new();
    readonly ProofMemory _memory;
    readonly Lane _quick, _full;
    int _lastId;

    /// <summary>A thread that leads comparisons of one form.</summary>
    sealed class Lane(bool full, TimeProvider time)
    {
        internal bool Full => full;
        internal AutoResetEvent Awake { get; } = new(false);
        internal LoopProbe Probe { get; } = new(full ? "verify --full" : "verify", time);
        internal Thread? Thread { get; set; }
    }

    internal VerifyService(VerifyHost host)
    {
        _host = host;
        _quick = new Lane(full: false, host.Time);
        _full = new Lane(full: true, host.Time);
        _memory = new ProofMemory(host.State, host.Time, host.Log);
    }

    /// <summary>For the watchdog.</summary>
    internal IReadOnlyList<IProbe> Probes => [_quick.Probe, _full.Probe];

    string IPeerPurpose.Purpose => PeerPurpose.Verify;

    /// <summary>The mirrors that have an end here, from now on.</summary>
    internal void Apply(IReadOnlyList<VerifyMirror> mirrors)
    {
        lock (_lock)
        {
            foreach (string name in _mirrors.Keys.Except(mirrors.Select(m => m.Name)).ToList()) _mirrors.Remove(name);
            foreach (VerifyMirror mirror in mirrors)
            {
                _host.Board.Recall(mirror.Name, mirror.IsSource, _memory.Proof(mirror));
                if (_mirrors.TryGetValue(mirror.Name, out var known) && known.Mirror == mirror) continue;
                _mirrors[mirror.Name] = (mirror, new VerifySchedule(_host.Times, mirror, _memory, _host.Time));
            }
        }
        Wake();
    }

    internal void Start()
    {
        _host.Board.Changed += Wake;
        _host.Board.FirstLoadBegan += Forget;
        foreach (Lane lane in new[] { _quick, _full })
        {
            lane.Thread = new Thread(() => Lead(lane)) { IsBackground = true, Name = lane.Probe.Name };
            lane.Thread.Start();
        }
    }

    void Wake()
    {
        _quick.Awake.Set();
        _full.Awake.Set();
    }

    void Forget(string name, bool isSource)
    {
        VerifyMirror? mirror;
        lock (_lock) mirror = _mirrors.GetValueOrDefault(name).Mirror;
        if (mirror?.IsSource == isSource) _memory.Forget(mirror);
    }

    // ------------------------------------------------------------------ requests

    /// <summary>A comparison that somebody asked for; it waits for its turn.</summary>
    internal VerifyJob Enqueue(string mirror, bool full)
    {
        lock (_lock)
        {
            if (!_mirrors.ContainsKey(mirror)) throw new IOException($"no mirror is called {mirror}");
            if (_jobs.Count(j => !j.IsDone) >= JobsKept) throw new IOException("too many comparisons wait already");
            if (_jobs.Count >= JobsKept) _jobs.RemoveAt(_jobs.FindIndex(j => j.IsDone));
            var job = new VerifyJob(++_lastId, mirror, full);
            _jobs.Add(job);
            Wake();
            return job;
        }
    }

    internal VerifyJob? Job(int id)
    {
        lock (_lock) return _jobs.Find(j => j.Id == id);
    }

    // ------------------------------------------------------------------ the threads that lead

    void Lead(Lane lane)
    {
        while (!_stop.IsCancellationRequested)
        {
            lane.Probe.Turn();
            TimeSpan save = lane.Full ? Timeout.InfiniteTimeSpan : _memory.SaveSometimes();
            if (Take(lane, out TimeSpan wait) is not { } job)
            {
                lane.Probe.Rest();
                if (save >= TimeSpan.Zero && (wait < TimeSpan.Zero || save < wait)) wait = save;
                lane.Awake.WaitOne(wait < TimeSpan.Zero ? Timeout.InfiniteTimeSpan : Bounded(wait));
                continue;
            }
            try
            {
                Run(job, lane.Probe);
            }
            finally
            {
                lock (_lock) _led.Remove(job.Mirror);
                // What waited for this one's end, on either thread.
                Wake();
            }
        }
    }

    /// <summary>The next comparison of this form whose mirror is not being compared: one that was asked for, or that
    /// is due; null: none, and when one will be.</summary>
    VerifyJob? Take(Lane lane, out TimeSpan wait)
    {
        wait = Timeout.InfiniteTimeSpan;
        BoxStatus box = _host.Board.Snapshot(_host.Box, "");
        lock (_lock)
        {
            VerifyJob? job = _jobs.Find(j => !j.IsDone && j.Full == lane.Full && !_led.Contains(j.Mirror))
                ?? NextBySchedule(box, lane, out wait);
            if (job is not null) _led.Add(job.Mirror);
            return job;
        }
    }

    static TimeSpan Bounded(TimeSpan wait) => TimeSpan.FromMilliseconds(Math.Clamp(wait.TotalMilliseconds, 50, 3.6e6));

    VerifyJob? NextBySchedule(BoxStatus box, Lane lane, out TimeSpan wait)
    {
        wait = Timeout.InfiniteTimeSpan;
        foreach (MirrorStatus status in box.Mirrors)
        {
            if (!status.IsSource || !_mirrors.TryGetValue(status.Name, out var known)) continue;
            // When its comparison has ended this is looked at again.
            if (_led.Contains(status.Name)) continue;
            VerifyDue due = known.Schedule.Due(status, out TimeSpan left);
            if (due == (lane.Full ? VerifyDue.Full : VerifyDue.Quick))
                return new VerifyJob(0, status.Name, lane.Full);
            if (left >= TimeSpan.Zero && (wait < TimeSpan.Zero || left < wait)) wait = left;
        }
        return null;
    }

    void Run(VerifyJob job, LoopProbe probe)
    {
        long begin = _host.Time.GetTimestamp();
        VerifyMirror? mirror;
        VerifySchedule? schedule;
        lock (_lock) (mirror, schedule) = _mirrors.GetValueOrDefault(job.Mirror);
        VerifyResult result;
        // How long it takes depends on disks and the peer, who have limits of their own.
        probe.Rest();
        try
        {
            result = mirror is null ? Not("this mirror is not configured any more") : Compare(mirror, job);
        }
        catch (Exception e)
        {
            // One of the few places where every exception ends: a comparison must not take the mounts with it.
            result = Not(e.Message);
            _host.Log($"comparing {job.Mirror}: {e}");
        }
        probe.Turn();
        bool compared = result.Outcome != VerifyOutcome.NotComparable;
        if (mirror is not null && compared) Publish(mirror, result);
        schedule?.Done(job.Full, _host.Time.GetElapsedTime(begin), compared);
        job.Finish(result);
    }

    static VerifyResult Not(string why) => new() { Outcome = VerifyOutcome.NotComparable, What = why };

    VerifyResult Compare(VerifyMirror mirror, VerifyJob job)
    {
        VolumeHandle? volume = _host.Volumes.Find(mirror.Volume);
        using IDisposable? use = volume?.TryUse();
        if (volume is null || use is null) return Not($"volume {mirror.Volume} is not mounted");
        if (_host.Pfs.Find(volume, mirror.Pfs) is not int pfsId)
            return Not($"volume {mirror.Volume} has no PFS {mirror.Pfs}");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, volume.Gone);
        try
        {
            IVerifySide side = volume.Fs.VerifySide(pfsId);
            using PeerLink link = Call(mirror, side, stop.Token);
            link.Limiter = LimiterOf(mirror);
            using CancellationTokenRegistration ending = stop.Token.Register(link.Dispose);
            using var channel = new VerifyChannel(link, _host.Time, _host.Times.Silence);
            var options = new VerifyOptions
            {
                Full = job.Full, OwnName = _host.Box, PeerName = mirror.Peer,
                Progress = job.Progress, Time = _host.Time,
            };
            VerifyResult result = new VerifySession(side, channel, options).Run(stop.Token);
            // The other side takes the outcome and hangs up.
            link.Frames.Write(FrameKind.End, []);
            link.AwaitEnd(_host.Time);
            return result;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or HammerMediumException
            or OperationCanceledException)
        {
            return Not(stop.IsCancellationRequested ? "it was stopped" : e.Message);
        }
    }

    BandwidthLimiter? LimiterOf(VerifyMirror mirror) =>
        _host.Paces.Of(mirror.Name, mirror.Bandwidth, _host.Time);

    PeerLink Call(VerifyMirror mirror, IVerifySide side, CancellationToken stop)
    {
        side.ReadFacts(0, out VerifyFacts facts);
        var hello = new PeerHello
        {
            Purpose = PeerPurpose.Verify, Box = _host.Box, Mirror = mirror.Name,
            SharedUuid = facts.SharedUuid == Guid.Empty ? null : facts.SharedUuid,
        };
        return PeerLink.Call(_host.Dialer, mirror.Peer, hello, _host.Time, stop, out _);
    }

    // ------------------------------------------------------------------ peers that compare

    public void Serve(PeerLink link, PeerHello hello, CancellationToken stop)
    {
        (VerifyMirror? Mirror, VerifySchedule) known;
        lock (_lock) known = _mirrors.GetValueOrDefault(hello.Mirror ?? "");
        if (known.Mirror is not { } mirror || mirror.Peer != link.Peer.Name)
        {
            // The same words for both: who asks does not learn what else there is.
            link.Refuse($"{_host.Box} has no mirror '{hello.Mirror}' with {link.Peer.Name}", later: false);
            return;
        }
        bool first;
        lock (_lock) first = _served.Add(mirror.Name);
        if (!first)
        {
            link.Refuse($"{_host.Box} is answering another comparison of this mirror", later: true);
            return;
        }
        try
        {
            Serve(link, hello, mirror, stop);
        }
        finally
        {
            lock (_lock) _served.Remove(mirror.Name);
        }
    }

    void Serve(PeerLink link, PeerHello hello, VerifyMirror mirror, CancellationToken stop)
    {
        VolumeHandle? volume = _host.Volumes.Find(mirror.Volume);
        using IDisposable? use = volume?.TryUse();
        if (volume is null || use is null || _host.Pfs.Find(volume, mirror.Pfs) is not int pfsId)
        {
            link.Refuse($"{_host.Box}: the volume is not mounted, or has no such PFS", later: true);
            return;
        }
        link.Limiter = LimiterOf(mirror);
        link.Welcome(hello);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop, volume.Gone);
        using CancellationTokenRegistration closing = ending.Token.Register(link.Dispose);
        using var channel = new VerifyChannel(link, _host.Time, _host.Times.Silence);
        var responder = new VerifyResponder(volume.Fs.VerifySide(pfsId), channel, _host.Time);
        try
        {
            responder.Run(ending.Token);
        }
        catch (OperationCanceledException)
        {
            // The volume goes, or the daemon stops.
        }
        finally
        {
            if (responder.Result is { } result)
            {
                // The last word was the other side's.
                link.Dispose();
                Publish(mirror, result);
            }
        }
    }

    // ------------------------------------------------------------------ results

    void Publish(VerifyMirror mirror, VerifyResult result)
    {
        _memory.Compared(mirror, result);
        string tid = Tid.Format(result.Tid);
        if (result.Outcome == VerifyOutcome.Equal)
        {
            // The quick form compares check sums: it cannot take back what reading the data has found.
            _host.Board.UpdateMirror(mirror.Name, mirror.IsSource, m => m.DiffersFull && !result.Full ? m : m with
            {
                ProvenTid = tid, ProvenAt = WallClock.Credible(_host.Time.GetUtcNow()), ProvenFull = result.Full,
                IsProvenEarlier = false, ProvenAgeBase = 0, Differs = null, DiffersFull = false,
            }, isNewProof: true);
            return;
        }
        string difference = ProofMemory.Difference(result);
        _host.Log($"mirror {mirror.Name}: the two sides differ as of {tid}: {difference}");
        _host.Board.UpdateMirror(mirror.Name, mirror.IsSource, m => m with
        {
            Differs = difference, DiffersFull = m.DiffersFull || result.Full,
        });
    }

    public void Dispose()
    {
        _host.Board.Changed -= Wake;
        _host.Board.FirstLoadBegan -= Forget;
        _stop.Cancel();
        Wake();
        foreach (Lane lane in new[] { _quick, _full }) lane.Thread?.Join();
        _memory.Save();
        _quick.Awake.Dispose();
        _full.Awake.Dispose();
        _stop.Dispose();
    }
}
