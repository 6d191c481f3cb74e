using System;
using System.Threading;

namespace NasCore.Blockmap;

/// <summary>
/// Who still reads extents outside the file system lock (architecture R1): a reader notes the flush group that was
/// open when it started; a big-block freed by group g is reused only when no reader from g or before is left.
/// </summary>
public sealed class ReaderEpochs(Func<long> openGroup)
{
    readonly long[] _slots = new long[64];

    /// <summary>Takes a slot; called under the shared lock, so that the group cannot change meanwhile.</summary>
    public int Enter()
    {
        long group = openGroup();
        var wait = new SpinWait();
        while (true)
        {
            for (int i = 0; i < _slots.Length; i++)
            {
                if (Volatile.Read(ref _slots[i]) == 0 && Interlocked.CompareExchange(ref _slots[i], group, 0) == 0)
                    return i;
            }
            wait.SpinOnce();
        }
    }

    public void Leave(int slot) => Volatile.Write(ref _slots[slot], 0);

    /// <summary>The oldest group that a present reader started in; long.MaxValue without readers.</summary>
    public long Oldest()
    {
        long oldest = long.MaxValue;
        foreach (ref long slot in _slots.AsSpan())
        {
            long group = Volatile.Read(ref slot);
            if (group != 0 && group < oldest) oldest = group;
        }
        return oldest;
    }
}
