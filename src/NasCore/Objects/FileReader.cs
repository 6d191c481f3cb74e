using System;
using System.Runtime.CompilerServices;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Objects;

/// <summary>Up to 68 extents: what one read of 1 MiB can touch.</summary>
[InlineArray(ExtentPlan.ExtentsMax)]
public struct ExtentList
{
    LeafElm _first;
}

/// <summary>The extents that a read of a file needs, found under the lock and read outside it.</summary>
public struct ExtentPlan
{
    public const int ExtentsMax = 68;

    public ExtentList Extents;
    public int Count;
    /// <summary>File offset up to which the plan is complete: so many extents, and so many records looked at, are
    /// possible in one plan.</summary>
    public long End;
}

/// <summary>
/// Reads file data (on-disk-format 5.5): records carry the end offset as key, ranges without a record are holes,
/// bytes behind the end of a record up to the next one are zeros.
/// </summary>
public sealed class FileReader(VolumeSet volumes, RecordReader records)
{
    readonly VolumeSet _volumes = volumes;

    /// <summary>Records that are not visible, looked at for one plan: the caller holds the lock.</summary>
    const int ElementsMax = 4096;

    /// <summary>Finds the visible extents of a range. The caller holds the file system lock.</summary>
    public static void Plan(BTreeCursor cursor, int pfsId, long objId, ulong asOf, long offset, long length,
        ref ExtentPlan plan)
    {
        plan.Count = 0;
        long end = offset > long.MaxValue - length ? long.MaxValue : offset + length;
        plan.End = end;
        BaseElm key = RecordKey.Data(pfsId, objId, offset == long.MaxValue ? offset : offset + 1);
        key.CreateTid = 1;
        int visited = 0;
        for (bool more = cursor.SeekFirst(in key); more; more = cursor.NextFor(asOf))
        {
            ref LeafElm elm = ref cursor.Elm;
            if (elm.Base.Localization != key.Localization || elm.Base.ObjId != objId
                || elm.Base.RecType != RecType.Data) return;
            long start = unchecked(elm.Base.Key - elm.DataLen);
            // The first extent with a base beyond the range ends the search, whether visible or not: extents are at
            // most one block long, and keys ascend.
            if (start >= end && elm.Base.Key - HammerConst.ExtentBytesMax >= end) return;
            if (start >= end || !Tid.Visible(elm.Base.CreateTid, elm.Base.DeleteTid, asOf))
            {
                if (++visited < ElementsMax) continue;
                // Records behind this one may lie in its block, not before it.
                long known = elm.Base.Key - elm.Base.Key % HammerConst.BlockBytesAt(elm.Base.Key);
                if (known <= offset || known >= end) continue;
                plan.End = known;
                return;
            }
            RecordReader.CheckPlace(in elm);
            if (plan.Count == ExtentPlan.ExtentsMax)
            {
                plan.End = Math.Max(start, offset);
                return;
            }
            plan.Extents[plan.Count++] = elm;
        }
    }

    /// <summary>
    /// Fills destination (which starts at a file offset) from a plan. Full extents go straight to their place, others
    /// over the scratch (64 KiB). Zone-11 data come through the cache, so the lock is to be held for those:
    /// <see cref="NeedsLock"/>.
    /// </summary>
    public void Fill(ref ExtentPlan plan, long offset, Span<byte> destination, Span<byte> scratch)
    {
        long at = offset;
        long end = offset + destination.Length;
        for (int i = 0; i < plan.Count && at < end; i++)
        {
            ref LeafElm elm = ref plan.Extents[i];
            long start = elm.Base.Key - elm.DataLen;
            long from = Math.Max(start, at), to = Math.Min(elm.Base.Key, end);
            if (to <= from) continue;
            destination[(int)(at - offset)..(int)(from - offset)].Clear();
            if (start >= at && elm.Base.Key <= end)
            {
                records.Read(in elm, destination.Slice((int)(start - offset), elm.DataLen));
            }
            else
            {
                records.Read(in elm, scratch);
                scratch[(int)(from - start)..(int)(to - start)].CopyTo(destination[(int)(from - offset)..]);
            }
            at = to;
        }
        destination[(int)(at - offset)..].Clear();
    }

    /// <summary>True if the plan touches data that live in the buffer cache.</summary>
    public static bool NeedsLock(ref ExtentPlan plan)
    {
        for (int i = 0; i < plan.Count; i++)
        {
            if (plan.Extents[i].Data.Zone != Zone.LargeData) return true;
        }
        return false;
    }

    /// <summary>Bytes read so far, for status.</summary>
    public long BytesRead => _volumes.BytesRead;
}
