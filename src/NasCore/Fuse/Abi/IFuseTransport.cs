using System;

namespace NasCore.Fuse.Abi;

/// <summary>
/// Where requests come from and replies go to: a descriptor of /dev/fuse, a socket, or a test. One receiver at a
/// time; replies and notifications come from any thread, also after the end (they are dropped then).
/// </summary>
public interface IFuseTransport : IDisposable
{
    /// <summary>Waits for one whole request. Returns its length, 0 at the end of the session.</summary>
    int Receive(Span<byte> buffer);

    /// <summary>
    /// Looks for a request for a moment without sleeping; false, at once, where that cannot be done.
    /// </summary>
    bool Poll(int microseconds) => false;

    /// <summary>
    /// Sends one whole reply or notification. False if the other side no longer wants it: what the reply promised
    /// (a node, an open file) must be taken back.
    /// </summary>
    bool Send(ReadOnlySpan<byte> message);
}
