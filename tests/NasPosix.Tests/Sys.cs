using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace NasPosix.Tests;

/// <summary>
/// System calls of Linux on x86-64 by number, past the C library: no wrapper emulates, retries or changes all threads.
/// So one thread can be another user (Linux keeps credentials for each thread), which is how cases change users without
/// a process for each.
/// </summary>
static class Sys
{
    internal const int Write = 1, Close = 3, LSeek = 8, MMap = 9, MUnmap = 11, Ioctl = 16, PRead = 17, PWrite = 18,
        MSync = 26, SendFile = 40, Fcntl = 72, Flock = 73, FSync = 74, FDataSync = 75, Truncate = 76, FTruncate = 77,
        ChDir = 80, FChmod = 91, FChown = 93, UMask = 95, SetGroups = 116, SetResUid = 117, SetResGid = 119,
        StatFs = 137, SetXattr = 188, LSetXattr = 189, GetXattr = 191, LGetXattr = 192, ListXattr = 194,
        LListXattr = 195, RemoveXattr = 197, LRemoveXattr = 198, GetDents = 217, OpenAt = 257, MkDirAt = 258,
        MkNodAt = 259, FChownAt = 260, UnlinkAt = 263, LinkAt = 265, SymlinkAt = 266, ReadLinkAt = 267,
        FChmodAt = 268, FAccessAt = 269, Unshare = 272, UtimensAt = 280, FAllocate = 285, RenameAt2 = 316,
        CopyFileRange = 326, Statx = 332;

    internal const long AtCwd = -100;
    internal const int AtNoFollow = 0x100, AtRemoveDir = 0x200, AtFollow = 0x400, AtEmptyPath = 0x1000;

    static readonly Dictionary<int, string> s_names = new()
    {
        [1] = "EPERM", [2] = "ENOENT", [5] = "EIO", [6] = "ENXIO", [7] = "E2BIG", [9] = "EBADF", [11] = "EAGAIN",
        [12] = "ENOMEM", [13] = "EACCES", [14] = "EFAULT", [16] = "EBUSY", [17] = "EEXIST", [18] = "EXDEV",
        [19] = "ENODEV", [20] = "ENOTDIR", [21] = "EISDIR", [22] = "EINVAL", [25] = "ENOTTY", [26] = "ETXTBSY",
        [27] = "EFBIG", [28] = "ENOSPC", [29] = "ESPIPE", [30] = "EROFS", [31] = "EMLINK", [34] = "ERANGE",
        [35] = "EDEADLK", [36] = "ENAMETOOLONG", [38] = "ENOSYS", [39] = "ENOTEMPTY", [40] = "ELOOP",
        [61] = "ENODATA", [75] = "EOVERFLOW", [95] = "EOPNOTSUPP", [107] = "ENOTCONN", [116] = "ESTALE",
    };

    [DllImport("libc", EntryPoint = "syscall", SetLastError = true)]
    static extern long Raw(long number, long a, long b, long c, long d, long e, long f);

    /// <summary>The result, or the error number as a negative one.</summary>
    internal static long Call(int number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0)
    {
        long result = Raw(number, a, b, c, d, e, f);
        return result == -1 ? -Marshal.GetLastPInvokeError() : result;
    }

    internal static string Name(long result)
    {
        if (result >= 0) return "ok";
        return s_names.TryGetValue((int)-result, out string? name) ? name : $"errno {-result}";
    }

    /// <summary>Memory for the kernel, zeroed or with a content, for one command.</summary>
    internal sealed class Memory : IDisposable
    {
        readonly int _length;

        internal Memory(int length)
        {
            _length = length;
            At = Marshal.AllocHGlobal(Math.Max(1, length));
            Marshal.Copy(new byte[length], 0, (nint)At, length);
        }

        internal Memory(byte[] content) : this(content.Length) => Marshal.Copy(content, 0, (nint)At, content.Length);

        internal Memory(string text) : this(Encoding.Latin1.GetBytes(text + '\0'))
        {
        }

        internal long At { get; }

        internal byte[] Bytes(int length)
        {
            byte[] bytes = new byte[Math.Min(length, _length)];
            Marshal.Copy((nint)At, bytes, 0, bytes.Length);
            return bytes;
        }

        public void Dispose() => Marshal.FreeHGlobal((nint)At);
    }

    internal static void Poke(long address, byte[] bytes) => Marshal.Copy(bytes, 0, (nint)address, bytes.Length);

    internal static byte[] Peek(long address, int length)
    {
        byte[] bytes = new byte[length];
        Marshal.Copy((nint)address, bytes, 0, length);
        return bytes;
    }
}
