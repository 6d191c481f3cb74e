using System;
using System.IO;
using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>Flags of mount(2) that a user may choose.</summary>
[Flags]
public enum MountFlags
{
    None = 0,
    ReadOnly = 1,
    NoSuid = 2,
    NoDev = 4,
    NoExec = 8,
    NoAtime = 1024,
}

/// <summary>mount(2), umount2(2) and the question whether the server behind a mount point is gone.</summary>
public static unsafe class LinuxMount
{
    const int MntDetach = 2, UmountNoFollow = 8;
    const int ENotConn = 107, EConnAborted = 103;

    /// <summary>Mounts a file system; <see cref="IOException"/> with the reason on failure.</summary>
    public static void Mount(string source, string directory, string type, MountFlags flags, string data)
    {
        if (Libc.Mount(source, directory, type, (nuint)(uint)flags, data) != 0)
            throw LinuxError.Exception($"cannot mount on {directory}", Marshal.GetLastPInvokeError());
    }

    /// <summary>
    /// Unmounts; returns the error number, 0 for success (16, EBUSY: somebody works in it). Detached mounts vanish
    /// from the tree at once and end with their last user.
    /// </summary>
    public static int Unmount(string directory, bool detach)
    {
        int flags = UmountNoFollow | (detach ? MntDetach : 0);
        return Libc.Umount2(directory, flags) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>
    /// True if the path lies on a FUSE mount whose server has died. Asks by statfs, which no cache answers.
    /// </summary>
    public static bool IsDeadMount(string directory)
    {
        byte* buffer = stackalloc byte[512];
        if (Libc.StatFs(directory, buffer) == 0) return false;
        return Marshal.GetLastPInvokeError() is ENotConn or EConnAborted;
    }

    /// <summary>
    /// The path without links and dots, as mountinfo shows it. Works on a dead mount point too; what does not exist
    /// comes back as an absolute path.
    /// </summary>
    public static string RealPath(string path)
    {
        const int pathMax = 4096;
        byte* buffer = stackalloc byte[pathMax];
        return Libc.RealPath(path, buffer) == null ? Path.GetFullPath(path) : Marshal.PtrToStringUTF8((nint)buffer)!;
    }

    /// <summary>True if a directory, or a link to one, is there.</summary>
    public static bool IsDirectory(string path) => Directory.Exists(path);

    /// <summary>The system's sentence for an error number.</summary>
    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}
