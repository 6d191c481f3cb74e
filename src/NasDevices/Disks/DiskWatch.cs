using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasLinux;

namespace NasDevices.Disks;

// DiskWatch: tells when disks come and go.
//
// The kernel's device events wake it; the list of devices in sysfs is what counts, since events may be lost, come
// twice, or not come at all (containers, a full queue). So after an event, and every few seconds without one, the list
// is read and compared with the last one. Reading it touches no disk. Right after an event the list is read again for
// a moment: nodes under /dev and partitions follow a little later than the first word of them.

/// <summary>A thread that calls back when the list of block devices changes.</summary>
public sealed class DiskWatch : IDisposable
{
    /// <summary>After an event: how often it looks again, and for how long.</summary>
    static readonly TimeSpan s_settle = TimeSpan.FromMilliseconds(200);
    const int SettleLooks = 5;

    readonly Func<List<BlockDevice>> _list;
    readonly Action<IReadOnlyList<BlockDevice>, IReadOnlyCollection<string>?> _changed;
    readonly Action<string> _log;
    readonly TimeSpan _poll;
    readonly ManualResetEventSlim _stop = new(), _wake = new();
    readonly Thread _thread;
    UeventSocket? _events;
    readonly Lock _gate = new();
    List<BlockDevice> _last = [];
    /// <summary>Names of devices whose content was written by somebody else; null: perhaps any.</summary>
    HashSet<string>? _written = new(StringComparer.Ordinal);

    /// <param name="list">Usually <see cref="BlockDevices.List"/>.</param>
    /// <param name="changed">
    /// Called on the watch's thread: at the start, whenever the list changed, and when a medium's content was written
    /// by somebody else (a change event), with the kernel's names of those devices; null if it may be any. Must not
    /// throw.
    /// </param>
    /// <param name="poll">How often the list is read without an event.</param>
    /// <param name="log">Sentences for the log.</param>
    public DiskWatch(Func<List<BlockDevice>> list,
        Action<IReadOnlyList<BlockDevice>, IReadOnlyCollection<string>?> changed, TimeSpan poll, Action<string> log)
    {
        _list = list;
        _changed = changed;
        _poll = poll;
        _log = log;
        try
        {
            _events = UeventSocket.Open();
        }
        catch (IOException e)
        {
            log($"disks are looked for every {poll.TotalSeconds:0} s only: {e.Message}");
        }
        _thread = new Thread(Run) { IsBackground = true, Name = "disk-watch" };
    }

    public void Start() => _thread.Start();

    /// <summary>Looks at once, and calls back whether the list changed or not.</summary>
    public void Nudge()
    {
        NoteWritten(null);
        _wake.Set();
    }

    void NoteWritten(string? name)
    {
        lock (_gate)
        {
            if (name is null) _written = null;
            else _written?.Add(name);
        }
    }

    HashSet<string>? TakeWritten()
    {
        lock (_gate)
        {
            HashSet<string>? written = _written;
            _written = new HashSet<string>(StringComparer.Ordinal);
            return written;
        }
    }

    void Run()
    {
        bool first = true;
        int settle = 0;
        while (!_stop.IsSet)
        {
            Look(first);
            first = false;
            TimeSpan wait = settle > 0 ? s_settle : _poll;
            settle = Wait(wait) ? SettleLooks : Math.Max(0, settle - 1);
        }
    }

    void Look(bool always)
    {
        List<BlockDevice> now;
        try
        {
            now = _list();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log($"the list of disks cannot be read: {e.Message}");
            return;
        }
        HashSet<string>? written = TakeWritten();
        if (!always && written is { Count: 0 } && now.SequenceEqual(_last)) return;
        _last = now;
        _changed(now, written);
    }

    // True if something happened that is worth a look.
    bool Wait(TimeSpan time)
    {
        const int sliceMs = 250;
        for (int left = (int)time.TotalMilliseconds; left > 0 && !_stop.IsSet; left -= sliceMs)
        {
            int slice = Math.Min(left, sliceMs);
            if (_events is null)
            {
                if (WaitHandle.WaitAny([_wake.WaitHandle, _stop.WaitHandle], slice) != 0) continue;
                _wake.Reset();
                return true;
            }
            if (WaitEvent(slice)) return true;
        }
        return false;
    }

    bool WaitEvent(int milliseconds)
    {
        if (_wake.IsSet)
        {
            _wake.Reset();
            return true;
        }
        try
        {
            if (!_events!.TryRead(milliseconds, out Uevent uevent)) return false;
            if (uevent.Action != "lost" && uevent.Subsystem != "block") return false;
            if (uevent.Action is "change" or "lost") NoteWritten(uevent.Action == "lost" ? null : uevent.Device);
            return true;
        }
        catch (IOException e)
        {
            _log($"device events ended, disks are looked for every {_poll.TotalSeconds:0} s: {e.Message}");
            _events!.Dispose();
            _events = null;
            return true;
        }
    }

    public void Dispose()
    {
        _stop.Set();
        if (_thread.IsAlive) _thread.Join();
        _events?.Dispose();
    }
}
