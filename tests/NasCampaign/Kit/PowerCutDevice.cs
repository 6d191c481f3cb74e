using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Io;
using NasTesting.Model;

namespace NasCampaign.Kit;

/// <summary>A device that keeps a log of what was written and flushed, in order.</summary>
sealed class RecordingDevice(IBlockDevice below) : IBlockDevice
{
    /// <summary>A write, or (without bytes) a flush.</summary>
    public readonly record struct Event(long Offset, byte[]? Bytes)
    {
        public bool IsFlush => Bytes is null;
    }

    readonly List<Event> _events = [];
    readonly Lock _lock = new();

    public IReadOnlyList<Event> Events => _events;
    public int Count => _events.Count;
    public string Name => below.Name + "+recording";
    public long Length => below.Length;
    public int LogicalBlockBytes => below.LogicalBlockBytes;
    public bool IsReadOnly => false;
    public void Read(long offset, Span<byte> destination) => below.Read(offset, destination);

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            _events.Add(new Event(offset, source.ToArray()));
            below.Write(offset, source);
        }
    }

    public void Flush()
    {
        lock (_lock)
        {
            _events.Add(new Event(0, null));
            below.Flush();
        }
    }

    public void Discard(long offset, long length) => below.Discard(offset, length);
    public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

    public void Dispose()
    {
    }
}

/// <summary>What the disk's own cache does at the moment when the power goes.</summary>
enum CutKind
{
    /// <summary>Everything written so far is on the medium.</summary>
    InOrder,
    /// <summary>Nothing since the last flush is.</summary>
    Dropped,
    /// <summary>Any sectors of 512 bytes of the writes since the last flush are, in any order.</summary>
    Torn512,
    /// <summary>The same in physical blocks of 4096 bytes.</summary>
    Torn4096,
}

/// <summary>
/// Goes through a log and makes the medium as it is after the power was cut behind each of its events: what was flushed
/// for certain, what was written since then as the kind of cut says.
/// </summary>
sealed class PowerCutter
{
    readonly IReadOnlyList<RecordingDevice.Event> _events;
    readonly MemoryBlockDevice _durable;
    readonly List<RecordingDevice.Event> _pending = [];
    int _next;

    /// <param name="events">The log.</param>
    /// <param name="start">The medium before the first event; taken over.</param>
    public PowerCutter(IReadOnlyList<RecordingDevice.Event> events, MemoryBlockDevice start)
    {
        _events = events;
        _durable = start;
    }

    /// <summary>Writes that the next cut may lose.</summary>
    public int Pending => _pending.Count;

    /// <summary>Goes on until this many events have happened.</summary>
    public void AdvanceTo(int count)
    {
        for (; _next < count; _next++)
        {
            RecordingDevice.Event e = _events[_next];
            if (!e.IsFlush)
            {
                _pending.Add(e);
                continue;
            }
            foreach (RecordingDevice.Event write in _pending) _durable.Write(write.Offset, write.Bytes);
            _pending.Clear();
        }
    }

    /// <summary>The medium after a cut here; to be written freely, valid until the next advance.</summary>
    public OverlayBlockDevice Cut(CutKind kind, ModelRandom random)
    {
        var device = new OverlayBlockDevice(_durable);
        if (kind == CutKind.Dropped) return device;
        int unit = kind == CutKind.Torn512 ? 512 : 4096;
        // Some cuts lose almost all, some almost nothing.
        int percent = random.Pick([5, 30, 50, 70, 95]);
        foreach (RecordingDevice.Event write in _pending)
        {
            if (kind == CutKind.InOrder) device.Write(write.Offset, write.Bytes);
            else Tear(device, write, unit, percent, random);
        }
        return device;
    }

    /// <summary>The same for one cut, onto a device that holds what was there before the first event.</summary>
    public static void Replay(IReadOnlyList<RecordingDevice.Event> events, int count, CutKind kind, ModelRandom random,
        IBlockDevice device)
    {
        int flushed = count;
        while (flushed > 0 && !events[flushed - 1].IsFlush) flushed--;
        int percent = random.Pick([5, 30, 50, 70, 95]);
        for (int i = 0; i < count; i++)
        {
            if (events[i].IsFlush) continue;
            if (i < flushed || kind == CutKind.InOrder) device.Write(events[i].Offset, events[i].Bytes);
            else if (kind != CutKind.Dropped)
                Tear(device, events[i], kind == CutKind.Torn512 ? 512 : 4096, percent, random);
        }
    }

    static void Tear(IBlockDevice device, RecordingDevice.Event write, int unit, int percent, ModelRandom random)
    {
        ReadOnlySpan<byte> bytes = write.Bytes;
        long at = write.Offset;
        bool whole = random.Percent(50), kept = random.Percent(percent);
        while (bytes.Length > 0)
        {
            int n = (int)Math.Min(bytes.Length, unit - at % unit);
            if (whole ? kept : random.Percent(percent)) device.Write(at, bytes[..n]);
            at += n;
            bytes = bytes[n..];
        }
    }
}
