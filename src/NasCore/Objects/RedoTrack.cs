using System;

namespace NasCore.Objects;

/// <summary>
/// What has changed in a file's content since its changes were last logged as REDO, within one flush group: the ranges
/// written, and the lowest size meanwhile. Guarded by the file system lock.
/// </summary>
public sealed class RedoTrack
{
    /// <summary>More ranges than this are not worth REDO records.</summary>
    public const int RangesMax = 64;

    readonly long[] _from = new long[RangesMax];
    readonly long[] _to = new long[RangesMax];

    /// <summary>The flush group that this is about.</summary>
    public long Group { get; private set; }
    /// <summary>Size that the file has after a replay of what is logged.</summary>
    public long LoggedSize { get; private set; }
    /// <summary>Lowest size since then.</summary>
    public long LowSize { get; private set; }
    public int Count { get; private set; }

    /// <summary>Bytes in the ranges.</summary>
    public long Bytes
    {
        get
        {
            long sum = 0;
            for (int i = 0; i < Count; i++) sum += _to[i] - _from[i];
            return sum;
        }
    }

    public (long From, long To) this[int i] => (_from[i], _to[i]);

    /// <summary>Nothing has been logged of this group yet; the file is as the last group left it.</summary>
    public void Begin(long group, long size)
    {
        Group = group;
        Logged(size);
    }

    /// <summary>Everything is logged, and the file has this size.</summary>
    public void Logged(long size)
    {
        LoggedSize = LowSize = size;
        Count = 0;
    }

    /// <summary>Bytes were written; false if there are too many ranges to remember.</summary>
    public bool Write(long from, long to)
    {
        // Ranges are sorted and apart: those that touch the new one become part of it.
        int first = 0;
        while (first < Count && _to[first] < from) first++;
        int after = first;
        while (after < Count && _from[after] <= to)
        {
            from = Math.Min(from, _from[after]);
            to = Math.Max(to, _to[after]);
            after++;
        }
        int grown = Count + 1 - (after - first);
        if (grown > RangesMax) return false;
        Array.Copy(_from, after, _from, first + 1, Count - after);
        Array.Copy(_to, after, _to, first + 1, Count - after);
        (_from[first], _to[first], Count) = (from, to, grown);
        return true;
    }

    /// <summary>The file was cut: what was written behind is gone.</summary>
    public void Truncate(long size)
    {
        LowSize = Math.Min(LowSize, size);
        while (Count > 0 && _from[Count - 1] >= size) Count--;
        if (Count > 0) _to[Count - 1] = Math.Min(_to[Count - 1], size);
    }
}
