using System;
using System.Collections.Generic;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// Splits a range of TIDs into batches of about equal work (mirroring-and-operations 3.7): every batch is a complete
/// pass over the keys, ends with SYNC and so is a place from which a broken transfer goes on. The work is estimated by
/// a scan without data into 2^20 equal spans of TIDs.
/// </summary>
public sealed class MirrorChunks
{
    const int BucketBits = 20, Buckets = 1 << BucketBits;

    readonly MirrorRange _range;
    readonly long[] _bytes = new long[Buckets];

    // Differs: the spans begin where TIDs begin, at 2^32; the original spreads a full mirror's from 1 and so has no
    // more than a handful that are not empty on a young volume.
    public MirrorChunks(MirrorRange range) =>
        _range = range.End > Tid.Initial ? range with { Begin = Math.Max(range.Begin, Tid.Initial - 1) } : range;

    public long TotalBytes { get; private set; }

    /// <summary>Takes one item of the scan into account.</summary>
    public void Add(MirrorItemKind kind, in LeafElm leaf)
    {
        if (kind == MirrorItemKind.Skip) return;
        long data = kind == MirrorItemKind.Rec ? MrecordHead.Padded(leaf.DataLen) : 0;
        Add(leaf.Base.CreateTid, MrecordRec.Bytes + data);
        Add(leaf.Base.DeleteTid, MrecordRec.Bytes);
    }

    void Add(ulong tid, long bytes)
    {
        if (tid == 0 || tid < _range.Begin || tid > _range.End) return;
        _bytes[BucketOf(tid)] += bytes;
        TotalBytes += bytes;
    }

    // A TID exactly on a bucket's upper edge belongs to it, for an edge is an inclusive end of a chunk.
    int BucketOf(ulong tid)
    {
        ulong at = tid - _range.Begin, span = _range.End - _range.Begin;
        if (at == 0) return 0;
        UInt128 scaled = ((UInt128)at << BucketBits) + span - 1;
        return (int)Math.Min((ulong)(scaled / span) - 1, Buckets - 1);
    }

    ulong Edge(int bucket) =>
        _range.Begin + (ulong)(((UInt128)(_range.End - _range.Begin) * (ulong)(bucket + 1)) >> BucketBits);

    /// <summary>Inclusive ends of the chunks, ascending; the last is the range's end.</summary>
    public List<ulong> Ends(long chunkBytes)
    {
        var ends = new List<ulong>();
        long current = 0;
        for (int i = 0; i < Buckets - 1; i++)
        {
            current += _bytes[i];
            if (current < chunkBytes) continue;
            current = 0;
            ulong edge = Edge(i);
            if (edge < _range.End && (ends.Count == 0 ? edge > _range.Begin : edge > ends[^1])) ends.Add(edge);
        }
        ends.Add(_range.End);
        return ends;
    }
}
