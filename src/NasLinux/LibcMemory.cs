using System;
using System.Runtime.InteropServices;

namespace NasLinux;

static unsafe partial class Libc
{
    internal const int ProtReadWrite = 1 | 2, MapPrivateAnonymous = 2 | 0x20;
    internal static readonly void* MapFailed = (void*)-1;

    [LibraryImport(Lib, EntryPoint = "mmap", SetLastError = true)]
    internal static partial void* MMap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport(Lib, EntryPoint = "munmap", SetLastError = true)]
    internal static partial int MUnmap(void* address, nuint length);

    [LibraryImport(Lib, EntryPoint = "mallopt")]
    internal static partial int MAllOpt(int parameter, int value);

    [LibraryImport(Lib, EntryPoint = "malloc_trim")]
    internal static partial int MAllocTrim(nuint pad);
}

/// <summary>What the C library keeps of memory that was freed. Only glibc can be told; others keep little.</summary>
public static class NativeHeap
{
    // malloc.h
    const int ParameterArenaMax = -8, ParameterMmapThreshold = -3;
    const int ArenasMax = 2, MmapThreshold = 256 << 10;

    /// <summary>
    /// For a process that runs for years with few threads at work: two arenas instead of eight for each core, and
    /// large pieces always as mappings of their own. To be called before threads are started.
    /// </summary>
    public static void KeepSmall()
    {
        try
        {
            _ = Libc.MAllOpt(ParameterArenaMax, ArenasMax);
            _ = Libc.MAllOpt(ParameterMmapThreshold, MmapThreshold);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library than glibc.
        }
    }

    /// <summary>Gives what is free to the system.</summary>
    public static void Trim()
    {
        try
        {
            _ = Libc.MAllocTrim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // The same.
        }
    }
}
