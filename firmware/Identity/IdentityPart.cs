using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json.Serialization;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using NasFirmware.Config;
using NasFirmware.Control;
using NasFirmware.Daemon;
using NasFirmware.Mirroring;
using NasFirmware.Status;

namespace NasFirmware.Identity;

/*
 * Who this box is lives with its disks: the key and what was learnt by pairing lie in the state folder, on the card,
 * and as a copy on every volume that the box may write to (VolumeCopy). A card that dies takes nothing along.
 *
 * A thread of its own turns when something happened: a volume came or went, a peer was learnt or forgotten, the
 * configuration was read anew, the owner decided. Each turn looks at the volumes that are new to it, decides which key
 * the box has (IdentityRule), and makes copies what they should be. Nothing is written that is there already, and
 * without an event nothing is read, so that a box at rest leaves its disks alone.
 *
 * The peers in the copies carry a generation: the newest wins among copies of the same key, whichever place it is in.
 *
 * The private key never leaves the box. A volume whose root PFS is the source of a mirror gets no copy, one that was
 * there is taken away without trace, and no stream of a root PFS takes one along (KeyGuard).
 */

/// <summary>What the owner decides about a volume's copy.</summary>
sealed record IdentityRequest(string Volume);

/// <summary>What was done.</summary>
sealed record IdentityReply(string Key);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IdentityRequest))]
[JsonSerializable(typeof(IdentityReply))]
sealed partial class IdentityApiJson : JsonSerializerContext;

/// <summary>Keeps the box's identity in the state folder and on its volumes.</summary>
sealed class IdentityPart : IDaemonPart, IDaemonApi, IDisposable
{
    static readonly TimeSpan s_again = TimeSpan.FromMinutes(10), s_look = TimeSpan.FromSeconds(1);

    readonly DaemonContext _context;
    readonly PeerPart _peers;
    readonly IVolumes _volumes;
    readonly ILogger _log;
    readonly string _state;
    readonly long _start;
    readonly SortedDictionary<string, SeenCopy> _seen = new(StringComparer.Ordinal);
    readonly Lock _turning = new();
    readonly AutoResetEvent _wake = new(false);
    readonly LoopProbe _probe;
    readonly Thread _thread;
    IdentityStatus? _shown;
    IdentityChoices _choices = new();
    string? _stateProblem, _choicesProblem;
    volatile bool _isNew, _acknowledged, _stopping;
    bool _isPutAside;

    internal IdentityPart(DaemonContext context, PeerPart peers, IVolumes volumes)
    {
        _context = context;
        _peers = peers;
        _volumes = volumes;
        _log = context.Loggers.CreateLogger("identity");
        _state = context.Settings.Box.State;
        _start = context.Time.GetTimestamp();
        _stateProblem = peers.KeyDamage;
        try
        {
            _choices = IdentityChoices.Load(_state);
        }
        catch (Exception e) when (Cli.CommandLine.IsExpected(e))
        {
            _choicesProblem = e.Message;
        }
        _probe = new LoopProbe("identity", context.Time);
        _thread = new Thread(Run) { IsBackground = true, Name = "identity" };
        context.Apis.Add(this);
    }

    public void Start()
    {
        _volumes.Changed += VolumeChanged;
        _peers.Peers.Changed += Wake;
        _peers.Told += Wake;
        _context.Board.Acknowledged += Acknowledged;
        _context.Board.Changed += BoardChanged;
        _context.AddProbe(_probe);
        _thread.Start();
    }

    public void Reload(Settings before, Settings now) => Wake();

    public void Stop(CancellationToken hurry)
    {
        _volumes.Changed -= VolumeChanged;
        _peers.Peers.Changed -= Wake;
        _peers.Told -= Wake;
        _context.Board.Acknowledged -= Acknowledged;
        _context.Board.Changed -= BoardChanged;
        _context.RemoveProbe(_probe);
        _stopping = true;
        Wake();
        if (_thread.IsAlive) _thread.Join();
    }

    void Wake() => _wake.Set();

    void VolumeChanged(string name) => Wake();

    void Acknowledged()
    {
        _acknowledged = true;
        Wake();
    }

    // While nobody knows the key: the first peer that does is a mirror's state on the board.
    void BoardChanged()
    {
        if (_isNew) Wake();
    }

    void Run()
    {
        while (!_stopping)
        {
            // It works on disks, which may take their time: that is no hang.
            _probe.Rest();
            TimeSpan pause = s_again;
            try
            {
                pause = Turn();
            }
            catch (Exception e) when (Cli.CommandLine.IsExpected(e))
            {
                DaemonLog.PartFailed(_log, "identity", e.Message, null);
            }
            _wake.WaitOne(pause);
        }
    }

    /// <summary>One turn; how long it may rest.</summary>
    internal TimeSpan Turn()
    {
        lock (_turning)
        {
            Look();
            if (!_peers.Key.IsSettled || _isNew) Settle();
            if (_peers.Key.IsSettled)
            {
                TakePeers();
                NoteTold();
                foreach (SeenCopy seen in _seen.Values) Keep(seen);
            }
            Publish();
            if (!_peers.Key.IsSettled) return s_look;
            return _seen.Values.Any(s => s.WriteFault is not null) || _stateProblem is not null ? s_again
                : Timeout.InfiniteTimeSpan;
        }
    }

    // ------------------------------------------------------------------ looking

    void Look()
    {
        _isNew = PeerKey.IsNew(_state);
        foreach (VolumeSettings volume in _context.Settings.Volumes)
        {
            if (_volumes.Find(volume.Name) is not { } handle) _seen.Remove(volume.Name);
            else if (!_seen.TryGetValue(volume.Name, out SeenCopy? seen) || seen.Handle != handle)
            {
                _seen.Remove(volume.Name);
                if (SeenCopy.Look(handle) is { } looked) _seen.Add(volume.Name, looked);
            }
        }
        foreach (string gone in _seen.Keys.Where(n => _context.Settings.Volumes.All(v => v.Name != n)).ToArray())
            _seen.Remove(gone);
    }

    // Without any volume nothing was looked at: the configuration may be one that stands in for a mistaken one.
    bool IsAllSeen => _context.Settings.Volumes.Count > 0
        && _context.Settings.Volumes.All(v => _seen.ContainsKey(v.Name));

    // ------------------------------------------------------------------ the key

    void Settle()
    {
        // The command line may have made one meanwhile.
        if (!_peers.Key.IsSettled && _peers.KeyDamage is null
            && File.Exists(Path.Combine(_state, PeerKey.FileName)))
        {
            Become(PeerKey.Load(Path.Combine(_state, PeerKey.FileName)));
        }
        IdentityVerdict verdict = IdentityRule.Of(new IdentityFacts
        {
            Box = _context.Settings.Box.Name, Key = _peers.Key.IsSettled ? _peers.Key.Hash : null, IsNew = _isNew,
            Copies = [.. _seen.Values.Select(s => s.Copy).OfType<IdentityCopy>()],
            Retired = _choices.Retired,
            // Where none is configured there is nothing to wait for; a former copy takes a new key's place later, too.
            IsAllSeen = IsAllSeen || _context.Settings.Volumes.Count == 0,
            Elapsed = _context.Time.GetElapsedTime(_start),
        });
        switch (verdict)
        {
            case { Step: IdentityStep.Adopt, Copy: { } copy }:
                Adopt(copy);
                IdentityLog.Adopted(_log, copy.Box, copy.Key);
                break;
            case { Step: IdentityStep.Make }:
                Save(_peers.Key, isNew: true);
                _isNew = true;
                _peers.Key.Settle();
                _peers.HasSettled();
                IdentityLog.Made(_log, _peers.Key.Hash);
                break;
        }
    }

    /// <summary>The box is the one of the copy from now on.</summary>
    void Adopt(IdentityCopy copy)
    {
        PeerKey key = PeerKey.Parse(copy.Pem, out _)!;
        Save(key, copy.IsNew);
        _isNew = copy.IsNew;
        IdentityChoices theirs = copy.Choices ?? new IdentityChoices();
        Choose(new IdentityChoices { Without = [.. _choices.Without.Union(theirs.Without)] }
            .Retire(theirs.Retired.Union(_choices.Retired).Where(k => k != copy.Key)));
        Restore(copy.Key, copy.Peers);
        Become(key);
    }

    void Choose(IdentityChoices choices)
    {
        bool isNothing = _choices.IsNothing && choices.IsNothing;
        _choices = choices;
        if (isNothing) return;
        try
        {
            choices.Save(_state);
            _choicesProblem = null;
        }
        catch (Exception e) when (Cli.CommandLine.IsExpected(e))
        {
            _choicesProblem = $"what was decided about keys cannot be kept in {_state}: {e.Message}";
        }
    }

    bool Restore(string key, PeerFile peers)
    {
        try
        {
            _peers.Peers.Restore(key, peers);
            return true;
        }
        catch (Exception e) when (Cli.CommandLine.IsExpected(e))
        {
            _stateProblem = $"what the disks know of other boxes cannot be kept in {_state}: {e.Message}";
            return false;
        }
    }

    void Become(PeerKey key)
    {
        _peers.Key.Become(key);
        _peers.Peers.SetOwnKey(key.Hash);
        _peers.HasSettled();
    }

    // A card that cannot be written to is told; the box has its key all the same.
    void Save(PeerKey key, bool isNew)
    {
        string path = Path.Combine(_state, PeerKey.FileName);
        try
        {
            if (_peers.KeyDamage is not null && !_isPutAside) PutAside(path);
            _isPutAside = true;
            key.Save(_state, isNew);
            _stateProblem = null;
        }
        catch (Exception e) when (Cli.CommandLine.IsExpected(e))
        {
            _stateProblem = $"the key of the box cannot be kept in {_state}: {e.Message}";
            DaemonLog.PartFailed(_log, "identity", _stateProblem, null);
        }
    }

    // Whatever it is: for a person to look at.
    static void PutAside(string path)
    {
        string aside = path + ".damaged";
        if (Directory.Exists(path)) Directory.Move(path, aside);
        else if (File.Exists(path)) File.Move(path, aside, overwrite: true);
    }

    // ------------------------------------------------------------------ peers

    /// <summary>The newest list of peers among the copies of this key comes into the state folder.</summary>
    void TakePeers()
    {
        PeerFile? own = _peers.Peers.Learnt();
        PeerFile? newest = _seen.Values.Select(s => s.Copy).OfType<IdentityCopy>()
            .Where(c => c.Key == _peers.Key.Hash).Select(c => c.Peers).MaxBy(p => p.Generation);
        if (newest is null || (own is not null && newest.Generation <= own.Generation)) return;
        if (!Restore(_peers.Key.Hash, newest)) return;
        IdentityLog.PeersTaken(_log, newest.Peers.Count);
        _peers.HasSettled();
    }

    void NoteTold()
    {
        if (!_isNew) return;
        // A machine behind ssh knows us by another key.
        bool isKnown = _context.Board.Snapshot("", "").Mirrors.Any(m => m.Phase >= MirrorPhase.FirstLoad
            && !_context.Settings.Mirrors.Any(s => s.Name == m.Name && s.Ssh is not null));
        if (!isKnown && !IsAcknowledged()) return;
        PeerKey.Told(_state);
        _isNew = false;
    }

    // Whoever acknowledges may mean something else, a missing disk, say. It makes the key final only where no former
    // one can turn up any more: every volume was looked at, and none holds what cannot be read.
    bool IsAcknowledged()
    {
        bool isAcknowledged = _acknowledged;
        _acknowledged = false;
        return isAcknowledged && IsAllSeen && !_seen.Values.Any(s => s.IsNewer
            || (s.Copy is { } copy && copy.Box == _context.Settings.Box.Name && copy.Key != _peers.Key.Hash));
    }

    // ------------------------------------------------------------------ copies

    /// <summary>The root PFS of that volume is sent to another box, or another volume.</summary>
    internal static bool IsSource(Settings settings, string volume) => settings.Mirrors.Any(m =>
        m.From.Box == settings.Box.Name && m.From.Volume == volume && m.From.Pfs.Length == 0);

    bool IsSource(string volume) => IsSource(_context.Settings, volume);

    bool IsOthers(SeenCopy seen) => seen.IsOthers(_context.Settings.Box.Name, _peers.Key.Hash, _choices);

    bool IsWithout(SeenCopy seen) => _choices.Without.Contains(seen.Handle.Fs.Volumes.FsId);

    void Keep(SeenCopy seen)
    {
        using IDisposable? use = seen.Handle.TryUse();
        if (use is null || seen.Handle.Fs.IsReadOnly || seen.Handle.Fs.Health.IsCritical) return;
        string name = seen.Handle.Name;
        bool isOthers = IsOthers(seen);
        if (isOthers || seen.IsNewer || seen.IsForeignPlace) return;
        if (IsSource(name) || IsWithout(seen))
        {
            if (seen.Remove()) IdentityLog.Removed(_log, name);
        }
        else if (_peers.Peers.Learnt() is { } peers)
        {
            byte[] wanted = IdentityFile.Write(new IdentityCopy
            {
                Box = _context.Settings.Box.Name, Key = _peers.Key.Hash, IsNew = _isNew, Pem = _peers.Key.Pem(),
                Peers = peers, Choices = _choices.IsNothing ? null : _choices,
            });
            if (seen.Write(wanted)) IdentityLog.Kept(_log, name);
        }
        if (seen.WriteFault is { } fault) IdentityLog.NotKept(_log, name, fault);
    }

    // ------------------------------------------------------------------ the owner decides

    /// <summary>This box becomes the one whose identity a volume carries.</summary>
    internal IdentityReply Take(string volume)
    {
        lock (_turning)
        {
            Look();
            IdentityCopy copy = SeenOf(volume).Copy
                ?? throw new IOException($"{volume} carries no identity that can be taken");
            if (_peers.Key.IsSettled && copy.Key == _peers.Key.Hash)
                throw new IOException($"this box has the key that {volume} carries");
            string path = Path.Combine(_state, PeerKey.FileName);
            if (File.Exists(path)) File.Move(path, path + ".former", overwrite: true);
            Adopt(copy);
            IdentityLog.Adopted(_log, copy.Box, copy.Key);
        }
        Wake();
        return new IdentityReply(_peers.Key.Hash);
    }

    /// <summary>What a volume carries of another box gives way to this one's identity.</summary>
    internal IdentityReply Replace(string volume)
    {
        lock (_turning)
        {
            Look();
            SeenCopy seen = SeenOf(volume);
            seen.Forget();
            if (IsWithout(seen)) Choose(_choices.Serve(seen.Handle.Fs.Volumes.FsId));
        }
        Wake();
        return new IdentityReply(_peers.Key.Hash);
    }

    /// <summary>
    /// The box gives up its key and makes another. The copies on its disks are replaced, those on disks that are away
    /// as soon as they come; nothing brings the former key back. Other boxes have to be paired anew.
    /// </summary>
    internal IdentityReply Renew()
    {
        lock (_turning)
        {
            if (!_peers.Key.IsSettled) throw new IOException("the key of this box is still looked for on its disks");
            IdentityChoices before = _choices;
            PeerKey key = PeerKey.Make();
            try
            {
                // First: were it cut off after the key, the disks would be taken for another box's.
                Choose(before.Retire([_peers.Key.Hash]));
                if (_choicesProblem is { } problem) throw new IOException(problem);
                // Not as new: a former key that turns up must not take its place.
                key.Save(_state, isNew: false);
            }
            catch (Exception e) when (Cli.CommandLine.IsExpected(e))
            {
                Choose(before);
                throw;
            }
            _stateProblem = null;
            Become(key);
            Turn();
            IdentityLog.Renewed(_log, key.Hash);
        }
        return new IdentityReply(_peers.Key.Hash);
    }

    /// <summary>That file system keeps no copy from now on.</summary>
    internal IdentityReply TakeOff(string volume)
    {
        lock (_turning)
        {
            Look();
            SeenCopy seen = SeenOf(volume);
            if (IsOthers(seen)) throw new IOException($"{volume} carries the key of another box, {seen.Copy!.Box}");
            if (seen.Handle.Fs.IsReadOnly) throw new IOException($"{volume} is mounted read-only");
            Choose(_choices.Leave(seen.Handle.Fs.Volumes.FsId));
            if (_choicesProblem is { } problem) throw new IOException(problem);
            Turn();
            if (seen.WriteFault is { } fault) throw new IOException($"{volume}: {fault}");
            if (VolumeCopy.IsThere(seen.Handle.Fs))
                throw new IOException($"{volume}: {VolumeCopy.Place} cannot be taken away; see nashammer status");
        }
        return new IdentityReply(_peers.Key.Hash);
    }

    SeenCopy SeenOf(string volume) => _seen.GetValueOrDefault(volume)
        ?? throw new IOException($"no volume of this name is mounted: {volume}");

    public void Map(WebApplication app)
    {
        app.MapPost("/identity/take", ControlApi.Handle(async c => ControlApi.Reply(
            Take((await ControlApi.Body(c, IdentityApiJson.Default.IdentityRequest)).Volume),
            IdentityApiJson.Default.IdentityReply)));
        app.MapPost("/identity/replace", ControlApi.Handle(async c => ControlApi.Reply(
            Replace((await ControlApi.Body(c, IdentityApiJson.Default.IdentityRequest)).Volume),
            IdentityApiJson.Default.IdentityReply)));
        app.MapPost("/identity/forget", ControlApi.Handle(async c => ControlApi.Reply(
            TakeOff((await ControlApi.Body(c, IdentityApiJson.Default.IdentityRequest)).Volume),
            IdentityApiJson.Default.IdentityReply)));
        app.MapPost("/identity/new", ControlApi.Handle(_ => ControlApi.Reply(Renew(),
            IdentityApiJson.Default.IdentityReply)));
    }

    // ------------------------------------------------------------------ status

    void Publish()
    {
        Settings settings = _context.Settings;
        bool concernsOthers = _peers.Peers.All().Count > 0
            || settings.Mirrors.Any(m => m.Ssh is null
                && (m.From.Box == settings.Box.Name || m.To.Box == settings.Box.Name));
        var now = new IdentityStatus
        {
            Key = _peers.Key.IsSettled ? _peers.Key.Hash : null, IsNew = _isNew, ConcernsOthers = concernsOthers,
            Problem = _stateProblem ?? _choicesProblem ?? _peers.Peers.Problem,
            Copies = [.. settings.Volumes.Select(v => Status(v.Name))],
        };
        if (_shown is not null && _shown.Copies.SequenceEqual(now.Copies)
            && _shown == now with { Copies = _shown.Copies })
        {
            return;
        }
        _shown = now;
        _context.Board.Put(now);
    }

    IdentityCopyStatus Status(string volume)
    {
        var status = new IdentityCopyStatus { Volume = volume };
        if (!_seen.TryGetValue(volume, out SeenCopy? seen)) return status;
        status = status with { Problem = seen.WriteFault };
        if (!_peers.Key.IsSettled) return status;
        if (seen.IsNewer) return status with { State = IdentityCopyState.Newer };
        if (IsOthers(seen))
            return status with { State = IdentityCopyState.Other, Box = seen.Copy!.Box, Key = seen.Copy.Key };
        if (seen.IsForeignPlace)
        {
            return status with
            {
                State = IdentityCopyState.NotKept,
                Problem = $"{VolumeCopy.Place} on it is not root's alone; take it away",
            };
        }
        if (seen.Copy is not null) return status with { State = IdentityCopyState.Kept };
        return status with
        {
            State = IsSource(volume) ? IdentityCopyState.Never
                : IsWithout(seen) ? IdentityCopyState.Forgotten : IdentityCopyState.NotKept,
        };
    }

    public void Dispose() => _wake.Dispose();
}
