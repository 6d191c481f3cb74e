using System;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Objects;

/// <summary>
/// Reads the data of records, every byte CRC-checked (architecture R5). Zone 9 and 11 data come through the buffer
/// cache; zone 10 extents straight from the device.
/// </summary>
public sealed class RecordReader(VolumeSet volumes, BufferCache cache)
{
    readonly uint _version = volumes.Version;

    /// <summary>Checks that an element's data address and length are possible (on-disk-format 1.4, 3.4).</summary>
    public static void CheckPlace(in LeafElm elm)
    {
        HammerOff off = elm.Data;
        int len = elm.DataLen;
        if (len is < 0 or > HammerConst.ExtentBytesMax)
            throw new HammerMediumException(off,
                $"record {elm.Base} has {len} bytes of data, at most 65536 are possible");
        if (len == 0 || off.IsNull) return;
        bool zoneGood = elm.Base.RecType is RecType.Data or RecType.Db
            ? off.Zone is Zone.LargeData or Zone.SmallData
            : off.Zone is Zone.Meta;
        if (!zoneGood) throw new HammerMediumException(off, $"record {elm.Base} has its data in the wrong zone");
        int rounded = HammerConst.RoundData(len);
        int unit = off.Zone == Zone.LargeData ? HammerConst.BigBlockBytes : HammerConst.BufferBytes;
        int at = off.Zone == Zone.LargeData ? off.BigBlockOffset : off.BufferOffset;
        if (at + rounded > unit || (off.Value & (HammerConst.DataAlignBytes - 1)) != 0)
            throw new HammerMediumException(off, $"record {elm.Base}: {len} bytes of data cross a boundary");
    }

    /// <summary>Reads all data of a record into the start of a span and checks them.</summary>
    public void Read(in LeafElm elm, Span<byte> destination)
    {
        CheckPlace(in elm);
        int len = elm.DataLen;
        Span<byte> data = destination[..len];
        if (len == 0) return;
        HammerOff off = elm.Data;
        if (off.IsNull)
        {
            data.Clear();
            return;
        }
        if (off.Zone == Zone.LargeData)
        {
            volumes.ReadZone2(off, data);
        }
        else
        {
            using BufferRef buffer = cache.Get(off);
            buffer.Bytes(len).CopyTo(data);
        }
        CheckCrc(in elm, data);
    }

    /// <summary>
    /// As <see cref="Read"/>, but from the medium itself, whatever caches hold of it; only what has not been written
    /// yet comes from memory. Under the file system lock.
    /// </summary>
    public void ReadMedium(in LeafElm elm, Span<byte> destination)
    {
        CheckPlace(in elm);
        HammerOff off = elm.Data;
        if (elm.DataLen == 0 || off.IsNull || (off.Zone != Zone.LargeData && !cache.IsOnMedium(off)))
        {
            Read(in elm, destination);
            return;
        }
        Span<byte> data = destination[..elm.DataLen];
        volumes.ReadMedium(off, data);
        CheckCrc(in elm, data);
    }

    /// <summary>
    /// Whether a B-Tree node is on the medium as it is in memory; <see cref="HammerMediumException"/> if not. Under the
    /// file system lock.
    /// </summary>
    public void CheckMedium(in BTree.NodeRef node)
    {
        if (!cache.IsOnMedium(node.Off)) return;
        Span<byte> there = stackalloc byte[HammerConst.NodeBytes];
        volumes.ReadMedium(node.Off, there);
        if (!there.SequenceEqual(MemoryMarshal.AsBytes(new ReadOnlySpan<NodeOndisk>(in node.Node))))
            throw new HammerMediumException(node.Off,
                "the B-Tree node on the medium is not the one in memory, which is good: it went bad after it was read");
    }

    public void CheckCrc(in LeafElm elm, ReadOnlySpan<byte> data)
    {
        if (!HammerCrc.LeafDataMatches(_version, elm.Base.RecType, data, elm.DataCrc))
            throw new HammerMediumException(elm.Data, $"data of record {elm.Base} ({elm.DataLen} bytes): wrong CRC "
                + $"(stored {elm.DataCrc:x8}, computed {HammerCrc.LeafData(_version, elm.Base.RecType, data):x8})");
    }

    /// <summary>Pins the buffer of meta or small data without a copy; the data are checked.</summary>
    public BufferRef Pin(in LeafElm elm)
    {
        CheckPlace(in elm);
        BufferRef buffer = cache.Get(elm.Data);
        try
        {
            CheckCrc(in elm, buffer.Bytes(elm.DataLen));
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }
}
