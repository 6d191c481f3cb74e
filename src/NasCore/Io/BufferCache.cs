using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Io;

/// <summary>Reads and writes the 16 KiB buffer at a zone-2 address; implemented by the volume set.</summary>
public interface IBufferStore
{
    void ReadBuffer(HammerOff zone2, Span<byte> destination);
    void WriteBuffers(HammerOff zone2, ReadOnlySpan<byte> source);
    /// <summary>Throws <see cref="HammerMediumException"/> unless the range lies on an open volume.</summary>
    void CheckRange(HammerOff zone2, int bytes);
}

/// <summary>
/// The cache of metadata and small-data buffers, keyed by zone-2 address. File data of the large zone do not pass
/// through it: the kernel caches them above us.
/// Invariants: a buffer is in the map while pinned, dirty, frozen or held; only clean, unpinned ones are evicted, by
/// a clock. The lock is a leaf lock and is never held across I/O. Contents change under the exclusive file system
/// lock only.
/// </summary>
public sealed class BufferCache : IDisposable
{
    readonly IBufferStore _store;
    readonly BufferMemoryPool _pool;
    readonly Dictionary<ulong, HammerBuffer> _map = [];
    readonly List<HammerBuffer> _ring = [];
    readonly RankedLock _lock = new(LockRank.Leaf, "buffer cache");
    int _hand;

    /// <param name="store">Where buffers come from.</param>
    /// <param name="pool">Memory of the mount.</param>
    /// <param name="capacity">Buffers to keep; exceeded only while more than that are pinned or dirty.</param>
    public BufferCache(IBufferStore store, BufferMemoryPool pool, int capacity)
    {
        _store = store;
        _pool = pool;
        Capacity = capacity;
    }

    public int Capacity { get; private set; }

    /// <summary>
    /// Another number of buffers to keep; under the exclusive file system lock. Where it is smaller, clean buffers go
    /// at once, others as soon as they are clean and another one is wanted.
    /// </summary>
    internal void Resize(int capacity)
    {
        using (_lock.Hold())
        {
            Capacity = capacity;
            for (int i = _ring.Count - 1; i >= 0 && _ring.Count > capacity; i--)
            {
                if (IsEvictable(_ring[i])) EvictLocked(i);
            }
            _hand = 0;
        }
    }

    public BufferMemoryPool Pool => _pool;
    /// <summary>Buffers in memory now.</summary>
    public int Count => _map.Count;
    public long Hits { get; private set; }
    public long Misses { get; private set; }

    /// <summary>Pins the buffer that holds an address of zone 2, 4 or 8 to 15, reading it if need be.</summary>
    public BufferRef Get(HammerOff offset)
    {
        HammerBuffer buffer = Pin(offset);
        return new BufferRef(buffer, offset.BufferOffset);
    }

    /// <summary>
    /// Like <see cref="Get"/> for a buffer whose old contents do not matter: nothing is read, the caller clears it
    /// (through a writer, which knows whether it is being written at this moment).
    /// </summary>
    internal BufferRef GetNewUnread(HammerOff offset)
    {
        HammerOff zone2 = offset.ToZone2().BufferBase;
        _store.CheckRange(zone2, HammerConst.BufferBytes);
        HammerBuffer buffer;
        using (_lock.Hold())
        {
            if (!_map.TryGetValue(zone2.Value, out buffer!)) buffer = AddLocked(zone2);
            Interlocked.Increment(ref buffer.Pins);
            buffer.Referenced = true;
        }
        lock (buffer)
        {
            buffer.NodesVerified = 0;
            buffer.IsFileData = false;
            Volatile.Write(ref buffer.Loaded, true);
        }
        return new BufferRef(buffer, offset.BufferOffset);
    }

    /// <summary>Puts bytes in place of what the medium holds and keeps them (recovery, read-only).</summary>
    public void Hold(HammerOff offset, ReadOnlySpan<byte> bytes)
    {
        using BufferRef buffer = GetNewUnread(offset);
        bytes.CopyTo(buffer.Buffer.Memory.Span);
        buffer.Buffer.IsHeld = true;
    }

    /// <summary>Pins for longer than a scope; the caller calls Unpin on the buffer.</summary>
    internal HammerBuffer Pin(HammerOff offset)
    {
        HammerOff zone2 = offset.ToZone2().BufferBase;
        HammerBuffer? buffer;
        using (_lock.Hold())
        {
            if (_map.TryGetValue(zone2.Value, out buffer))
            {
                Hits++;
            }
            else
            {
                Misses++;
                _store.CheckRange(zone2, HammerConst.BufferBytes);
                buffer = AddLocked(zone2);
            }
            Interlocked.Increment(ref buffer.Pins);
            buffer.Referenced = true;
        }
        if (!Volatile.Read(ref buffer.Loaded)) PinLoad(buffer);
        return buffer;
    }

    /// <summary>
    /// True if the medium has, or is on the way to have, what a reader sees at an address: its buffer is neither
    /// changed nor being written. Under the file system lock.
    /// </summary>
    public bool IsOnMedium(HammerOff offset)
    {
        using (_lock.Hold())
        {
            return !_map.TryGetValue(offset.ToZone2().BufferBase.Value, out HammerBuffer? buffer)
                || (!buffer.IsDirty && buffer.Frozen is null && !buffer.IsHeld);
        }
    }

    /// <summary>Forgets clean, unpinned buffers; for cold measurements and after the device changed under us.</summary>
    public void DropClean()
    {
        using (_lock.Hold())
        {
            for (int i = _ring.Count - 1; i >= 0; i--)
            {
                if (IsEvictable(_ring[i])) EvictLocked(i);
            }
            _hand = 0;
        }
    }

    public void Dispose()
    {
        using (_lock.Hold())
        {
            foreach (HammerBuffer buffer in _ring)
            {
                if (buffer.Frozen is not null && buffer.Frozen != buffer.Memory) _pool.Give(buffer.Frozen);
                _pool.Give(buffer.Memory);
            }
            _ring.Clear();
            _map.Clear();
        }
    }

    void PinLoad(HammerBuffer buffer)
    {
        lock (buffer)
        {
            if (buffer.Loaded) return;
            if (buffer.LoadError is null)
            {
                try
                {
                    _store.ReadBuffer(buffer.Zone2, buffer.Memory.Span);
                    buffer.NodesVerified = 0;
                    Volatile.Write(ref buffer.Loaded, true);
                    return;
                }
                catch (Exception e) when (e is System.IO.IOException or HammerMediumException)
                {
                    buffer.LoadError = e;
                }
            }
        }
        Exception error = buffer.LoadError!;
        using (_lock.Hold())
        {
            buffer.Unpin();
            if (_map.TryGetValue(buffer.Zone2.Value, out HammerBuffer? now) && now == buffer && buffer.Pins == 0)
            {
                int index = _ring.IndexOf(buffer);
                EvictLocked(index);
            }
        }
        throw new HammerMediumException(buffer.Zone2, "the buffer cannot be read: " + error.Message, error);
    }

    HammerBuffer AddLocked(HammerOff zone2)
    {
        if (_ring.Count >= Capacity) MakeRoomLocked();
        var buffer = new HammerBuffer(zone2, _pool.Take());
        _map.Add(zone2.Value, buffer);
        _ring.Add(buffer);
        return buffer;
    }

    void MakeRoomLocked()
    {
        for (int steps = _ring.Count * 2; steps > 0 && _ring.Count >= Capacity; steps--)
        {
            if (_hand >= _ring.Count) _hand = 0;
            HammerBuffer candidate = _ring[_hand];
            if (IsEvictable(candidate) && !candidate.Referenced)
            {
                EvictLocked(_hand);
            }
            else
            {
                candidate.Referenced = false;
                _hand++;
            }
        }
    }

    static bool IsEvictable(HammerBuffer buffer) =>
        Volatile.Read(ref buffer.Pins) == 0 && !buffer.IsDirty && buffer.Frozen is null && !buffer.IsHeld;

    void EvictLocked(int index)
    {
        HammerBuffer buffer = _ring[index];
        _map.Remove(buffer.Zone2.Value);
        _ring[index] = _ring[^1];
        _ring.RemoveAt(_ring.Count - 1);
        _pool.Give(buffer.Memory);
    }
}
