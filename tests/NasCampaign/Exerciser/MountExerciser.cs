using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Linq;
using Microsoft.Win32.SafeHandles;
using NasLinux;

namespace NasCampaign.Exerciser;

/// <summary>
/// The exerciser of files through a real mount: reads, writes, mappings, truncations, holes, copies by the kernel,
/// fsync, remounts, and SIGKILL of the server. While the server lives, a file is exactly what the model says. After it
/// was killed each page is what it was at the last fsync or at some later step, and never anything else.
/// </summary>
sealed class MountExerciser : ICampaign
{
    public string Name => "exerciser-mount";

    public void RunRound(CampaignContext c)
    {
        using var trial = new MountTrial(c);
        trial.Run(c.IsSmoke ? 40 : 800);
    }
}

/// <summary>One mount of the exerciser.</summary>
sealed class MountTrial : IDisposable
{
    const int FileBytesMax = 1_500_000, PageBytes = 4096;

    readonly CampaignContext _c;
    readonly Random _random;
    readonly RealMount _mount = new(2L << 30, "-u", "16m");
    readonly List<string> _journal = [];
    /// <summary>The states of each file since its last fsync, the present one last. They are never changed.</summary>
    readonly Dictionary<string, List<byte[]>> _states = [];

    public MountTrial(CampaignContext c)
    {
        _c = c;
        _random = c.Random;
        Mount();
        foreach (string name in (string[])["a", "b"])
        {
            File.Create(PathOf(name)).Dispose();
            _states[name] = [[]];
        }
    }

    string PathOf(string name) => Path.Combine(_mount.Dir, name);

    string Where => string.Create(CultureInfo.InvariantCulture,
        $"seed {_c.Seed}, after\n    {string.Join("\n    ", _journal.TakeLast(12))}");

    void Mount() => _mount.Mount(_random.Next(2) == 0 ? "flush=0.2" : "cache=16m");

    public void Run(int steps)
    {
        foreach (string name in _states.Keys) FSync(name);
        using (SafeFileHandle directory = File.OpenHandle(PathOf("a"), FileMode.Open, FileAccess.ReadWrite))
            RandomAccess.FlushToDisk(directory);
        for (int i = 0; i < steps && !_c.TimeIsUp; i++)
        {
            Step(i % 2 == 0 ? "a" : "b", i);
            _c.Count("operations");
        }
        Remount();
        _mount.Unmount();
        _mount.Check(Where);
    }

    void Step(string name, int number)
    {
        switch (_random.Next(100))
        {
            case < 30: Write(name); break;
            case < 45: Read(name); break;
            case < 60: Map(name); break;
            case < 70: Truncate(name); break;
            case < 80: Punch(name); break;
            case < 86: Copy(name); break;
            case < 96: FSync(name); break;
            case < 98: Remount(); break;
            default: Kill(); break;
        }
        if (number % 20 == 0) Verify(name);
    }

    byte[] Now(string name) => _states[name][^1];

    void Became(string name, byte[] content)
    {
        _states[name].Add(content);
        // A page may be that of any state: so many are kept that a search stays short.
        if (_states[name].Count > 40) FSync(name);
    }

    void Note(FormattableString what) => _journal.Add(what.ToString(CultureInfo.InvariantCulture));

    byte[] Bytes()
    {
        byte[] bytes = new byte[_random.Next(3) == 0 ? 4096 * _random.Next(1, 30) : _random.Next(1, 40_000)];
        _random.NextBytes(bytes);
        return bytes;
    }

    static byte[] With(byte[] content, int at, ReadOnlySpan<byte> bytes)
    {
        byte[] made = new byte[Math.Max(content.Length, at + bytes.Length)];
        content.CopyTo(made, 0);
        bytes.CopyTo(made.AsSpan(at));
        return made;
    }

    void Write(string name)
    {
        byte[] bytes = Bytes();
        int at = _random.Next(FileBytesMax - bytes.Length);
        Note($"write {name} {at} +{bytes.Length}");
        using SafeFileHandle file = File.OpenHandle(PathOf(name), FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.Write(file, bytes, at);
        Became(name, With(Now(name), at, bytes));
    }

    void Read(string name)
    {
        byte[] expected = Now(name);
        int at = _random.Next(expected.Length + 1);
        byte[] found = new byte[_random.Next(100_000)];
        using SafeFileHandle file = File.OpenHandle(PathOf(name));
        int n = 0;
        for (int m = 1; m > 0 && n < found.Length; n += m) m = RandomAccess.Read(file, found.AsSpan(n), at + n);
        ReadOnlySpan<byte> model = expected.AsSpan(at, Math.Min(found.Length, expected.Length - at));
        if (!model.SequenceEqual(found.AsSpan(0, n)))
            throw Finding($"{name} read from {at}", model, found.AsSpan(0, n), at);
    }

    CampaignFinding Finding(string what, ReadOnlySpan<byte> expected, ReadOnlySpan<byte> found, int at) => new(
        what + " is not what was written", Where, string.Create(CultureInfo.InvariantCulture,
            $"{found.Length} bytes instead of {expected.Length}, first other byte at "
            + $"{at + expected.CommonPrefixLength(found)}"));

    void Verify(string name)
    {
        byte[] found = File.ReadAllBytes(PathOf(name));
        if (!Now(name).AsSpan().SequenceEqual(found)) throw Finding(name, Now(name), found, 0);
    }

    /// <summary>Changes bytes through a mapping, and reads them back through the file.</summary>
    void Map(string name)
    {
        byte[] content = Now(name);
        if (content.Length < 2) return;
        int at = _random.Next(content.Length);
        byte[] bytes = Bytes();
        if (bytes.Length > content.Length - at) Array.Resize(ref bytes, content.Length - at);
        Note($"map {name} {at} +{bytes.Length}");
        using (var map = MemoryMappedFile.CreateFromFile(PathOf(name), FileMode.Open))
        using (MemoryMappedViewAccessor view = map.CreateViewAccessor(0, content.Length))
        {
            view.WriteArray(at, bytes, 0, bytes.Length);
            Became(name, With(content, at, bytes));
            if (_random.Next(2) == 0) Read(name);
            view.Flush();
        }
    }

    void Truncate(string name)
    {
        int size = _random.Next(FileBytesMax);
        byte[] old = Now(name), made = new byte[size];
        old.AsSpan(0, Math.Min(size, old.Length)).CopyTo(made);
        Note($"truncate {name} {old.Length} -> {size}");
        using SafeFileHandle file = File.OpenHandle(PathOf(name), FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.SetLength(file, size);
        Became(name, made);
    }

    void Punch(string name)
    {
        byte[] content = (byte[])Now(name).Clone();
        if (content.Length == 0) return;
        int at = _random.Next(content.Length), length = _random.Next(1, 200_000);
        Note($"punch {name} {at} +{length}");
        using (LinuxFile file = LinuxFile.Open(PathOf(name), readOnly: false, exclusive: false))
            file.Discard(at, length);
        content.AsSpan(at, Math.Min(length, content.Length - at)).Clear();
        Became(name, content);
    }

    /// <summary>The kernel copies (copy_file_range); the copy must be the file.</summary>
    void Copy(string name)
    {
        Note($"copy {name}");
        File.Copy(PathOf(name), PathOf("copy"), overwrite: true);
        byte[] found = File.ReadAllBytes(PathOf("copy"));
        if (!Now(name).AsSpan().SequenceEqual(found)) throw Finding("the copy of " + name, Now(name), found, 0);
    }

    void FSync(string name)
    {
        Note($"fsync {name}");
        using SafeFileHandle file = File.OpenHandle(PathOf(name), FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
        _states[name].RemoveRange(0, _states[name].Count - 1);
    }

    void Remount()
    {
        Note($"remount");
        _mount.Unmount();
        Mount();
        foreach (string name in _states.Keys)
        {
            Verify(name);
            _states[name].RemoveRange(0, _states[name].Count - 1);
        }
    }

    void Kill()
    {
        Note($"kill");
        _mount.Kill();
        _c.Count("kills");
        Mount();
        foreach ((string name, List<byte[]> states) in _states)
        {
            byte[] found = File.ReadAllBytes(PathOf(name));
            if (!states.Any(s => s.Length == found.Length))
                throw new CampaignFinding($"{name} has a size after the kill that it never had", Where,
                    $"{found.Length}, not one of {string.Join(", ", states.Select(s => s.Length))}");
            for (int at = 0; at < found.Length; at += PageBytes)
            {
                ReadOnlySpan<byte> page = found.AsSpan(at, Math.Min(PageBytes, found.Length - at));
                if (!IsOfSomeState(page, at, states))
                    throw new CampaignFinding($"{name} has a page after the kill that it never had", Where,
                        $"at {at}, size {found.Length}, {states.Count} states since the last fsync");
            }
            states.Clear();
            states.Add(found);
        }
    }

    /// <summary>Bytes behind the end of a state are zeros: the file grew later.</summary>
    static bool IsOfSomeState(ReadOnlySpan<byte> page, int at, List<byte[]> states)
    {
        foreach (byte[] state in states)
        {
            ReadOnlySpan<byte> there = at < state.Length
                ? state.AsSpan(at, Math.Min(page.Length, state.Length - at)) : [];
            if (page[..there.Length].SequenceEqual(there) && !page[there.Length..].ContainsAnyExcept((byte)0))
                return true;
        }
        return false;
    }

    public void Dispose() => _mount.Dispose();
}
