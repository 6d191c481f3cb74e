using System.Threading;

namespace NasCore.Fuse.Dispatch;

/// <summary>
/// Remembers for recently opened files which state their cached pages belong to, so that reopening an unchanged
/// file keeps its pages although others may write it. A direct-mapped table of fixed size; a collision only costs
/// the pages.
/// </summary>
sealed class OpenStamps
{
    const int Slots = 4096;

    readonly ulong[] _stamps = new ulong[Slots];

    /// <summary>Notes the state of a file and says whether it is the one noted last.</summary>
    public bool Note(ulong node, in FileAttr attr)
    {
        ulong slot = node * 0x9E3779B97F4A7C15UL >> 52;
        ulong stamp = (node ^ attr.Size * 31) * 0xD6E8FEB86659FD93UL;
        stamp = (stamp ^ attr.Mtime ^ (attr.Ctime << 20)) * 0x9E3779B97F4A7C15UL | 1;
        return Interlocked.Exchange(ref _stamps[slot], stamp) == stamp;
    }
}
