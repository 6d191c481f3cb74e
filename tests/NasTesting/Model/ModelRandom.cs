using System.Collections.Generic;

namespace NasTesting.Model;

/// <summary>A small random number generator whose sequence never changes: SplitMix64.</summary>
public sealed class ModelRandom(ulong seed)
{
    ulong _state = seed;

    public ulong Next()
    {
        ulong value = OpsContent.Mix(_state);
        unchecked { _state += 0x9E3779B97F4A7C15; }
        return value;
    }

    /// <summary>0 to below <paramref name="bound"/>.</summary>
    public int Below(int bound) => (int)(Next() % (ulong)bound);

    public long Below(long bound) => (long)(Next() % (ulong)bound);

    /// <summary>True in about so many percent.</summary>
    public bool Percent(int percent) => Below(100) < percent;

    public T Pick<T>(IReadOnlyList<T> list) => list[Below(list.Count)];
}
