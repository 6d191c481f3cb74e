using System;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Mirror;

// Comparison of two copies of a PFS
//
// Master and slave have the same records with the same keys and create TIDs, in trees of different shape, in PFSs of
// different number, with data at different places. What is compared is the state as of one TID that both have: the
// records visible then. What one side's history policy has removed is not visible, and so is no difference.
//
// One side leads. It walks its own copy in key order, a range of some thousand records at a time, digests the range,
// and asks the other side for the digest of what it has between the same two keys. Borders are keys, so the shape of
// the trees does not matter, and an equal range of 4096 records costs 120 bytes on the wire. A range that differs is
// asked for record by record, and two records that differ for their data, which gives path and offset of the first
// difference. In the full form all data are read and digested, in the quick form their stored CRCs stand for them.
//
// No lock is held between fills of a scan and no place in a tree is kept, so the master is written and the slave fed
// meanwhile. A lease keeps what is visible at the TID from the maintenance of both sides. Records that vanished without
// a trace (no-history, or maintenance before the lease) make a difference worthless: then the result is "not
// comparable".

/// <summary>
/// A record as it is compared: nothing in it depends on the PFS's number, the place of the data, or what happened after
/// the TID. 56 bytes, on the wire as in memory.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct VerifyRecord
{
    public const int Bytes = 56;
    /// <summary>The data cannot be read, or fail their CRC.</summary>
    public const byte BadData = 1;

    public uint LocalizationType;    // 00 the lower half only
    public ushort RecTypeRaw;        // 04
    public byte ObjTypeRaw;          // 06
    public byte Flags;               // 07
    public long ObjId;               // 08
    public long Key;                 // 10
    public ulong CreateTid;          // 18
    public int DataLen;              // 20
    public uint Crc;                 // 24 stored sum of the data in the quick form; of a directory entry our own
    public ulong ContentLow;         // 28 digest of the data in the full form
    public ulong ContentHigh;        // 30

    public readonly RecType RecType => (RecType)RecTypeRaw;
    public readonly bool IsBad => (Flags & BadData) != 0;

    /// <summary>The key in a PFS of this number.</summary>
    public readonly BaseElm KeyIn(int pfsId) => new()
    {
        Localization = Localization.OfPfs(pfsId).Value | (LocalizationType & Localization.TypeMask), ObjId = ObjId,
        RecTypeRaw = RecTypeRaw, Key = Key, CreateTid = CreateTid,
    };

    public static VerifyRecord KeyOf(in BaseElm key) => new()
    {
        LocalizationType = key.Localization & Localization.TypeMask, ObjId = key.ObjId, RecTypeRaw = key.RecTypeRaw,
        Key = key.Key, CreateTid = key.CreateTid,
    };

    /// <summary>Order of the keys, the same on both sides.</summary>
    public static int Compare(in VerifyRecord a, in VerifyRecord b)
    {
        BaseElm ka = a.KeyIn(0), kb = b.KeyIn(0);
        return BaseElm.Compare(in ka, in kb);
    }

    /// <summary>Before all records.</summary>
    public static VerifyRecord First => KeyOf(FilteredScan.FirstKey(0));
    /// <summary>Behind all records.</summary>
    public static VerifyRecord Last => KeyOf(FilteredScan.LastKey(0));

    public readonly bool IsSame(in VerifyRecord other) => DataLen == other.DataLen && Crc == other.Crc
        && ObjTypeRaw == other.ObjTypeRaw && ContentLow == other.ContentLow && ContentHigh == other.ContentHigh
        && !IsBad && !other.IsBad;

    public static ReadOnlySpan<byte> AsBytes(in VerifyRecord record) =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<VerifyRecord>(in record));
}

/// <summary>What a comparison looks at, the same on both sides.</summary>
/// <param name="Tid">The state as of this TID.</param>
/// <param name="Full">All data are read; else their stored sums count.</param>
/// <param name="Times">mtime is part of an inode: it is history on both sides.</param>
public readonly record struct VerifyView(ulong Tid, bool Full, bool Times);

/// <summary>What a side says of its copy.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct VerifyFacts
{
    public const int Bytes = 48;

    public Guid SharedUuid;          // 00
    public ulong End;                // 10 of a slave the durable sync_end_tid, of a master the safe TID
    public ulong LastRemoval;        // 18 records that ended up to this TID may be gone without a trace; 0: none is
    public byte IsSlave;             // 20
    public byte HasTimes;            // 21 mtime is history
    public ushort Reserved01;        // 22
    public uint Reserved02;          // 24
    public ulong Reserved03;         // 28
}

/// <summary>One copy of a PFS, for comparison; HammerFs implements it.</summary>
public interface IVerifySide
{
    int PfsId { get; }
    IMirrorHost Host { get; }

    /// <summary><see cref="Errno.NoEnt"/> if there is no such PFS.</summary>
    /// <param name="tid">If nothing happened in the PFS after this TID, nothing that was visible then is gone; 0: do
    /// not look.</param>
    /// <param name="facts">What this side says of its copy.</param>
    Errno ReadFacts(ulong tid, out VerifyFacts facts);

    /// <summary>Keeps what is visible at the TID until disposed of.</summary>
    IDisposable Keep(ulong tid);

    /// <summary>Path of an object below the root of the PFS, for messages; null if none is found.</summary>
    string? PathOf(long objId, ulong tid);
}
