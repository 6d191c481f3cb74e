using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NasLinux;

/// <summary>System calls of netlink sockets.</summary>
static unsafe partial class Libc
{
    [LibraryImport(Lib, EntryPoint = "socket", SetLastError = true)]
    internal static partial int Socket(int domain, int type, int protocol);

    [LibraryImport(Lib, EntryPoint = "bind", SetLastError = true)]
    internal static partial int Bind(SafeFileHandle fd, byte* address, uint addressBytes);

    [LibraryImport(Lib, EntryPoint = "recvfrom", SetLastError = true)]
    internal static partial nint RecvFrom(SafeFileHandle fd, byte* buffer, nuint count, int flags, byte* address,
        uint* addressBytes);
}
