using System;
using System.Collections.Generic;
using System.Linq;

namespace NasTesting.Oracle;

/// <summary>The medium cannot be understood at all; findings of a check are not exceptions.</summary>
public sealed class OracleException(string message) : Exception(message);

/// <summary>
/// The volumes of one file system as an address space: headers (copies) and 16 KiB buffers, with those that UNDO
/// restored in memory (on-disk-format 1).
/// </summary>
public sealed class OracleMedium
{
    public const int BufferSize = 16384;
    public const long BigBlockSize = 8388608;
    const ulong ShortMask = 0x000F_FFFF_FFFF_FFFF;
    const ulong LongMask = 0x0FFF_FFFF_FFFF_FFFF;

    readonly Dictionary<int, IOracleDevice> _devices = [];
    readonly Dictionary<ulong, byte[]> _overlay = [];

    public OracleMedium(IReadOnlyList<IOracleDevice> devices)
    {
        foreach (IOracleDevice device in devices)
        {
            if (device.Length < BufferSize) { throw new OracleException($"device of {device.Length} bytes"); }
            byte[] raw = new byte[BufferSize];
            device.Read(0, raw);
            var header = new OracleHeader(raw);
            if (header.Signature != OracleHeader.SignatureValue)
            {
                throw new OracleException($"signature 0x{header.Signature:x16} is not HAMMER's");
            }
            if (header.VolNo is < 0 or > 255) { throw new OracleException($"vol_no {header.VolNo}"); }
            if (!_devices.TryAdd(header.VolNo, device)) { throw new OracleException($"vol_no {header.VolNo} twice"); }
            Headers.Add(header.VolNo, header);
            HeadersAsRead.Add(header.VolNo, new OracleHeader((byte[])raw.Clone()));
        }
        if (!Headers.ContainsKey(0)) { throw new OracleException("volume 0 is missing"); }
        CheckTogether();
    }

    /// <summary>Headers by volume number, after UNDO.</summary>
    public SortedDictionary<int, OracleHeader> Headers { get; } = [];

    /// <summary>Headers as they are on the medium.</summary>
    public SortedDictionary<int, OracleHeader> HeadersAsRead { get; } = [];

    public OracleHeader Root => Headers[0];

    public int Version => Root.Version;

    /// <summary>Bytes of a volume's device.</summary>
    public long DeviceLength(int volume) => _devices[volume].Length;

    public static int ZoneOf(ulong address) => (int)(address >> 60);

    public static int VolumeOf(ulong address) => (int)(address >> 52) & 0xFF;

    public static long ShortOf(ulong address) => (long)(address & ShortMask);

    /// <summary>The same place as a zone-2 address. Only for zones 2, 4 and 8 to 11.</summary>
    public static ulong ToZone2(ulong address)
    {
        if (ZoneOf(address) is not (2 or 4 or 8 or 9 or 10 or 11))
        {
            throw new OracleException($"address 0x{address:x16} has no place in a buffer");
        }
        return (address & LongMask) | 0x2000_0000_0000_0000;
    }

    /// <summary>Whether [address, address + length) lies in the buffer area of an existing volume.</summary>
    public bool IsInside(ulong address, long length)
    {
        if (ZoneOf(address) is not (2 or 4 or 8 or 9 or 10 or 11)) { return false; }
        return Headers.TryGetValue(VolumeOf(address), out OracleHeader? header)
            && length >= 0 && length <= BigBlockSize
            && ShortOf(address) + length <= header.BufEnd - header.BufBeg;
    }

    /// <summary>Reads bytes of a zone-2, 4 or 8 to 11 address; restored buffers win over the device.</summary>
    public void Read(ulong address, Span<byte> target)
    {
        if (!IsInside(address, target.Length))
        {
            throw new OracleException($"0x{address:x16}+{target.Length} is outside its volume");
        }
        ulong at = ToZone2(address);
        while (target.Length > 0)
        {
            int inBuffer = (int)(at & (BufferSize - 1));
            int length = Math.Min(target.Length, BufferSize - inBuffer);
            if (_overlay.TryGetValue(at - (ulong)inBuffer, out byte[]? restored))
            {
                restored.AsSpan(inBuffer, length).CopyTo(target);
            }
            else
            {
                ReadRaw(at, target[..length]);
            }
            at += (ulong)length;
            target = target[length..];
        }
    }

    public byte[] ReadBytes(ulong address, int length)
    {
        byte[] bytes = new byte[length];
        Read(address, bytes);
        return bytes;
    }

    /// <summary>Puts old bytes over the buffer in memory (UNDO); the range lies in one buffer.</summary>
    public void Restore(ulong zone2, ReadOnlySpan<byte> old)
    {
        ulong start = zone2 & ~(ulong)(BufferSize - 1);
        if (!_overlay.TryGetValue(start, out byte[]? buffer))
        {
            buffer = new byte[BufferSize];
            Read(start, buffer);
            _overlay.Add(start, buffer);
        }
        old.CopyTo(buffer.AsSpan((int)(zone2 - start)));
    }

    void ReadRaw(ulong zone2, Span<byte> target) =>
        _devices[VolumeOf(zone2)].Read(Headers[VolumeOf(zone2)].BufBeg + ShortOf(zone2), target);

    void CheckTogether()
    {
        if (Root.Version is < 1 or > 7) { throw new OracleException($"version {Root.Version}"); }
        if (Root.VolCount != Headers.Count)
        {
            throw new OracleException($"vol_count {Root.VolCount}, {Headers.Count} devices given");
        }
        foreach (OracleHeader header in Headers.Values.Where(h => h.Fsid != Root.Fsid))
        {
            throw new OracleException($"volume {header.VolNo} belongs to another file system: {header.Fsid}");
        }
        foreach (OracleHeader header in Headers.Values)
        {
            if (header.BufBeg < OracleHeader.Size || header.BufEnd < header.BufBeg || header.BufEnd - header.BufBeg
                >= 1L << 52 || header.BufEnd > DeviceLength(header.VolNo))
            {
                throw new OracleException($"volume {header.VolNo}: buffer area {header.BufBeg}..{header.BufEnd}"
                    + $" on a device of {DeviceLength(header.VolNo)} bytes");
            }
        }
    }
}
