using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCampaign.PowerCut;
using NasCore;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Daemon;
using NasFirmware.Mirroring;
using NasFirmware.Status;

namespace NasCampaign.Simulation;

/// <summary>
/// A box: a disk that outlives everything, and a program on it that is started, killed, and loses its power. What it
/// runs is the daemon's own mirror service; the flusher is an actor, as the engine's own thread would be.
/// </summary>
sealed class SimBox : IVolumes, IMirrorPfs
{
    internal const string Volume = "data";
    static readonly CrashVolume s_volume = new() { Bytes = 192L << 20, CacheBytes = 3L << 20 };
    static readonly Lazy<DiskImage> s_formatted = new(s_volume.Format);

    readonly SimScheduler _scheduler;
    readonly SimNetwork _network;
    readonly IReadOnlyDictionary<string, SimBox> _boxes;
    readonly List<HammerFs> _all = [];
    DiskImage? _image = s_formatted.Value.Fork();
    SimDisk? _disk;
    VolumeHandle? _handle;
    CancellationTokenSource _gone = new();
    PeerProtocol? _protocol;
    SimTime? _fsTime;
    TimeSpan _wallShift;
    long _arrivedAtGroup;
    int _lives, _plugs;

    internal SimBox(SimScheduler scheduler, SimNetwork network, string name, IReadOnlyDictionary<string, SimBox> boxes)
    {
        _scheduler = scheduler;
        _network = network;
        _boxes = boxes;
        Name = name;
        Process = new SimProcess(name) { IsDead = true };
    }

    internal string Name { get; }
    internal SimProcess Process { get; private set; }
    internal bool IsUp => !Process.IsDead;
    internal bool HasDisk => _image is null;
    internal MirrorService? Service { get; private set; }
    internal StatusBoard Board { get; private set; } = new();
    internal MirrorDirector? Director { get; private set; }
    internal SwitchService? Switches { get; private set; }
    internal List<MirrorEndOptions> Ends { get; } = [];
    /// <summary>Compares a mirror that this box sends; stands for the daemon's own comparison.</summary>
    internal Func<SimBox, string, VerifyView>? Compare { get; set; }
    long Arrived => _network.Arrived.GetValueOrDefault(Name);
    /// <summary>Bytes that had arrived since the last durable group at each loss of the disk's cache.</summary>
    internal long LostBytes { get; private set; }
    /// <summary>Flush groups that became durable, and other moves of PFSs, so far.</summary>
    internal long Groups { get; private set; }
    internal TimeSpan FlushInterval { get; set; } = TimeSpan.FromSeconds(1);
    /// <summary>Work of the owner on this box, started anew with each life.</summary>
    internal Action<SimBox>? Writer { get; set; }
    /// <summary>By the thread of a mirror that this box sends: looks at what is sent again, in all its lives.</summary>
    internal Dictionary<string, SimResent> Resent { get; } = new(StringComparer.Ordinal);
    /// <summary>Called after each recovery, before anything else runs.</summary>
    internal Action<SimBox>? Recovered { get; set; }

    internal HammerFs? Fs => _handle?.Fs;
    internal MirrorStatus? StatusOf(string mirror, bool isSource) =>
        Board.Snapshot(Name, "").Mirrors.FirstOrDefault(m => m.Name == mirror && m.IsSource == isSource);

    public event Action<string>? Changed;

    // ------------------------------------------------------------------ lives

    /// <summary>Power on: mounts the disk if it is there, starts the service.</summary>
    internal void Boot()
    {
        _scheduler.Note($"{Name} boots");
        Process = new SimProcess(Name)
        {
            Die = () => Crash(power: true), StepBegins = () => _disk?.StepBegins(),
        };
        Board = new StatusBoard();
        Changed = null;
        int life = ++_lives;
        var host = new MirrorHost
        {
            Box = Name, Runtime = new SimRuntime(_scheduler, this, Process), Volumes = this, Pfs = this, Board = Board,
            Dialer = new SimDialer(_network, this, _boxes), Log = line => _scheduler.Note($"{Name} log: {line}"),
            NewSeed = () => life,
        };
        Service = new MirrorService(host, [], []);
        Director = new MirrorDirector(host, Service, Ends);
        Switches = new SwitchService(host, Director, Service, (mirror, _, _) => Compare!(this, mirror));
        _protocol = new PeerProtocol(Name, [.. Service.Purposes, Switches], host.Runtime.Time,
            line => _scheduler.Note($"{Name} log: {line}"), Service.PeerCalled);
        if (_image is not null) Plug();
        Director.Start();
        Service.Announce();
    }

    /// <summary>The disk is there, after a moment: it is recovered and mounted.</summary>
    internal void Plug()
    {
        // Each life is a fork of the one before; now and then they are laid together.
        _disk = new SimDisk(++_plugs % 4 == 0 ? _image!.Flatten() : _image!);
        _image = null;
        _fsTime = new SimTime(_scheduler, Process) { WallShift = _wallShift };
        HammerFs fs = s_volume.Mount(_disk, _fsTime);
        _all.Add(fs);
        fs.Core.GroupDurable += _ =>
        {
            Groups++;
            _arrivedAtGroup = Arrived;
        };
        _gone = new CancellationTokenSource();
        _handle = new VolumeHandle(Volume, fs, _gone.Token);
        Groups++;
        Recovered?.Invoke(this);
        SimTime time = _fsTime;
        SimDisk disk = _disk;
        _scheduler.Start("flusher", Process, () => Flush(fs, time, disk));
        if (Writer is { } writer) _scheduler.Start("writer", Process, () => writer(this));
        Changed?.Invoke(Volume);
    }

    void Flush(HammerFs fs, SimTime time, SimDisk disk)
    {
        while (!disk.IsGone)
        {
            _scheduler.Block(() => time.WasLookedAt || disk.IsGone, SimScheduler.Never, "changes");
            _scheduler.Sleep(FlushInterval, "flush interval");
            time.WasLookedAt = false;
            if (disk.IsGone) return;
            fs.Core.FlushOnce();
        }
    }

    /// <summary>The disk is pulled out of the running box.</summary>
    internal void Pull()
    {
        _scheduler.Note($"{Name} loses its disk");
        Lose();
        _handle = null;
        _image = _disk!.Cut(_scheduler.Random);
        _disk = null;
        _gone.Cancel();
        Changed?.Invoke(Volume);
    }

    /// <summary>The program ends without a word.</summary>
    /// <param name="power">With the power of the whole box, else only killed.</param>
    internal void Crash(bool power)
    {
        if (Process.IsDead) return;
        _scheduler.Note($"{Name} dies");
        if (_disk is not null) _image = power ? _disk.Cut(_scheduler.Random) : _disk.Keep();
        _disk = null;
        Lose();
        _handle = null;
        Process.IsDead = true;
        _network.BoxGone(Name, power);
    }

    void Lose()
    {
        LostBytes += Arrived - _arrivedAtGroup;
        _arrivedAtGroup = Arrived;
    }

    internal void ShiftWall(TimeSpan shift)
    {
        _wallShift = shift;
        if (_fsTime is not null) _fsTime.WallShift = shift;
    }

    /// <summary>A connection arrives.</summary>
    internal void Take(string from, Stream stream)
    {
        PeerProtocol protocol = _protocol!;
        var connection = new PeerConnection(new PeerIdentity(from, new string('0', 64)), stream);
        _scheduler.Start("serve-" + from, Process, () =>
        {
            using (connection) protocol.Serve(connection, CancellationToken.None);
        });
    }

    /// <summary>After the simulation: native memory is given back.</summary>
    internal void Release()
    {
        if (_disk is not null) _image = _disk.Keep();
        foreach (HammerFs fs in _all) fs.Dispose();
        _all.Clear();
    }

    /// <summary>What is on the disk after a clean end.</summary>
    internal DiskImage Unmount()
    {
        HammerFs fs = _handle!.Fs;
        fs.Dispose();
        _all.Remove(fs);
        return _image = _disk!.Keep();
    }

    // ------------------------------------------------------------------ what the service asks

    public VolumeHandle? Find(string name) => name == Volume ? _handle : null;

    /// <summary>PFSs are known by their shared UUIDs, which the paths stand for.</summary>
    internal static Guid SharedOf(string path)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Fill(0x5A);
        for (int i = 0; i < Math.Min(path.Length, 16); i++) bytes[i] = (byte)path[i];
        return new Guid(bytes);
    }

    public int? Find(VolumeHandle volume, string path)
    {
        for (int id = 1; id < 10; id++)
            if (volume.Fs.TryGetPfs(id, out PseudofsData pfs) && pfs.SharedUuid == SharedOf(path)) return id;
        return null;
    }

    public int EnsureSlave(VolumeHandle volume, string path, Guid shared) =>
        Find(volume, path) ?? MakePfs(volume.Fs, slave: true, shared);

    internal int MakePfs(HammerFs fs, bool slave, Guid shared)
    {
        Span<byte> unique = stackalloc byte[16];
        unique.Fill((byte)Name[^1]);
        shared.ToByteArray().AsSpan(0, 8).CopyTo(unique);
        Errno e = fs.CreatePfs(slave, shared, new Guid(unique), out int id);
        if (e.IsError) throw new IOException($"no PFS can be made: {e}");
        return id;
    }
}
