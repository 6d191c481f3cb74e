using System;
using System.Collections.Generic;
using System.IO;
using NasCore.Io;

namespace NasCampaign.Faults;

/// <summary>The transfer that fails.</summary>
enum FaultOp
{
    Read,
    Write,
    Flush,
}

/// <summary>How a transfer fails.</summary>
enum FaultKind
{
    /// <summary>EIO: nothing was transferred.</summary>
    Error,
    /// <summary>A part was transferred, then the error.</summary>
    Short,
    /// <summary>ENOSPC of a sparse backing file: places never written before cannot be written.</summary>
    NoSpace,
    /// <summary>The device is gone: from here on everything fails.</summary>
    Vanish,
    /// <summary>A write that is told to be done and is not.</summary>
    Stale,
    /// <summary>A write that is told to be done and went to another place.</summary>
    Misdirected,
}

/// <summary>
/// One thing that goes wrong, at the n-th transfer of a kind, counted over all the devices that share this plan while
/// it is armed.
/// </summary>
sealed class FaultPlan(FaultOp op, int nth, FaultKind kind, bool forGood, int seed)
{
    readonly Random _random = new(seed);

    /// <summary>Nothing fails: transfers are only counted.</summary>
    public static FaultPlan None() => new(FaultOp.Read, -1, FaultKind.Error, false, 0);

    public FaultKind Kind => kind;
    public bool IsArmed { get; set; }
    public int[] Counts { get; } = new int[3];
    /// <summary>The fault has happened.</summary>
    public bool HasFired { get; private set; }
    /// <summary>Where it happened: device and byte.</summary>
    public string Place { get; private set; } = "";
    public long Offset { get; private set; }
    /// <summary>Asked when the fault has happened: transfers that reach the medium afterwards.</summary>
    public int WritesAfter { get; set; }

    /// <summary>True if this transfer fails.</summary>
    public bool Fails(FaultOp now, IBlockDevice device, long offset)
    {
        if (!IsArmed) return false;
        int index = Counts[(int)now]++;
        if (HasFired && forGood && (now == op || kind == FaultKind.Vanish)) return true;
        if (HasFired || now != op || index != nth) return false;
        HasFired = true;
        Offset = offset;
        Place = $"{device.Name} byte {offset}";
        return true;
    }

    public int Below(int end) => _random.Next(end);

    public override string ToString() => $"{op} {nth} {kind}{(forGood ? " for good" : " once")} seed {seed}";
}

/// <summary>A device on which one thing goes wrong.</summary>
sealed class FaultDevice(IBlockDevice below, FaultPlan plan) : IBlockDevice
{
    /// <summary>Pieces of 64 KiB that were ever written: what a sparse file has room for.</summary>
    readonly HashSet<long> _known = [];
    /// <summary>Offsets written so far, for writes that go astray.</summary>
    readonly List<long> _offsets = [];
    const int Piece = 65536;

    /// <summary>Message of every error made here.</summary>
    public const string Cause = "the disk says no";

    public string Name => below.Name;
    public long Length => below.Length;
    public int LogicalBlockBytes => below.LogicalBlockBytes;
    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> destination)
    {
        if (!plan.Fails(FaultOp.Read, this, offset))
        {
            below.Read(offset, destination);
            return;
        }
        destination.Fill(0xA5);
        if (plan.Kind == FaultKind.Short) below.Read(offset, destination[..Part(destination.Length)]);
        throw new IOException($"{Name}: {Cause} (read at {offset})");
    }

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        bool grows = IsNew(offset, source.Length);
        if (!plan.Fails(FaultOp.Write, this, offset) || (plan.Kind == FaultKind.NoSpace && !grows))
        {
            if (plan.HasFired) plan.WritesAfter++;
            Note(offset, source.Length);
            below.Write(offset, source);
            return;
        }
        switch (plan.Kind)
        {
            case FaultKind.Stale:
                Note(offset, source.Length);
                return;
            case FaultKind.Misdirected:
                below.Write(Elsewhere(offset, source.Length), source);
                Note(offset, source.Length);
                return;
            case FaultKind.Short:
                below.Write(offset, source[..Part(source.Length)]);
                break;
        }
        throw new IOException($"{Name}: {Cause} (write at {offset})");
    }

    public void Flush()
    {
        if (plan.Fails(FaultOp.Flush, this, 0)) throw new IOException($"{Name}: {Cause} (flush)");
        below.Flush();
    }

    int Part(int length) => plan.Below(length);

    bool IsNew(long offset, int length)
    {
        for (long at = offset / Piece; at <= (offset + length - 1) / Piece; at++)
        {
            if (!_known.Contains(at)) return true;
        }
        return false;
    }

    void Note(long offset, int length)
    {
        for (long at = offset / Piece; at <= (offset + length - 1) / Piece; at++) _known.Add(at);
        _offsets.Add(offset);
    }

    /// <summary>A place that something else lives at, if there is one, aligned as this write is.</summary>
    long Elsewhere(long offset, int length)
    {
        for (int tries = 0; tries < 50 && _offsets.Count > 0; tries++)
        {
            long other = _offsets[plan.Below(_offsets.Count)];
            if (other != offset && other + length <= Length) return other;
        }
        return offset >= 1 << 20 ? offset - (1 << 20) : offset + (1 << 20);
    }

    public void Discard(long offset, long length) => below.Discard(offset, length);
    public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

    public void Dispose()
    {
    }
}
