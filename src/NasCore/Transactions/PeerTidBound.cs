using System;
using NasCore.Primitives;

namespace NasCore.Transactions;

// How far a peer may raise the TIDs of a volume
//
// TIDs and object ids come out of one counter for the whole volume, and what is received raises it (M7). A peer that
// may write one PFS could so use up the numbers of all of them. No fixed bound helps: who is raised to it gives out
// higher numbers himself from then on, and his own slaves, which have the same bound, refuse him for ever. So above
// what an honest volume ever has, the bound rises with the time for which the volume is mounted, by the monotonic
// clock. It rises faster than any volume's own work, so who was raised is followed by all that are fed from him, at
// the latest some time later; and slowly enough that a peer who does nothing else needs centuries.
//
// The bound begins at what the volume has at the mount, so one whose numbers are high already goes on.

/// <summary>The highest TID that a volume takes from a peer now; see the page above. Safe for all threads.</summary>
public sealed class PeerTidBound(ulong tidAtMount, TimeProvider time)
{
    /// <summary>More than a volume's own work and some promotions add in years.</summary>
    const ulong Spare = 1UL << 40;
    /// <summary>So many a second on top: more than any box gives out.</summary>
    public const ulong PerSecond = 1UL << 30;
    /// <summary>Ids are positive numbers of 63 bits; the rest is for the volume's own work.</summary>
    const ulong End = (1UL << 63) - (1UL << 60);

    readonly long _from = time.GetTimestamp();

    public ulong Now
    {
        get
        {
            ulong begin = Math.Min(Math.Max(tidAtMount, Tid.PeerMax), End) + Spare;
            double seconds = Math.Clamp(time.GetElapsedTime(_from).TotalSeconds, 0, (double)(End / PerSecond));
            return Math.Min(begin + (ulong)(seconds * PerSecond), End);
        }
    }

    /// <summary>Whole seconds until a value is taken; null if it never is.</summary>
    public long? SecondsUntil(ulong value)
    {
        if (value > End) return null;
        ulong now = Now;
        return value <= now ? 0 : (long)((value - now) / PerSecond) + 1;
    }
}
