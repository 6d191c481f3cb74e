using System;
using System.Collections.Generic;

namespace NasFirmware.Status;

/// <summary>
/// Where services put what they know, each under its name, and where renderings take a snapshot. Thread-safe; nothing
/// here waits.
/// </summary>
sealed class StatusBoard
{
    readonly object _gate = new();
    readonly SortedDictionary<string, VolumeStatus> _volumes = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, MirrorStatus> _mirrors = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, PeerStatus> _peers = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, DiskStatus> _disks = new(StringComparer.Ordinal);
    Activity _activity;
    string? _pairingCode;

    /// <summary>Something changed; on the thread of who reported it, outside of locks. Must be cheap.</summary>
    internal event Action? Changed;

    internal void Put(VolumeStatus volume) => Change(() => _volumes[volume.Name] = volume);

    /// <summary>Changes what is known of a file system; nothing if it is not on the board.</summary>
    internal void UpdateVolume(string name, Func<VolumeStatus, VolumeStatus> change) => Change(() =>
    {
        if (_volumes.TryGetValue(name, out VolumeStatus? volume)) _volumes[name] = change(volume);
    });

    /// <summary>Under the mirror's name and direction: a box may send and receive mirrors of one name.</summary>
    internal void Put(MirrorStatus mirror) => Change(() => _mirrors[Key(mirror.Name, mirror.IsSource)] = mirror);

    internal void UpdateMirror(string name, bool isSource, Func<MirrorStatus, MirrorStatus> change) => Change(() =>
    {
        string key = Key(name, isSource);
        if (_mirrors.TryGetValue(key, out MirrorStatus? mirror)) _mirrors[key] = change(mirror);
    });

    internal void RemoveMirror(string name, bool isSource) => Change(() => _mirrors.Remove(Key(name, isSource)));
    internal void RemoveVolume(string name) => Change(() => _volumes.Remove(name));
    internal void Put(PeerStatus peer) => Change(() => _peers[peer.Name] = peer);
    internal void RemovePeer(string name) => Change(() => _peers.Remove(name));
    internal void Put(DiskStatus disk) => Change(() => _disks[disk.Device] = disk);
    internal void RemoveDisk(string device) => Change(() => _disks.Remove(device));

    internal void Show(Activity activity, string? pairingCode = null) => Change(() =>
    {
        _activity = activity;
        _pairingCode = pairingCode;
    });

    /// <summary>What is on the board; the caller adds what it knows of the box itself.</summary>
    internal BoxStatus Snapshot(string name, string version)
    {
        lock (_gate)
        {
            return new BoxStatus
            {
                Name = name, Version = version, Activity = _activity, PairingCode = _pairingCode,
                Volumes = [.. _volumes.Values], Mirrors = [.. _mirrors.Values], Peers = [.. _peers.Values],
                Disks = [.. _disks.Values],
            };
        }
    }

    static string Key(string name, bool isSource) => (isSource ? "s:" : "t:") + name;

    void Change(Action change)
    {
        lock (_gate) change();
        Changed?.Invoke();
    }
}
