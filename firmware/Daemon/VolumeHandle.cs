using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore;
using NasCore.Fuse.Dispatch;
using NasDevices.Disks;

namespace NasFirmware.Daemon;

/// <summary>
/// A file system that this box has mounted. Who uses it stops when <see cref="Gone"/> is cancelled: the disk was
/// pulled, the mount ends, or the daemon stops. The daemon uses this facade only, never the mounted directory.
///
/// The file system closes when the last use has ended: whoever calls it longer than for a moment holds a
/// <see cref="TryUse"/> meanwhile.
/// </summary>
sealed class VolumeHandle(string name, HammerFs fs, CancellationToken gone)
{
    readonly object _lock = new();
    int _uses;
    bool _closed;

    /// <summary>The name of its section in the configuration.</summary>
    internal string Name => name;
    internal HammerFs Fs => fs;
    internal CancellationToken Gone => gone;
    /// <summary>Tells the kernel of changes that did not come through it; null until it is mounted.</summary>
    internal IFuseNotifier? Notifier { get; set; }

    readonly Dictionary<NasCore.Volumes.Volume, (long Number, long At)> _waits = [];

    /// <summary>
    /// How long a disk of it has had requests and answered none, as far as the looks tell; for one thread. Never waits.
    /// </summary>
    internal TimeSpan LookForSilence(TimeProvider time)
    {
        TimeSpan longest = TimeSpan.Zero;
        foreach (NasCore.Volumes.Volume volume in fs.Volumes.All)
        {
            long number = volume.Device.WaitsSince, now = time.GetTimestamp();
            if (number == 0 || !_waits.TryGetValue(volume, out var last) || last.Number != number)
                _waits[volume] = last = (number, now);
            TimeSpan silence = number == 0 ? TimeSpan.Zero : time.GetElapsedTime(last.At, now);
            if (silence > longest) longest = silence;
        }
        return longest;
    }

    /// <summary>Somebody waits for a disk of it right now.</summary>
    internal bool IsDiskBusy => fs.Volumes.All.Any(v => v.Device.WaitsSince != 0);

    /// <summary>Keeps the file system open until disposed of; null if it closes already.</summary>
    internal IDisposable? TryUse()
    {
        lock (_lock)
        {
            if (_closed || gone.IsCancellationRequested) return null;
            _uses++;
            return new Use(this);
        }
    }

    /// <summary>No use begins any more; waits for those under way, false after the time.</summary>
    internal bool Close(TimeSpan longest)
    {
        long started = Environment.TickCount64;
        lock (_lock)
        {
            _closed = true;
            while (_uses > 0)
            {
                long left = (long)longest.TotalMilliseconds - (Environment.TickCount64 - started);
                if (left <= 0) return false;
                Monitor.Wait(_lock, (int)Math.Min(left, int.MaxValue));
            }
        }
        return true;
    }

    void Leave()
    {
        lock (_lock)
        {
            if (--_uses == 0) Monitor.PulseAll(_lock);
        }
    }

    sealed class Use(VolumeHandle handle) : IDisposable
    {
        int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) == 0) handle.Leave();
        }
    }
}

/// <summary>The file systems that are mounted now, by the names of their sections.</summary>
interface IVolumes
{
    /// <summary>Null while it is not mounted.</summary>
    VolumeHandle? Find(string name);

    /// <summary>
    /// Whether the disks of a file system sleep, asked of them now without waking them; waits some seconds at most.
    /// Asleep if one of them does, unknown if one of them does not tell.
    /// </summary>
    DiskPower PowerOf(string name) => DiskPower.Unknown;

    /// <summary>A file system appeared or went; the argument is its name. On any thread.</summary>
    event Action<string> Changed;
}
