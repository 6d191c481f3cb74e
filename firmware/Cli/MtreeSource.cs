using System;
using System.IO;
using System.Security.Cryptography;
using System.Text;
using NasCore;
using NasCore.Primitives;
using NasLinux;

namespace NasFirmware.Cli;

/// <summary>A place in a tree: a vnode of an image, or a path of a mount.</summary>
readonly record struct MtreeHandle(Vnode Vnode, byte[] Path);

/// <summary>What a line of the specification says of an object.</summary>
struct MtreeAttr
{
    internal ObjType Type;
    internal uint Mode, Uid, Gid;
    internal ulong Nlink, Size, Inode;
    internal long Seconds;
    internal uint Nanoseconds;
    internal uint Major, Minor;
    /// <summary>BSD flags; null where they are not known.</summary>
    internal uint? Flags;
}

/// <summary>Where a tree is read from.</summary>
abstract class MtreeSource : IDisposable
{
    internal abstract MtreeHandle Root { get; }
    /// <summary>False: the inode keyword is st_ino of a mount, which views of the past transform.</summary>
    internal abstract bool InodeIsObjectId { get; }
    internal abstract MtreeAttr Attr(MtreeHandle at);
    internal abstract void List(MtreeHandle directory, Action<byte[], MtreeHandle> child);
    internal abstract byte[] Link(MtreeHandle at);
    internal abstract void Content(MtreeHandle at, ulong size, IncrementalHash hash);

    public virtual void Dispose()
    {
    }
}

/// <summary>Volumes that are not mounted, through the engine, read-only.</summary>
sealed class MtreeImageSource(HammerFs fs, int pfsId, ulong asOf, bool timesAreCtime, long holeBytesMax) : MtreeSource
{
    readonly byte[] _buffer = new byte[1 << 20];

    internal override MtreeHandle Root => new(new Vnode(pfsId, asOf, HammerConst.RootObjId), []);
    internal override bool InodeIsObjectId => true;

    internal override MtreeAttr Attr(MtreeHandle at)
    {
        Throw(fs.GetAttr(at.Vnode, out FileAttr a), at);
        ulong time = timesAreCtime ? a.Ctime : a.Mtime;
        return new MtreeAttr
        {
            Type = a.Type, Mode = a.Mode, Uid = a.Uid, Gid = a.Gid, Nlink = a.Nlinks, Size = a.Size,
            Inode = (ulong)a.ObjId, Seconds = (long)(time / 1_000_000), Nanoseconds = (uint)(time % 1_000_000) * 1000,
            Major = a.Rmajor, Minor = a.Rminor, Flags = a.Uflags,
        };
    }

    struct Sink : IDirSink
    {
        internal Action<byte[], MtreeHandle> Child;

        public readonly bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie)
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                Child(name.ToArray(), new MtreeHandle(child, []));
            return true;
        }
    }

    internal override void List(MtreeHandle directory, Action<byte[], MtreeHandle> child)
    {
        var sink = new Sink { Child = child };
        Throw(fs.ReadDir(directory.Vnode, 0, ref sink), directory);
    }

    internal override byte[] Link(MtreeHandle at)
    {
        Span<byte> target = stackalloc byte[HammerConst.SymlinkBytesMax + 1];
        Throw(fs.ReadLink(at.Vnode, target, out int length), at);
        return target[..length].ToArray();
    }

    internal override void Content(MtreeHandle at, ulong size, IncrementalHash hash)
    {
        ulong most = (ulong)holeBytesMax;
        foreach (var volume in fs.Volumes.All) most += (ulong)volume.UsableBytes;
        // The rest of such a file is holes: hashing exabytes of zeros would look like a hang.
        if (size > most) throw new IOException($"file of {size} bytes is not hashed: most of it must be holes");
        for (ulong offset = 0; offset < size;)
        {
            int want = (int)Math.Min((ulong)_buffer.Length, size - offset);
            Throw(fs.Read(at.Vnode, offset, _buffer.AsSpan(0, want), out int n), at);
            if (n == 0) throw new IOException($"object {at.Vnode.ObjId:x16}: file ends at {offset} of {size}");
            hash.AppendData(_buffer, 0, n);
            offset += (ulong)n;
        }
    }

    static void Throw(Errno e, MtreeHandle at)
    {
        if (e.IsError) throw new IOException($"object {at.Vnode.ObjId:x16} of PFS {at.Vnode.PfsId}: {e}");
    }

    public override void Dispose()
    {
        fs.Dispose();
        base.Dispose();
    }
}

/// <summary>A mounted path (or any directory), through ordinary system calls.</summary>
sealed class MtreeMountSource(string root, bool timesAreCtime) : MtreeSource
{
    readonly byte[] _buffer = new byte[1 << 20];

    internal override MtreeHandle Root => new(default, Encoding.UTF8.GetBytes(root));
    internal override bool InodeIsObjectId => false;

    internal override MtreeAttr Attr(MtreeHandle at)
    {
        LinuxStat s = LinuxPath.Stat(at.Path);
        return new MtreeAttr
        {
            Type = s.Type switch
            {
                LinuxStat.Directory => ObjType.Directory,
                LinuxStat.Regular => ObjType.RegFile,
                LinuxStat.Symlink => ObjType.SoftLink,
                LinuxStat.Fifo => ObjType.Fifo,
                LinuxStat.CharacterDevice => ObjType.CDev,
                LinuxStat.BlockDevice => ObjType.BDev,
                LinuxStat.Socket => ObjType.Socket,
                _ => ObjType.Unknown,
            },
            Mode = s.Mode & 0xFFF, Uid = s.Uid, Gid = s.Gid, Nlink = s.Nlink, Size = (ulong)s.Size, Inode = s.Ino,
            Seconds = timesAreCtime ? s.CtimeSeconds : s.MtimeSeconds,
            Nanoseconds = timesAreCtime ? s.CtimeNanoseconds : s.MtimeNanoseconds,
            Major = s.RdevMajor, Minor = s.RdevMinor,
        };
    }

    internal override void List(MtreeHandle directory, Action<byte[], MtreeHandle> child) =>
        LinuxPath.List(directory.Path, name => child(name,
            new MtreeHandle(default, [.. directory.Path, (byte)'/', .. name])));

    internal override byte[] Link(MtreeHandle at) => LinuxPath.ReadLink(at.Path);

    internal override void Content(MtreeHandle at, ulong size, IncrementalHash hash) =>
        LinuxPath.ReadAll(at.Path, _buffer, n => hash.AppendData(_buffer, 0, n));
}
