using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NasCore.Primitives;

namespace NasCore.Ondisk;

/// <summary>Base of every B-Tree element, 40 bytes (on-disk-format 4.2); order: see <see cref="Compare"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BaseElm
{
    public long ObjId;           // 00 object the record belongs to
    public long Key;             // 08 end offset of data, name hash of an entry
    public ulong CreateTid;      // 10
    public ulong DeleteTid;      // 18 zero while live
    public ushort RecTypeRaw;    // 20
    public byte ObjTypeRaw;      // 22
    public byte BType;           // 23 'R' in leaves, type of the child in internal nodes, 0 in a right boundary
    public uint Localization;    // 24 PFS id in the upper half

    public const byte BTypeRecord = (byte)'R', BTypeInternal = (byte)'I', BTypeLeaf = (byte)'L',
        BTypeDeleted = (byte)'D';

    public RecType RecType
    {
        readonly get => (RecType)RecTypeRaw;
        set => RecTypeRaw = (ushort)value;
    }

    public ObjType ObjType
    {
        readonly get => (ObjType)ObjTypeRaw;
        set => ObjTypeRaw = (byte)value;
    }

    /// <summary>
    /// Graded comparison (on-disk-format 4.6): 5 localization, 4 obj_id, 3 rec_type, 2 key, 1 create_tid, 0 equal,
    /// negative when a sorts first. A create_tid of 0 counts as +infinity.
    /// </summary>
    public static int Compare(in BaseElm a, in BaseElm b)
    {
        if (a.Localization != b.Localization) return a.Localization < b.Localization ? -5 : 5;
        if (a.ObjId != b.ObjId) return a.ObjId < b.ObjId ? -4 : 4;
        if (a.RecTypeRaw != b.RecTypeRaw) return a.RecTypeRaw < b.RecTypeRaw ? -3 : 3;
        if (a.Key != b.Key) return a.Key < b.Key ? -2 : 2;
        // Subtracting 1 turns 0 into the largest value and keeps the order of the others.
        ulong ca = unchecked(a.CreateTid - 1), cb = unchecked(b.CreateTid - 1);
        if (ca != cb) return ca < cb ? -1 : 1;
        return 0;
    }

    /// <summary>Inclusive lower bound of the whole tree (on-disk-format 4.8).</summary>
    public static readonly BaseElm GlobalLow = new()
    {
        ObjId = long.MinValue, Key = long.MinValue, CreateTid = 1, DeleteTid = 1,
    };

    /// <summary>Upper bound of the whole tree.</summary>
    public static readonly BaseElm GlobalHigh = new()
    {
        ObjId = long.MaxValue, Key = long.MaxValue, CreateTid = Tid.Max, RecTypeRaw = 0xFFFF, Localization = 0xFFFFFFFF,
    };

    public override readonly string ToString() =>
        $"lo={Localization:x8} objid={ObjId:x16} rt={RecTypeRaw:x2} key={Key:x16} tid={CreateTid:x16}";
}

/// <summary>Leaf element: a record, 64 bytes (on-disk-format 4.4).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct LeafElm
{
    public BaseElm Base;         // 00
    public uint CreateTs;        // 28 seconds, display only
    public uint DeleteTs;        // 2C seconds, display only
    public ulong DataOffset;     // 30 zone 9, 10 or 11; 0 = none
    public int DataLen;          // 38 bytes, not rounded
    public uint DataCrc;         // 3C

    public readonly HammerOff Data => new(DataOffset);
}

/// <summary>Internal element: separator and child, 64 bytes (on-disk-format 4.3).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct InternalElm
{
    public BaseElm Base;         // 00 inclusive lower bound of the subtree
    public ulong MirrorTid;      // 28 highest TID known for the subtree
    public ulong SubtreeOffset;  // 30 zone-8 address; 0 in the right boundary
    public uint Reserved01;      // 38
    public uint Reserved02;      // 3C

    public readonly HammerOff Subtree => new(SubtreeOffset);
}

/// <summary>63 slots of 64 bytes, seen as records.</summary>
[InlineArray(63)]
public struct LeafElmArray
{
    LeafElm _first;
}

[InlineArray(4)]
public struct Reserved4x64
{
    ulong _first;
}

/// <summary>B-Tree node, 4096 bytes (on-disk-format 4.1).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct NodeOndisk
{
    public uint Crc;                 // 00 of bytes 4..4095
    public uint Reserved01;          // 04
    public ulong Parent;             // 08 zone-8 address, 0 for the root
    public int Count;                // 10 elements, without an internal node's right boundary
    public byte Type;                // 14 'L', 'I' or 'D'
    public byte Reserved02;          // 15
    public ushort Reserved03;        // 16
    public Reserved4x64 Reserved04;  // 18
    public ulong MirrorTid;          // 38
    public LeafElmArray Elms;        // 40

    public readonly bool IsLeaf => Type == BaseElm.BTypeLeaf;
    public readonly bool IsInternal => Type == BaseElm.BTypeInternal;

    /// <summary>All 63 slots as records.</summary>
    public static Span<LeafElm> Leaves(ref NodeOndisk node) => MemoryMarshal.CreateSpan(
        ref Unsafe.As<LeafElmArray, LeafElm>(ref node.Elms), HammerConst.LeafElmsMax);

    /// <summary>All 63 slots as internal elements.</summary>
    public static Span<InternalElm> Internals(ref NodeOndisk node) => MemoryMarshal.CreateSpan(
        ref Unsafe.As<LeafElmArray, InternalElm>(ref node.Elms), HammerConst.LeafElmsMax);

    /// <summary>All 63 slots, base part only, stepping over the rest.</summary>
    public static ref BaseElm BaseAt(ref NodeOndisk node, int index) =>
        ref Leaves(ref node)[index].Base;
}
