using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Daemon;

namespace NasFirmware.Mirroring;

// Which way a mirror goes (docs/MIRRORING.md 12)
//
// The configuration says between which two PFSs, and which way at first. Then what is on the disks counts: a master
// sends, and its former master, a slave now, takes. Both boxes come to the same answer, each by its own disk; where
// they do not (two masters), neither takes anything, and both say so.

/// <summary>A mirror with one end on this box.</summary>
/// <param name="Options">Its section, seen from here.</param>
/// <param name="IsFrom">The section's `from` is here.</param>
sealed record MirrorEndOptions(MirrorSendOptions Options, bool IsFrom)
{
    internal string Name => Options.Name;
}

/// <summary>What this box does for a mirror.</summary>
enum MirrorRole
{
    Sends,
    Takes,
    /// <summary>Takes from the first that is a master: a former one that does not know yet who followed it.</summary>
    Awaits,
}

/// <summary>The decision, a pure function of the section and of what the disk says.</summary>
static class MirrorRoles
{
    /// <param name="end">The mirror.</param>
    /// <param name="isHead">No mirror of the configuration leads to this PFS.</param>
    /// <param name="pfs">The PFS here; null: it is not there, or cannot be looked at.</param>
    /// <param name="note">What is noted of a turned mirror.</param>
    internal static MirrorRole Of(MirrorEndOptions end, bool isHead, PseudofsData? pfs, PfsRole note)
    {
        // Nobody on the other side of ssh could take a role, or give one.
        if (end.Options.Ssh is not null) return MirrorRole.Sends;
        if (pfs is not { } here) return end.IsFrom ? MirrorRole.Sends : MirrorRole.Takes;
        if (!here.IsSlave)
        {
            // A master that nobody promoted, at the place of a slave, is somebody's mistake: it is refused as ever.
            return end.IsFrom || PromotionMark.TryGet(here, out _) ? MirrorRole.Sends : MirrorRole.Takes;
        }
        if (!end.IsFrom) return MirrorRole.Takes;
        if (!note.IsNone) return note.Parent == end.Name ? MirrorRole.Takes : MirrorRole.Sends;
        // A slave sends where it is one by configuration (a chain), or is fed by other means.
        bool wasMaster = isHead && SlaveMark.FedBy(in here) == Guid.Empty && here.SyncEndTid > 1;
        return wasMaster ? MirrorRole.Awaits : MirrorRole.Sends;
    }
}

/// <summary>Keeps the loops of a <see cref="MirrorService"/> as the disks say.</summary>
sealed class MirrorDirector : IDisposable
{
    readonly MirrorHost _host;
    readonly MirrorService _service;
    readonly LoopMonitor _signal, _updating;
    readonly Dictionary<string, VolumeHandle> _followed = new(StringComparer.Ordinal);
    readonly CancellationTokenSource _stop = new();
    IReadOnlyList<MirrorEndOptions> _ends;
    volatile Dictionary<string, MirrorRole> _roles = [];
    IReadOnlyList<MirrorSendOptions> _sends = [];
    IReadOnlyList<MirrorReceiveOptions> _receives = [];
    LoopThread? _thread;
    bool _pulsed;

    internal MirrorDirector(MirrorHost host, MirrorService service, IReadOnlyList<MirrorEndOptions> ends)
    {
        _host = host;
        _service = service;
        _ends = ends;
        _signal = host.Runtime.NewMonitor();
        _updating = host.Runtime.NewMonitor();
    }

    /// <summary>Roles are other ones than before; on any thread.</summary>
    internal event Action? Changed;
    /// <summary>A PFS here has handed its role over, and nobody has said yet that he took it.</summary>
    internal event Action<string>? HandingOver;

    /// <summary>The mirror with this name; null: there is none.</summary>
    internal MirrorEndOptions? End(string name) => Volatile.Read(ref _ends).FirstOrDefault(e => e.Name == name);

    /// <summary>What this box does for a mirror.</summary>
    internal MirrorRole RoleOf(string name) => _roles.GetValueOrDefault(name, MirrorRole.Takes);

    /// <summary>Looks at the disks and starts; the service is started here.</summary>
    internal void Start()
    {
        _host.Volumes.Changed += VolumeChanged;
        Update();
        _service.Start();
        _thread = _host.Runtime.Start("mirror-roles", Loop);
    }

    /// <summary>The configuration is new.</summary>
    internal void Apply(IReadOnlyList<MirrorEndOptions> ends)
    {
        Volatile.Write(ref _ends, ends);
        Update();
    }

    void VolumeChanged(string name) => Pulse();

    /// <summary>Something has changed that may change a role; returns at once.</summary>
    internal void Pulse()
    {
        using (_signal.Hold())
        {
            _pulsed = true;
            _signal.PulseAll();
        }
    }

    void Loop()
    {
        while (true)
        {
            using (_signal.Hold())
            {
                while (!_pulsed && !_stop.IsCancellationRequested) _signal.Wait(Timeout.InfiniteTimeSpan);
                if (_stop.IsCancellationRequested) return;
                _pulsed = false;
            }
            Update();
        }
    }

    /// <summary>Makes the loops what the disks say now.</summary>
    internal void Update()
    {
        var handing = new List<string>();
        bool changed;
        using (_updating.Hold())
        {
            if (_stop.IsCancellationRequested) return;
            IReadOnlyList<MirrorEndOptions> ends = Volatile.Read(ref _ends);
            var roles = new Dictionary<string, MirrorRole>(StringComparer.Ordinal);
            var slaves = new HashSet<string>(StringComparer.Ordinal);
            foreach (MirrorEndOptions end in ends) roles[end.Name] = Look(end, ends, slaves, handing);
            changed = roles.Count != _roles.Count || roles.Any(r => _roles.GetValueOrDefault(r.Key) != r.Value);
            foreach ((string name, MirrorRole role) in roles)
            {
                MirrorEndOptions end = ends.First(e => e.Name == name);
                bool turned = end.IsFrom != (role == MirrorRole.Sends);
                if (turned && (!_roles.TryGetValue(name, out MirrorRole before) || before != role))
                    _host.Log($"mirror {name}: goes the other way than config.toml says, from "
                        + (end.IsFrom ? $"{end.Options.Peer} to {_host.Box}" : $"{_host.Box} to {end.Options.Peer}"));
            }
            _roles = roles;
            UpdateService(ends, roles, slaves);
        }
        if (changed) Changed?.Invoke();
        foreach (string name in handing) HandingOver?.Invoke(name);
    }

    void UpdateService(IReadOnlyList<MirrorEndOptions> ends, Dictionary<string, MirrorRole> roles,
        HashSet<string> slaves)
    {
        List<MirrorSendOptions> sends = [.. ends.Where(e => roles[e.Name] == MirrorRole.Sends)
            .Select(e => e.Options with { FromSlave = slaves.Contains(e.Name) })];
        List<MirrorReceiveOptions> receives = [.. ends.Where(e => roles[e.Name] != MirrorRole.Sends)
            .Select(e => new MirrorReceiveOptions
            {
                Name = e.Name, Peer = e.Options.Peer, Volume = e.Options.Volume, Pfs = e.Options.Pfs,
                LagLimit = e.Options.LagLimit, Times = e.Options.Times, Awaits = roles[e.Name] == MirrorRole.Awaits,
                Bandwidth = e.Options.Bandwidth,
            })];
        if (sends.SequenceEqual(_sends) && receives.SequenceEqual(_receives)) return;
        bool takesMore = receives.Except(_receives).Any();
        _sends = sends;
        _receives = receives;
        _service.Apply(sends, receives);
        if (takesMore) _service.Announce();
    }

    MirrorRole Look(MirrorEndOptions end, IReadOnlyList<MirrorEndOptions> ends, HashSet<string> slaves,
        List<string> handing)
    {
        MirrorSendOptions o = end.Options;
        bool isHead = !ends.Any(e => !e.IsFrom && e.Options.Volume == o.Volume && e.Options.Pfs == o.Pfs);
        MirrorRole unknown = MirrorRoles.Of(end, isHead, null, PfsRole.None);
        VolumeHandle? volume = _host.Volumes.Find(o.Volume);
        using IDisposable? use = volume?.TryUse();
        if (volume is null || use is null) return unknown;
        Follow(volume);
        try
        {
            if (_host.Pfs.Find(volume, o.Pfs) is not { } id || !volume.Fs.TryGetPfs(id, out PseudofsData pfs))
                return unknown;
            if (pfs.IsSlave) slaves.Add(end.Name);
            PfsRole note = pfs.IsSlave ? volume.Fs.Role(id) : PfsRole.None;
            if (note.IsHandingOver && note.Parent == end.Name) handing.Add(end.Name);
            return MirrorRoles.Of(end, isHead, pfs, note);
        }
        catch (Exception e) when (e is IOException or HammerMediumException)
        {
            _host.Log($"mirror {end.Name}: the role of {o.Place} cannot be read: {e.Message}");
            return unknown;
        }
    }

    void Follow(VolumeHandle volume)
    {
        if (_followed.GetValueOrDefault(volume.Name) == volume) return;
        if (_followed.Remove(volume.Name, out VolumeHandle? former)) former.Fs.PfsMoved -= Pulse;
        volume.Fs.PfsMoved += Pulse;
        _followed[volume.Name] = volume;
    }

    /// <summary>Ends everything, the service's loops too.</summary>
    internal void Stop()
    {
        _host.Volumes.Changed -= VolumeChanged;
        _stop.Cancel();
        Pulse();
        _thread?.Join();
        using (_updating.Hold())
        {
            foreach (VolumeHandle volume in _followed.Values) volume.Fs.PfsMoved -= Pulse;
            _followed.Clear();
        }
        _service.Stop();
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
    }
}
