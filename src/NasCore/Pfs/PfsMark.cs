using NasCore.Ondisk;

namespace NasCore.Pfs;

/// <summary>
/// Differs: a mark in reserved04 (offset 216) of the PFS record says that every version of an inode carries the mtime
/// that was true then (architecture W12). Without it, mtime is HAMMER's: changed in place, unknown to history, and
/// views of the past show ctime. DragonFly carries the field along and never looks at it.
/// </summary>
public static class PfsMark
{
    /// <summary>"NHt1" as it lies on the medium.</summary>
    public const uint TimesAreHistory = 0x3174484E;

    public static bool HasTimes(in PseudofsData data) => data.Reserved04 == TimesAreHistory;
}
