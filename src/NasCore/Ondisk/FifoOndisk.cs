using System;
using System.Runtime.InteropServices;

namespace NasCore.Ondisk;

/// <summary>Head of every FIFO record, 16 bytes (on-disk-format 6.2).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FifoHead
{
    public const ushort SignatureValue = 0xC84E;
    public const ushort TypePad = 0x8040, TypeDummy = 0x0041, TypeUndo = 0x0043, TypeRedo = 0x0044;
    public const int Bytes = 16;

    public ushort Signature;     // 00
    public ushort Type;          // 02
    public uint Size;            // 04 whole record with tail, multiple of 8
    public uint Seq;             // 08
    public uint Crc;             // 0C of bytes 0..11 and 16..
}

/// <summary>Last 8 bytes of every record.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FifoTail
{
    public const ushort SignatureValue = 0xC74F;
    public const int Bytes = 8;

    public ushort Signature;     // 00
    public ushort Type;          // 02
    public uint Size;            // 04
}

/// <summary>UNDO record: head, place, then the previous contents, then the tail.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FifoUndo
{
    public const int Bytes = 32;

    public FifoHead Head;            // 00
    public ulong UndoOffset;         // 10 zone-1 or zone-2 address of the first byte to restore
    public int DataBytes;            // 18
    public uint Reserved01;          // 1C
}

[Flags]
public enum RedoFlags : uint
{
    None = 0,
    Write = 0x01,
    Trunc = 0x02,
    TermWrite = 0x04,
    TermTrunc = 0x08,
    Sync = 0x10,
}

/// <summary>REDO record: head, object, range; WRITE carries a payload (on-disk-format 6.2, 6.7).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FifoRedo
{
    public const int Bytes = 56;

    public FifoHead Head;            // 00
    public long ObjId;               // 10
    public ulong Offset;             // 18 file offset; TRUNC: new size; SYNC: a zone-3 address
    public uint DataBytes;           // 20
    public RedoFlags Flags;          // 24
    public uint Localization;        // 28 PFS id << 16
    public uint Reserved01;          // 2C
    public ulong Reserved02;         // 30
}
