using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging;
using NasDevices.Disks;
using NasFirmware.Config;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>Where the volumes' service looks for disks.</summary>
sealed record VolumeServiceOptions
{
    internal Func<List<BlockDevice>> Devices { get; init; } = () => BlockDevices.List();
    internal IVolumeRecognizer Recognizer { get; init; } = new HammerRecognizer();
    /// <summary>How disks are asked how they are.</summary>
    internal DiskMonitorOptions Monitor { get; init; } = new();
    /// <summary>How often it looks at what gives no events: image files, mounts, the list of devices.</summary>
    internal TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(3);
    /// <summary>The start waits for volumes that are being recovered at most this long.</summary>
    internal TimeSpan FirstPass { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>
/// Mounts the volumes of the configuration and keeps them mounted, whatever happens to their disks. One loop turns the
/// slots (<see cref="VolumeSlot"/>), woken by disks that come and go, by jobs that end, by a mount that is latched or
/// ends, and a few times a minute; looking touches no disk.
/// </summary>
sealed class VolumeService : IDaemonPart, IVolumes, IVolumeOwner, IDisposable
{
    /// <summary>A flusher may be this long at one group before it is taken for dead: disks retry for minutes.</summary>
    static readonly TimeSpan s_flusherMax = TimeSpan.FromMinutes(5);

    static readonly TimeSpan s_stopLook = TimeSpan.FromMilliseconds(200), s_power = TimeSpan.FromSeconds(5);

    readonly DaemonContext _context;
    readonly VolumeServiceOptions _options;
    readonly VolumeCatalogue _catalogue;
    readonly DiskMonitor _monitor;
    readonly List<VolumeSlot> _slots = [];
    readonly Dictionary<string, VolumeHandle> _handles = new(StringComparer.Ordinal);
    readonly Dictionary<string, DiskStatus> _disksShown = new(StringComparer.Ordinal);
    readonly Lock _lock = new();
    readonly AutoResetEvent _wake = new(false);
    readonly ManualResetEventSlim _firstPass = new();
    readonly CancellationTokenSource _hurry = new();
    readonly LoopProbe _probe;
    readonly Thread _thread;
    IReadOnlyList<BlockDevice> _list = [];
    DiskWatch? _watch;
    Settings? _pending;
    /// <summary>Names of devices that were written by others; null: perhaps any.</summary>
    HashSet<string>? _written = new(StringComparer.Ordinal);
    readonly Dictionary<string, string[]> _disksOf = new(StringComparer.Ordinal);
    volatile bool _stopping;

    internal VolumeService(DaemonContext context, VolumeServiceOptions options)
    {
        _context = context;
        _options = options;
        Log = context.Loggers.CreateLogger("volumes");
        _catalogue = new VolumeCatalogue(options.Recognizer, SayOnce, context.Time, Wake);
        _monitor = new DiskMonitor(options.Monitor with { Time = context.Time, Answered = Wake });
        _probe = new LoopProbe("volumes", context.Time);
        _thread = new Thread(Run) { IsBackground = true, Name = "volumes" };
        foreach (VolumeSettings volume in context.Settings.Volumes) _slots.Add(new VolumeSlot(volume, this));
    }

    public ILogger Log { get; }
    public TimeProvider Time => _context.Time;
    public IReadOnlyList<BlockDevice> Devices { get; private set; } = [];
    public CancellationToken Hurry => _hurry.Token;

    public event Action<string>? Changed;

    event Action<string> IVolumes.Changed
    {
        add => Changed += value;
        remove => Changed -= value;
    }

    public VolumeHandle? Find(string name)
    {
        lock (_lock) return _handles.GetValueOrDefault(name);
    }

    // A disk that this machine does not let us read is no news the second time.
    void SayOnce(string text)
    {
        if (_said.Count > 1000) _said.Clear();
        if (_said.Add(text)) VolumeLog.Disks(Log, text);
    }

    readonly HashSet<string> _said = new(StringComparer.Ordinal);

    // ------------------------------------------------------------------ the part

    public void Start()
    {
        _context.AddProbe(_probe);
        _context.AddProbe(new FlusherProbe(this));
        _list = _options.Devices();
        _watch = new DiskWatch(_options.Devices, OnDisks, _options.Poll, text => VolumeLog.Disks(Log, text));
        _thread.Start();
        _watch.Start();
        _firstPass.Wait(_options.FirstPass);
    }

    void OnDisks(IReadOnlyList<BlockDevice> devices, IReadOnlyCollection<string>? written)
    {
        lock (_lock)
        {
            // Somebody else wrote, perhaps a new file system: those disks are read again, and no other is woken.
            if (written is null) _written = null;
            else _written?.UnionWith(written);
            _list = devices;
        }
        _wake.Set();
    }

    public void Reload(Settings before, Settings now)
    {
        lock (_lock)
        {
            _pending = now;
            _written = null;
        }
        _wake.Set();
    }

    public bool StopsLong => true;

    public void Stop(CancellationToken hurry)
    {
        using CancellationTokenRegistration registration = hurry.Register(_hurry.Cancel);
        _stopping = true;
        _wake.Set();
        _watch?.Dispose();
        if (_thread.IsAlive) _thread.Join();
        // All at once: each may have to wait for its own users and disk.
        while (_slots.FindAll(s => !s.Stop()).Count > 0) _wake.WaitOne(s_stopLook);
        foreach (VolumeSlot slot in _slots) slot.Show(_context.Board);
        _context.RemoveProbe(_probe);
    }

    /// <summary>After <see cref="Stop"/>.</summary>
    public void Dispose()
    {
        _watch?.Dispose();
        _wake.Dispose();
        _firstPass.Dispose();
        _hurry.Dispose();
    }

    // ------------------------------------------------------------------ the loop

    void Run()
    {
        while (!_stopping)
        {
            _probe.Turn();
            try
            {
                Turn();
            }
            catch (Exception e)
            {
                // A loop of the daemon goes on whatever one turn met; the next one sees the same world.
                DaemonLog.PartFailed(Log, "volumes", e.Message, e);
            }
            _wake.WaitOne(_options.Poll);
        }
    }

    /// <summary>One turn of the loop.</summary>
    internal void Turn()
    {
        HashSet<string>? written;
        Settings? pending;
        lock (_lock)
        {
            Devices = _list;
            (written, _written) = (_written, new HashSet<string>(StringComparer.Ordinal));
            (pending, _pending) = (_pending, null);
        }
        if (pending is not null) Apply(pending);
        if (written is null) _catalogue.Forget();
        foreach (BlockDevice device in Devices.Where(d => written?.Contains(d.Path[5..]) == true
            || written?.Contains(d.Disk) == true)) _catalogue.Forget(device.Path);
        foreach (VolumeSlot slot in _slots.Where(s => s.Served is null && s.IsSettled))
        {
            foreach (string image in slot.Settings.Images) _catalogue.Recheck(image);
        }
        List<FoundFileSystem> found = _catalogue.Look(Devices, _slots.SelectMany(s => s.Settings.Images));
        foreach (VolumeSlot slot in _slots) slot.Turn(found);
        _context.HasSilentDisk = _slots.Exists(s => s.IsSilent);
        foreach (VolumeSlot gone in _slots.Where(s => s.IsGone).ToArray())
        {
            _slots.Remove(gone);
            // A section taken out and put back has its new slot already.
            if (!_slots.Exists(s => s.Settings.Name == gone.Settings.Name))
                _context.Board.RemoveVolume(gone.Settings.Name);
        }
        foreach (VolumeSlot slot in _slots.Where(s => !s.IsLeaving)) slot.Show(_context.Board);
        ShowDisks();
        if (_slots.TrueForAll(s => s.IsSettled) && _catalogue.IsSettled) _firstPass.Set();
    }

    void Apply(Settings now)
    {
        foreach (VolumeSlot slot in _slots.Where(s => !s.IsLeaving))
        {
            VolumeSettings? settings = now.Volumes.FirstOrDefault(v => v.Name == slot.Settings.Name);
            if (settings is null) slot.Leave();
            else slot.Change(settings);
        }
        foreach (VolumeSettings volume in now.Volumes)
        {
            if (!_slots.Exists(s => s.Settings.Name == volume.Name && !s.IsLeaving))
                _slots.Add(new VolumeSlot(volume, this));
        }
        // Shares of the cache, and PFSs, follow sections other than the volume's own.
        foreach (VolumeSlot slot in _slots) slot.Configure();
    }

    PfsSettings[] PfsOf(string volume) => [.. _context.Settings.Pfs.Where(p => p.Volume == volume)];

    // ------------------------------------------------------------------ for the slots

    public void Wake() => _wake.Set();

    public bool HasImage(string path) => _catalogue.HasImage(path);

    public ServedVolumeOptions Options(VolumeSettings settings, FoundFileSystem? found) => new()
    {
        Settings = settings, Devices = found?.Devices ?? [], FsId = found?.FsId ?? Guid.Empty,
        Log = Log, Changed = Wake,
        Pfs = settings.ReadOnly ? [] : PfsOf(settings.Name),
        CacheBytes = settings.Cache ?? Math.Max(CacheBytesMin,
            _context.Settings.Memory.Cache / Math.Max(1, _context.Settings.Volumes.Count)),
    };

    const long CacheBytesMin = 4L << 20;

    public string? MountedAs(Guid fsId, VolumeSlot except) => _slots
        .FirstOrDefault(s => s != except && s.FsId == fsId)?.Settings.Name;

    public void Appeared(VolumeSlot slot)
    {
        lock (_lock) _handles[slot.Settings.Name] = slot.Served!.Handle;
        Changed?.Invoke(slot.Settings.Name);
    }

    public void Went(VolumeSlot slot)
    {
        lock (_lock)
        {
            if (!_handles.Remove(slot.Settings.Name)) return;
        }
        Changed?.Invoke(slot.Settings.Name);
    }

    // ------------------------------------------------------------------ status

    // Disks that hold volumes of the configuration; whole disks, by the names that they have today.
    void ShowDisks()
    {
        var now = new Dictionary<string, DiskStatus>(StringComparer.Ordinal);
        var disks = new Dictionary<string, BlockDevice>(StringComparer.Ordinal);
        var disksOf = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (VolumeSlot slot in _slots.Where(s => s.Served is not null))
        {
            BlockDevice[] own = [.. Devices.Where(d => slot.Served!.Devices.Contains(d.Path))
                .Select(d => Devices.FirstOrDefault(w => w.Path == "/dev/" + d.Disk) ?? d)];
            disksOf[slot.Settings.Name] = [.. own.Select(d => d.Path).Distinct()];
            foreach (BlockDevice disk in own)
            {
                disks[disk.Path] = disk;
                now[disk.Path] = new DiskStatus
                {
                    Device = disk.Path, Serial = disk.Serial, Model = disk.Model, Bytes = disk.Bytes,
                    Volume = slot.Settings.Name,
                };
            }
        }
        lock (_lock)
        {
            _disksOf.Clear();
            foreach ((string volume, string[] paths) in disksOf) _disksOf[volume] = paths;
        }
        _monitor.Turn(_context.Settings.Status.AskDisks ? disks.Values : []);
        foreach (string path in disks.Keys) now[path] = Read(now[path], _monitor.Of(path));
        foreach (string gone in _disksShown.Keys.Except(now.Keys).ToArray())
        {
            _context.Board.RemoveDisk(gone);
            _disksShown.Remove(gone);
        }
        foreach ((string device, DiskStatus disk) in now)
        {
            if (_disksShown.TryGetValue(device, out DiskStatus? shown) && shown == disk) continue;
            _context.Board.Put(disk);
            _disksShown[device] = disk;
        }
    }

    static DiskStatus Read(DiskStatus disk, DiskReading reading) => disk with
    {
        Celsius = reading.Celsius, IsAsleep = reading.Power == DiskPower.Asleep, Problem = reading.Trouble,
        Health = reading.Trouble is null ? Severity.Good : Severity.Degraded,
    };

    public DiskPower PowerOf(string name)
    {
        string[] paths;
        lock (_lock) paths = _disksOf.GetValueOrDefault(name) ?? [];
        DiskPower[] powers = [.. paths.Select(p => _monitor.PowerNow(p, s_power))];
        return powers.Contains(DiskPower.Asleep) ? DiskPower.Asleep
            : powers.Length == 0 || powers.Contains(DiskPower.Unknown) ? DiskPower.Unknown : DiskPower.Awake;
    }

    /// <summary>The flushers of all mounts. One whose disk is slow or hangs is no hang of ours: a restart would not
    /// help it, and would take the other volumes away.</summary>
    sealed class FlusherProbe(VolumeService service) : IProbe
    {
        public string Name => "flusher";
        public bool UsesDisks => true;

        public bool IsAlive(TimeSpan within)
        {
            TimeSpan longest = within > s_flusherMax ? within : s_flusherMax;
            VolumeHandle[] handles;
            lock (service._lock) handles = [.. service._handles.Values];
            return Array.TrueForAll(handles, h =>
            {
                using IDisposable? use = h.TryUse();
                return use is null || h.Fs.IsReadOnly || h.Fs.Core.FlusherBusy <= longest || h.IsDiskBusy;
            });
        }
    }
}
