using System;
using System.IO;
using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>
/// Small files of the host that must survive a power cut whole: the new content is made durable under another name,
/// takes the place of the old one in one step, and the directory is made durable too. Whoever reads the file finds the
/// old content or the new one, never a mixture.
/// </summary>
public static unsafe class DurableFile
{
    const int ORdOnly = 0, OWrOnly = 1, OCreat = 0x40, OTrunc = 0x200, OCloExec = 0x80000;
    const int EIntr = 4;
    /// <summary>What the name under which the content is written ends with; a rest of it means nothing.</summary>
    public const string Unfinished = ".new";

    /// <summary>Replaces the file, or makes it, with this mode. One writer at a time.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        string temporary = path + Unfinished;
        // A rest of an earlier attempt may have another mode.
        File.Delete(temporary);
        int fd = Libc.Open(temporary, OWrOnly | OCreat | OTrunc | OCloExec, (uint)mode);
        if (fd < 0) throw LinuxError.Exception($"cannot make {temporary}", Marshal.GetLastPInvokeError());
        try
        {
            Write(fd, content, temporary);
            Sync(fd, temporary);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
        File.Move(temporary, path, overwrite: true);
        SyncDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Makes the names in a directory durable.</summary>
    public static void SyncDirectory(string directory)
    {
        int fd = Libc.Open(directory, ORdOnly | OCloExec, 0);
        if (fd < 0) throw LinuxError.Exception($"cannot open {directory}", Marshal.GetLastPInvokeError());
        try
        {
            Sync(fd, directory);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    static void Write(int fd, ReadOnlySpan<byte> content, string path)
    {
        for (long at = 0; content.Length > 0;)
        {
            nint n;
            fixed (byte* p = content) n = Libc.PWrite(fd, p, (nuint)content.Length, at);
            int error = n < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error == EIntr) continue;
            if (n <= 0) throw LinuxError.Exception($"cannot write {path}", error);
            content = content[(int)n..];
            at += n;
        }
    }

    static void Sync(int fd, string path)
    {
        while (Libc.FSync(fd) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error != EIntr) throw LinuxError.Exception($"{path}: flush", error);
        }
    }
}

static unsafe partial class Libc
{
    [LibraryImport(Lib, EntryPoint = "fsync", SetLastError = true)]
    internal static partial int FSync(int fd);
}
