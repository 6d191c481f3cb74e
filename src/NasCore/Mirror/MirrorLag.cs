using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// How far one mirror of a PFS is behind: the age of the oldest change that is not known to be durable on the other
/// side, by this machine's monotonic clock, and about how many bytes of records have changed since.
///
/// Each flush group that touches the PFS adds an entry with the time of its first change to it, at that very change; an
/// acknowledgement up to a TID drops what it covers. What happened before this object was made is unknown and counts
/// from the time given for it (the start of the process), until a TID as high as the last one then is acknowledged. A
/// list that grows too long joins two neighbours: the older time, the higher TID.
/// </summary>
public sealed class MirrorLag : IDisposable
{
    const int EntriesMax = 512;

    struct Entry
    {
        public ulong Tid;
        public long Since, Bytes;
    }

    readonly TimeProvider _time;
    readonly Action<MirrorLag> _closed;
    readonly Func<ulong, IDisposable>? _keep;
    IDisposable? _kept;
    ulong _sending;
    readonly Lock _lock = new();
    readonly List<Entry> _entries = [];
    ulong _acknowledged;
    long _pendingBytes;

    /// <param name="pfsId">The PFS that is mirrored.</param>
    /// <param name="isSlave">It is a slave itself: its changes are whole batches.</param>
    /// <param name="known">A name for its last durable state.</param>
    /// <param name="since">From when on what that state holds counts, in ticks of the clock.</param>
    /// <param name="time">Only its monotonic clock counts.</param>
    /// <param name="closed">Called when it is disposed.</param>
    /// <param name="keep">Keeps what is visible at a TID from maintenance.</param>
    public MirrorLag(int pfsId, bool isSlave, ulong known, long since, TimeProvider time, Action<MirrorLag> closed,
        Func<ulong, IDisposable>? keep = null)
    {
        _keep = keep;
        PfsId = pfsId;
        IsSlave = isSlave;
        _time = time;
        _closed = closed;
        _entries.Add(new Entry { Tid = known, Since = since });
    }

    public int PfsId { get; }
    /// <summary>Its changes are whole batches; a promotion makes every change of its own count.</summary>
    public bool IsSlave { get; internal set; }

    /// <summary>What is known to be durable on the other side, 0 in the beginning.</summary>
    public ulong Acknowledged
    {
        get
        {
            lock (_lock) return _acknowledged;
        }
    }

    /// <summary>Something is not known to be durable on the other side, however young it is.</summary>
    public bool IsBehind
    {
        get
        {
            lock (_lock) return _entries.Count > 0;
        }
    }

    /// <summary>0 when everything is known to be durable on the other side, and for a change of this very moment.
    /// </summary>
    public TimeSpan Age
    {
        get
        {
            lock (_lock)
            {
                // Joining and late notes keep the oldest in front.
                return _entries.Count == 0 ? TimeSpan.Zero : _time.GetElapsedTime(_entries[0].Since);
            }
        }
    }

    /// <summary>Bytes of records changed since, about: an upper bound of what the next batch carries.</summary>
    public long BytesBehind
    {
        get
        {
            lock (_lock)
            {
                long bytes = _pendingBytes;
                foreach (Entry entry in _entries) bytes += entry.Bytes;
                return bytes;
            }
        }
    }

    /// <summary>The other side has said that everything up to a TID is durable.</summary>
    public void Acknowledge(ulong tid)
    {
        lock (_lock)
        {
            if (tid <= _acknowledged) return;
            _acknowledged = tid;
            _entries.RemoveAll(e => e.Tid <= tid);
            if (_sending <= tid) Release();
        }
    }

    /// <summary>
    /// A batch up to a TID goes out. What is visible at that TID is kept from maintenance until the batch is
    /// acknowledged, or another takes its place: also while the link is broken, so that the batch can go on (M3).
    /// </summary>
    public void Sending(ulong end)
    {
        lock (_lock)
        {
            if (_sending == end) return;
            IDisposable? kept = _keep?.Invoke(end);
            Release();
            (_sending, _kept) = (end, kept);
        }
    }

    void Release()
    {
        _kept?.Dispose();
        (_sending, _kept) = (0, null);
    }

    /// <summary>
    /// Nothing happened to the PFS between two TIDs: who has the first has the second. Every durable group has a new
    /// TID, whatever it changed.
    /// </summary>
    public void Same(ulong from, ulong to)
    {
        lock (_lock)
        {
            if (_acknowledged < from) return;
        }
        Acknowledge(to);
    }

    /// <summary>A group, or a batch, changes the PFS now.</summary>
    public void Changed(ulong tid)
    {
        lock (_lock)
        {
            if (tid <= _acknowledged) return;
            if (_entries.Count > 0 && _entries[^1].Tid >= tid) return;
            if (_entries.Count == EntriesMax) JoinNearest();
            _entries.Add(new Entry { Tid = tid, Since = _time.GetTimestamp(), Bytes = _pendingBytes });
            _pendingBytes = 0;
        }
    }

    /// <summary>Bytes of records that go with the next change, or with the last one.</summary>
    public void AddBytes(long bytes)
    {
        lock (_lock)
        {
            if (_entries.Count == 0)
            {
                // A slave's batch comes over many groups and counts from its end.
                if (IsSlave) _pendingBytes += bytes;
                return;
            }
            Entry last = _entries[^1];
            last.Bytes += bytes;
            _entries[^1] = last;
        }
    }

    // The pair whose times are closest: what an acknowledgement between the two would have told is lost.
    void JoinNearest()
    {
        int best = 0;
        for (int i = 1; i + 1 < _entries.Count; i++)
        {
            if (_entries[i + 1].Since - _entries[i].Since < _entries[best + 1].Since - _entries[best].Since) best = i;
        }
        Entry older = _entries[best], newer = _entries[best + 1];
        _entries[best] = new Entry { Tid = newer.Tid, Since = older.Since, Bytes = older.Bytes + newer.Bytes };
        _entries.RemoveAt(best + 1);
    }

    public override string ToString() =>
        $"PFS {PfsId}: {Age.TotalSeconds:f1} s, {BytesBehind} bytes behind {Tid.Format(Acknowledged)}";

    public void Dispose()
    {
        lock (_lock) Release();
        _closed(this);
    }
}
