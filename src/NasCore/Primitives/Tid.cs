using System.Globalization;

namespace NasCore.Primitives;

/// <summary>Transaction ids: monotonic 64-bit numbers, not times (on-disk-format 7).</summary>
public static class Tid
{
    /// <summary>"Now": selects only live records (mirroring-and-operations 0.4).</summary>
    public const ulong Max = 0xFFFF_FFFF_FFFF_FFFF;
    /// <summary>Allocation fails from here on.</summary>
    public const ulong AllocLimit = 0xFFFF_FFFF_FF00_0000;
    /// <summary>
    /// TIDs and object ids up to here are taken from a peer as they come: no honest volume ever has higher ones (a
    /// million new ids a second for two thousand years). Above it a peer raises them slowly
    /// (<c>PeerTidBound</c>).
    /// </summary>
    public const ulong PeerMax = 1UL << 56;
    /// <summary>Value of vol0_next_tid on a new file system.</summary>
    public const ulong Initial = 0x0000_0001_0000_0000;

    /// <summary>The notation of paths and most output: 0x and 16 hex digits.</summary>
    public static string Format(ulong tid) => "0x" + tid.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Visibility of a record version at a TID (on-disk-format 4.9); 0 and Max mean now.</summary>
    public static bool Visible(ulong createTid, ulong deleteTid, ulong asOf) =>
        asOf == 0
            ? deleteTid == 0
            : createTid <= asOf && (deleteTid == 0 || asOf < deleteTid);
}
