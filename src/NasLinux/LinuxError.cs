using System.IO;
using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>Turns error numbers into exceptions that keep the number.</summary>
public static class LinuxError
{
    /// <summary>An <see cref="IOException"/> whose HResult is the error number.</summary>
    public static IOException Exception(string what, int errno) =>
        new($"{what}: {Marshal.GetPInvokeErrorMessage(errno)}", errno);
}
