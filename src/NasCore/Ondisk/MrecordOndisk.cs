using System.Runtime.InteropServices;

namespace NasCore.Ondisk;

/// <summary>Types of mirror stream records, low 8 bits of the type field (mirroring-and-operations 3.2).</summary>
public enum MrecordType : byte
{
    Reserved = 0,
    /// <summary>B-Tree record with payload.</summary>
    Rec = 1,
    /// <summary>PFS description: "ident" and "range" headers, and the target's answer.</summary>
    Pfsd = 2,
    /// <summary>The target's acknowledgement.</summary>
    Update = 3,
    /// <summary>End of a batch that was transferred; the target must commit.</summary>
    Sync = 4,
    /// <summary>Key range not examined.</summary>
    Skip = 5,
    /// <summary>B-Tree record without payload.</summary>
    Pass = 6,
    /// <summary>Orderly end of the stream.</summary>
    Term = 7,
    /// <summary>End of an empty batch.</summary>
    Idle = 8,
    /// <summary>Differs: whose history the sender of the PFSD before it has; only to who has asked for it
    /// (<c>Pfs/Lineage</c>).</summary>
    Lineage = 0x4C,
}

/// <summary>Head of every record of a mirror stream, 16 bytes (mirroring-and-operations 3.2).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct MrecordHead
{
    public const int Bytes = 16;
    /// <summary>Bytes 72 72 d9 4d on the wire.</summary>
    public const uint SignatureValue = 0x4dd97272;
    /// <summary>Reserved for the opposite byte order; nobody accepts it.</summary>
    public const uint SignatureForeign = 0x7272d94d;
    public const uint FlagCrcError = 0x80000000, FlagDataCrcBad = 0x40000000, FlagRecdCrcBad = 0x20000000,
        FlagNoData = 0x10000000;
    /// <summary>Type of a REC whose payload failed its CRC at the source.</summary>
    public const uint TypeBadCrcRec = FlagCrcError | FlagDataCrcBad | (uint)MrecordType.Rec;
    /// <summary>The largest rec_size that a reader accepts: 320 + 65536.</summary>
    public const int RecordBytesMax = 65856;
    /// <summary>First byte that rec_crc covers.</summary>
    public const int CrcFrom = 8;

    public uint Signature;       // 00
    public uint RecCrc;          // 04 CRC-32 of bytes 8..rec_size-1, whatever the volume's version
    public int RecSize;          // 08 bytes with this head, without padding to 8
    public uint Type;            // 0C low 8 bits type, high 4 bits flags

    public readonly MrecordType Kind => (MrecordType)(byte)Type;
    public readonly bool IsCrcError => (Type & FlagCrcError) != 0;

    /// <summary>Bytes that a record occupies in the stream.</summary>
    public static int Padded(int recSize) => (recSize + 7) & ~7;
}

/// <summary>REC and PASS, 80 bytes; in REC data_len bytes of payload follow (mirroring-and-operations 3.3).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct MrecordRec
{
    public const int Bytes = 80;

    public MrecordHead Head;     // 00
    public LeafElm Leaf;         // 10 data_offset is the source's and only tells that there are data
}

/// <summary>SKIP, 96 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct MrecordSkip
{
    public const int Bytes = 96;

    public MrecordHead Head;     // 00
    public BaseElm SkipBeg;      // 10 inclusive; only the fields that order count
    public BaseElm SkipEnd;      // 38 exclusive
}

/// <summary>PFSD, 316 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct MrecordPfsd
{
    public const int Bytes = 316;
    public const uint VersionValue = 1;

    public MrecordHead Head;     // 00
    public uint Version;         // 10 always 1
    public uint Reserved01;      // 14
    public PseudofsData Pfsd;    // 18
}

/// <summary>UPDATE, 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct MrecordUpdate
{
    public const int Bytes = 24;

    public MrecordHead Head;     // 00
    public ulong Tid;            // 10 end of the batch as the target understood it
}

/// <summary>SYNC, IDLE and TERM, 24 bytes; the body carries nothing, HEAD leaks the PFSD version into it.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct MrecordSync
{
    public const int Bytes = 24;

    public MrecordHead Head;     // 00
    public ulong Leaked;         // 10 1 in what we write
}
