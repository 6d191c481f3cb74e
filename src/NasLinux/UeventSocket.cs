using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace NasLinux;

/// <summary>What the kernel says when a device comes, goes or changes.</summary>
/// <param name="Action">add, remove, change, move, bind, ...</param>
/// <param name="Subsystem">block for disks and partitions; empty if it was not said.</param>
/// <param name="Device">The name under /dev; empty if it has none.</param>
public sealed record Uevent(string Action, string Subsystem, string Device);

/// <summary>
/// A netlink socket that hears the kernel's device events (netlink(7), NETLINK_KOBJECT_UEVENT, group 1). Messages of
/// other processes, which may send to it as well, are dropped. One thread reads.
/// </summary>
public sealed unsafe class UeventSocket : IDisposable
{
    const int AfNetlink = 16, SockRawCloexec = 3 | 0x80000, KobjectUevent = 15, KernelGroup = 1;
    const int AddressBytes = 12, MessageBytesMax = 16 * 1024;
    const short PollIn = 1;

    readonly SafeFileHandle _socket;
    readonly byte[] _buffer = new byte[MessageBytesMax];

    UeventSocket(SafeFileHandle socket) => _socket = socket;

    /// <summary><see cref="System.IO.IOException"/> where the system has no such socket, or does not let us.</summary>
    public static UeventSocket Open()
    {
        int fd = Libc.Socket(AfNetlink, SockRawCloexec, KobjectUevent);
        if (fd < 0) throw LinuxError.Exception("device events: socket", Marshal.GetLastPInvokeError());
        var socket = new SafeFileHandle(fd, ownsHandle: true);
        byte* address = stackalloc byte[AddressBytes];
        var fields = new Span<byte>(address, AddressBytes);
        fields.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(fields, AfNetlink);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[8..], KernelGroup);
        if (Libc.Bind(socket, address, AddressBytes) == 0) return new UeventSocket(socket);
        int error = Marshal.GetLastPInvokeError();
        socket.Dispose();
        throw LinuxError.Exception("device events: bind", error);
    }

    /// <summary>
    /// Waits for the next event of the kernel, at most so long. False if there was none, or it was no event of the
    /// kernel's. Messages lost because nobody read them in time are told as an event with the action "lost".
    /// </summary>
    public bool TryRead(int milliseconds, out Uevent uevent)
    {
        const int eIntr = 4, eAgain = 11, eNoBufs = 105;
        uevent = new Uevent("", "", "");
        var poll = new PollFd { Fd = (int)_socket.DangerousGetHandle(), Events = PollIn };
        int ready = Libc.Poll(&poll, 1, milliseconds);
        if (ready <= 0) return false;
        byte* address = stackalloc byte[AddressBytes];
        uint addressBytes = AddressBytes;
        nint got;
        fixed (byte* buffer = _buffer)
        {
            const int dontWait = 0x40;
            got = Libc.RecvFrom(_socket, buffer, MessageBytesMax, dontWait, address, &addressBytes);
        }
        if (got < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error is eIntr or eAgain) return false;
            if (error != eNoBufs) throw LinuxError.Exception("device events: recvfrom", error);
            uevent = new Uevent("lost", "", "");
            return true;
        }
        uint sender = BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(address + 4, 4));
        return sender == 0 && TryParse(_buffer.AsSpan(0, (int)got), out uevent);
    }

    /// <summary>A message: ACTION@PATH, then KEY=VALUE, each ended by a zero byte.</summary>
    public static bool TryParse(ReadOnlySpan<byte> message, out Uevent uevent)
    {
        string action = "", subsystem = "", device = "";
        bool isFirst = true;
        while (!message.IsEmpty)
        {
            int end = message.IndexOf((byte)0);
            ReadOnlySpan<byte> word = end < 0 ? message : message[..end];
            message = end < 0 ? [] : message[(end + 1)..];
            // Without this head it is a message of udev's own kind, or none.
            if (isFirst && !word.Contains((byte)'@')) break;
            isFirst = false;
            if (word.StartsWith("ACTION="u8)) action = Encoding.UTF8.GetString(word[7..]);
            else if (word.StartsWith("SUBSYSTEM="u8)) subsystem = Encoding.UTF8.GetString(word[10..]);
            else if (word.StartsWith("DEVNAME="u8)) device = Encoding.UTF8.GetString(word[8..]);
        }
        uevent = new Uevent(action, subsystem, device);
        return action.Length > 0;
    }

    public void Dispose() => _socket.Dispose();
}
