using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Recovery;
using NasCore.Undo;
using NasCore.Volumes;

namespace NasCore.Maintenance;

/// <summary>
/// A file system that is not mounted, as the offline tools see it: recovery stage 1 applied in memory, every buffer
/// readable as it is, nothing verified. Unlike the engine's cache it hands out damaged structures too, since finding
/// those is the tools' work. One thread at a time.
/// </summary>
public sealed class OfflineVolumes : IBufferStore, IDisposable
{
    /// <summary>16 MiB of buffers.</summary>
    const int BuffersMax = 1024;

    readonly Dictionary<ulong, byte[]> _cache = [];
    readonly Queue<ulong> _order = new();

    OfflineVolumes(VolumeSet volumes, FifoGeometry fifo)
    {
        Volumes = volumes;
        Fifo = fifo;
        // Before UNDO: these words are meaningful only now (observed 36).
        HeaderBefore = volumes.Root.Header;
        Undo = UndoRecovery.Run(volumes, fifo);
    }

    public VolumeSet Volumes { get; }
    public FifoGeometry Fifo { get; }
    /// <summary>What stage 1 found; empty for a clean volume.</summary>
    public UndoOutcome Undo { get; }
    /// <summary>The root header as it is on the medium.</summary>
    public VolumeOndisk HeaderBefore { get; }
    public uint Version => Volumes.Version;
    public ref VolumeOndisk Header => ref Volumes.Root.Header;

    /// <summary>Takes ownership of the volume set, also on failure.</summary>
    public static OfflineVolumes Open(VolumeSet volumes)
    {
        try
        {
            return new OfflineVolumes(volumes, FifoGeometry.Load(volumes));
        }
        catch
        {
            volumes.Dispose();
            throw;
        }
    }

    /// <summary>
    /// From an address of zone 2, 4 or 8 to 15 to the end of its 16 KiB buffer. <see cref="HammerMediumException"/>
    /// for an address outside the volumes, <see cref="IOException"/> when the device fails.
    /// </summary>
    public ReadOnlySpan<byte> Buffer(HammerOff off)
    {
        HammerOff at = off.ToZone2().BufferBase;
        if (!Undo.Buffers.TryGetValue(at.Value, out byte[]? bytes) && !_cache.TryGetValue(at.Value, out bytes))
        {
            bytes = new byte[HammerConst.BufferBytes];
            Volumes.ReadZone2(at, bytes);
            if (_cache.Count >= BuffersMax) _cache.Remove(_order.Dequeue());
            _cache.Add(at.Value, bytes);
            _order.Enqueue(at.Value);
        }
        return bytes.AsSpan(off.BufferOffset);
    }

    void IBufferStore.CheckRange(HammerOff zone2, int bytes) => Volumes.CheckRange(zone2, bytes);

    void IBufferStore.ReadBuffer(HammerOff zone2, Span<byte> destination) => ReadThrough(zone2, destination);

    void IBufferStore.WriteBuffers(HammerOff zone2, ReadOnlySpan<byte> source) =>
        throw new InvalidOperationException("the offline tools write nothing");

    /// <summary>Reads a range of whole buffers past the cache, for scans of big tables.</summary>
    public void ReadThrough(HammerOff off, Span<byte> destination)
    {
        HammerOff at = off.ToZone2();
        Volumes.ReadZone2(at, destination);
        if (Undo.Buffers.Count == 0) return;
        for (int i = 0; i < destination.Length; i += HammerConst.BufferBytes)
        {
            if (Undo.Buffers.TryGetValue(at.Value + (ulong)i, out byte[]? restored))
                restored.CopyTo(destination[i..]);
        }
    }

    /// <summary>
    /// Data of a record: a slice of a buffer, or, for large extents, read into the scratch of 64 KiB.
    /// The caller has checked that the range crosses no boundary.
    /// </summary>
    public ReadOnlySpan<byte> Data(HammerOff off, int length, Span<byte> scratch)
    {
        if (off.BufferOffset + length <= HammerConst.BufferBytes && off.Zone != Zone.LargeData)
            return Buffer(off)[..length];
        Volumes.ReadZone2(off.ToZone2(), scratch[..length]);
        return scratch[..length];
    }

    /// <summary>The layer-2 entry of the big-block that holds an address; false if layer 1 has no such space.</summary>
    public bool TryLayer2(HammerOff off, out Layer2Ondisk entry)
    {
        entry = default;
        var layer1 = new HammerOff(Header.Blockmap[(int)Zone.Freemap].PhysOffset + 32 * (off.LongOffset >> 42));
        var table = new HammerOff(MemoryMarshal.Read<Layer1Ondisk>(
            Buffer(layer1)).PhysOffset);
        if (table.Value == Layer1Ondisk.Unavailable) return false;
        HammerOff at = table.Add(16 * (long)((off.LongOffset >> 23) & (HammerConst.Layer2Radix - 1)));
        entry = MemoryMarshal.Read<Layer2Ondisk>(Buffer(at));
        return true;
    }

    public void Dispose() => Volumes.Dispose();
}
