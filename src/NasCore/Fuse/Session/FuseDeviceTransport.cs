using System;
using NasCore.Fuse.Abi;
using NasLinux;

namespace NasCore.Fuse.Session;

/// <summary>Messages over a descriptor: /dev/fuse, a clone of it, or a packet socket.</summary>
public sealed class FuseDeviceTransport(FuseDevice device) : IFuseTransport
{
    public FuseDevice Device => device;

    public int Receive(Span<byte> buffer) => device.Receive(buffer);

    public bool Poll(int microseconds) => device.Poll(microseconds);

    public bool Send(ReadOnlySpan<byte> message) => device.Send(message) == 0;

    public void Dispose() => device.Dispose();
}
