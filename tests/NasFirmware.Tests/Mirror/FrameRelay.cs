using System;
using System.IO;
using System.Threading;
using NasFirmware.Control;

namespace NasFirmware.Tests.Mirror;

/// <summary>Carries the frames of a connection from one stream to another, both ways, and may lose some.</summary>
sealed class FrameRelay
{
    volatile bool _dropsData;

    internal FrameRelay(Stream one, Stream other)
    {
        Carry(new MirrorFrames(one), new MirrorFrames(other));
        Carry(new MirrorFrames(other), new MirrorFrames(one));
    }

    /// <summary>From now on frames of data arrive nowhere, the others do.</summary>
    internal bool DropsData
    {
        get => _dropsData;
        set => _dropsData = value;
    }

    void Carry(MirrorFrames from, MirrorFrames to) => new Thread(() =>
    {
        byte[] buffer = new byte[MirrorFrames.PayloadBytesMax];
        try
        {
            while (from.TryReadHead(out FrameKind kind, out int length))
            {
                from.ReadPayload(buffer.AsSpan(0, length));
                if (kind != FrameKind.Data || !_dropsData) to.Write(kind, buffer.AsSpan(0, length));
            }
        }
        catch (IOException)
        {
            // One end has hung up; so does the other one.
        }
        to.Dispose();
        from.Dispose();
    }) { IsBackground = true }.Start();
}
