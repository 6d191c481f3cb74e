using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NasLinux;

/// <summary>
/// A netlink socket that hears when links and addresses of this network namespace change (rtnetlink(7)). What exactly
/// has changed is not told: messages may be lost, so who cares looks for himself. One thread reads.
/// </summary>
public sealed unsafe class NetworkSocket : IDisposable
{
    const int AfNetlink = 16, SockRawCloexec = 3 | 0x80000, NetlinkRoute = 0;
    const uint Link = 1, Ipv4Address = 0x10, Ipv6Address = 0x100;
    const int AddressBytes = 12, MessageBytesMax = 16 * 1024;
    const short PollIn = 1;

    readonly SafeFileHandle _socket;
    readonly byte[] _buffer = new byte[MessageBytesMax];

    NetworkSocket(SafeFileHandle socket) => _socket = socket;

    /// <summary><see cref="System.IO.IOException"/> where the system has no such socket, or does not let us.</summary>
    public static NetworkSocket Open()
    {
        int fd = Libc.Socket(AfNetlink, SockRawCloexec, NetlinkRoute);
        if (fd < 0) throw LinuxError.Exception("network events: socket", Marshal.GetLastPInvokeError());
        var socket = new SafeFileHandle(fd, ownsHandle: true);
        byte* address = stackalloc byte[AddressBytes];
        var fields = new Span<byte>(address, AddressBytes);
        fields.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(fields, AfNetlink);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[8..], Link | Ipv4Address | Ipv6Address);
        if (Libc.Bind(socket, address, AddressBytes) == 0) return new NetworkSocket(socket);
        int error = Marshal.GetLastPInvokeError();
        socket.Dispose();
        throw LinuxError.Exception("network events: bind", error);
    }

    /// <summary>Waits for a message of the kernel, at most so long; true if one came, or some were lost.</summary>
    public bool Wait(int milliseconds)
    {
        const int eIntr = 4, eAgain = 11, eNoBufs = 105, dontWait = 0x40;
        var poll = new PollFd { Fd = (int)_socket.DangerousGetHandle(), Events = PollIn };
        if (Libc.Poll(&poll, 1, milliseconds) <= 0) return false;
        byte* address = stackalloc byte[AddressBytes];
        uint addressBytes = AddressBytes;
        nint got;
        fixed (byte* buffer = _buffer)
            got = Libc.RecvFrom(_socket, buffer, MessageBytesMax, dontWait, address, &addressBytes);
        if (got < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error is eIntr or eAgain) return false;
            if (error != eNoBufs) throw LinuxError.Exception("network events: recvfrom", error);
            return true;
        }
        // Other processes may send to it as well.
        return BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(address + 4, 4)) == 0;
    }

    public void Dispose() => _socket.Dispose();
}
