using System;

namespace NasCore.Fuse.Abi;

/// <summary>What INIT negotiates (bits 0 to 31; bits from 32 on are not used).</summary>
[Flags]
public enum FuseInitFlags : uint
{
    None = 0,
    AsyncRead = 1 << 0,
    PosixLocks = 1 << 1,
    AtomicOTrunc = 1 << 3,
    ExportSupport = 1 << 4,
    BigWrites = 1 << 5,
    DontMask = 1 << 6,
    FlockLocks = 1 << 10,
    HasIoctlDir = 1 << 11,
    AutoInvalData = 1 << 12,
    DoReadDirPlus = 1 << 13,
    ReadDirPlusAuto = 1 << 14,
    AsyncDio = 1 << 15,
    WritebackCache = 1 << 16,
    NoOpenSupport = 1 << 17,
    ParallelDirOps = 1 << 18,
    HandleKillPriv = 1 << 19,
    PosixAcl = 1 << 20,
    AbortError = 1 << 21,
    MaxPages = 1 << 22,
    CacheSymlinks = 1 << 23,
    NoOpenDirSupport = 1 << 24,
    ExplicitInvalData = 1 << 25,
    HandleKillPrivV2 = 1 << 28,
    SetXattrExt = 1 << 29,
    InitExt = 1 << 30,
}

/// <summary>Fields of SETATTR that count.</summary>
[Flags]
public enum FuseAttrValid : uint
{
    None = 0,
    Mode = 1 << 0,
    Uid = 1 << 1,
    Gid = 1 << 2,
    Size = 1 << 3,
    Atime = 1 << 4,
    Mtime = 1 << 5,
    Fh = 1 << 6,
    AtimeNow = 1 << 7,
    MtimeNow = 1 << 8,
    LockOwner = 1 << 9,
    Ctime = 1 << 10,
    KillSuidGid = 1 << 11,
}

/// <summary>What a reply to OPEN or OPENDIR tells the kernel.</summary>
[Flags]
public enum FuseOpenReply : uint
{
    None = 0,
    DirectIo = 1 << 0,
    KeepCache = 1 << 1,
    NonSeekable = 1 << 2,
    CacheDir = 1 << 3,
    NoFlush = 1 << 5,
    ParallelDirectWrites = 1 << 6,
}

/// <summary>Small flag values of single requests.</summary>
public static class FuseBits
{
    public const uint WriteCache = 1;
    public const uint WriteKillSuidGid = 4;
    public const uint OpenKillSuidGid = 1;
    public const uint SetXattrAclKillSgid = 1;
    public const uint RenameNoReplace = 1, RenameExchange = 2;
    public const uint FallocKeepSize = 1, FallocPunchHole = 2, FallocZeroRange = 0x10;
    public const uint SeekData = 3, SeekHole = 4;
    public const uint XattrCreate = 1, XattrReplace = 2;

    /// <summary>Open flags as both our architectures define them (asm-generic).</summary>
    public const uint OAccMode = 3, OExcl = 0x80, OTrunc = 0x200, OAppend = 0x400;

    public const uint SIfMt = 0xF000, SIfSock = 0xC000, SIfLnk = 0xA000, SIfReg = 0x8000, SIfBlk = 0x6000,
        SIfDir = 0x4000, SIfChr = 0x2000, SIfIfo = 0x1000;
    public const uint SIsUid = 0x800, SIsGid = 0x400;
}
