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

    readonly DaemonContext _context;
    readonly VolumeServiceOptions _options;
    readonly VolumeCatalogue _catalogue;
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
    bool _forget, _reprovision;
    volatile bool _stopping;

    internal VolumeService(DaemonContext context, VolumeServiceOptions options)
    {
        _context = context;
        _options = options;
        Log = context.Loggers.CreateLogger("volumes");
        _catalogue = new VolumeCatalogue(options.Recognizer, SayOnce);
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

    void OnDisks(IReadOnlyList<BlockDevice> devices)
    {
        lock (_lock)
        {
            // The same list again: something was written to a disk by somebody else, perhaps a new file system.
            _forget |= devices.SequenceEqual(_list);
            _list = devices;
        }
        _wake.Set();
    }

    public void Reload(Settings before, Settings now)
    {
        lock (_lock)
        {
            _pending = now;
            _forget = true;
            _reprovision = true;
        }
        _wake.Set();
    }

    public void Stop(CancellationToken hurry)
    {
        using CancellationTokenRegistration registration = hurry.Register(_hurry.Cancel);
        _stopping = true;
        _wake.Set();
        _watch?.Dispose();
        if (_thread.IsAlive) _thread.Join();
        // All at once: each may have to wait for its own users and disk.
        foreach (VolumeSlot slot in _slots) slot.BeginStop();
        foreach (VolumeSlot slot in _slots) slot.EndStop();
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
        bool forget, reprovision;
        Settings? pending;
        lock (_lock)
        {
            Devices = _list;
            (forget, _forget) = (_forget, false);
            (reprovision, _reprovision) = (_reprovision, false);
            (pending, _pending) = (_pending, null);
        }
        if (pending is not null) Apply(pending);
        if (forget) _catalogue.Forget();
        // Nothing tells when an image file gets a file system: those that are missed are read again.
        foreach (VolumeSlot slot in _slots.Where(s => s.Served is null && s.IsSettled))
        {
            foreach (string image in slot.Settings.Images) _catalogue.Forget(image);
        }
        // A disk may take long to answer, also one that is none of ours: that is no hang of this loop.
        _probe.Rest();
        List<FoundFileSystem> found = _catalogue.Look(Devices, _slots.SelectMany(s => s.Settings.Images));
        _probe.Turn();
        foreach (VolumeSlot slot in _slots) slot.Turn(found);
        foreach (VolumeSlot gone in _slots.Where(s => s.IsGone).ToArray())
        {
            _slots.Remove(gone);
            // A section taken out and put back has its new slot already.
            if (!_slots.Exists(s => s.Settings.Name == gone.Settings.Name))
                _context.Board.RemoveVolume(gone.Settings.Name);
        }
        if (reprovision) Reprovision();
        foreach (VolumeSlot slot in _slots.Where(s => !s.IsLeaving)) slot.Show(_context.Board);
        ShowDisks();
        if (_slots.TrueForAll(s => s.IsSettled)) _firstPass.Set();
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
    }

    // PFSs that a reload brought, on mounts that stay.
    void Reprovision()
    {
        foreach (VolumeSlot slot in _slots)
        {
            if (slot.Served is { } served && slot.State == VolumeState.Mounted && slot.IsSettled)
                served.Provision(PfsOf(slot.Settings.Name));
        }
    }

    PfsSettings[] PfsOf(string volume) => [.. _context.Settings.Pfs.Where(p => p.Volume == volume)];

    // ------------------------------------------------------------------ for the slots

    public void Wake() => _wake.Set();

    public ServedVolumeOptions Options(VolumeSettings settings, FoundFileSystem found) => new()
    {
        Settings = settings, Devices = found.Devices, FsId = found.FsId, Log = Log, Changed = Wake,
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
        foreach (VolumeSlot slot in _slots.Where(s => s.Served is not null))
        {
            foreach (BlockDevice device in Devices.Where(d => slot.Served!.Devices.Contains(d.Path)))
            {
                BlockDevice disk = Devices.FirstOrDefault(d => d.Path == "/dev/" + device.Disk) ?? device;
                now[disk.Path] = new DiskStatus
                {
                    Device = disk.Path, Serial = disk.Serial, Model = disk.Model, Bytes = disk.Bytes,
                    Volume = slot.Settings.Name,
                };
            }
        }
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

    /// <summary>The flushers of all mounts.</summary>
    sealed class FlusherProbe(VolumeService service) : IProbe
    {
        public string Name => "flusher";

        public bool IsAlive(TimeSpan within)
        {
            TimeSpan longest = within > s_flusherMax ? within : s_flusherMax;
            VolumeHandle[] handles;
            lock (service._lock) handles = [.. service._handles.Values];
            return Array.TrueForAll(handles, h =>
            {
                using IDisposable? use = h.TryUse();
                return use is null || h.Fs.IsReadOnly || h.Fs.Core.FlusherBusy <= longest;
            });
        }
    }
}
