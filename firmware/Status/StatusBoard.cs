using System;
using System.Collections.Generic;
using System.Linq;

namespace NasFirmware.Status;

/// <summary>
/// Where services put what they know, each under its name, and where renderings take a snapshot. Thread-safe; nothing
/// here waits. It measures how old each report is: one that is not renewed cannot go on saying that all is well.
/// </summary>
sealed class StatusBoard(TimeProvider? time = null)
{
    /// <summary>When a mirror was last reported, and its proof first: time stamps of the monotonic clock.</summary>
    readonly record struct MirrorTimes(long Reported, long? Proven);

    readonly TimeProvider _time = time ?? TimeProvider.System;
    readonly Dictionary<string, MirrorTimes> _times = [];
    readonly Dictionary<string, Func<MirrorStatus, MirrorStatus>> _live = [];
    /// <summary>What other boxes say of themselves.</summary>
    readonly Dictionary<string, string> _says = new(StringComparer.Ordinal);
    /// <summary>Proofs of mirrors that nobody has reported yet.</summary>
    readonly Dictionary<string, MirrorProof> _recalled = [];
    /// <summary>When a mirror with this peer was last reported as connected, by the wall clock.</summary>
    readonly Dictionary<string, DateTimeOffset> _seen = [];
    readonly SortedDictionary<string, PanelDeviceStatus> _panel = new(StringComparer.Ordinal);
    bool _isAcknowledged;
    readonly object _gate = new();
    readonly SortedDictionary<string, VolumeStatus> _volumes = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, MirrorStatus> _mirrors = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, PeerStatus> _peers = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, DiskStatus> _disks = new(StringComparer.Ordinal);
    Activity _activity;
    IdentityStatus? _identity;
    string? _pairingCode;
    long _locatedAt;
    TimeSpan _locateFor;

    /// <summary>Something changed; on the thread of who reported it, outside of locks. Must be cheap.</summary>
    internal event Action? Changed;

    /// <summary>A mirror's copy is being made anew: its name, and true if it is sent from here. As above.</summary>
    internal event Action<string, bool>? FirstLoadBegan;

    internal void Put(VolumeStatus volume) => Change(() => _volumes[volume.Name] = volume);

    /// <summary>Changes what is known of a file system; nothing if it is not on the board.</summary>
    internal void UpdateVolume(string name, Func<VolumeStatus, VolumeStatus> change) => Change(() =>
    {
        if (_volumes.TryGetValue(name, out VolumeStatus? volume)) _volumes[name] = change(volume);
    });

    /// <summary>
    /// Under the mirror's name and direction: a box may send and receive mirrors of one name. Who reports the stream
    /// knows nothing of comparisons: without words on them those on the board stay. In a first load they go: the copy
    /// of which they spoke is no more.
    /// </summary>
    internal void Put(MirrorStatus mirror)
    {
        string key = Key(mirror.Name, mirror.IsSource);
        bool isLoad = mirror.Phase == MirrorPhase.FirstLoad, begins = false;
        Change(() =>
        {
            _mirrors.TryGetValue(key, out MirrorStatus? before);
            bool isSilent = mirror is { ProvenTid: null, Differs: null };
            begins = isLoad && before?.Phase != MirrorPhase.FirstLoad;
            if (isLoad) _recalled.Remove(key);
            else if (isSilent && before is not null) mirror = MirrorProof.Of(before).On(mirror);
            else if (isSilent && _recalled.Remove(key, out MirrorProof? recalled)) mirror = recalled.On(mirror);
            if (mirror.Switching is null && before is not null)
                mirror = mirror with { Switching = before.Switching };
            Set(key, mirror, isNewProof: false);
        });
        if (begins) FirstLoadBegan?.Invoke(mirror.Name, mirror.IsSource);
    }

    /// <summary>What was known of a mirror's comparisons before it was first reported; null: nothing.</summary>
    internal void Recall(string name, bool isSource, MirrorProof? proof)
    {
        lock (_gate)
        {
            if (proof is null) _recalled.Remove(Key(name, isSource));
            else _recalled[Key(name, isSource)] = proof;
        }
    }

    /// <summary>
    /// What changes by itself in a mirror's numbers, asked at each snapshot; under the board's lock, so it may take
    /// only locks of its own.
    /// </summary>
    internal void SetLive(string name, bool isSource, Func<MirrorStatus, MirrorStatus> live)
    {
        lock (_gate) _live[Key(name, isSource)] = live;
    }

    /// <param name="name">Its section.</param>
    /// <param name="isSource">Its direction.</param>
    /// <param name="change">Of what is on the board; nothing happens if nothing is.</param>
    /// <param name="isNewProof">Its proof is of this moment, whatever stood there.</param>
    internal void UpdateMirror(string name, bool isSource, Func<MirrorStatus, MirrorStatus> change,
        bool isNewProof = false) => Change(() =>
    {
        string key = Key(name, isSource);
        if (_mirrors.TryGetValue(key, out MirrorStatus? mirror)) Set(key, change(mirror), isNewProof);
    });

    void Set(string key, MirrorStatus mirror, bool isNewProof)
    {
        long now = _time.GetTimestamp();
        bool sameProof = !isNewProof && _mirrors.TryGetValue(key, out MirrorStatus? before)
            && before.ProvenTid == mirror.ProvenTid && before.ProvenAt == mirror.ProvenAt;
        long? proven = mirror.ProvenTid is null ? null : sameProof ? _times[key].Proven ?? now : now;
        _times[key] = new MirrorTimes(now, proven);
        _mirrors[key] = mirror;
        if (IsConnected(mirror)) _seen[mirror.Peer] = _time.GetUtcNow();
    }

    static bool IsConnected(MirrorStatus mirror) =>
        mirror.Phase is MirrorPhase.FirstLoad or MirrorPhase.Streaming or MirrorPhase.InStep;

    /// <summary>Other boxes as the mirrors see them; what somebody put here himself comes first.</summary>
    IReadOnlyList<PeerStatus> Peers()
    {
        var peers = new SortedDictionary<string, PeerStatus>(_peers, StringComparer.Ordinal);
        foreach (IGrouping<string, MirrorStatus> mirrors in _mirrors.Values.GroupBy(m => m.Peer))
        {
            if (_peers.ContainsKey(mirrors.Key)) continue;
            bool isReachable = mirrors.Any(IsConnected);
            peers[mirrors.Key] = new PeerStatus
            {
                Name = mirrors.Key, IsReachable = isReachable,
                // Of one that is not there nobody knows how it is now.
                Summary = isReachable ? _says.GetValueOrDefault(mirrors.Key) : null,
                // What is wrong stands with the mirror.
                LastSeen = _seen.TryGetValue(mirrors.Key, out DateTimeOffset seen) ? seen : null,
            };
        }
        return [.. peers.Values];
    }

    /// <summary>What is on the board of this mirror is still so.</summary>
    internal void Renew(string name, bool isSource)
    {
        string key = Key(name, isSource);
        lock (_gate)
        {
            if (_times.TryGetValue(key, out MirrorTimes times))
            {
                _times[key] = times with { Reported = _time.GetTimestamp() };
                if (IsConnected(_mirrors[key])) _seen[_mirrors[key].Peer] = _time.GetUtcNow();
            }
        }
    }

    internal void RemoveMirror(string name, bool isSource) => Change(() =>
    {
        _mirrors.Remove(Key(name, isSource));
        _live.Remove(Key(name, isSource));
        _times.Remove(Key(name, isSource));
    });
    /// <summary>What a peer says of itself; null: nothing.</summary>
    internal void Hear(string peer, string? state)
    {
        lock (_gate)
        {
            if (_says.GetValueOrDefault(peer) == state) return;
            if (state is null) _says.Remove(peer);
            else _says[peer] = state;
        }
        Changed?.Invoke();
    }

    internal void RemoveVolume(string name) => Change(() => _volumes.Remove(name));
    internal void Put(PeerStatus peer) => Change(() => _peers[peer.Name] = peer);
    internal void RemovePeer(string name) => Change(() => _peers.Remove(name));
    internal void Put(DiskStatus disk) => Change(() => _disks[disk.Device] = disk);
    internal void RemoveDisk(string device) => Change(() => _disks.Remove(device));

    /// <summary>How a device of the panel is; nothing happens if that is known.</summary>
    internal void Report(string device, string? problem)
    {
        lock (_gate)
        {
            if (_panel.TryGetValue(device, out PanelDeviceStatus? before) && before.Problem == problem) return;
        }
        Change(() => _panel[device] = new PanelDeviceStatus { Name = device, Problem = problem });
    }

    internal void RemovePanel() => Change(_panel.Clear);

    /// <summary>The owner has seen what is wrong; whoever sees something new says false.</summary>
    internal void Acknowledge(bool isAcknowledged = true)
    {
        Change(() => _isAcknowledged = isAcknowledged);
        if (isAcknowledged) Acknowledged?.Invoke();
    }

    /// <summary>The owner has seen what there is to be seen; on the thread of who said so.</summary>
    internal event Action? Acknowledged;

    internal void Put(IdentityStatus identity) => Change(() => _identity = identity);

    internal void Show(Activity activity, string? pairingCode = null) => Change(() =>
    {
        _activity = activity;
        _pairingCode = pairingCode;
    });

    /// <summary>
    /// The owner looks for this box: shown for so long from now on, then it ends by itself; zero ends it now.
    /// </summary>
    internal void Locate(TimeSpan time) => Change(() =>
    {
        _locatedAt = _time.GetTimestamp();
        _locateFor = time;
    });

    /// <summary>What is on the board; <see cref="StatusReporter"/> adds the box itself and the judgement.</summary>
    internal BoxStatus Snapshot(string name, string version)
    {
        lock (_gate)
        {
            double left = (_locateFor - _time.GetElapsedTime(_locatedAt)).TotalSeconds;
            bool isLocating = _locateFor > TimeSpan.Zero && left > 0;
            return new BoxStatus
            {
                Name = name, Version = version, PairingCode = _pairingCode,
                // Who compares codes has the box in front of him.
                Activity = _activity == Activity.None && isLocating ? Activity.Locating : _activity,
                LocateSecondsLeft = isLocating ? left : null,
                Volumes = [.. _volumes.Values], Mirrors = [.. _mirrors.Select(m => Aged(m.Key, m.Value))],
                Peers = Peers(), Disks = [.. _disks.Values], Panel = [.. _panel.Values],
                IsAcknowledged = _isAcknowledged, Identity = _identity,
            };
        }
    }

    MirrorStatus Aged(string key, MirrorStatus mirror)
    {
        MirrorTimes times = _times[key];
        if (_live.TryGetValue(key, out Func<MirrorStatus, MirrorStatus>? live)) mirror = live(mirror);
        return mirror with
        {
            AgeSeconds = _time.GetElapsedTime(times.Reported).TotalSeconds,
            ProvenAgeSeconds = times.Proven is { } proven
                ? mirror.ProvenAgeBase + _time.GetElapsedTime(proven).TotalSeconds : null,
        };
    }

    static string Key(string name, bool isSource) => (isSource ? "s:" : "t:") + name;

    void Change(Action change)
    {
        lock (_gate) change();
        Changed?.Invoke();
    }
}
