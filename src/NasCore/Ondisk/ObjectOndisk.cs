using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NasCore.Ondisk;

[InlineArray(24)]
public struct InlineSymlink
{
    byte _first;
}

/// <summary>Inode data, 128 bytes; mtime and atime lie outside the CRC (on-disk-format 5.3).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct InodeOndisk
{
    public const int Bytes = 128;
    public const int MtimeAt = 112;
    public const byte CapHashMask = 0x03, CapHashAlg1 = 0x01, CapDirLocalIno = 0x04;
    public const uint UfNoDump = 0x1, UfImmutable = 0x2, UfAppend = 0x4, UfOpaque = 0x8, UfNoUnlink = 0x10,
        UfNoHistory = 0x40, SfArchived = 0x10000, SfImmutable = 0x20000, SfAppend = 0x40000, SfNoUnlink = 0x100000,
        SfNoHistory = 0x400000;

    public ushort Version;           // 00 1
    public ushort Mode;              // 02 permission bits only
    public uint Uflags;              // 04 BSD file flags
    public uint Rmajor;              // 08
    public uint Rminor;              // 0C
    public ulong Ctime;              // 10 microseconds
    public long ParentObjId;         // 18 0 for a PFS root; may be stale for non-directories
    public Guid UidUuid;             // 20 Unix id in the last four bytes
    public Guid GidUuid;             // 30
    public byte ObjTypeRaw;          // 40
    public byte CapFlags;            // 41
    public ushort Reserved01;        // 42
    public uint Reserved02;          // 44
    public ulong Nlinks;             // 48
    public ulong Size;               // 50 bytes; 0 for directories
    public InlineSymlink Symlink;    // 58 target of at most 24 bytes
    public ulong Mtime;              // 70 microseconds
    public ulong Atime;              // 78 microseconds

    /// <summary>Unix id kept in the last four bytes of a UUID.</summary>
    public static uint IdOf(in Guid uuid)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<Guid>(in uuid));
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
    }

    public static Guid UuidOf(uint id)
    {
        Guid uuid = default;
        BinaryPrimitives.WriteUInt32LittleEndian(MemoryMarshal.AsBytes(new Span<Guid>(ref uuid))[12..], id);
        return uuid;
    }
}

/// <summary>Directory entry data: 16 bytes, then the name (on-disk-format 5.4).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DirEntryHead
{
    public const int Bytes = 16;

    public long ObjId;               // 00 target
    public uint Localization;        // 08 target's PFS id << 16
    public uint Reserved01;          // 0C
}

[InlineArray(16)]
public struct Reserved16x32
{
    uint _first;
}

/// <summary>PFS data, packed, 292 bytes (on-disk-format 5.9, mirroring-and-operations 1.2).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct PseudofsData
{
    public const int Bytes = 292;
    public const uint FlagSlave = 0x1, FlagDeleted = 0x80000000;

    public ulong SyncLowTid;         // 000
    public ulong SyncBegTid;         // 008 earliest TID with full history
    public ulong SyncEndTid;         // 010 slave: last completely mirrored TID
    public ulong SyncBegTs;          // 018
    public ulong SyncEndTs;          // 020
    public Guid SharedUuid;          // 028 must match between master and slaves
    public Guid UniqueUuid;          // 038
    public uint Reserved01;          // 048
    public uint MirrorFlags;         // 04C
    public Label64 Label;            // 050
    public Label64 Snapshots;        // 090 directory of snapshot softlinks
    public uint Reserved02;          // 0D0
    public uint Reserved03;          // 0D4
    public uint Reserved04;          // 0D8
    public uint PruneMin;            // 0DC seconds
    public uint PruneMax;            // 0E0
    public Reserved16x32 Reserved;   // 0E4

    public readonly bool IsSlave => (MirrorFlags & FlagSlave) != 0;
    public readonly bool IsDeleted => (MirrorFlags & FlagDeleted) != 0;
}

/// <summary>Snapshot data, 128 bytes (on-disk-format 5.9).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct SnapshotData
{
    public const int Bytes = 128;

    public ulong SnapTid;            // 00
    public ulong Ts;                 // 08 microseconds
    public ulong Reserved01;         // 10
    public ulong Reserved02;         // 18
    public Label64 Label;            // 20
    public Reserved4x64 Reserved03;  // 60
}
