using System;
using NasCore.Primitives;

namespace NasCore.Transactions;

/// <summary>
/// The one counter of transaction and object ids (on-disk-format 7). Architecture W4: object ids come from a pool that
/// is reserved before the group's TID, so that every id stored by a group lies below its TID; a slave, which learns
/// from received TIDs only, can then never hand out an id twice after its promotion.
/// </summary>
public sealed class TidAllocator
{
    /// <summary>Ids reserved at a time; a group that needs more closes early.</summary>
    const ulong PoolIds = 1 << 17;
    /// <summary>A pool with fewer ids than this is renewed when a group opens.</summary>
    const ulong PoolLow = 1 << 14;

    ulong _next;
    ulong _poolAt, _poolEnd;

    /// <param name="next">vol0_next_tid: everything on the medium is at most this.</param>
    public TidAllocator(ulong next) => _next = next;

    /// <summary>Nothing above this has been handed out; to be written as vol0_next_tid.</summary>
    public ulong Next => _next;

    /// <summary>Object ids left for the open group.</summary>
    public ulong PoolLeft => _poolEnd - _poolAt;

    /// <summary>The TID of a new flush group, above all ids in its pool.</summary>
    public ulong OpenGroup()
    {
        if (PoolLeft < PoolLow)
        {
            _poolAt = Align(_next);
            _poolEnd = _poolAt + PoolIds;
            _next = _poolEnd;
        }
        return Allocate();
    }

    /// <summary>A TID of its own (snapshot records); it lies above everything handed out so far.</summary>
    public ulong Allocate()
    {
        ulong tid = Align(_next);
        if (tid >= Tid.AllocLimit) throw new InvariantException("the transaction ids of this file system are used up");
        _next = tid + 16;
        return tid;
    }

    /// <summary>A new object id, below the open group's TID. The caller has checked <see cref="PoolLeft"/>.</summary>
    public long NewObjId()
    {
        Invariant.Check(PoolLeft > 0, "an object id is taken from a pool that has one");
        return (long)_poolAt++;
    }

    /// <summary>Moves on to at least this value: received TIDs, ids and batch ends (architecture M7).</summary>
    public void RaiseTo(ulong value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(value, Tid.AllocLimit);
        if (value > _next) _next = value;
    }

    /// <summary>Forgets the pool: ids below received TIDs are not handed out any more.</summary>
    public void DropPool() => _poolAt = _poolEnd;

    static ulong Align(ulong next) => (next + 16) & ~15UL;
}
