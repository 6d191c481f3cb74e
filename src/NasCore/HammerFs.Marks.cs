using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.BTree;
using NasCore.Maintenance;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

// Time marks, and which states of the past are still whole (Pfs/TimeMarks)
//
// Three things take versions away, and each is noted durably before the first one goes or together with it: prunes
// (PrunedTo); removals without history, by the mount option or by a flag of a file (HistoryLoss, written once a mount
// by the very group that removes first); and the return of a former master, which takes all that lies behind a TID.
public sealed partial class HammerFs
{
    /// <summary>Held from reading a list of marks to its replacement; outside the file system lock.</summary>
    readonly Lock _marksLock = new();

    /// <summary>Moments of a PFS that are still whole, ascending (Pfs/TimeMarks).</summary>
    public List<TimeMark> Marks(int pfsId) => Shared(cursor =>
    {
        if (MarksRead(cursor, pfsId) is not { } data) return [];
        ulong from = LossOf(pfsId, TimeMarks.Loss(data)).HollowTo, end = EndOfMarks(pfsId);
        List<TimeMark> marks = TimeMarks.Decode(data);
        marks.RemoveAll(m => m.Tid < from || m.Tid > end);
        return marks;
    });

    /// <summary>
    /// A slave has no state behind its end: names of such states are of a former master that is still going back.
    /// </summary>
    ulong EndOfMarks(int pfsId)
    {
        PfsState pfs = PfsOf(pfsId);
        return pfs.Exists && pfs.Data.IsSlave ? pfs.Data.SyncEndTid : Tid.Max;
    }

    /// <summary>Below this TID prunes may have removed what is neither marked nor a snapshot; 0: nothing.</summary>
    public ulong PrunedTo(int pfsId) =>
        ReadHistory(ConfigKey(pfsId, TimeMarks.RecordKey)) is { } data ? TimeMarks.PrunedTo(data) : 0;

    /// <summary>Below which TIDs versions were removed without history.</summary>
    public HistoryLoss HistoryLoss(int pfsId) => Shared(cursor =>
        LossOf(pfsId, MarksRead(cursor, pfsId) is { } data ? TimeMarks.Loss(data) : default));

    /// <summary>
    /// True if the state as of a TID is whole: no prune has gone over it without keeping it, and no mount without
    /// history has removed anything since. Files that are flagged to have no history are another matter.
    /// </summary>
    public bool IsWhole(int pfsId, ulong tid) => tid >= HistoryLoss(pfsId).HollowTo
        && (tid >= PrunedTo(pfsId) || Marks(pfsId).Exists(m => m.Tid == tid)
            || Snapshots(pfsId).Exists(s => s.Tid == tid));

    byte[]? MarksRead(BTreeCursor cursor, int pfsId)
    {
        if (!cursor.SeekAsOf(ConfigKey(pfsId, TimeMarks.RecordKey), Tid.Max)) return null;
        if (cursor.Elm.DataOffset == 0) return null;
        byte[] data = new byte[cursor.Elm.DataLen];
        _records.Read(in cursor.Elm, data);
        return data;
    }

    // ------------------------------------------------------------------ changing the list

    struct MarksArg
    {
        public int PfsId;
        public List<TimeMark> Marks;
        public ulong PrunedTo;
    }

    /// <summary>Replaces the list, durably; what was lost without history stays noted.</summary>
    Errno PutMarks(int pfsId, List<TimeMark> marks, ulong prunedTo)
    {
        var arg = new MarksArg { PfsId = pfsId, Marks = marks, PrunedTo = prunedTo };
        while (true)
        {
            Errno result = Mutate(HistoryNodes, ref arg, (BTreeCursor cursor, ref MarksArg a) =>
                PutMarksLocked(cursor, a.PfsId, a.Marks, a.PrunedTo,
                    StoredLoss(a.PfsId, MarksRead(cursor, a.PfsId) is { } data ? TimeMarks.Loss(data) : default)));
            if (result.IsError && result != Errno.NeedFlush) return result;
            bool isDone = !result.IsError;
            result = SyncAndWait();
            if (isDone || result.IsError) return result;
        }
    }

    /// <param name="cursor">Any.</param>
    /// <param name="pfsId">The PFS.</param>
    /// <param name="marks">The list.</param>
    /// <param name="prunedTo">How far prunes have gone.</param>
    /// <param name="loss">As it is to be stored.</param>
    /// <param name="removal">What follows gives space back, so the reserve may be used.</param>
    Errno PutMarksLocked(BTreeCursor cursor, int pfsId, List<TimeMark> marks, ulong prunedTo, HistoryLoss loss,
        bool removal = false)
    {
        var arg = new HistoryArg
        {
            Key = ConfigKey(pfsId, TimeMarks.RecordKey), Data = TimeMarks.Encode(marks, prunedTo, loss),
            Replaces = true,
        };
        Errno space = CheckSpace(HammerConst.NodeBytes + arg.Data.Length, removal);
        return space.IsError ? space : StoreHistoryLocked(cursor, ref arg);
    }

    /// <summary>
    /// Notes which TID belongs to the present moment. Everything done so far becomes durable first, on a slave the mark
    /// is its last whole batch. Nothing happens if nothing has changed since the last mark, and the answer is the
    /// newest TID marked. <see cref="Errno.Again"/> if the clock has not been set.
    /// </summary>
    /// <param name="pfsId">The PFS.</param>
    /// <param name="thins">The clock is certain: the list may be thinned by it.</param>
    /// <param name="tid">The TID of the newest mark.</param>
    public Errno AddMark(int pfsId, bool thins, out ulong tid)
    {
        Errno result = SnapshotTid(pfsId, out tid);
        if (result.IsError) return result;
        DateTimeOffset now = _options.Time.GetUtcNow();
        if (now < TimeMarks.ClockIsSetFrom) return Errno.Again;
        lock (_marksLock)
        {
            // The PFS has gone back meanwhile: there is no such state any more.
            if (tid > SafeTidShared(pfsId)) return Errno.Again;
            List<TimeMark> marks = Marks(pfsId);
            if (marks.Count > 0 && (marks[^1].Tid >= tid || !HasChanged(pfsId, marks[^1].Tid)))
            {
                tid = marks[^1].Tid;
                return Errno.None;
            }
            TimeMarks.Add(marks, new TimeMark(now, tid, FreeBytes), thins);
            return PutMarks(pfsId, marks, PrunedTo(pfsId));
        }
    }

    /// <summary>Takes marks off that a prune by this rule will not keep, and notes how far it goes.</summary>
    Errno DropMarks(int pfsId, PruneRule rule)
    {
        List<TimeMark> marks = Marks(pfsId);
        var kept = new HashSet<ulong>(rule.Kept);
        ulong before = PrunedTo(pfsId), now = Math.Max(before, rule.Limit);
        bool same = marks.RemoveAll(m => m.Tid < rule.Limit && !kept.Contains(m.Tid)) == 0 && now == before;
        return same ? Errno.None : PutMarks(pfsId, marks, now);
    }

    /// <summary>
    /// Takes off the marks behind a TID, in the group of the change that takes their states away; under the exclusive
    /// lock and the lock of marks, with <see cref="PfsNodes"/> promised.
    /// </summary>
    Errno DropMarksBehind(int pfsId, ulong endTid)
    {
        BTreeCursor cursor = RentedSecond();
        if (MarksRead(cursor, pfsId) is not { } data) return Errno.None;
        List<TimeMark> marks = TimeMarks.Decode(data);
        if (marks.RemoveAll(m => m.Tid > endTid) == 0) return Errno.None;
        return PutMarksLocked(cursor, pfsId, marks, TimeMarks.PrunedTo(data), StoredLoss(pfsId, TimeMarks.Loss(data)),
            removal: true);
    }

    /// <summary>
    /// The newest whole state that is at least as old as a moment, by the time marks; 0 if none is known.
    /// </summary>
    public ulong TidAt(int pfsId, DateTimeOffset moment)
    {
        ulong tid = 0;
        foreach (TimeMark mark in Marks(pfsId))
        {
            if (mark.Time <= moment) tid = mark.Tid;
        }
        return tid;
    }

    // ------------------------------------------------------------------ what goes without history

    /// <summary>PFSs whose record says that removals go on: how far they have come in this mount.</summary>
    readonly Dictionary<int, HistoryLoss> _losses = [];

    /// <summary>A note that was left open by an earlier mount ends where this one begins.</summary>
    HistoryLoss LossOf(int pfsId, HistoryLoss stored)
    {
        HistoryLoss here = _losses.GetValueOrDefault(pfsId);
        ulong begin = _core?.TidAtMount ?? _volumes.Root.Header.NextTid;
        return new HistoryLoss(End(stored.HollowTo, here.HollowTo), End(stored.LostTo, here.LostTo));

        ulong End(ulong noted, ulong now) => Math.Max(noted != Tid.Max ? noted : begin, now);
    }

    /// <summary>What a new list has to say: removals that go on stay open.</summary>
    HistoryLoss StoredLoss(int pfsId, HistoryLoss stored)
    {
        HistoryLoss here = _losses.GetValueOrDefault(pfsId), so = LossOf(pfsId, stored);
        return new HistoryLoss(here.HollowTo > 0 ? Tid.Max : so.HollowTo, here.LostTo > 0 ? Tid.Max : so.LostTo);
    }

    /// <summary>
    /// The open group is about to take a version away without a trace (WriteCore.OnRemoval): the first of a mount notes
    /// in the same group that this goes on. False: not now.
    /// </summary>
    bool NoteLoss(int pfsId)
    {
        ulong now = _core!.Group.Tid;
        HistoryLoss before = _losses.GetValueOrDefault(pfsId);
        HistoryLoss after = new(_options.NoHistory ? now : before.HollowTo, now);
        if (_options.NoHistory ? before.HollowTo == 0 : before.LostTo == 0)
        {
            if (!_core.HasCredits(HistoryNodes)) return false;
            BTreeCursor cursor = RentCursor();
            byte[]? data = MarksRead(cursor, pfsId);
            List<TimeMark> marks = data is null ? [] : TimeMarks.Decode(data);
            if (_options.NoHistory) marks.Clear();
            HistoryLoss stored = data is null ? default : TimeMarks.Loss(data);
            _losses[pfsId] = after;
            Errno e = PutMarksLocked(cursor, pfsId, marks, data is null ? 0 : TimeMarks.PrunedTo(data),
                StoredLoss(pfsId, stored), removal: true);
            ReturnCursor(cursor);
            if (!e.IsError) return true;
            // Without room for the note the removal is what makes room; the next group tries again.
            _losses[pfsId] = before;
            return e != Errno.NeedFlush;
        }
        _losses[pfsId] = after;
        return true;
    }
}
