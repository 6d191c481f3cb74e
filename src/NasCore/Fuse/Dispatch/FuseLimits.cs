using System;

namespace NasCore.Fuse.Dispatch;

/// <summary>Sizes of the protocol as negotiated; the page size is the machine's, 4 KiB or 16 KiB.</summary>
public sealed record FuseLimits
{
    /// <summary>The largest head of a request, and what a misaligned write may add, in front of the data.</summary>
    const int HeadRoomBytes = 16384;

    /// <summary>Largest WRITE and READ payload in bytes; a multiple of the page size.</summary>
    public int TransferBytesMax { get; init; } = 1 << 20;
    public int PageBytes { get; init; } = Environment.SystemPageSize;
    /// <summary>Requests that the kernel queues in the background, read-ahead mostly.</summary>
    public ushort BackgroundMax { get; init; } = 64;

    /// <summary>Objects outside the live PFSs that the kernel may remember before it is told to forget.</summary>
    public int NodeRowsMax { get; init; } = 1 << 20;

    public int PagesMax => TransferBytesMax / PageBytes;
    /// <summary>Bytes of a buffer that takes any request.</summary>
    public int RequestBytes => TransferBytesMax + HeadRoomBytes;
    /// <summary>Bytes of a buffer that takes any reply.</summary>
    public int ReplyBytes => TransferBytesMax + HeadRoomBytes;
}
