using System;
using System.IO;
using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>
/// An open device or file with positional transfers: whole transfers or an <see cref="IOException"/> that names
/// path, offset and the error.
/// </summary>
public sealed unsafe class LinuxFile : IDisposable
{
    const int ORdOnly = 0, ORdWr = 2, OExcl = 0x80, OCloExec = 0x80000;
    const int LockEx = 2, LockSh = 1, LockNb = 4;
    const nuint BlkGetSize64 = 0x80081272, BlkSszGet = 0x1268, BlkDiscard = 0x1277;
    const int PageBytes = 4096;
    const int EIntr = 4, ENoTty = 25, EInval = 22, ERoFs = 30;

    int _fd;

    LinuxFile(int fd, string path)
    {
        _fd = fd;
        Path = path;
    }

    public string Path { get; }
    /// <summary>The descriptor, for ioctls of others; owned by this object.</summary>
    public int Fd => _fd;

    /// <summary>Opens an existing file or device.</summary>
    /// <param name="exclusive">O_EXCL (a block device in use is refused) and an exclusive lock.</param>
    public static LinuxFile Open(string path, bool readOnly, bool exclusive)
    {
        int flags = (readOnly ? ORdOnly : ORdWr) | OCloExec;
        bool block = exclusive && IsBlockDevice(path);
        int fd = Libc.Open(path, flags | (block ? OExcl : 0), 0);
        if (fd < 0) throw LinuxError.Exception($"cannot open {path}", Marshal.GetLastPInvokeError());
        if (exclusive && Libc.FLock(fd, (readOnly ? LockSh : LockEx) | LockNb) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            _ = Libc.Close(fd);
            throw LinuxError.Exception($"cannot lock {path}: another process is using it", error);
        }
        return new LinuxFile(fd, path);
    }

    /// <summary>
    /// The same file opened again for direct I/O, if a page of it can be read that way; null where the file system
    /// below cannot.
    /// </summary>
    public LinuxFile? TryOpenDirect(bool readOnly = false)
    {
        int fd = Libc.Open($"/proc/self/fd/{_fd}", (readOnly ? ORdOnly : ORdWr) | OCloExec | OpenFlags.Direct, 0);
        if (fd < 0) return null;
        using var page = new NativeSlab(PageBytes);
        nint n;
        fixed (byte* p = page.Span(0, PageBytes)) n = Libc.PRead(fd, p, PageBytes, 0);
        if (n == PageBytes) return new LinuxFile(fd, Path);
        _ = Libc.Close(fd);
        return null;
    }

    /// <summary>
    /// True if the first page of a device or file can be read from the medium itself, not from the kernel's cache;
    /// where direct reading is not possible, from wherever it comes. And if it takes a flush: what lies behind a device
    /// may have a cache of its own.
    /// </summary>
    public static bool Answers(string path)
    {
        int fd = Libc.Open(path, ORdOnly | OCloExec | OpenFlags.Direct, 0);
        if (fd < 0 && Marshal.GetLastPInvokeError() == EInval) fd = Libc.Open(path, ORdOnly | OCloExec, 0);
        if (fd < 0) return false;
        using var page = new NativeSlab(PageBytes);
        nint n;
        fixed (byte* p = page.Span(0, PageBytes)) n = Libc.PRead(fd, p, PageBytes, 0);
        bool flushed = Libc.FDataSync(fd) == 0 || Marshal.GetLastPInvokeError() is EInval or ERoFs;
        _ = Libc.Close(fd);
        return n > 0 && flushed;
    }

    /// <summary>Bytes of a regular file or block device.</summary>
    public long DeviceLength()
    {
        ulong bytes;
        if (Libc.Ioctl(_fd, BlkGetSize64, &bytes) == 0) return (long)bytes;
        long end = Libc.LSeek(_fd, 0, 2);
        if (end < 0) throw LinuxError.Exception($"cannot find the size of {Path}", Marshal.GetLastPInvokeError());
        return end;
    }

    /// <summary>Sector size of a block device; 512 for a regular file.</summary>
    public int LogicalBlockBytes()
    {
        int bytes;
        return Libc.Ioctl(_fd, BlkSszGet, &bytes) == 0 ? bytes : 512;
    }

    public void ReadAt(long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            nint n;
            fixed (byte* p = destination) n = Libc.PRead(_fd, p, (nuint)destination.Length, offset);
            if (n < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == EIntr) continue;
                throw LinuxError.Exception($"{Path}: reading {destination.Length} bytes at {offset}", error);
            }
            if (n == 0) throw new IOException($"{Path}: end of file at {offset}, {destination.Length} bytes missing");
            destination = destination[(int)n..];
            offset += n;
        }
    }

    public void WriteAt(long offset, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            nint n;
            fixed (byte* p = source) n = Libc.PWrite(_fd, p, (nuint)source.Length, offset);
            if (n < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == EIntr) continue;
                throw LinuxError.Exception($"{Path}: writing {source.Length} bytes at {offset}", error);
            }
            if (n == 0) throw new IOException($"{Path}: wrote nothing at {offset}");
            source = source[(int)n..];
            offset += n;
        }
    }

    /// <summary>fdatasync; every error is reported.</summary>
    public void DataSync()
    {
        while (Libc.FDataSync(_fd) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error != EIntr) throw LinuxError.Exception($"{Path}: flush", error);
        }
    }

    /// <summary>BLKDISCARD, or a punched hole in a regular file; devices that cannot are left alone.</summary>
    public void Discard(long offset, long length)
    {
        ulong* range = stackalloc ulong[2];
        range[0] = (ulong)offset;
        range[1] = (ulong)length;
        if (Libc.Ioctl(_fd, BlkDiscard, range) == 0) return;
        const int keepSize = 1, punchHole = 2;
        _ = Libc.FAllocate(_fd, keepSize | punchHole, offset, length);
    }

    public void StartWriteback(long offset, long length)
    {
        const uint write = 2;
        _ = Libc.SyncFileRange(_fd, offset, length, write);
    }

    public void DropCache() => DropCache(0, 0);

    /// <summary>Of a range of whole pages (length 0: to the end) what is clean.</summary>
    public void DropCache(long offset, long length)
    {
        const int dontNeed = 4;
        _ = Libc.PosixFAdvise(_fd, offset, length, dontNeed);
    }

    public void Dispose()
    {
        int fd = _fd;
        _fd = -1;
        if (fd >= 0) _ = Libc.Close(fd);
    }

    static bool IsBlockDevice(string path)
    {
        int fd = Libc.Open(path, ORdOnly | OCloExec, 0);
        if (fd < 0) return false;
        ulong bytes;
        bool block = Libc.Ioctl(fd, BlkGetSize64, &bytes) == 0;
        _ = Libc.Close(fd);
        return block;
    }
}
