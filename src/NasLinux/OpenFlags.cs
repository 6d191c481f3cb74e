using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>
/// Flags of open(2) whose values differ between architectures: on arm64 the bit that means direct I/O on x86-64 means
/// "must be a directory", and the other way round. Only tried out here, by the self-test.
/// </summary>
public static unsafe class OpenFlags
{
    const int OCloExec = 0x80000, ENotDir = 20, EInval = 22;

    static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public static int Direct => IsArm ? 0x10000 : 0x4000;
    public static int Directory => IsArm ? 0x4000 : 0x10000;

    /// <summary>Opens a real file and its directory with these flags; null if the kernel takes them as meant.</summary>
    public static string? Problem(string file, string directory)
    {
        if (Try(directory, Directory) is int error and not 0) return $"O_DIRECTORY on a directory: errno {error}";
        if (Try(file, Directory) is int other and not ENotDir)
            return $"O_DIRECTORY on a file: errno {other}, not ENOTDIR";
        // EINVAL: a file system without direct I/O, such as tmpfs.
        return Try(file, Direct) is int direct and not (0 or EInval) ? $"O_DIRECT on a file: errno {direct}" : null;
    }

    static int Try(string path, int flag)
    {
        int fd = Libc.Open(path, flag | OCloExec, 0);
        if (fd < 0) return Marshal.GetLastPInvokeError();
        _ = Libc.Close(fd);
        return 0;
    }
}
