using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;

namespace NasTesting.Oracle;

/// <summary>A device with bytes changed in memory; later changes win.</summary>
public sealed class PatchedOracleDevice(IOracleDevice below) : IOracleDevice
{
    readonly List<(long Offset, byte[] Bytes)> _patches = [];

    public long Length => below.Length;

    public void Patch(long offset, ReadOnlySpan<byte> bytes) => _patches.Add((offset, bytes.ToArray()));

    public void Read(long offset, Span<byte> target)
    {
        below.Read(offset, target);
        foreach ((long start, byte[] bytes) in _patches)
        {
            long from = Math.Max(start, offset);
            long to = Math.Min(start + bytes.Length, offset + target.Length);
            if (from >= to) { continue; }
            bytes.AsSpan((int)(from - start), (int)(to - from)).CopyTo(target[(int)(from - offset)..]);
        }
    }
}

/// <summary>
/// A one-volume file system that a test damages on purpose: edits structures in memory and repairs the checksums over
/// them, so that the damage is not found by a CRC alone. The volume must be clean (no UNDO pending).
/// </summary>
public sealed class DamagedVolume : IDisposable
{
    readonly FileOracleDevice _file;

    public DamagedVolume(string path)
    {
        _file = new FileOracleDevice(path);
        Device = new PatchedOracleDevice(_file);
        Sound = OracleVolume.Open(Device);
        if (!Sound.Undo.WasClean) { throw new ArgumentException($"{path} needs recovery", nameof(path)); }
    }

    /// <summary>The volume as it was at the start (its data are read through the patches).</summary>
    public OracleVolume Sound { get; }

    public PatchedOracleDevice Device { get; }

    /// <summary>Opens the volume as it is now.</summary>
    public OracleVolume Reopen() => OracleVolume.Open(Device);

    public void Dispose() => _file.Dispose();

    uint Crc(ReadOnlySpan<byte> bytes) =>
        Sound.Medium.Version >= 7 ? OracleCrc.New(bytes) : OracleCrc.Old(bytes);

    long DeviceOffset(ulong address) => Sound.Medium.Root.BufBeg + OracleMedium.ShortOf(address);

    /// <summary>Changes bytes of a buffer address and nothing else.</summary>
    public void Edit(ulong address, int length, Action<byte[]> change)
    {
        byte[] bytes = new byte[length];
        Device.Read(DeviceOffset(address), bytes);
        change(bytes);
        Device.Patch(DeviceOffset(address), bytes);
    }

    /// <summary>Changes a node and repairs its CRC.</summary>
    public void EditNode(ulong address, Action<byte[]> change) => Edit(address, 4096, bytes =>
    {
        change(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Crc(bytes.AsSpan(4)));
    });

    /// <summary>Changes the 64 bytes of a leaf element and repairs the node.</summary>
    public void EditElement(OracleRecord record, Action<byte[]> change) => EditNode(record.Node, node =>
    {
        byte[] element = node.AsSpan(64 + 64 * record.Index, 64).ToArray();
        change(element);
        element.CopyTo(node, 64 + 64 * record.Index);
    });

    /// <summary>Changes a record's data and repairs data_crc and the node.</summary>
    public void EditPayload(OracleRecord record, Action<byte[]> change)
    {
        uint crc = 0;
        Edit(record.DataOffset, record.DataLen, bytes =>
        {
            change(bytes);
            crc = Crc(bytes.AsSpan(0, record.RecType == OracleRecord.Inode ? 112 : bytes.Length));
        });
        EditElement(record, e => BinaryPrimitives.WriteUInt32LittleEndian(e.AsSpan(60), crc));
    }

    /// <summary>Changes the 16-byte layer2 entry that owns an address and repairs its CRC.</summary>
    public void EditLayer2(ulong address, Action<byte[]> change)
    {
        ulong layer2 = BinaryPrimitives.ReadUInt64LittleEndian(
            Sound.Medium.ReadBytes(Sound.Medium.Root.ZonePhys(4) + 8, 8));
        Edit(layer2 + 16 * ((address >> 23) & 0x7FFFF), 16, bytes =>
        {
            change(bytes);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Crc(bytes.AsSpan(0, 12)));
        });
    }

    /// <summary>Changes the volume header and repairs vol_crc.</summary>
    public void EditHeader(Action<byte[]> change)
    {
        byte[] bytes = new byte[OracleHeader.Size];
        Device.Read(0, bytes);
        change(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(
            bytes.AsSpan(156), Crc(bytes.AsSpan(0, 156)) ^ Crc(bytes.AsSpan(160)));
        Device.Patch(0, bytes);
    }

    /// <summary>The first record with the wanted property.</summary>
    public OracleRecord First(Func<OracleRecord, bool> wanted) => Sound.Records.First(wanted);
}
