using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading;
using NasCore.Mirror;
using NasCore.Primitives;
using NasFirmware.Status;
using NasLinux;

namespace NasFirmware.Mirroring;

/// <summary>What is known of the comparisons of one mirror. Ages are in seconds, as of when it was written.</summary>
sealed record ProofEntry
{
    public required string Mirror { get; init; }
    public bool IsSource { get; init; }
    /// <summary>Of what it is true: another box or place has another history.</summary>
    public string Peer { get; init; } = "";
    public string Place { get; init; } = "";
    /// <summary>The last TID that was compared, whatever came of it.</summary>
    public string? ComparedTid { get; init; }
    public string? ProvenTid { get; init; }
    public bool ProvenFull { get; init; }
    public DateTimeOffset? ProvenAt { get; init; }
    public double ProvenAge { get; init; }
    /// <summary>The last comparison that read all data; before the first one: since when there is this mirror.
    /// </summary>
    public string? FullTid { get; init; }
    public DateTimeOffset? FullAt { get; init; }
    public double FullAge { get; init; }
    public string? Differs { get; init; }
    public bool DiffersFull { get; init; }
}

sealed record ProofFile
{
    public IReadOnlyList<ProofEntry> Proofs { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ProofFile))]
sealed partial class ProofJson : JsonSerializerContext;

/// <summary>
/// What comparisons have proven, or found, over restarts of the daemon: proofs.json in the state folder.
///
/// A box may have no clock, and TIDs know nothing of time. So ages are what counts, and they are added up: while the
/// daemon runs, its monotonic clock tells; each time the file is written the age so far goes with it. What a box is off
/// for it cannot know without a clock. It believes the wall clock only for what an earlier run left, only if both times
/// can be (neither lies before this program was made, nor the proof in the future), and only to find that it is older.
/// A file that cannot be read, or says what cannot be, is none: everything is compared anew. Thread-safe.
/// </summary>
sealed class ProofMemory
{
    internal const string FileName = "proofs.json";
    const int FileBytesMax = 256 * 1024, EntriesMax = 256, TextMax = 500;
    const double AgeMax = 1e10;
    const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    /// <summary>Ages are written so often, so that a power cut costs no more, and with them proofs of the quick form:
    /// those may come every few seconds, and the folder may be on a card that wears out. Who loses one compares anew
    /// as soon as the mirror is in step again.</summary>
    static readonly TimeSpan s_saveEvery = TimeSpan.FromHours(6);

    sealed class Kept
    {
        internal required ProofEntry Entry { get; set; }
        /// <summary>When its ages were right, by the monotonic clock.</summary>
        internal long Mark { get; set; }
        internal bool IsProvenHere { get; set; }
        internal bool IsFullHere { get; set; }
    }

    readonly TimeProvider _time;
    readonly string? _path;
    readonly Action<string> _log;
    readonly Lock _lock = new();
    readonly Dictionary<(string, bool), Kept> _kept = [];
    long _savedAt;
    bool _failed;

    /// <param name="stateFolder">Where the file is; null: nothing outlives the process.</param>
    /// <param name="time">Both clocks.</param>
    /// <param name="log">Sentences for the log.</param>
    internal ProofMemory(string? stateFolder, TimeProvider time, Action<string> log)
    {
        _time = time;
        _log = log;
        _savedAt = time.GetTimestamp();
        if (stateFolder is null) return;
        _path = Path.Combine(stateFolder, FileName);
        try
        {
            Load();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException
            or InvalidDataException)
        {
            _kept.Clear();
            log($"{_path} is not usable, everything is compared anew: {e.Message}");
        }
    }

    void Load()
    {
        var info = new FileInfo(_path!);
        if (!info.Exists) return;
        if (info.Length > FileBytesMax) throw new InvalidDataException($"it has {info.Length} bytes");
        ProofFile file = JsonSerializer.Deserialize(File.ReadAllBytes(_path!), ProofJson.Default.ProofFile)
            ?? throw new InvalidDataException("it is empty");
        if (file.Proofs is null || file.Proofs.Count > EntriesMax) throw new InvalidDataException("too many entries");
        foreach (ProofEntry entry in file.Proofs)
        {
            if (!IsSound(entry)) throw new InvalidDataException("an entry cannot be");
            _kept[(entry.Mirror, entry.IsSource)] = new Kept { Entry = entry, Mark = _savedAt };
        }
    }

    static bool IsSound(ProofEntry? e) => e is { Mirror: not null, Peer: not null, Place: not null }
        && IsTid(e.ComparedTid) && IsTid(e.ProvenTid) && IsTid(e.FullTid)
        && e.ProvenAge is >= 0 and < AgeMax && e.FullAge is >= 0 and < AgeMax
        && IsText(e.Mirror) && IsText(e.Peer) && IsText(e.Place) && (e.Differs is null || IsText(e.Differs));

    static bool IsTid(string? text) => text is null || (text.Length is > 2 and <= 18
        && text.StartsWith("0x", StringComparison.Ordinal) && text.Skip(2).All(char.IsAsciiHexDigit));

    static bool IsText(string text) => text.Length <= TextMax && !text.Any(char.IsControl);

    // ------------------------------------------------------------------ what is known

    /// <summary>What is known of a mirror; begins anew if it has another end now.</summary>
    internal ProofEntry Of(VerifyMirror mirror)
    {
        lock (_lock) return Find(mirror).Entry;
    }

    Kept Find(VerifyMirror mirror)
    {
        string place = mirror.Volume + "/" + mirror.Pfs;
        if (_kept.TryGetValue((mirror.Name, mirror.IsSource), out Kept? kept) && kept.Entry.Peer == mirror.Peer
            && kept.Entry.Place == place) return kept;
        kept = new Kept
        {
            Mark = _time.GetTimestamp(), IsFullHere = true,
            Entry = new ProofEntry
            {
                Mirror = mirror.Name, IsSource = mirror.IsSource, Peer = mirror.Peer, Place = place,
            },
        };
        return _kept[(mirror.Name, mirror.IsSource)] = kept;
    }

    /// <summary>How long ago all data were compared last, or, before the first time, how long there is this mirror.
    /// </summary>
    internal TimeSpan FullAge(VerifyMirror mirror)
    {
        lock (_lock)
        {
            Kept kept = Find(mirror);
            return TimeSpan.FromSeconds(Age(kept, kept.Entry.FullAge, kept.Entry.FullAt, kept.IsFullHere));
        }
    }

    /// <summary>The proof for the status board; its age goes on from there.</summary>
    internal MirrorProof? Proof(VerifyMirror mirror)
    {
        lock (_lock)
        {
            Kept kept = Find(mirror);
            ProofEntry e = kept.Entry;
            if (e.ProvenTid is null && e.Differs is null) return null;
            double age = e.ProvenAge + _time.GetElapsedTime(kept.Mark).TotalSeconds;
            return new MirrorProof(e.ProvenTid, e.ProvenAt, e.ProvenFull, kept.IsProvenHere, age, e.Differs,
                e.DiffersFull);
        }
    }

    double Age(Kept kept, double before, DateTimeOffset? at, bool isHere)
    {
        double age = before + _time.GetElapsedTime(kept.Mark).TotalSeconds;
        return isHere ? age : Math.Max(age, WallClock.Since(at, _time.GetUtcNow())?.TotalSeconds ?? 0);
    }

    // ------------------------------------------------------------------ what happens

    /// <summary>
    /// A comparison has ended. What is news is durable when this returns; one more quick proof is within hours.
    /// </summary>
    internal void Compared(VerifyMirror mirror, VerifyResult result)
    {
        string tid = Tid.Format(result.Tid);
        lock (_lock)
        {
            Kept kept = Find(mirror);
            Renew(kept);
            bool isNews = result.Full || result.Outcome == VerifyOutcome.Differs || kept.Entry.Differs is not null
                || kept.Entry.ProvenTid is null;
            ProofEntry e = kept.Entry with { ComparedTid = tid };
            DateTimeOffset now = _time.GetUtcNow();
            if (result.Full)
            {
                e = e with { FullTid = tid, FullAge = 0, FullAt = WallClock.Credible(now) };
                kept.IsFullHere = true;
            }
            if (result.Outcome == VerifyOutcome.Differs)
            {
                e = e with
                {
                    Differs = PeerMessages.Sentence(Difference(result)), DiffersFull = e.DiffersFull || result.Full,
                };
            }
            else if (!e.DiffersFull || result.Full)
            {
                // The quick form compares check sums: it cannot take back what reading the data has found.
                e = e with
                {
                    ProvenTid = tid, ProvenFull = result.Full, ProvenAge = 0, ProvenAt = WallClock.Credible(now),
                    Differs = null, DiffersFull = false,
                };
                kept.IsProvenHere = true;
            }
            kept.Entry = e;
            if (isNews) SaveLocked();
        }
    }

    internal static string Difference(VerifyResult result) =>
        result.Path + (result.Offset is long offset
            ? string.Create(CultureInfo.InvariantCulture, $" at {offset}") : "") + ": " + result.What;

    /// <summary>The other side's copy is being made anew: what was said of the old one says nothing.</summary>
    internal void Forget(VerifyMirror mirror)
    {
        lock (_lock)
        {
            Kept kept = Find(mirror);
            if (kept.Entry is { ComparedTid: null, ProvenTid: null, Differs: null }) return;
            Renew(kept);
            kept.Entry = kept.Entry with
            {
                ComparedTid = null, ProvenTid = null, ProvenFull = false, ProvenAt = null, ProvenAge = 0,
                Differs = null, DiffersFull = false,
            };
            SaveLocked();
        }
    }

    /// <summary>Brings the ages of an entry up to this moment.</summary>
    void Renew(Kept kept)
    {
        ProofEntry e = kept.Entry;
        kept.Entry = e with
        {
            ProvenAge = Age(kept, e.ProvenAge, e.ProvenAt, kept.IsProvenHere),
            FullAge = Age(kept, e.FullAge, e.FullAt, kept.IsFullHere),
        };
        kept.Mark = _time.GetTimestamp();
    }

    // ------------------------------------------------------------------ the file

    /// <summary>Writes what waits for it if it is time; returns when that will be, infinite if nothing is known.
    /// </summary>
    internal TimeSpan SaveSometimes()
    {
        lock (_lock)
        {
            if (_kept.Count == 0) return Timeout.InfiniteTimeSpan;
            TimeSpan left = s_saveEvery - _time.GetElapsedTime(_savedAt);
            if (left > TimeSpan.Zero) return left;
            SaveLocked();
            return s_saveEvery;
        }
    }

    internal void Save()
    {
        lock (_lock)
        {
            if (_kept.Count > 0) SaveLocked();
        }
    }

    void SaveLocked()
    {
        _savedAt = _time.GetTimestamp();
        if (_path is null) return;
        DateTimeOffset now = _time.GetUtcNow();
        foreach (Kept kept in _kept.Values)
        {
            Renew(kept);
            // The clock may have been set since.
            ProofEntry e = kept.Entry;
            if (kept.IsProvenHere) e = e with { ProvenAt = WallClock.Before(now, e.ProvenAge) };
            if (kept.IsFullHere) e = e with { FullAt = WallClock.Before(now, e.FullAge) };
            kept.Entry = e;
        }
        var file = new ProofFile { Proofs = [.. _kept.Values.Select(k => k.Entry).TakeLast(EntriesMax)] };
        try
        {
            DurableFile.Replace(_path, JsonSerializer.SerializeToUtf8Bytes(file, ProofJson.Default.ProofFile), Mode);
            _failed = false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (!_failed) _log($"proofs are not kept over a restart: {e.Message}");
            _failed = true;
        }
    }
}
