using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace NasFirmware.Config;

/// <summary>
/// The named sections of a configuration and what they say of each other: names that must exist, things that must be
/// there once only, mirrors that lead somewhere. Afterwards only what is this box's own is kept.
/// </summary>
sealed class ConfigReferences(string self)
{
    sealed record Owned<T>(T Value, string Box, ConfigSection Section);

    readonly List<Owned<VolumeSettings>> _volumes = [];
    readonly List<Owned<PfsSettings>> _pfs = [];
    readonly List<Owned<PeerSettings>> _peers = [];
    readonly List<Owned<MirrorStreamSettings>> _mirrors = [];
    readonly List<Owned<ShareSettings>> _shares = [];

    internal void Add(VolumeSettings volume, string box, ConfigSection section) =>
        _volumes.Add(new Owned<VolumeSettings>(volume, box, section));

    internal void Add(PfsSettings pfs, ConfigSection section) => _pfs.Add(new Owned<PfsSettings>(pfs, "", section));

    internal void Add(PeerSettings peer, ConfigSection section) =>
        _peers.Add(new Owned<PeerSettings>(peer, peer.Name, section));

    internal void Add(MirrorStreamSettings mirror, ConfigSection section) =>
        _mirrors.Add(new Owned<MirrorStreamSettings>(mirror, "", section));

    internal void Add(ShareSettings share, ConfigSection section) =>
        _shares.Add(new Owned<ShareSettings>(share, "", section));

    internal Settings Complete(Settings settings)
    {
        CheckVolumes();
        CheckPfs();
        CheckPeers();
        CheckMirrors();
        CheckShares();
        VolumeSettings[] own = [.. _volumes.Where(v => v.Box == self).Select(v => v.Value)];
        return settings with
        {
            Volumes = [.. own],
            Pfs = [.. _pfs.Select(p => p.Value).Where(p => own.Any(v => v.Name == p.Volume))],
            Peers = [.. _peers.Select(p => p.Value).Where(p => p.Name != self)],
            Mirrors = [.. _mirrors.Select(m => m.Value)],
            Shares = [.. _shares.Select(s => s.Value).Where(s => own.Any(v => v.Name == s.Volume))],
        };
    }

    void CheckVolumes()
    {
        var once = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Owned<VolumeSettings> volume in _volumes)
        {
            VolumeSettings v = volume.Value;
            // A copy of another box's disk may be meant: only what one box would see twice is wrong.
            if (v.FsId is { } id) Once(volume, "fsid", $"{volume.Box} fsid {id:D}", "has this fsid already");
            if (v.Label is { } label && v.FsId is null)
                Once(volume, "label", $"{volume.Box} label {label}", "has this label already: tell them apart by fsid");
            if (v.Mount.Length > 0)
                Once(volume, "mount", $"{volume.Box} mount {Path.TrimEndingDirectorySeparator(v.Mount)}",
                    "is mounted there already");
            foreach (string image in v.Images)
                Once(volume, "images", $"{volume.Box} image {image}", $"has {image} already");
        }

        void Once(Owned<VolumeSettings> volume, string key, string thing, string says)
        {
            if (once.TryGetValue(thing, out string? former))
                volume.Section.Report(key, $"[volumes.{former}] {says}");
            else once[thing] = volume.Value.Name;
        }
    }

    void CheckPfs()
    {
        var once = new Dictionary<(string Volume, string Path), string>();
        foreach (Owned<PfsSettings> pfs in _pfs)
        {
            PfsSettings p = pfs.Value;
            if (p.Volume.Length == 0) continue;
            Owned<VolumeSettings>? volume = _volumes.Find(v => v.Value.Name == p.Volume);
            if (volume is null)
            {
                pfs.Section.Report("volume", $"there is no [volumes.{p.Volume}]"
                    + ConfigReading.Nearest(p.Volume, _volumes.Select(v => v.Value.Name)));
            }
            else if (volume.Value.ReadOnly)
                pfs.Section.Report("volume", $"[volumes.{p.Volume}] is read-only: no PFS can be made there");
            if (!once.TryAdd((p.Volume, p.Path), p.Name))
                pfs.Section.Report("path", $"[pfs.{once[(p.Volume, p.Path)]}] is {p.Path} of {p.Volume} already");
        }
    }

    void CheckShares()
    {
        foreach (Owned<ShareSettings> share in _shares)
        {
            string volume = share.Value.Volume;
            if (volume.Length > 0 && !_volumes.Exists(v => v.Value.Name == volume))
            {
                share.Section.Report("volume", $"there is no [volumes.{volume}]"
                    + ConfigReading.Nearest(volume, _volumes.Select(v => v.Value.Name)));
            }
        }
    }

    void CheckPeers()
    {
        var once = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Owned<PeerSettings> peer in _peers)
        {
            if (peer.Value.Key is { } key && !once.TryAdd(key, peer.Value.Name))
                peer.Section.Report("key", $"[peers.{once[key]}] has this key already: a box has one of its own");
        }
    }

    // ------------------------------------------------------------------ mirrors

    void CheckMirrors()
    {
        var targets = new Dictionary<MirrorEnd, Owned<MirrorStreamSettings>>();
        var away = new Dictionary<(string Host, int? Port, string Path), string>();
        foreach (Owned<MirrorStreamSettings> mirror in _mirrors)
        {
            MirrorStreamSettings m = mirror.Value;
            if (m.From.Box.Length > 0 && m.Ssh is { } ssh)
            {
                CheckEnd(mirror, "from", m.From);
                if (!away.TryAdd((ssh.Host, ssh.Port, ssh.Path.TrimEnd('/')), m.Name))
                    mirror.Section.Report("to", $"[mirrors.{away[(ssh.Host, ssh.Port, ssh.Path.TrimEnd('/'))]}] leads "
                        + "there already; a slave has one source");
            }
            if (m.From.Box.Length == 0 || m.To.Box.Length == 0) continue;
            bool known = CheckEnd(mirror, "from", m.From) & CheckEnd(mirror, "to", m.To);
            if (m.To == m.From) mirror.Section.Report("to", "the mirror leads to itself");
            else if (m.To.Box == m.From.Box)
                mirror.Section.Report("to", "a mirror leads to another box; on one box use `nashammer mirror-copy`");
            else if (m.To.Pfs.Length == 0)
                mirror.Section.Report("to", "the root of a volume is always a master: name a PFS, "
                    + $"such as {m.To.Box}:{m.To.Volume}/{mirror.Value.Name}");
            else if (_pfs.Find(p => IsAt(p.Value, m.To)) is { } master)
                mirror.Section.Report("to", $"[pfs.{master.Value.Name}] makes it a master; a mirror leads to a slave");
            else if (!targets.TryAdd(m.To, mirror))
                mirror.Section.Report("to", $"[mirrors.{targets[m.To].Value.Name}] leads there already; "
                    + "a slave has one source");
            else if (known && Returns(m, targets))
                mirror.Section.Report("to", "the mirrors lead round in a circle");
        }
    }

    bool IsAt(PfsSettings pfs, MirrorEnd end) => pfs.Volume == end.Volume && pfs.Path == end.Pfs
        && _volumes.Exists(v => v.Value.Name == pfs.Volume && v.Box == end.Box);

    static bool Returns(MirrorStreamSettings mirror, Dictionary<MirrorEnd, Owned<MirrorStreamSettings>> targets)
    {
        MirrorEnd at = mirror.From;
        for (int steps = 0; steps <= targets.Count; steps++)
        {
            if (at == mirror.To) return true;
            if (!targets.TryGetValue(at, out Owned<MirrorStreamSettings>? before)) return false;
            at = before.Value.From;
        }
        return true;
    }

    bool CheckEnd(Owned<MirrorStreamSettings> mirror, string key, MirrorEnd end)
    {
        string[] boxes = [self, .. _peers.Select(p => p.Value.Name), .. _volumes.Select(v => v.Box)];
        if (!boxes.Contains(end.Box))
        {
            mirror.Section.Report(key, $"there is no box {end.Box}: this one is {self}, others have a [peers.NAME]"
                + ConfigReading.Nearest(end.Box, boxes));
            return false;
        }
        // Which volumes another box has is known only if they stand in this file.
        string[] volumes = [.. _volumes.Where(v => v.Box == end.Box).Select(v => v.Value.Name)];
        if (volumes.Contains(end.Volume) || (volumes.Length == 0 && end.Box != self)) return true;
        mirror.Section.Report(key, $"box {end.Box} has no [volumes.{end.Volume}]"
            + ConfigReading.Nearest(end.Volume, volumes));
        return false;
    }
}
