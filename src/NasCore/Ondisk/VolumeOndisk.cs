using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NasCore.Ondisk;

/// <summary>One zone's entry in the volume header, 40 bytes (on-disk-format 2.2).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BlockmapOndisk
{
    public ulong PhysOffset;     // 00 zone 4: zone-2 address of layer 1; zone 3: all ones
    public ulong FirstOffset;    // 08 zone 3: start of the active FIFO range
    public ulong NextOffset;     // 10 zone 3: its end; zones 8..11: next allocation position, a hint
    public ulong AllocOffset;    // 18 zone 3: end of the FIFO
    public uint Reserved01;      // 20
    public uint EntryCrc;        // 24 of bytes 0..35
}

/// <summary>The sixteen blockmap entries of the header.</summary>
[InlineArray(16)]
public struct BlockmapArray
{
    BlockmapOndisk _first;
}

/// <summary>The 128 zone-2 addresses of FIFO big-blocks; unused slots are all ones.</summary>
[InlineArray(128)]
public struct UndoArray
{
    ulong _first;
}

/// <summary>A NUL-terminated label of at most 63 bytes.</summary>
[InlineArray(64)]
public struct Label64
{
    byte _first;
}

[InlineArray(8)]
public struct Reserved8x32
{
    uint _first;
}

/// <summary>Volume header, 1928 bytes at device offset 0 (on-disk-format 2.1).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct VolumeOndisk
{
    public const ulong SignatureValue = 0xC8414D4DC5523031;
    public const ulong SignatureForeign = 0x313052C54D4D41C8;
    public const int Bytes = 1928;

    /// <summary>Fixed type UUID "DragonFly HAMMER".</summary>
    public static readonly Guid HammerFsType = new("61dc63ac-6e38-11dc-8513-01301bb8a9f5");

    public ulong Signature;             // 000
    public long BotBeg;                 // 008 device byte of the boot area
    public long MemBeg;                 // 010 device byte of the memory log
    public long BufBeg;                 // 018 device byte of zone-2 offset 0
    public long BufEnd;                 // 020 one past the buffer area
    public long Reserved01;             // 028
    public Guid FsId;                   // 030 the same on all volumes
    public Guid FsType;                 // 040
    public Label64 Label;               // 050
    public int VolNo;                   // 090
    public int VolCount;                // 094 a count, not max + 1
    public uint Version;                // 098 1..7; the root volume's counts
    public uint Crc;                    // 09C of bytes 0..155 and 160..1927; 0 when never mounted
    public uint Flags;                  // 0A0
    public uint RootVol;                // 0A4 always 0
    public Reserved8x32 Reserved;       // 0A8
    public long StatBigBlocks;          // 0C8 big-blocks usable for data when empty
    public long StatFreeBigBlocks;      // 0D0 big-blocks whose layer-2 zone is 0
    public long Reserved0D8;            // 0D8
    public long StatInodes;             // 0E0 live inodes, for statfs only
    public long Reserved0E8;            // 0E8
    public ulong BTreeRoot;             // 0F0 zone-8 address of the root node
    public ulong NextTid;               // 0F8 highest TID that may exist on the medium
    public ulong Reserved100;           // 100
    public BlockmapArray Blockmap;      // 108
    public UndoArray UndoArray;         // 388

    /// <summary>Offset of the blockmap array, for UNDO.</summary>
    public const int BlockmapAt = 264;
    public const int BlockmapArrayBytes = 640;
    public const int StatBigBlocksAt = 200, StatFreeBigBlocksAt = 208, StatInodesAt = 224, BTreeRootAt = 240,
        NextTidAt = 248, VolCountAt = 148, VersionAt = 152, CrcAt = 156;
}
