using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NasLinux;

/// <summary>
/// A descriptor that carries FUSE messages: /dev/fuse itself, a clone of it, or one end of a packet socket pair
/// (tests). One read gives one whole request, one write takes one whole reply. Calls of several threads are safe,
/// also against Dispose.
/// </summary>
public sealed unsafe class FuseDevice : IDisposable
{
    const int ORdWr = 2, OCloExec = 0x80000;
    const int EIntr = 4, ENoEnt = 2, EAgain = 11, ENoDev = 19;
    const nuint FuseDevIocClone = 0x8004E500;

    readonly SafeFileHandle _fd;

    FuseDevice(SafeFileHandle fd) => _fd = fd;

    /// <summary>Number of the descriptor, for the mount option "fd="; -1 once disposed.</summary>
    public int Fd => _fd.IsClosed ? -1 : (int)_fd.DangerousGetHandle();

    /// <summary>Opens the device; <see cref="IOException"/> if that is not possible.</summary>
    public static FuseDevice Open(string path = "/dev/fuse")
    {
        int fd = Libc.Open(path, ORdWr | OCloExec, 0);
        if (fd < 0) throw LinuxError.Exception($"cannot open {path}", Marshal.GetLastPInvokeError());
        return new FuseDevice(new SafeFileHandle(fd, ownsHandle: true));
    }

    /// <summary>A further queue of the same mount: what is read from it must be answered on it.</summary>
    public FuseDevice Clone()
    {
        FuseDevice clone = Open();
        int from = Fd;
        if (Libc.Ioctl(clone._fd, FuseDevIocClone, &from) == 0) return clone;
        int error = Marshal.GetLastPInvokeError();
        clone.Dispose();
        throw LinuxError.Exception("cannot clone the FUSE descriptor", error);
    }

    /// <summary>Two connected ends that keep message borders, to speak the protocol without a mount.</summary>
    public static (FuseDevice Server, FuseDevice Kernel) Pair()
    {
        const int unix = 1, seqPacket = 5, cloExec = 0x80000;
        int* pair = stackalloc int[2];
        if (Libc.SocketPair(unix, seqPacket | cloExec, 0, pair) != 0)
            throw LinuxError.Exception("socketpair", Marshal.GetLastPInvokeError());
        return (new FuseDevice(new SafeFileHandle(pair[0], true)), new FuseDevice(new SafeFileHandle(pair[1], true)));
    }

    /// <summary>Waits for one request. 0 means the end: unmounted, aborted or disposed.</summary>
    public int Receive(Span<byte> buffer)
    {
        while (true)
        {
            if (_fd.IsClosed) return 0;
            nint n;
            try
            {
                fixed (byte* p = buffer) n = Libc.Read(_fd, p, (nuint)buffer.Length);
            }
            catch (ObjectDisposedException)
            {
                return 0;
            }
            if (n >= 0) return (int)n;
            int error = Marshal.GetLastPInvokeError();
            if (error is EIntr or EAgain or ENoEnt) continue;
            if (error == ENoDev) return 0;
            throw LinuxError.Exception("reading from the FUSE device", error);
        }
    }

    /// <summary>
    /// Looks for a request without sleeping, for at most so many microseconds; true if there is one (which another
    /// thread may take) or the end has come.
    /// </summary>
    public bool Poll(int microseconds)
    {
        const short pollIn = 1;
        int fd = Fd;
        if (fd < 0) return true;
        var ask = new PollFd { Fd = fd, Events = pollIn };
        long end = Stopwatch.GetTimestamp() + microseconds * (Stopwatch.Frequency / 1_000_000);
        do
        {
            if (Libc.Poll(&ask, 1, 0) != 0) return true;
        }
        while (Stopwatch.GetTimestamp() < end);
        return false;
    }

    /// <summary>
    /// Sends one reply or notification. Returns the error number: 0, or ENOENT when nobody waits for the answer any
    /// more (or knows the object of a notification), ENODEV after the end.
    /// </summary>
    public int Send(ReadOnlySpan<byte> message)
    {
        while (true)
        {
            if (_fd.IsClosed) return ENoDev;
            nint n;
            try
            {
                fixed (byte* p = message) n = Libc.Write(_fd, p, (nuint)message.Length);
            }
            catch (ObjectDisposedException)
            {
                return ENoDev;
            }
            if (n >= 0) return 0;
            int error = Marshal.GetLastPInvokeError();
            if (error != EIntr) return error;
        }
    }

    public void Dispose() => _fd.Dispose();
}
