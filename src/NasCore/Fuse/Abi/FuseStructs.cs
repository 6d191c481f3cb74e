using System.Runtime.InteropServices;

namespace NasCore.Fuse.Abi;

/*
 * The messages of the FUSE protocol as the kernel's linux/fuse.h lays them out: the same on every architecture,
 * every structure a multiple of 8 bytes, integers in the byte order of the machine. A structure that grew with
 * the protocol is here as of version 7.38; which length travels is decided by what INIT agreed.
 */

/// <summary>Head of every request, 40 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseInHeader
{
    public const int Bytes = 40;

    public uint Len;             // 00 bytes of the whole message
    public FuseOpcode Opcode;    // 04
    public ulong Unique;         // 08 to be repeated in the reply
    public ulong NodeId;         // 10 the object asked about
    public uint Uid;             // 18
    public uint Gid;             // 1c
    public uint Pid;             // 20
    public ushort ExtWords;      // 24 extensions at the end, in units of 8 bytes
    public ushort Padding;       // 26
}

/// <summary>Head of every reply, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseOutHeader
{
    public const int Bytes = 16;

    public uint Len;
    public int Error;            // 0 or a negative error number; a positive notify code
    public ulong Unique;         // 0 for notifications
}

/// <summary>Attributes of an object, 88 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseAttr
{
    public ulong Ino, Size, Blocks;
    public ulong Atime, Mtime, Ctime;
    public uint AtimeNsec, MtimeNsec, CtimeNsec;
    public uint Mode, Nlink, Uid, Gid, Rdev, BlkSize, Flags;
}

/// <summary>Reply to LOOKUP and to everything that makes a name, 128 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseEntryOut
{
    public ulong NodeId, Generation, EntryValid, AttrValid;
    public uint EntryValidNsec, AttrValidNsec;
    public FuseAttr Attr;
}

/// <summary>Reply to GETATTR and SETATTR, 104 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseAttrOut
{
    public ulong AttrValid;
    public uint AttrValidNsec, Dummy;
    public FuseAttr Attr;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseInitIn
{
    public uint Major, Minor, MaxReadahead;
    public FuseInitFlags Flags;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseInitOut
{
    public uint Major, Minor, MaxReadahead;
    public FuseInitFlags Flags;
    public ushort MaxBackground, CongestionThreshold;
    public uint MaxWrite, TimeGran;
    public ushort MaxPages, MapAlignment;
    public uint Flags2;
    public uint Unused0, Unused1, Unused2, Unused3, Unused4, Unused5, Unused6;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseForgetOne
{
    public ulong NodeId, Lookups;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseBatchForgetIn
{
    public uint Count, Dummy;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseMkNodIn
{
    public uint Mode, Rdev, Umask, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseMkDirIn
{
    public uint Mode, Umask;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseRename2In
{
    public ulong NewDir;
    public uint Flags, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseSetAttrIn
{
    public FuseAttrValid Valid;
    public uint Padding;
    public ulong Fh, Size, LockOwner, Atime, Mtime, Ctime;
    public uint AtimeNsec, MtimeNsec, CtimeNsec;
    public uint Mode, Unused4, Uid, Gid, Unused5;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseOpenIn
{
    public uint Flags, OpenFlags;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseCreateIn
{
    public uint Flags, Mode, Umask, OpenFlags;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseOpenOut
{
    public ulong Fh;
    public FuseOpenReply OpenFlags;
    public uint Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseReleaseIn
{
    public ulong Fh;
    public uint Flags, ReleaseFlags;
    public ulong LockOwner;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseReadIn
{
    public ulong Fh, Offset;
    public uint Size, ReadFlags;
    public ulong LockOwner;
    public uint Flags, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseWriteIn
{
    public ulong Fh, Offset;
    public uint Size, WriteFlags;
    public ulong LockOwner;
    public uint Flags, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseSizeOut
{
    public uint Size, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseStatFsOut
{
    public ulong Blocks, BFree, BAvail, Files, FFree;
    public uint BSize, NameLen, FrSize, Padding;
    public uint Spare0, Spare1, Spare2, Spare3, Spare4, Spare5;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseSetXattrIn
{
    public uint Size, Flags, SetXattrFlags, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseGetXattrIn
{
    public uint Size, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseFAllocateIn
{
    public ulong Fh, Offset, Length;
    public uint Mode, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseLSeekIn
{
    public ulong Fh, Offset;
    public uint Whence, Padding;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseIoctlIn
{
    public ulong Fh;
    public uint Flags, Cmd;
    public ulong Arg;
    public uint InSize, OutSize;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseIoctlOut
{
    public int Result;
    public uint Flags, InIovs, OutIovs;
}

/// <summary>Head of an entry of READDIR; the name follows, padded to 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseDirent
{
    public ulong Ino, Off;
    public uint NameLen, Type;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseNotifyInvalInodeOut
{
    public ulong NodeId;
    public long Offset, Length;
}

[StructLayout(LayoutKind.Sequential)]
public struct FuseNotifyInvalEntryOut
{
    public ulong Parent;
    public uint NameLen, Flags;
}
