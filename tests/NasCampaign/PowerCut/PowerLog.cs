using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Io;

namespace NasCampaign.PowerCut;

/// <summary>A write, or (without bytes) a flush.</summary>
public readonly record struct PowerEvent(long Offset, byte[]? Bytes)
{
    public bool IsFlush => Bytes is null;
}

/// <summary>A device that keeps a log of what was written and flushed, in order.</summary>
/// <param name="below">What is written to.</param>
/// <param name="direct">Extents are written in the background, as on a real device (decision 0013).</param>
public sealed class PowerLog(DiskImage below, bool direct = false) : IBlockDevice
{
    readonly List<PowerEvent> _events = [];
    readonly object _lock = new();

    public IReadOnlyList<PowerEvent> Events => _events;
    public int Count => _events.Count;
    public string Name => below.Name + "+log";
    public long Length => below.Length;
    public int LogicalBlockBytes => below.LogicalBlockBytes;
    public bool IsReadOnly => false;
    public bool HasDirectWrite => direct;
    public void Read(long offset, Span<byte> destination) => below.Read(offset, destination);

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            _events.Add(new PowerEvent(offset, source.ToArray()));
            below.Write(offset, source);
        }
    }

    /// <summary>
    /// A slow disk: lets others write and flush before. Who has to wait for it loses that little time; who does not,
    /// finds his flush in the log before the extent that it should have carried.
    /// </summary>
    public void WriteDirect(long offset, ReadOnlySpan<byte> source)
    {
        lock (_lock) Monitor.Wait(_lock, SlowMilliseconds);
        Write(offset, source);
    }

    const int SlowMilliseconds = 2;

    public void Flush()
    {
        lock (_lock)
        {
            _events.Add(new PowerEvent(0, null));
            Monitor.PulseAll(_lock);
        }
    }

    public void Discard(long offset, long length) => below.Discard(offset, length);
    public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

    public void Dispose()
    {
    }
}

/// <summary>What the disk's own cache does at the moment when the power goes.</summary>
public enum CutKind
{
    /// <summary>Everything written so far is on the medium.</summary>
    InOrder,
    /// <summary>Nothing since the last flush is.</summary>
    Dropped,
    /// <summary>Any writes since the last flush are, whole: the disk chose its own order.</summary>
    Reordered,
    /// <summary>The same in sectors of 512 bytes.</summary>
    Torn512,
    /// <summary>The same in physical blocks of 4096 bytes.</summary>
    Torn4096,
}

/// <summary>
/// Goes through a log and makes the medium as it is after the power was cut behind each of its events: what was
/// flushed for certain, what was written since then as the kind of cut says.
/// </summary>
public sealed class PowerCutter(IReadOnlyList<PowerEvent> events, DiskImage start)
{
    static readonly int[] s_percents = [5, 30, 50, 70, 95];

    readonly DiskImage _durable = start.Fork();
    readonly List<PowerEvent> _pending = [];
    int _next;

    /// <summary>Writes that the next cut may lose.</summary>
    public int Pending => _pending.Count;

    /// <summary>Goes on until this many events have happened.</summary>
    public void AdvanceTo(int count)
    {
        for (; _next < count; _next++)
        {
            PowerEvent e = events[_next];
            if (!e.IsFlush)
            {
                _pending.Add(e);
                continue;
            }
            foreach (PowerEvent write in _pending) _durable.Write(write.Offset, write.Bytes);
            _pending.Clear();
        }
    }

    /// <summary>The medium after a cut here; to be written freely, valid until the next advance.</summary>
    public DiskImage Cut(CutKind kind, Random random)
    {
        DiskImage image = _durable.Fork();
        if (kind == CutKind.Dropped) return image;
        // Some cuts lose almost all, some almost nothing.
        int percent = s_percents[random.Next(s_percents.Length)];
        foreach (PowerEvent write in _pending)
        {
            if (kind == CutKind.InOrder) image.Write(write.Offset, write.Bytes);
            else if (kind == CutKind.Torn512) Tear(image, write, 512, percent, random);
            else if (kind == CutKind.Torn4096) Tear(image, write, 4096, percent, random);
            else if (random.Next(100) < percent) image.Write(write.Offset, write.Bytes);
        }
        return image;
    }

    /// <summary>
    /// A disk with physical blocks of 4096 bytes reads and rewrites the whole block for a part of it: when the power
    /// goes in the middle, the sectors beside the part are lost.
    /// </summary>
    static void Shear(DiskImage image, long at, int bytes)
    {
        Span<byte> garbage = stackalloc byte[4096];
        garbage.Fill(0xE5);
        long block = at / 4096 * 4096;
        image.Write(block, garbage[..(int)(at - block)]);
        image.Write(at + bytes, garbage[..(int)(block + 4096 - at - bytes)]);
    }

    static void Tear(DiskImage image, PowerEvent write, int unit, int percent, Random random)
    {
        ReadOnlySpan<byte> bytes = write.Bytes;
        long at = write.Offset;
        bool whole = random.Next(2) == 0, kept = random.Next(100) < percent;
        while (bytes.Length > 0)
        {
            int n = (int)Math.Min(bytes.Length, unit - at % unit);
            if (whole ? kept : random.Next(100) < percent) image.Write(at, bytes[..n]);
            else if (unit == 4096 && n < unit && random.Next(2) == 0) Shear(image, at, n);
            at += n;
            bytes = bytes[n..];
        }
    }
}
