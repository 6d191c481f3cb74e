using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Blockmap;

// The freemap (on-disk-format 3)
//
// Space is owned in big-blocks of 8 MiB, each by one zone; inside, it is handed out only by appending, and a block
// whose bytes are all free goes back to zone 0. Three rules of the architecture live here:
//   W3  Writers of file data only reserve, in memory; the layer-2 entry changes together with the record that refers
//       to the space. A big-block with reservations is not offered to another zone.
//   R1, 3.6  A big-block that became free is held back until the group that freed it is durable and no reader that
//       started before is left: a crash, or a reader, may still need the old contents.
//   W10 What the front end has promised to writers counts as used.
// An entry of layer 2 with a wrong CRC tells nothing any more: nothing is allocated in its big-block, what is freed in
// it stays charged, and the rest of the volume goes on (`check` names the entry).

/// <summary>Allocation and release of space; every call under the exclusive file system lock.</summary>
public sealed class Freemap
{
    /// <summary>A value in its table: a write makes and drops one without allocating.</summary>
    struct Reservation
    {
        public Zone Zone;
        public uint AppendOff;
        public int Outstanding;
    }

    readonly VolumeSet _volumes;
    readonly BufferCache _cache;
    readonly IMetaWriter _writer;
    readonly ReaderEpochs _epochs;
    readonly uint _version;
    readonly ulong[] _next = new ulong[16];
    readonly Dictionary<ulong, Reservation> _reserved = [];
    /// <summary>Free big-blocks that may not be reused yet, with the group that freed them.</summary>
    readonly Dictionary<ulong, long> _held = [];

    public Freemap(VolumeSet volumes, BufferCache cache, IMetaWriter writer, ReaderEpochs epochs)
    {
        _volumes = volumes;
        _cache = cache;
        _writer = writer;
        _epochs = epochs;
        _version = volumes.Version;
        for (int zone = (int)Zone.BTree; zone <= (int)Zone.SmallData; zone++)
        {
            var next = new HammerOff(volumes.Root.Header.Blockmap[zone].NextOffset);
            _next[zone] = next.Zone == (Zone)zone ? next.Value : (ulong)zone << 60;
        }
    }

    /// <summary>Last group that is durable.</summary>
    public long DurableGroup { get; private set; }

    /// <summary>Told by the finaliser, under the exclusive lock: releases what waited for this group.</summary>
    public void SetDurable(long group)
    {
        DurableGroup = group;
        if (_held.Count == 0) return;
        foreach ((ulong block, long freed) in _held)
        {
            // Removing while enumerating is allowed for this collection.
            if (IsReleased(freed)) _held.Remove(block);
        }
    }

    /// <summary>Big-blocks that are free but held back.</summary>
    public int HeldCount => _held.Count;

    /// <summary>
    /// True if big-blocks are held back that the next durable group may release. Those that only a reader still pins
    /// are none: it may be a mirror whose peer has stalled, and closing groups does not help.
    /// </summary>
    public bool HoldsForGroup => _held.Count > 0 && _lastFreed > DurableGroup;

    long _lastFreed, _returned;

    /// <summary>Bytes of big-blocks that became empty since the mount, whatever was taken meanwhile.</summary>
    public long ReturnedBytes => Volatile.Read(ref _returned) * HammerConst.BigBlockBytes;

    /// <summary>Bytes in free big-blocks that could be handed out now.</summary>
    public long UsableFreeBytes =>
        Math.Max(0, _volumes.Root.Header.StatFreeBigBlocks - HeldNow()) * HammerConst.BigBlockBytes;

    /// <summary>Present allocation position of a zone, for the header.</summary>
    public ulong NextOffset(Zone zone) => _next[(int)zone];

    /// <summary>Allocates and charges at once; null without space.</summary>
    public HammerOff? Allocate(Zone zone, int bytes)
    {
        bytes = HammerConst.RoundData(bytes);
        HammerOff? found = Find(zone, bytes);
        if (found is { } off) Charge(off, bytes);
        return found;
    }

    /// <summary>Sets space aside in memory only; <see cref="Commit"/> or <see cref="Unreserve"/> must follow.</summary>
    public HammerOff? Reserve(Zone zone, int bytes)
    {
        bytes = HammerConst.RoundData(bytes);
        HammerOff? found = Find(zone, bytes);
        if (found is not { } off) return null;
        ulong block = off.BigBlockBase.LongOffset;
        ref Reservation reservation = ref CollectionsMarshal.GetValueRefOrAddDefault(_reserved, block, out bool exists);
        if (!exists) reservation.Zone = zone;
        reservation.Outstanding++;
        reservation.AppendOff = Math.Max(reservation.AppendOff, (uint)(off.BigBlockOffset + bytes));
        return found;
    }

    /// <summary>Charges reserved space in the group that refers to it.</summary>
    public void Commit(HammerOff off, int bytes)
    {
        Unreserve(off);
        Charge(off, HammerConst.RoundData(bytes));
    }

    /// <summary>Gives up a reservation; the space becomes reachable again when its block is empty.</summary>
    public void Unreserve(HammerOff off)
    {
        ulong block = off.BigBlockBase.LongOffset;
        ref Reservation reservation = ref CollectionsMarshal.GetValueRefOrNullRef(_reserved, block);
        if (--reservation.Outstanding == 0) _reserved.Remove(block);
    }

    /// <summary>Frees a range (on-disk-format 3.5).</summary>
    public void Free(HammerOff off, int bytes)
    {
        bytes = HammerConst.RoundData(bytes);
        HammerOff l2At = Layer2At(off, out HammerOff l1At);
        if (!TryLayer2(l2At, out Layer2Ondisk old)) return;
        if (old.Zone != off.Zone)
            throw new HammerMediumException(off, $"freeing {bytes} bytes in a big-block that layer 2 gives to zone "
                + $"{old.ZoneByte}");
        if (old.BytesFree > HammerConst.BigBlockBytes - bytes)
            throw new HammerMediumException(off, $"freeing {bytes} bytes where only "
                + $"{HammerConst.BigBlockBytes - old.BytesFree} are in use");
        ref Layer2Ondisk l2 = ref ModifyLayer2(l2At);
        l2.BytesFree += bytes;
        if (l2.BytesFree == HammerConst.BigBlockBytes)
        {
            l2.ZoneByte = 0;
            l2.AppendOff = 0;
            ref Layer1Ondisk l1 = ref ModifyLayer1(l1At);
            l1.BlocksFree++;
            l1.Layer1Crc = HammerCrc.Layer1(_version, in l1);
            _writer.ModifyHeader(VolumeOndisk.StatFreeBigBlocksAt, 8).StatFreeBigBlocks++;
            _returned++;
            _held[off.BigBlockBase.LongOffset] = _lastFreed = _writer.Group;
        }
        l2.EntryCrc = HammerCrc.Layer2(_version, in l2);
    }

    /// <summary>Owner and fill of the big-block of an address.</summary>
    public Layer2Ondisk Owner(HammerOff off) => ReadLayer2(Layer2At(off, out _));

    /// <summary>
    /// The same where a damaged entry, or an address without space, is no error; the shared lock is enough.
    /// </summary>
    public bool TryOwner(HammerOff off, out Layer2Ondisk entry)
    {
        entry = default;
        if (off.Zone is < Zone.BTree or > Zone.SmallData) return false;
        HammerOff l1At = Layer1At(off);
        using (BufferRef buffer = _cache.Get(l1At))
        {
            var l1 = MemoryMarshal.Read<Layer1Ondisk>(buffer.Bytes(32));
            if (l1.PhysOffset == Layer1Ondisk.Unavailable || !HammerCrc.Layer1Matches(_version, in l1)) return false;
        }
        using BufferRef l2 = _cache.Get(Layer2At(off, out _));
        entry = MemoryMarshal.Read<Layer2Ondisk>(l2.Bytes(16));
        return HammerCrc.Layer2Matches(_version, in entry);
    }

    /// <summary>
    /// True if the next allocation would take a free big-block, or finds none; nothing is allocated.
    /// </summary>
    public bool WouldClaim(Zone zone, int bytes)
    {
        ulong next = _next[(int)zone];
        HammerOff? found = Find(zone, HammerConst.RoundData(bytes));
        _next[(int)zone] = next;
        return found is not { } off
            || (!_reserved.ContainsKey(off.BigBlockBase.LongOffset) && TryOwner(off, out Layer2Ondisk owner)
                && owner.Zone == Zone.None);
    }

    void Charge(HammerOff off, int bytes)
    {
        HammerOff l2At = Layer2At(off, out HammerOff l1At);
        Layer2Ondisk old = ReadLayer2(l2At);
        if (old.Zone != Zone.None && old.Zone != off.Zone)
            throw new HammerMediumException(off, $"charging space in a big-block of zone {old.ZoneByte}");
        ref Layer2Ondisk l2 = ref ModifyLayer2(l2At);
        if (l2.ZoneByte == 0)
        {
            l2.ZoneByte = (byte)off.Zone;
            ref Layer1Ondisk l1 = ref ModifyLayer1(l1At);
            l1.BlocksFree--;
            l1.Layer1Crc = HammerCrc.Layer1(_version, in l1);
            _writer.ModifyHeader(VolumeOndisk.StatFreeBigBlocksAt, 8).StatFreeBigBlocks--;
        }
        l2.BytesFree -= bytes;
        l2.AppendOff = Math.Max(l2.AppendOff, (uint)(off.BigBlockOffset + bytes));
        l2.EntryCrc = HammerCrc.Layer2(_version, in l2);
    }

    /// <summary>The search of on-disk-format 3.4; advances the zone's position.</summary>
    HammerOff? Find(Zone zone, int bytes)
    {
        Invariant.Check(bytes is > 0 and <= HammerConst.ExtentBytesMax, "an allocation has 1 to 65536 bytes");
        ulong start = (ulong)zone << 60, end = start + (1UL << 60);
        int unit = bytes <= HammerConst.BufferBytes ? HammerConst.BufferBytes : HammerConst.BigBlockBytes;
        ulong n = _next[(int)zone];
        bool wrapped = false;
        while (true)
        {
            if (n >= end || n < start)
            {
                if (wrapped) return null;
                wrapped = true;
                n = start;
            }
            ulong last = n + (ulong)bytes - 1;
            if (n / (ulong)unit != last / (ulong)unit) n = last / (ulong)unit * (ulong)unit;
            var off = new HammerOff(n);
            Step step = FindTry(off, zone, out ulong next);
            if (step == Step.Take)
            {
                _next[(int)zone] = n + (ulong)bytes;
                return off;
            }
            n = next;
        }
    }

    enum Step
    {
        Take,
        GoOn,
    }

    Step FindTry(HammerOff off, Zone zone, out ulong next)
    {
        Layer1Ondisk l1 = ReadLayer1(Layer1At(off));
        if (l1.PhysOffset == Layer1Ondisk.Unavailable)
        {
            // The end of this volume: on to the next one.
            next = ((off.Value >> 52) + 1) << 52;
            return Step.GoOn;
        }
        HammerOff at = new HammerOff(l1.PhysOffset).Add(((long)(off.Value >> 23) & (HammerConst.Layer2Radix - 1)) * 16);
        ulong nextBlock = off.BigBlockBase.Value + HammerConst.BigBlockBytes;
        next = nextBlock;
        if (!TryLayer2(at, out Layer2Ondisk l2)) return Step.GoOn;
        if (l2.Zone == Zone.Unavail)
        {
            // Nothing but filler up to the next 4 TiB.
            next = (off.Value & ~(ulong)(HammerConst.Layer2Span - 1)) + (ulong)HammerConst.Layer2Span;
            return Step.GoOn;
        }
        if (l2.Zone != Zone.None && l2.Zone != zone) return Step.GoOn;
        if (IsHeld(off)) return Step.GoOn;
        uint append = l2.AppendOff;
        if (_reserved.TryGetValue(off.BigBlockBase.LongOffset, out Reservation reservation))
        {
            if (reservation.Zone != zone) return Step.GoOn;
            append = Math.Max(append, reservation.AppendOff);
        }
        if ((uint)off.BigBlockOffset >= append) return Step.Take;
        next = off.BigBlockBase.Value + append;
        return Step.GoOn;
    }

    bool IsHeld(HammerOff off)
    {
        ulong block = off.BigBlockBase.LongOffset;
        if (_held.Count == 0 || !_held.TryGetValue(block, out long group)) return false;
        if (!IsReleased(group)) return true;
        _held.Remove(block);
        return false;
    }

    bool IsReleased(long group) => group <= DurableGroup && _epochs.Oldest() > group;

    int HeldNow()
    {
        int held = 0;
        foreach (long group in _held.Values)
        {
            if (!IsReleased(group)) held++;
        }
        return held;
    }

    HammerOff Layer1At(HammerOff off)
    {
        var layer1 = new HammerOff(_volumes.Root.Header.Blockmap[(int)Zone.Freemap].PhysOffset);
        return layer1.Add((long)(off.LongOffset >> 42) * 32);
    }

    HammerOff Layer2At(HammerOff off, out HammerOff layer1At)
    {
        layer1At = Layer1At(off);
        Layer1Ondisk l1 = ReadLayer1(layer1At);
        if (l1.PhysOffset == Layer1Ondisk.Unavailable)
            throw new HammerMediumException(off, "the freemap knows no space at this address");
        return new HammerOff(l1.PhysOffset).Add(((long)(off.Value >> 23) & (HammerConst.Layer2Radix - 1)) * 16);
    }

    Layer1Ondisk ReadLayer1(HammerOff at)
    {
        using BufferRef buffer = _cache.Get(at);
        Layer1Ondisk entry = MemoryMarshal.Read<Layer1Ondisk>(buffer.Bytes(32));
        if (!HammerCrc.Layer1Matches(_version, in entry))
            throw new HammerMediumException(at,
                $"freemap layer 1 entry with a wrong CRC (stored {entry.Layer1Crc:x8})");
        return entry;
    }

    /// <summary>Entries met so far whose CRC is wrong, by address: so many big-blocks are out of use.</summary>
    public IReadOnlySet<ulong> DamagedEntries => _damaged;
    readonly HashSet<ulong> _damaged = [];

    /// <summary>False if the entry is damaged.</summary>
    bool TryLayer2(HammerOff at, out Layer2Ondisk entry)
    {
        using BufferRef buffer = _cache.Get(at);
        entry = MemoryMarshal.Read<Layer2Ondisk>(buffer.Bytes(16));
        if (HammerCrc.Layer2Matches(_version, in entry)) return true;
        if (_damaged.Add(at.Value))
            Damage?.Invoke($"freemap layer 2 entry with a wrong CRC (stored {entry.EntryCrc:x8}) at {at}: its "
                + "big-block is left alone");
        return false;
    }

    /// <summary>Told once for each damaged entry, under the lock.</summary>
    public Action<string>? Damage { get; set; }

    Layer2Ondisk ReadLayer2(HammerOff at)
    {
        if (!TryLayer2(at, out Layer2Ondisk entry))
            throw new HammerMediumException(at,
                $"freemap layer 2 entry with a wrong CRC (stored {entry.EntryCrc:x8})");
        return entry;
    }

    ref Layer1Ondisk ModifyLayer1(HammerOff at) => ref MemoryMarshal.AsRef<Layer1Ondisk>(_writer.Modify(at, 32));

    ref Layer2Ondisk ModifyLayer2(HammerOff at) => ref MemoryMarshal.AsRef<Layer2Ondisk>(_writer.Modify(at, 16));
}
