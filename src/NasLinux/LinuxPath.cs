using System;
using System.IO;
using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>What statx tells of a path, in Linux's units.</summary>
public readonly record struct LinuxStat(uint Mode, uint Uid, uint Gid, uint Nlink, ulong Ino, long Size,
    long MtimeSeconds, uint MtimeNanoseconds, long CtimeSeconds, uint CtimeNanoseconds, uint RdevMajor, uint RdevMinor)
{
    public const uint TypeMask = 0xF000, Directory = 0x4000, Regular = 0x8000, Symlink = 0xA000, Fifo = 0x1000,
        CharacterDevice = 0x2000, BlockDevice = 0x6000, Socket = 0xC000;
    public uint Type => Mode & TypeMask;
}

/// <summary>
/// Files by paths of raw bytes: names on a disk need not be UTF-8, so the runtime's own file classes cannot reach all
/// of them. Symbolic links are never followed at the last component.
/// </summary>
public static unsafe class LinuxPath
{
    const int AtFdCwd = -100, NoFollow = 0x100;
    const uint BasicStats = 0x7FF;
    const int ORdOnly = 0, OCloExec = 0x80000;

    /// <summary>lstat; <see cref="IOException"/> with path and reason on failure.</summary>
    public static LinuxStat Stat(ReadOnlySpan<byte> path)
    {
        byte* buffer = stackalloc byte[256];
        fixed (byte* p = Terminated(path))
        {
            if (Libc.StatX(AtFdCwd, p, NoFollow, BasicStats, buffer) != 0) throw Error("cannot stat", path);
        }
        // struct statx has one layout on all architectures.
        return new LinuxStat(*(ushort*)(buffer + 28), *(uint*)(buffer + 20), *(uint*)(buffer + 24),
            *(uint*)(buffer + 16), *(ulong*)(buffer + 32), *(long*)(buffer + 40), *(long*)(buffer + 112),
            *(uint*)(buffer + 120),
            *(long*)(buffer + 96), *(uint*)(buffer + 104), *(uint*)(buffer + 128), *(uint*)(buffer + 132));
    }

    /// <summary>Calls back with each name but "." and "..", in no order.</summary>
    public static void List(ReadOnlySpan<byte> directory, Action<byte[]> name)
    {
        const int bytes = 32768;
        int fd = OpenRead(directory);
        byte* buffer = (byte*)NativeMemory.Alloc(bytes);
        try
        {
            while (true)
            {
                nint n = Libc.GetDents64(fd, buffer, bytes);
                if (n < 0) throw Error("cannot list", directory);
                if (n == 0) return;
                // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name.
                for (nint at = 0; at < n; at += *(ushort*)(buffer + at + 16))
                {
                    ReadOnlySpan<byte> entry = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(buffer + at + 19);
                    if (!entry.SequenceEqual("."u8) && !entry.SequenceEqual(".."u8)) name(entry.ToArray());
                }
            }
        }
        finally
        {
            NativeMemory.Free(buffer);
            _ = Libc.Close(fd);
        }
    }

    /// <summary>Target of a symbolic link.</summary>
    public static byte[] ReadLink(ReadOnlySpan<byte> path)
    {
        byte[] target = new byte[4096];
        nint n;
        fixed (byte* p = Terminated(path))
        fixed (byte* t = target)
        {
            n = Libc.ReadLink(p, t, (nuint)target.Length);
        }
        if (n < 0) throw Error("cannot read link", path);
        return target[..(int)n];
    }

    /// <summary>Calls back with the whole content of a file, piece by piece.</summary>
    public static void ReadAll(ReadOnlySpan<byte> path, byte[] buffer, Action<int> piece)
    {
        int fd = OpenRead(path);
        try
        {
            for (long at = 0; ;)
            {
                nint n;
                fixed (byte* p = buffer) n = Libc.PRead(fd, p, (nuint)buffer.Length, at);
                if (n < 0) throw Error("cannot read", path);
                if (n == 0) return;
                piece((int)n);
                at += n;
            }
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    static int OpenRead(ReadOnlySpan<byte> path)
    {
        int fd;
        fixed (byte* p = Terminated(path)) fd = Libc.OpenBytes(p, ORdOnly | OCloExec, 0);
        return fd >= 0 ? fd : throw Error("cannot open", path);
    }

    static byte[] Terminated(ReadOnlySpan<byte> path)
    {
        byte[] bytes = new byte[path.Length + 1];
        path.CopyTo(bytes);
        return bytes;
    }

    static IOException Error(string what, ReadOnlySpan<byte> path)
    {
        int error = Marshal.GetLastPInvokeError();
        return LinuxError.Exception($"{what} {System.Text.Encoding.UTF8.GetString(path)}", error);
    }
}

static unsafe partial class Libc
{
    [LibraryImport(Lib, EntryPoint = "statx", SetLastError = true)]
    internal static partial int StatX(int dirFd, byte* path, int flags, uint mask, byte* result);

    [LibraryImport(Lib, EntryPoint = "getdents64", SetLastError = true)]
    internal static partial nint GetDents64(int fd, byte* buffer, nuint count);

    [LibraryImport(Lib, EntryPoint = "readlink", SetLastError = true)]
    internal static partial nint ReadLink(byte* path, byte* buffer, nuint count);

    [LibraryImport(Lib, EntryPoint = "open", SetLastError = true)]
    internal static partial int OpenBytes(byte* path, int flags, uint mode);
}
