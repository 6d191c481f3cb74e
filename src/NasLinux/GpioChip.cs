using System;
using System.Buffers.Binary;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;

namespace NasLinux;

/// <summary>
/// A GPIO chip through version 2 of the kernel's character device (linux/gpio.h): lines are requested, and belong to
/// this process until they are released. The version 1 calls are missing on newer kernels, and libgpiod has another
/// name on each release.
/// </summary>
public sealed unsafe class GpioChip : IDisposable
{
    const int ORdWr = 2, OCloExec = 0x80000;
    const nuint GetChipInfo = 0x8044B401, GetLine = 0xC250B407;

    // struct gpiochip_info: name[32], label[32], lines.
    const int ChipInfoBytes = 68, LabelAt = 32, LabelBytes = 32, LinesAt = 64;

    // struct gpio_v2_line_request: offsets[64], consumer[32], config, num_lines, event_buffer_size, padding[5], fd.
    const int RequestBytes = 592, ConsumerAt = 256, ConsumerBytes = 32, ConfigAt = 288, LineCountAt = 560, FdAt = 588;

    readonly string _path;
    int _fd;

    GpioChip(string path, int fd, string label, int lines)
    {
        _path = path;
        _fd = fd;
        Label = label;
        Lines = lines;
    }

    public string Label { get; }

    /// <summary>Number of lines; they are numbered from 0.</summary>
    public int Lines { get; }

    /// <exception cref="IOException">It is not there, or no GPIO chip.</exception>
    public static GpioChip Open(string path)
    {
        int fd = Libc.Open(path, ORdWr | OCloExec, 0);
        if (fd < 0) throw LinuxError.Exception($"cannot open {path}", Marshal.GetLastPInvokeError());
        Span<byte> info = stackalloc byte[ChipInfoBytes];
        info.Clear();
        fixed (byte* p = info)
        {
            if (Libc.Ioctl(fd, GetChipInfo, p) != 0)
            {
                int error = Marshal.GetLastPInvokeError();
                _ = Libc.Close(fd);
                throw LinuxError.Exception($"{path} is no GPIO chip", error);
            }
        }
        ReadOnlySpan<byte> label = info.Slice(LabelAt, LabelBytes);
        int end = label.IndexOf((byte)0);
        return new GpioChip(path, fd, Encoding.ASCII.GetString(end < 0 ? label : label[..end]),
            BinaryPrimitives.ReadInt32LittleEndian(info[LinesAt..]));
    }

    /// <summary>Takes a line for this process.</summary>
    /// <param name="output">Its direction.</param>
    /// <param name="high">The first level of an output.</param>
    /// <exception cref="IOException">There is no such line, or it is in use.</exception>
    public GpioLine Request(int line, bool output, bool high, string consumer)
    {
        Span<byte> request = stackalloc byte[RequestBytes];
        request.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(request, line);
        Encoding.ASCII.GetBytes(consumer.AsSpan(0, Math.Min(consumer.Length, ConsumerBytes - 1)),
            request[ConsumerAt..]);
        GpioLine.WriteConfig(request[ConfigAt..], output, high);
        BinaryPrimitives.WriteInt32LittleEndian(request[LineCountAt..], 1);
        fixed (byte* p = request)
        {
            if (Libc.Ioctl(_fd, GetLine, p) != 0)
                throw LinuxError.Exception($"cannot take line {line} of {_path}", Marshal.GetLastPInvokeError());
        }
        return new GpioLine(BinaryPrimitives.ReadInt32LittleEndian(request[FdAt..]), $"line {line} of {_path}");
    }

    public void Dispose()
    {
        int fd = _fd;
        _fd = -1;
        if (fd >= 0) _ = Libc.Close(fd);
    }
}

/// <summary>A line that belongs to this process; the kernel takes it back when this is disposed, or the process ends.
/// </summary>
public sealed unsafe class GpioLine : IDisposable
{
    const nuint SetConfig = 0xC110B40D, GetValues = 0xC010B40E, SetValues = 0xC010B40F;
    const ulong FlagInput = 1 << 2, FlagOutput = 1 << 3;

    // struct gpio_v2_line_config: flags, num_attrs, padding[5], attrs[10] of (id, padding, value, mask).
    const int ConfigBytes = 272, AttributeCountAt = 8, AttributeAt = 32, ValueAt = 40, MaskAt = 48;
    const int AttributeOutputValues = 2;

    readonly string _name;
    int _fd;

    internal GpioLine(int fd, string name)
    {
        _fd = fd;
        _name = name;
    }

    internal static void WriteConfig(Span<byte> config, bool output, bool high)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(config, output ? FlagOutput : FlagInput);
        if (!output) return;
        BinaryPrimitives.WriteInt32LittleEndian(config[AttributeCountAt..], 1);
        BinaryPrimitives.WriteInt32LittleEndian(config[AttributeAt..], AttributeOutputValues);
        BinaryPrimitives.WriteUInt64LittleEndian(config[ValueAt..], high ? 1u : 0u);
        BinaryPrimitives.WriteUInt64LittleEndian(config[MaskAt..], 1);
    }

    /// <summary>Turns the line round.</summary>
    public void Configure(bool output, bool high)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        config.Clear();
        WriteConfig(config, output, high);
        fixed (byte* p = config) Call(SetConfig, p, "configuring");
    }

    public bool Read()
    {
        ulong* values = stackalloc ulong[2] { 0, 1 };
        Call(GetValues, values, "reading");
        return (values[0] & 1) != 0;
    }

    public void Write(bool high)
    {
        ulong* values = stackalloc ulong[2] { high ? 1u : 0u, 1 };
        Call(SetValues, values, "writing");
    }

    void Call(nuint request, void* argument, string what)
    {
        if (Libc.Ioctl(_fd, request, argument) != 0)
            throw LinuxError.Exception($"{what} {_name}", Marshal.GetLastPInvokeError());
    }

    public void Dispose()
    {
        int fd = _fd;
        _fd = -1;
        if (fd >= 0) _ = Libc.Close(fd);
    }
}
