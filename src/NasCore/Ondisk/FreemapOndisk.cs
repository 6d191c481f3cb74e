using System.Runtime.InteropServices;
using NasCore.Primitives;

namespace NasCore.Ondisk;

/// <summary>Freemap layer 1: one entry maps 4 TiB, 32 bytes (on-disk-format 3.1).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct Layer1Ondisk
{
    public const ulong Unavailable = 0xFFFF_FFFF_FFFF_FFFF;

    public ulong BlocksFree;     // 00 big-blocks whose layer-2 zone is 0
    public ulong PhysOffset;     // 08 zone-2 address of the layer-2 big-block, or all ones
    public ulong Reserved01;     // 10
    public uint Layer2Crc;       // 18 unused
    public uint Layer1Crc;       // 1C of bytes 0..27
}

/// <summary>Freemap layer 2: one entry owns one 8 MiB big-block, 16 bytes (on-disk-format 3.2).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct Layer2Ondisk
{
    public byte ZoneByte;        // 00 owner
    public byte Reserved01;      // 01
    public ushort Reserved02;    // 02
    public uint AppendOff;       // 04 first offset from which space may still be handed out
    public int BytesFree;        // 08 8 MiB minus live bytes; signed, negative with dedup
    public uint EntryCrc;        // 0C of bytes 0..11

    public readonly Zone Zone => (Zone)ZoneByte;
}
