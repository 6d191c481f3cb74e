using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using NasCore;
using NasCore.Primitives;

namespace NasCampaign.Exerciser;

/// <summary>
/// Some files under random reads, writes, truncations, holes, copies, renames, remounts and crashes, in the manner of
/// fsx: after each step the file is what a model in memory says, and every earlier TID still shows the files as the
/// model had them then. Holes that SEEK_HOLE tells must be zeros.
/// </summary>
sealed class FileExerciser : ICampaign
{
    public string Name => "exerciser-files";

    public void RunRound(CampaignContext c)
    {
        using var trial = new FileTrial(c);
        trial.Run(c.IsSmoke ? 500 : 4000);
    }
}

/// <summary>One volume of the file exerciser. Contents in the model are never changed, only replaced.</summary>
sealed partial class FileTrial : IDisposable
{
    const int FileBytesMax = 1_600_000;
    const int StatesMax = 30;
    static readonly Caller s_root = new(0, 0, 0);
    static readonly string[] s_names = ["a", "b", "c", "d"];

    readonly CampaignContext _c;
    readonly Random _random;
    readonly ExercisedVolume _volume;
    readonly bool _noHistory;
    readonly List<(ulong Tid, Dictionary<string, byte[]> Files)> _past = [];
    readonly List<string> _journal = [];
    Dictionary<string, byte[]> _files = [];
    /// <summary>What a crash must leave.</summary>
    Dictionary<string, byte[]> _durable = [];

    public FileTrial(CampaignContext c)
    {
        _c = c;
        _random = c.Random;
        _noHistory = _random.Next(4) == 0;
        uint version = _random.Next(3) == 0 ? 6u : 7u;
        _volume = new ExercisedVolume(_noHistory, version, 2L << 30, 8L << 20);
    }

    HammerFs Fs => _volume.Fs;

    string Where => string.Create(CultureInfo.InvariantCulture,
        $"seed {_c.Seed}, nohistory {_noHistory}, after\n    {string.Join("\n    ", _journal.TakeLast(12))}");

    public void Run(int steps)
    {
        for (int i = 0; i < steps && !_c.TimeIsUp; i++)
        {
            string name = s_names[_random.Next(s_names.Length)];
            if (_files.ContainsKey(name)) Step(name);
            else Create(name);
            _c.Count("operations");
            if (i % 40 == 0) VerifyLive();
        }
        VerifyLive();
        VerifyPast();
        Sync();
        _volume.Judge(Where);
    }

    void Step(string name)
    {
        switch (_random.Next(100))
        {
            case < 34: Write(name); break;
            case < 52: Read(name); break;
            case < 64: Truncate(name); break;
            case < 76: Punch(name); break;
            case < 82: Copy(name); break;
            case < 86: Append(name); break;
            case < 90: Holes(name); break;
            case < 92: Rename(name); break;
            case < 93: Unlink(name); break;
            case < 95: Sync(); break;
            case < 97: FSync(name); break;
            case < 99: Remount(); break;
            default: Crash(); break;
        }
    }

    void Note(FormattableString what) => _journal.Add(what.ToString(CultureInfo.InvariantCulture));

    CampaignFinding Finding(string what, string facts) => new(what, Where, facts);

    void Must(Errno e, string what)
    {
        if (e.IsError) throw Finding($"{what} fails", e.ToString());
    }

    Vnode Find(Vnode root, string name)
    {
        Must(Fs.Lookup(root, Encoding.ASCII.GetBytes(name), out Vnode vnode, out _), $"lookup of {name}");
        return vnode;
    }

    Vnode Live(string name) => Find(Fs.Root, name);

    /// <summary>Repeats an operation that has no room in the open group. What it changed before it said so is taken
    /// over by <paramref name="partly"/>.</summary>
    void Until(string what, Func<Errno> operation, Action? partly = null)
    {
        Errno e;
        for (int tries = 0; (e = operation()) == Errno.NeedFlush; tries++)
        {
            if (tries > 2000) throw Finding($"{what} makes no progress", "NeedFlush for ever");
            partly?.Invoke();
            Sync();
        }
        Must(e, what);
    }

    void Create(string name)
    {
        Note($"create {name}");
        Until("create", () => Fs.Create(Fs.Root, Encoding.ASCII.GetBytes(name), ObjType.RegFile, 0x1A4, 0, 0, s_root,
            out _, out _));
        _files[name] = [];
        Must(Fs.Open(Live(name)), "open");
    }

    void Sync()
    {
        Must(Fs.SyncTid(out ulong tid), "sync");
        _durable = new Dictionary<string, byte[]>(_files);
        if (_noHistory) return;
        _past.RemoveAll(p => p.Tid == tid);
        _past.Add((tid, _durable));
        // Some old ones stay for ever, most go: memory is bounded, and the old are the ones that many steps lie upon.
        if (_past.Count > StatesMax) _past.RemoveAt(_random.Next(_past.Count / 2, _past.Count - 1));
    }

    /// <summary>fsync, by REDO where it can: then a crash leaves this one file newer than its group.</summary>
    void FSync(string name)
    {
        Note($"fsync {name}");
        Errno? result = null;
        Fs.WhenSynced(Live(name), (_, e) => result = e, null);
        if (result is null) Fs.Core.RedoOnce();
        if (result is null)
        {
            Sync();
            if (result is null) throw Finding("fsync", "is not answered when the group is durable");
            _c.Count("fsyncs by a group");
        }
        else
        {
            _durable = new Dictionary<string, byte[]>(_durable) { [name] = _files[name] };
            _c.Count("fsyncs by REDO");
        }
        Must(result.Value, "fsync");
    }

    /// <summary>Files are open all the time, as REDO wants it.</summary>
    void OpenAll()
    {
        foreach (string name in _files.Keys) Must(Fs.Open(Live(name)), "open");
    }

    void Remount()
    {
        Note($"remount");
        Sync();
        _volume.Remount();
        OpenAll();
        VerifyLive();
        VerifyPast();
    }

    void Crash()
    {
        Note($"crash");
        if (_random.Next(3) == 0) Sync();
        _volume.Crash(_random);
        _c.Count("crashes");
        _files = new Dictionary<string, byte[]>(_durable);
        OpenAll();
        VerifyLive();
        VerifyPast();
    }

    void VerifyLive()
    {
        foreach (string name in s_names)
        {
            if (_files.TryGetValue(name, out byte[]? content)) Compare(Fs.Root, name, content, "now");
            else if (!Fs.Lookup(Fs.Root, Encoding.ASCII.GetBytes(name), out _, out _).IsError)
                throw Finding($"{name} is there", "the model has no such file");
        }
    }

    void VerifyPast()
    {
        foreach ((ulong tid, Dictionary<string, byte[]> files) in _past)
        {
            var root = new Vnode(0, tid, Fs.Root.ObjId);
            foreach ((string name, byte[] content) in files)
                Compare(root, name, content, "as of " + tid.ToString("x16", CultureInfo.InvariantCulture));
            _c.Count("states of the past");
        }
    }

    void Compare(Vnode root, string name, byte[] expected, string when)
    {
        Vnode vnode = Find(root, name);
        Must(Fs.GetAttr(vnode, out FileAttr attr), "getattr");
        if (attr.Size != (ulong)expected.Length)
            throw Finding($"{name} {when} has another size", $"{attr.Size} instead of {expected.Length}");
        CompareRange(vnode, expected, 0, expected.Length, $"{name} {when}");
    }

    void CompareRange(Vnode vnode, byte[] expected, int from, int to, string what)
    {
        byte[] buffer = new byte[Math.Min(to - from + 1, 1 << 20)];
        for (int at = from; at < to;)
        {
            Must(Fs.Read(vnode, (ulong)at, buffer.AsSpan(0, Math.Min(buffer.Length, to - at)), out int n), "read");
            if (n <= 0) throw Finding($"{what} ends early", $"at {at} of {expected.Length}");
            ReadOnlySpan<byte> model = expected.AsSpan(at, n);
            if (!model.SequenceEqual(buffer.AsSpan(0, n)))
            {
                int first = at + model.CommonPrefixLength(buffer);
                throw Finding($"{what} has other bytes", $"first at {first}: {buffer[first - at]:x2} instead of "
                    + $"{expected[first]:x2}, size {expected.Length}");
            }
            at += n;
        }
    }

    public void Dispose() => _volume.Dispose();
}
