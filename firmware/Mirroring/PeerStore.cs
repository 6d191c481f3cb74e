using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;
using NasFirmware.Config;
using NasLinux;

namespace NasFirmware.Mirroring;

/// <summary>A box that this one knows.</summary>
sealed record PeerEntry
{
    public required string Name { get; init; }
    /// <summary>Where it listens, see <see cref="PeerAddress"/>; null if only it calls us.</summary>
    public string? Address { get; init; }
    /// <summary>SHA-256 of its public key, 64 lower-case hex digits; null until it is paired.</summary>
    public string? Key { get; init; }
}

sealed record PeerFile
{
    /// <summary>Counts the changes, so that of two copies the newer one is known.</summary>
    public long Generation { get; init; }
    public IReadOnlyList<PeerEntry> Peers { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(PeerFile))]
sealed partial class PeerStoreJson : JsonSerializerContext;

/// <summary>
/// The boxes that this one knows: those of the configuration, and those learnt by pairing or `peer add`, which are in
/// peers.json of the state folder. Where both name a box, the configuration's address and key count, and the file adds
/// what it leaves out. The file is looked at again whenever it was changed, by whichever process; a file that cannot
/// be read lets nobody in and is never overwritten. Thread-safe.
/// </summary>
sealed class PeerStore
{
    internal const string FileName = "peers.json";
    const int FileBytesMax = 256 * 1024, PeersMax = 256;
    const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    readonly object _gate = new();
    readonly string _path, _stateFolder;
    string _ownKey;
    IReadOnlyList<PeerEntry> _configured;
    IReadOnlyList<PeerEntry> _merged = [];
    (DateTime, long)? _seen;

    /// <param name="stateFolder">Where peers.json is; made if missing.</param>
    /// <param name="ownKey">The hash of this box's key, which is no peer's.</param>
    /// <param name="configured">The [peers] sections, without that of this box.</param>
    internal PeerStore(string stateFolder, string ownKey, IReadOnlyList<PeerEntry> configured)
    {
        Directory.CreateDirectory(stateFolder);
        _stateFolder = stateFolder;
        _path = Path.Combine(stateFolder, FileName);
        _ownKey = ownKey;
        _configured = configured;
    }

    /// <summary>The file could not be read: why. The peers of the configuration are known all the same.</summary>
    internal string? Problem { get; private set; }

    /// <summary>All peers, in order of their names.</summary>
    internal IReadOnlyList<PeerEntry> All()
    {
        lock (_gate)
        {
            Refresh();
            return _merged;
        }
    }

    internal PeerEntry? Find(string name) => All().FirstOrDefault(p => p.Name == name);

    internal PeerEntry? FindKey(string key) => key == _ownKey ? null : All().FirstOrDefault(p => p.Key == key);

    /// <summary>The configuration was read anew.</summary>
    internal void Configure(IReadOnlyList<PeerEntry> configured)
    {
        lock (_gate)
        {
            _configured = configured;
            _seen = null;
        }
    }

    /// <summary>The file was changed by this process; on its thread, outside of locks.</summary>
    internal event Action? Changed;

    /// <summary>What the file holds; null if it cannot be read.</summary>
    internal PeerFile? Learnt()
    {
        lock (_gate)
        {
            try
            {
                return ReadFile();
            }
            catch (IOException)
            {
                return null;
            }
        }
    }

    /// <summary>
    /// Puts what a copy holds in place of the file, and makes this the key of the box; a file that cannot be read is
    /// put aside.
    /// </summary>
    internal void Restore(string ownKey, PeerFile copy)
    {
        lock (_gate)
        {
            using LinuxFile only = Lock();
            if (Learnt() is null) File.Move(_path, _path + ".damaged", overwrite: true);
            Replace(copy);
            _ownKey = ownKey;
        }
        Changed?.Invoke();
    }

    /// <summary>This is the key of the box from now on.</summary>
    internal void SetOwnKey(string key)
    {
        lock (_gate) _ownKey = key;
    }

    /// <summary>Adds a peer to the file, or changes it. <see cref="IOException"/> says why it cannot be.</summary>
    internal void Add(PeerEntry peer)
    {
        if (Fault(peer) is string fault) throw new IOException(fault);
        if (peer.Key is null) throw new IOException($"peer {peer.Name}: its key is missing");
        if (peer.Key == _ownKey) throw new IOException("this is the key of this box; a peer is another one");
        Change(peers =>
        {
            if (All().FirstOrDefault(p => p.Key == peer.Key && p.Name != peer.Name) is PeerEntry other)
                throw new IOException($"this is the key of {other.Name}, which is a peer already");
            if (_configured.FirstOrDefault(p => p.Name == peer.Name)?.Key is string key && key != peer.Key)
                throw new IOException($"the configuration gives {peer.Name} another key; change it there");
            peers.RemoveAll(p => p.Name == peer.Name);
            if (peers.Count == PeersMax) throw new IOException($"there are {PeersMax} peers; more cannot be");
            peers.Add(peer);
        });
        // Who is known here knows this box.
        PeerKey.Told(_stateFolder);
    }

    /// <summary>Takes a peer out of the file; false if it was not there.</summary>
    internal bool Remove(string name)
    {
        bool found = false;
        Change(peers => found = peers.RemoveAll(p => p.Name == name) > 0);
        return found;
    }

    void Change(Action<List<PeerEntry>> change)
    {
        lock (_gate)
        {
            using LinuxFile only = Lock();
            PeerFile file = ReadFile();
            List<PeerEntry> peers = [.. file.Peers];
            change(peers);
            peers.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
            Replace(new PeerFile { Generation = file.Generation + 1, Peers = peers });
        }
        Changed?.Invoke();
    }

    void Replace(PeerFile file)
    {
        DurableFile.Replace(_path, JsonSerializer.SerializeToUtf8Bytes(file, PeerStoreJson.Default.PeerFile), Mode);
        _seen = null;
    }

    // Other processes change the file too: the command line, while the daemon pairs.
    LinuxFile Lock()
    {
        string path = _path + ".lock";
        using (File.Open(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite)) { }
        return LinuxFile.Open(path, readOnly: false, exclusive: true);
    }

    void Refresh()
    {
        var file = new FileInfo(_path);
        (DateTime, long) now = file.Exists ? (file.LastWriteTimeUtc, file.Length) : (default, -1);
        if (_seen == now) return;
        IReadOnlyList<PeerEntry> learnt = [];
        Problem = null;
        try
        {
            learnt = ReadFile().Peers;
        }
        catch (IOException e)
        {
            Problem = e.Message;
        }
        _merged = Merge(_configured, learnt);
        _seen = now;
    }

    static List<PeerEntry> Merge(IReadOnlyList<PeerEntry> configured, IReadOnlyList<PeerEntry> learnt)
    {
        var merged = new SortedDictionary<string, PeerEntry>(StringComparer.Ordinal);
        foreach (PeerEntry peer in learnt) merged[peer.Name] = peer;
        foreach (PeerEntry peer in configured)
        {
            merged.TryGetValue(peer.Name, out PeerEntry? known);
            merged[peer.Name] = peer with { Address = peer.Address ?? known?.Address, Key = peer.Key ?? known?.Key };
        }
        return [.. merged.Values];
    }

    PeerFile ReadFile()
    {
        if (!File.Exists(_path)) return new PeerFile();
        if (new FileInfo(_path).Length > FileBytesMax) throw Damaged("it is too large");
        try
        {
            PeerFile? file = JsonSerializer.Deserialize(File.ReadAllBytes(_path), PeerStoreJson.Default.PeerFile);
            if (file?.Peers is null) throw Damaged("it is empty");
            if (Fault(file) is string fault) throw Damaged(fault);
            return file;
        }
        catch (JsonException e)
        {
            throw Damaged(e.Message);
        }
    }

    IOException Damaged(string why) => new($"{_path}: {why}. Nobody in it is let in until it is mended or removed");

    /// <summary>What is wrong with a list of peers, or null.</summary>
    internal static string? Fault(PeerFile file) => file.Generation < 0 ? "a generation below 0"
        : file.Peers.Count > PeersMax ? $"more than {PeersMax} peers"
        : file.Peers.Select(Fault).FirstOrDefault(f => f is not null);

    /// <summary>What is wrong with an entry, or null.</summary>
    internal static string? Fault(PeerEntry? peer)
    {
        if (peer is null) return "an empty entry";
        if (!IsName(peer.Name)) return "the name of a peer is 1 to 32 letters, digits, - and _";
        if (peer.Key is not null && !IsKey(peer.Key))
            return $"peer {peer.Name}: a key is 64 hex digits, as `nashammer peer id` shows them on that box";
        return peer.Address is null || PeerAddress.TryParse(peer.Address, out _) ? null
            : $"peer {peer.Name}: the address {peer.Address} is not HOST, HOST:PORT or [IPV6]:PORT";
    }

    internal static bool IsName(string? name) => name is not null && ConfigSection.IsName(name);

    internal static bool IsKey(string key) => key.Length == 64 && key.All(char.IsAsciiHexDigitLower);
}
