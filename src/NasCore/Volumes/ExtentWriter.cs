using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Io;
using NasLinux;

namespace NasCore.Volumes;

// File data on their way to the device (decision 0013)
//
// Writing through the page cache of a block device costs more than the disk does: a page is made for each 4 KiB, which
// nobody will read there, and is carried out later. Direct I/O does without, but is as slow as the disk for the one
// who waits. So extents are copied into one of a few slots and a thread of ours carries the slot out with direct I/O,
// while the request is answered and the next one comes in. Extents that lie behind each other meet in one slot.
//
// What this rests on:
//  - An extent is written once and never overwritten (W2), so nothing has to be ordered, except when space comes back
//    within one group: any other transfer to or from the same bytes waits for the slot first.
//  - A flush group waits with Drain before its first device flush. A slot that could not be written fails that call,
//    and with it the group and the mount: a record must never become durable whose data are not on the medium.
//  - Direct and buffered transfers of one device never share a page: extents are multiples of 16 KiB, at multiples of
//    16 KiB, and devices on machines with larger pages offer no direct writes.

/// <summary>Writes extents in the background, past the kernel's cache. Safe for concurrent calls.</summary>
public sealed class ExtentWriter : IDisposable
{
    const int SlotBytes = 1 << 20;
    const int SlotCount = 6;
    const int ThreadCount = 2;

    enum SlotState
    {
        Free,
        Queued,
        Writing,
    }

    sealed class Slot(int number)
    {
        public readonly int Number = number;
        public SlotState State;
        public IBlockDevice? Device;
        public long At;
        public int Length;
        public long Ticket;
        /// <summary>Copies into the slot under way; it is not carried out before they end.</summary>
        public int Filling;

        public bool Overlaps(IBlockDevice device, long at, long length) =>
            State != SlotState.Free && ReferenceEquals(Device, device) && At < at + length && at < At + Length;
    }

    readonly Slot[] _slots = new Slot[SlotCount];
    readonly Queue<Slot> _queue = new();
    readonly object _lock = new();
    readonly List<Thread> _threads = [];
    NativeSlab? _memory;
    Slot? _last;
    long _tickets;
    int _busy;
    bool _stopping;
    IOException? _error;

    public ExtentWriter()
    {
        for (int i = 0; i < SlotCount; i++) _slots[i] = new Slot(i);
    }

    /// <summary>True while any extent is on its way.</summary>
    public bool IsBusy => Volatile.Read(ref _busy) != 0;

    /// <summary>
    /// Takes bytes over; returns when they are copied. Waits while all slots are taken. <see cref="IOException"/> if an
    /// earlier extent could not be written: the mount is lost then.
    /// </summary>
    public void Submit(IBlockDevice device, long at, ReadOnlySpan<byte> bytes)
    {
        WaitFor(device, at, bytes.Length);
        while (bytes.Length > 0)
        {
            Slot slot = Take(device, at, bytes.Length, out int offset, out int taken);
            bytes[..taken].CopyTo(_memory!.Span((long)slot.Number * SlotBytes + offset, taken));
            lock (_lock)
            {
                slot.Filling--;
                Monitor.PulseAll(_lock);
            }
            at += taken;
            bytes = bytes[taken..];
        }
    }

    /// <summary>Room for bytes: the rest of the youngest slot if they continue it, else a slot of their own.</summary>
    Slot Take(IBlockDevice device, long at, int length, out int offset, out int taken)
    {
        lock (_lock)
        {
            Begin();
            for (;;)
            {
                if (_error is not null) throw Lost(_error);
                if (_last is { State: SlotState.Queued } last && ReferenceEquals(last.Device, device)
                    && last.At + last.Length == at && last.Length < SlotBytes)
                {
                    offset = last.Length;
                    taken = Math.Min(length, SlotBytes - offset);
                    last.Length += taken;
                    last.Filling++;
                    return last;
                }
                if (FreeSlot() is { } free)
                {
                    offset = 0;
                    taken = Math.Min(length, SlotBytes);
                    Queue(free, device, at, taken);
                    return free;
                }
                Monitor.Wait(_lock);
            }
        }
    }

    void Queue(Slot slot, IBlockDevice device, long at, int length)
    {
        slot.State = SlotState.Queued;
        slot.Device = device;
        slot.At = at;
        slot.Length = length;
        slot.Ticket = ++_tickets;
        slot.Filling = 1;
        _last = slot;
        _busy++;
        _queue.Enqueue(slot);
    }

    /// <summary>The first extent brings memory and threads.</summary>
    void Begin()
    {
        if (_memory is not null) return;
        _memory = new NativeSlab((long)SlotCount * SlotBytes);
        for (int i = 0; i < ThreadCount; i++)
        {
            var thread = new Thread(Loop) { IsBackground = true, Name = $"nashammer-data-{i + 1}" };
            _threads.Add(thread);
            thread.Start();
        }
    }

    void Loop()
    {
        while (Next() is { } slot)
        {
            IOException? error = null;
            try
            {
                slot.Device!.WriteDirect(slot.At, _memory!.Span((long)slot.Number * SlotBytes, slot.Length));
            }
            catch (Exception e)
            {
                error = e as IOException ?? new IOException(e.Message, e);
            }
            lock (_lock)
            {
                _error ??= error;
                slot.State = SlotState.Free;
                slot.Device = null;
                _busy--;
                Monitor.PulseAll(_lock);
            }
        }
    }

    Slot? Next()
    {
        lock (_lock)
        {
            for (;;)
            {
                if (_queue.TryPeek(out Slot? slot))
                {
                    if (slot.Filling == 0)
                    {
                        _queue.Dequeue();
                        slot.State = SlotState.Writing;
                        return slot;
                    }
                }
                else if (_stopping)
                {
                    return null;
                }
                Monitor.Wait(_lock);
            }
        }
    }

    /// <summary>Waits until nothing is on its way to these bytes of a device.</summary>
    public void WaitFor(IBlockDevice device, long at, long length)
    {
        if (!IsBusy) return;
        lock (_lock)
        {
            while (IsOnItsWay(device, at, length)) Monitor.Wait(_lock);
        }
    }

    /// <summary>
    /// Waits until everything submitted before the call is on the device, though not flushed. <see cref="IOException"/>
    /// if any extent since the beginning could not be written.
    /// </summary>
    public void Drain()
    {
        lock (_lock)
        {
            long ticket = _tickets;
            // A slot that is still being filled is older than its latest bytes: waiting for it is enough.
            while (HasOlder(ticket)) Monitor.Wait(_lock);
            if (_error is not null) throw Lost(_error);
        }
    }

    Slot? FreeSlot()
    {
        foreach (Slot slot in _slots)
        {
            if (slot.State == SlotState.Free) return slot;
        }
        return null;
    }

    bool IsOnItsWay(IBlockDevice device, long at, long length)
    {
        foreach (Slot slot in _slots)
        {
            if (slot.Overlaps(device, at, length)) return true;
        }
        return false;
    }

    bool HasOlder(long ticket)
    {
        foreach (Slot slot in _slots)
        {
            if (slot.State != SlotState.Free && slot.Ticket <= ticket) return true;
        }
        return false;
    }

    static IOException Lost(IOException cause) => new("file data could not be written: " + cause.Message, cause);

    public void Dispose()
    {
        lock (_lock)
        {
            _stopping = true;
            Monitor.PulseAll(_lock);
        }
        foreach (Thread thread in _threads) thread.Join();
        _threads.Clear();
        _memory?.Dispose();
    }
}
