using System;
using System.IO;
using System.Runtime.InteropServices;

namespace NasLinux;

/// <summary>How a SCSI command ended; sense data are with whoever asked.</summary>
/// <param name="Status">The device's status byte: 0 good, 2 check condition.</param>
/// <param name="Host">The host adapter's word: 0 if the device was reached.</param>
/// <param name="Driver">The driver's word; its low bits are 8 where there are sense data.</param>
public readonly record struct ScsiReply(byte Status, ushort Host, ushort Driver);

/// <summary>A way to send commands without data to a disk; a simulated one decodes the very bytes.</summary>
public interface IScsiPort : IDisposable
{
    /// <summary>Sends a command and waits for its end; the kernel gives it up after the limit.</summary>
    /// <param name="cdb">The command's bytes.</param>
    /// <param name="sense">Filled with sense data; bytes that the device did not send are 0.</param>
    /// <param name="limit">Longest time.</param>
    /// <exception cref="IOException">The device takes no such commands, or this process must not send them.</exception>
    ScsiReply Execute(ReadOnlySpan<byte> cdb, Span<byte> sense, TimeSpan limit);
}

/// <summary>
/// A block device that takes SCSI commands (SG_IO of linux/scsi/sg.h), as those behind libata, SAS and USB bridges do.
/// Opening it this way sends nothing to the disk.
/// </summary>
public sealed unsafe class ScsiDevice : IScsiPort
{
    const int ORdOnly = 0, ONonBlock = 0x800, OCloExec = 0x80000;
    const nuint SgIo = 0x2285;
    const int NoData = -1, CdbBytesMax = 16;

    readonly string _path;
    int _fd;

    ScsiDevice(string path, int fd)
    {
        _path = path;
        _fd = fd;
    }

    /// <exception cref="IOException">It is not there.</exception>
    public static ScsiDevice Open(string path)
    {
        int fd = Libc.Open(path, ORdOnly | ONonBlock | OCloExec, 0);
        if (fd < 0) throw LinuxError.Exception($"cannot open {path}", Marshal.GetLastPInvokeError());
        return new ScsiDevice(path, fd);
    }

    public ScsiReply Execute(ReadOnlySpan<byte> cdb, Span<byte> sense, TimeSpan limit)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(cdb.Length, CdbBytesMax);
        sense.Clear();
        fixed (byte* command = cdb)
        {
            fixed (byte* senseData = sense)
            {
                var header = new SgIoHeader
                {
                    Interface = 'S', Direction = NoData, CommandBytes = (byte)cdb.Length, Command = command,
                    SenseBytesMax = (byte)Math.Min(sense.Length, byte.MaxValue), Sense = senseData,
                    TimeoutMs = (uint)limit.TotalMilliseconds,
                };
                if (Libc.Ioctl(_fd, SgIo, &header) != 0)
                    throw LinuxError.Exception($"{_path} takes no SCSI commands", Marshal.GetLastPInvokeError());
                return new ScsiReply(header.Status, header.HostStatus, header.DriverStatus);
            }
        }
    }

    public void Dispose()
    {
        int fd = _fd;
        _fd = -1;
        if (fd >= 0) _ = Libc.Close(fd);
    }

    /// <summary>struct sg_io_hdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    struct SgIoHeader
    {
        internal int Interface, Direction;
        internal byte CommandBytes, SenseBytesMax;
        internal ushort VectorCount;
        internal uint DataBytes;
        internal void* Data;
        internal byte* Command, Sense;
        internal uint TimeoutMs, Flags;
        internal int PackId;
        internal void* UserPointer;
        internal byte Status, MaskedStatus, MessageStatus, SenseBytes;
        internal ushort HostStatus, DriverStatus;
        internal int Residue;
        internal uint DurationMs, Info;
    }
}
