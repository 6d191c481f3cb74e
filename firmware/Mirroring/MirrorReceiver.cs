using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Daemon;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

// Taking mirrors
//
// A peer may write exactly the slave PFSs of which a [mirrors] section says that they come from it; the section is the
// grant. The slave is made at the first connection, with the shared UUID of the source. One stream at a time writes a
// PFS: a newer connection of the same peer for the same mirror takes the place of an older one, which then is only
// half open and would be found dead much later. Nothing here depends on what a connection before did: where to go on
// is what the slave's own record says.

/// <summary>The purpose "mirror" on the side that is dialled.</summary>
sealed class MirrorReceiver(MirrorHost host) : IPeerPurpose
{
    static readonly TimeSpan s_replaceMax = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly Dictionary<string, Mirror> _mirrors = new(StringComparer.Ordinal);

    /// <summary>A mirror that may come in, and the connection at work, if there is one.</summary>
    sealed class Mirror(MirrorReceiveOptions options, LoopMonitor monitor, MirrorMeter meter)
    {
        internal MirrorReceiveOptions Options => options;
        internal LoopMonitor Monitor => monitor;
        internal MirrorMeter Meter => meter;
        /// <summary>Guarded by the monitor.</summary>
        internal Reception? Active { get; set; }
    }

    sealed class Reception
    {
        internal MirrorConduit? Conduit { get; set; }
        internal bool Replaced { get; set; }
    }

    string IPeerPurpose.Purpose => PeerPurpose.Mirror;

    /// <summary>What may come in from now on; connections without a grant end.</summary>
    internal void Apply(IReadOnlyList<MirrorReceiveOptions> all)
    {
        var ending = new List<Mirror>();
        lock (_lock)
        {
            var wanted = new Dictionary<string, MirrorReceiveOptions>(StringComparer.Ordinal);
            foreach (MirrorReceiveOptions options in all) wanted[options.Name] = options;
            foreach ((string name, Mirror mirror) in _mirrors)
            {
                if (wanted.TryGetValue(name, out MirrorReceiveOptions? same) && same == mirror.Options)
                    wanted.Remove(name);
                else ending.Add(mirror);
            }
            foreach (Mirror mirror in ending)
            {
                _mirrors.Remove(mirror.Options.Name);
                mirror.Meter.Remove();
            }
            foreach (MirrorReceiveOptions options in wanted.Values) _mirrors[options.Name] = NewMirror(options);
        }
        foreach (Mirror mirror in ending) Replace(mirror, "this mirror is not configured any more", with: null);
    }

    Mirror NewMirror(MirrorReceiveOptions options)
    {
        var meter = new MirrorMeter(host.Board, host.Runtime.Time, new MirrorStatus
        {
            Name = options.Name, IsSource = false, Peer = options.Peer, Pfs = options.Place,
            Phase = MirrorPhase.Connecting, LagLimitSeconds = options.LagLimit.TotalSeconds,
        });
        meter.Show();
        return new Mirror(options, host.Runtime.NewMonitor(), meter);
    }

    /// <summary>False if a connection was told to end long ago and has not.</summary>
    internal bool IsTurning
    {
        get
        {
            lock (_lock)
            {
                foreach (Mirror mirror in _mirrors.Values)
                {
                    long broken = mirror.Active?.Conduit?.BrokenAt ?? 0;
                    if (broken != 0 && host.Runtime.Time.GetElapsedTime(broken) > mirror.Options.Times.HungAfter)
                        return false;
                }
            }
            return true;
        }
    }

    // ------------------------------------------------------------------ one connection

    public void Serve(PeerLink link, PeerHello hello, CancellationToken stop)
    {
        Mirror? mirror;
        lock (_lock) _mirrors.TryGetValue(hello.Mirror ?? "", out mirror);
        if (mirror is null || mirror.Options.Peer != link.Peer.Name)
        {
            // The same words for both: who asks does not learn what else there is.
            link.Refuse($"{host.Box} takes no mirror '{hello.Mirror}' from {link.Peer.Name}: "
                + "its config.toml has no such [mirrors] section", later: false);
            return;
        }
        var reception = new Reception();
        if (!Replace(mirror, $"a newer connection of {link.Peer.Name} has taken its place", reception))
        {
            link.Refuse($"{host.Box} is still ending an earlier connection of this mirror", later: true);
            return;
        }
        try
        {
            ServeGranted(mirror, reception, link, hello, stop);
        }
        finally
        {
            using (mirror.Monitor.Hold())
            {
                if (mirror.Active == reception) mirror.Active = null;
                mirror.Monitor.PulseAll();
            }
        }
    }

    /// <summary>Ends the connection of a mirror, if there is one; false if it does not end in time.</summary>
    internal bool Leave(string name)
    {
        Mirror? mirror;
        lock (_lock) _mirrors.TryGetValue(name, out mirror);
        return mirror is null || Replace(mirror, $"{host.Box} becomes the master of this mirror", with: null);
    }

    /// <summary>Ends the connection at work and waits for it; false if it does not end in time.</summary>
    bool Replace(Mirror mirror, string reason, Reception? with)
    {
        long began = host.Runtime.Time.GetTimestamp();
        using (mirror.Monitor.Hold())
        {
            while (mirror.Active is { } old)
            {
                old.Replaced = true;
                MirrorConduit? conduit = old.Conduit;
                mirror.Monitor.Exit();
                conduit?.Break(reason, discard: true);
                mirror.Monitor.Enter();
                if (mirror.Active != old) continue;
                TimeSpan left = s_replaceMax - host.Runtime.Time.GetElapsedTime(began);
                if (left <= TimeSpan.Zero) return false;
                mirror.Monitor.Wait(left);
            }
            mirror.Active = with;
            return true;
        }
    }

    void ServeGranted(Mirror mirror, Reception reception, PeerLink link, PeerHello hello, CancellationToken stop)
    {
        if (hello.SharedUuid is not { } shared)
        {
            link.Refuse("the shared UUID is missing", later: false);
            return;
        }
        if (host.Volumes.Find(mirror.Options.Volume) is not { } volume)
        {
            string missing = $"the file system '{mirror.Options.Volume}' is not mounted";
            mirror.Meter.Change(s => s with { Phase = MirrorPhase.NoSource, Problem = missing });
            link.Refuse($"{host.Box}: {missing}", later: true);
            return;
        }
        using IDisposable? use = volume.TryUse();
        if (use is null)
        {
            link.Refuse($"{host.Box}: the file system '{mirror.Options.Volume}' is going", later: true);
            return;
        }
        if (!Open(mirror, volume, shared, out HammerFs.MirrorTargetLease? lease, out OpenRefusal no))
        {
            mirror.Meter.Change(s => s with
            {
                Phase = PeerEndClass.IsHindrance(no.Kind) ? MirrorPhase.Hindered
                    : no.Later ? MirrorPhase.NoSource : MirrorPhase.Refused,
                Problem = no.Why,
            });
            link.Refuse($"{host.Box}: {no.Why}", no.Later, no.Kind);
            return;
        }
        using (lease)
        {
            link.Limiter = host.Paces.Of(mirror.Options.Name, mirror.Options.Bandwidth, host.Runtime.Time);
            link.OwnSilence = mirror.Options.Times.Silence;
            bool isWindowed = hello.Features?.Contains(PeerFeature.Window) == true;
            link.Welcome(hello, isWindowed ? [PeerFeature.Window] : []);
            using var gone = CancellationTokenSource.CreateLinkedTokenSource(stop, volume.Gone);
            Receive(mirror, reception, link, lease!, isWindowed, gone.Token);
        }
    }

    /// <summary>Why a slave cannot be opened.</summary>
    /// <param name="Why">A sentence for both owners.</param>
    /// <param name="Later">It may be different soon by itself.</param>
    /// <param name="Kind">One of <see cref="PeerEndClass"/>; null: none.</param>
    readonly record struct OpenRefusal(string Why, bool Later, string? Kind = null);

    bool Open(Mirror mirror, VolumeHandle volume, Guid shared, out HammerFs.MirrorTargetLease? lease,
        out OpenRefusal no)
    {
        lease = null;
        try
        {
            return OpenSlave(mirror, volume, shared, out lease, out no);
        }
        catch (Exception e) when (e is IOException or HammerMediumException or MountCriticalException)
        {
            lease?.Dispose();
            lease = null;
            no = new OpenRefusal(e.Message, Later: true, PeerEndClass.Of(e));
            return false;
        }
    }

    bool OpenSlave(Mirror mirror, VolumeHandle volume, Guid shared, out HammerFs.MirrorTargetLease? lease,
        out OpenRefusal no)
    {
        lease = null;
        no = default;
        string place = mirror.Options.Place;
        int pfsId = host.Pfs.EnsureSlave(volume, mirror.Options.Pfs, shared);
        if (!volume.Fs.TryGetPfs(pfsId, out PseudofsData pfs))
        {
            no = new OpenRefusal($"the PFS '{place}' is not there", Later: true);
            return false;
        }
        MirrorPlan plan = MirrorPlan.Of(new PfsState(shared, default, false, 0, ulong.MaxValue), PfsState.Of(pfs));
        if (plan is MirrorPlan.Unrelated or MirrorPlan.TargetIsMaster)
        {
            no = new OpenRefusal(plan.Sentence, Later: false);
            return false;
        }
        Errno result = volume.Fs.OpenMirrorTarget(pfsId, out lease);
        if (!result.IsError && mirror.Options.Awaits) volume.Fs.SetParent(pfsId, mirror.Options.Name);
        if (!result.IsError) return true;
        no = result == Errno.Busy ? new OpenRefusal($"another stream is writing to '{place}'", Later: true)
            : new OpenRefusal($"'{place}' cannot be written to: {Why(volume, result)}", Later: true,
                PeerEndClass.Of(result));
        return false;
    }

    /// <summary>What an error of the file system means for the owner of a slave.</summary>
    internal static string Why(VolumeHandle volume, Errno result)
    {
        string name = volume.Name;
        if (volume.Fs.Health.Message is { } latched) return $"the file system '{name}': {latched}";
        if (result == Errno.NoSpc) return $"the file system '{name}' is full";
        if (result == Errno.RoFs) return $"the file system '{name}' is mounted read-only";
        return result == Errno.Io ? $"the file system '{name}' is damaged there, or its disk fails" : result.ToString();
    }

    void Receive(Mirror mirror, Reception reception, PeerLink link, HammerFs.MirrorTargetLease lease,
        bool isWindowed, CancellationToken stop)
    {
        var session = new ReceiverSession(mirror.Meter, lease.Target);
        using var conduit = new MirrorConduit(host.Runtime, link, mirror.Options.Times, TimeSpan.Zero,
            () => session.Beat() with { State = PeerMessages.Line(host.State()) }, e =>
            {
                host.Board.Hear(mirror.Options.Peer, e.State);
                session.Heard(e);
            })
        {
            IsWindowed = isWindowed,
        };
        session.Conduit = conduit;
        using (mirror.Monitor.Hold())
        {
            reception.Conduit = conduit;
            if (reception.Replaced) return;
        }
        conduit.Start("mirror-" + mirror.Options.Name);
        using CancellationTokenRegistration ending = stop.Register(() =>
            conduit.Break($"{host.Box} is ending this mirror", discard: true));
        string? problem = null;
        MirrorPhase phase = MirrorPhase.Connecting;
        try
        {
            new MirrorTargetSession(conduit, _ => lease.Target, new MirrorOptions { TwoWay = true }, session).Run();
            conduit.SendEnd(new PeerEnd { Ok = true });
        }
        catch (MirrorRefusedException e)
        {
            problem = e.Message;
            phase = MirrorPhase.Refused;
            conduit.SendEnd(new PeerEnd
            {
                Error = PeerMessages.Sentence($"{host.Box}: {e.Message}"), Refused = true,
                Class = PeerEndClass.Refused,
            });
        }
        catch (Exception e)
        {
            // One of the four places where every exception ends: the other side is told, and comes again.
            problem = conduit.Reason ?? e.Message;
            string kind = PeerEndClass.Of(e);
            if (conduit.Reason is null ? PeerEndClass.IsHindrance(kind) : conduit.IsHindered)
                phase = MirrorPhase.Hindered;
            conduit.SendEnd(new PeerEnd
            {
                Error = PeerMessages.Sentence($"{host.Box}: {e.Message}"), Class = kind,
            });
        }
        mirror.Meter.Change(s => s with { Phase = phase, Problem = problem, Reconnects = s.Reconnects + 1 });
        if (problem is not null) host.Say(new MirrorLine(mirror.Options.Name, false, link.Peer.Name, problem));
    }
}

/// <summary>What a target's session and its source tell, turned into the mirror's numbers.</summary>
sealed class ReceiverSession(MirrorMeter meter, MirrorApply target) : MirrorWatcher
{
    long _noted, _seen;
    int _records;

    internal MirrorConduit? Conduit { get; set; }

    public override void ScanBegins(MirrorRange range) => meter.Change(s => s with
    {
        Phase = range.Begin <= MirrorMeter.FirstBegin ? MirrorPhase.FirstLoad : MirrorPhase.Streaming,
        MasterTid = Tid.Format(range.End), Problem = null,
    });

    public override void Progress(long objId, long bytes)
    {
        _seen = bytes;
        if (++_records % SenderSession.LookEvery != 0 && _seen - _noted < SenderSession.LookEveryBytes) return;
        meter.Moved(_seen - _noted);
        _noted = _seen;
    }

    public override void BatchEnded(in MirrorBatch batch)
    {
        if (batch.End == MirrorBatchEnd.Broken) return;
        ulong end = batch.Range.End;
        bool synced = batch.End == MirrorBatchEnd.Synced;
        meter.Change(s => s with
        {
            Phase = MirrorPhase.InStep, SlaveTid = synced ? Tid.Format(end) : s.SlaveTid, Problem = null,
            Progress = null, SecondsLeft = null,
        });
        Conduit?.BeatSoon();
    }

    internal PeerEvent Beat() => new()
    {
        Kind = PeerEventKind.Beat, Tid = meter.Status.SlaveTid,
        Work = target.Created + target.Updated + target.GapDeleted,
    };

    internal void Heard(PeerEvent e) => meter.Change(s => s with
    {
        LagSeconds = e.Lag, BytesBehind = e.BytesLeft, Progress = e.Progress, SecondsLeft = e.SecondsLeft,
        MasterTid = e.Tid ?? s.MasterTid,
    });
}
