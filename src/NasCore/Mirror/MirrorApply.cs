using System;
using System.Buffers.Binary;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

// Writing a stream into a slave PFS (mirroring-and-operations 4.4, 4.5)
//
// The stream names the source's records in key order. Two things follow for each:
// 1 What the target has live between the last item and this one, the source has no more: it is marked deleted at the
// end
//    of the range, but for records that are not older than that end, and for snapshot and config records.
//  2 The record itself: if the target has it, its delete_tid follows the source's; if not, and it came with data, it
//    is created with the source's key, TIDs and times.
// The place reached is a key and whether the record with just that key is behind us ("consumed"): a skip ends before
// its end key,
// a record ends behind its own.
//
// Nothing of that is visible to readers of the slave: they look as of sync_end_tid, and every TID stored here is
// above it.
// SYNC deletes the tail, sets sync_end_tid, and waits until all of it is durable. A batch that breaks leaves its
// records behind; the place that it reached lies in the PFS record, written at each close of a group (M3): a source
// that knows it goes on from there, any other sends all of it again and changes nothing.
//
// Each item is applied in holds of the exclusive lock that have their credits first; when the open flush group is
// full, the thread waits without the lock until it is durable. The thread that writes a PFS is the only one
// that inserts there, so the first record behind the place reached is remembered between holds: runs of new records
// need one descent each.

/// <summary>The target of a mirror stream in a mounted file system.</summary>
public sealed class MirrorApply : IMirrorTarget
{
    /// <summary>Worst case of one item: an insertion that splits at every level, its space, the inode count.</summary>
    const int ItemNodes = 24;
    /// <summary>New data of the PFS record: its leaf, the data, freemap entries of the new and the old place.</summary>
    internal const int HintNodes = 8;
    /// <summary>The record of a <see cref="Pfs.Lineage"/>: an old one goes, a new one comes.</summary>
    internal const int LineageNodes = 24;
    /// <summary>Records looked at in one hold of the lock while a gap is deleted.</summary>
    const int GapRecordsMax = 128;
    /// <summary>Attempts to get space or credits by closing groups.</summary>
    const int WaitsMax = 10;
    /// <summary>Free space that a mirror leaves to others, above all to deletion.</summary>
    const long SpareBytes = 4L * HammerConst.BigBlockBytes;

    readonly IMirrorWriteHost _host;
    readonly int _pfsId;
    readonly BTreeCursor _cursor;
    readonly byte[] _entry = new byte[DirEntryHead.Bytes + HammerConst.NameBytesMax];
    readonly BaseElm _last;
    MirrorRange _range;
    BaseElm _track, _ahead;
    bool _consumed, _aheadKnown;
    long _wholeAt, _promised = -1;
    /// <summary>A batch is under way whose place is noted at each close.</summary>
    bool _noting;

    public MirrorApply(IMirrorWriteHost host, int pfsId)
    {
        _host = host;
        _pfsId = pfsId;
        _cursor = host.NewCursor();
        _last = FilteredScan.LastKey(pfsId);
    }

    /// <summary>Records created, delete_tids that followed the source, and records deleted in gaps, so far.</summary>
    public long Created { get; private set; }
    public long Updated { get; private set; }
    public long GapDeleted { get; private set; }

    public Errno ReadPfs(out PseudofsData pfs) => _host.ReadPfs(_pfsId, out pfs);

    public Lineage? Lineage => _host.Lineage(_pfsId);

    public string? RefusesTid(ulong tid)
    {
        if (_host.Core.PeerTids.SecondsUntil(tid) is not { } seconds) return "no such TID";
        return seconds == 0 ? null : "no volume comes so far by itself, and peers raise TIDs slowly: this one is taken "
            + $"when this volume has been mounted for {TimeSpan.FromSeconds(seconds)} more";
    }

    public Errno Begin(MirrorRange range)
    {
        if (RefusesTid(range.End) is not null) return Errno.Inval;
        Errno left = _host.LeaveSource(_pfsId, range.Source);
        if (left.IsError) return left;
        return Repeat((Self: this, Range: range), static s => s.Self.BeginLocked(s.Range));
    }

    Errno BeginLocked(MirrorRange range)
    {
        if (!_host.Core.HasCredits(HintNodes)) return Errno.NeedFlush;
        Errno result = _host.ReadPfs(_pfsId, out PseudofsData pfs);
        if (result.IsError) return result;
        bool foreign = ResumeHint.TryGet(in pfs, out ResumeHint hint)
            && !(range.IsExact && hint.IsOf(range.Source, range.Begin, range.End));
        if (foreign)
        {
            SlaveMark.EraseHint(ref pfs);
            result = _host.PatchPfs(_pfsId, in pfs);
            if (result.IsError) return result;
        }
        _range = range;
        // What lay ahead at the end of the last batch says nothing about the start of this one.
        _aheadKnown = false;
        MoveTo(FilteredScan.FirstKey(_pfsId), consumed: false);
        Note(range.IsExact);
        return Errno.None;
    }

    public Errno Rec(in LeafElm leaf, ReadOnlySpan<byte> data)
    {
        LeafElm own = Own(in leaf);
        bool hasData = own.DataLen > 0 && own.DataOffset != 0;
        // Nobody writes such records: an inode of it would read as zeros.
        if (own.DataLen > 0 && !hasData) return Errno.Inval;
        if (!hasData) data = default;
        else if (data.Length != own.DataLen
            || !HammerCrc.LeafDataMatches(_host.Version, own.Base.RecType, data, own.DataCrc)) return Errno.Inval;
        if (own.Base.RecType == RecType.DirEntry)
        {
            if (!hasData) return Errno.Inval;
            data = OwnEntry(ref own, data);
        }
        return Item(in own, data, create: own.Base.CreateTid >= _range.Begin);
    }

    public Errno Pass(in LeafElm leaf) => Item(Own(in leaf), default, create: false);

    public Errno Skip(in BaseElm beg, in BaseElm end)
    {
        return Repeat((Self: this, From: OwnKey(beg), To: OwnKey(end)), static s =>
        {
            Errno result = s.Self.DeleteToLocked(in s.From, inclusive: false);
            if (!result.IsError) s.Self.MoveTo(in s.To, consumed: false);
            return result;
        });
    }

    public Errno Commit()
    {
        Errno result = DeleteTo(in _last, inclusive: true);
        if (result.IsError) return result;
        result = Repeat(this, static self => self.CommitLocked());
        return result.IsError ? result : _host.WaitPfsDurable(_pfsId);
    }

    public bool KeepsHints => true;

    /// <summary>
    /// What has come stays, and the place reached becomes durable with it: a link that broke costs nothing.
    /// </summary>
    public void Abandon()
    {
        _aheadKnown = false;
        if (!_noting) return;
        try
        {
            Enter();
        }
        catch (MountCriticalException)
        {
            // Nothing is written any more, neither this nor what it is about.
            return;
        }
        try
        {
            if (_host.Core.HasCredits(HintNodes)) AtClose();
            Note(false);
        }
        finally
        {
            _host.ExitExclusive();
        }
    }

    // ------------------------------------------------------------------ the place reached (M3)

    void Note(bool on)
    {
        _noting = on;
        _host.SetAtClose(_pfsId, on ? AtClose : null);
    }

    /// <summary>
    /// Writes the place reached into the PFS record, in the very group that holds what lies before it. Under the
    /// exclusive lock, so between two items or between two records of a gap, each of which is whole.
    /// </summary>
    void AtClose()
    {
        long before = _host.Core.Writer.Changes;
        try
        {
            if (_host.Core.Freemap.UsableFreeBytes < SpareBytes) return;
            if (_host.ReadPfs(_pfsId, out PseudofsData pfs).IsError || !pfs.IsSlave) return;
            BaseElm next = _track;
            // The key behind one that is done; the largest create_tid has none.
            if (_consumed && next.CreateTid is not 0 and not ulong.MaxValue) next.CreateTid++;
            if (BaseElm.Compare(in next, FilteredScan.FirstKey(_pfsId)) == 0) return;
            var hint = new ResumeHint(_range.Source, _range.Begin, _range.End, in next);
            if (ResumeHint.TryGet(in pfs, out ResumeHint old) && old.IsSame(in hint)) return;
            hint.Store(ref pfs);
            // Without space the older place stays, which is true as well.
            _ = _host.PatchPfs(_pfsId, in pfs);
        }
        catch (HammerMediumException) when (_host.Core.Writer.Changes == before)
        {
            // A damaged PFS record is met, and told of, by whoever asks for it; it is no reason to stop the group.
        }
    }

    Errno CommitLocked()
    {
        if (!_host.Core.HasCredits(ItemNodes + LineageNodes)) return Errno.NeedFlush;
        Errno result = _host.ReadPfs(_pfsId, out PseudofsData pfs);
        if (result.IsError) return result;
        if (!pfs.IsSlave) return Errno.RoFs;
        // In the group that makes it this PFS's history; a source that does not know makes it unknown here.
        result = _host.StoreLineage(_pfsId, _range.Lineage?.UpTo(_range.End));
        if (result.IsError) return result;
        // M7: also where the range ended beyond every TID that was stored.
        _host.Core.Tids.RaiseTo(_range.End);
        bool changed = pfs.SyncEndTid != _range.End || pfs.Reserved04 != _range.TimesMark
            || SlaveMark.FedBy(in pfs) != _range.Source || ResumeHint.TryGet(in pfs, out _);
        pfs.SyncEndTid = _range.End;
        pfs.Reserved04 = _range.TimesMark;
        SlaveMark.SetFed(ref pfs, _range.Source);
        if (_noting) Note(false);
        return changed ? _host.StorePfs(_pfsId, in pfs) : Errno.None;
    }

    // ------------------------------------------------------------------ keys and data in the target's terms

    BaseElm OwnKey(BaseElm key)
    {
        key.Localization = (key.Localization & Localization.TypeMask) | Localization.OfPfs(_pfsId).Value;
        return key;
    }

    LeafElm Own(in LeafElm leaf)
    {
        LeafElm own = leaf;
        own.Base = OwnKey(leaf.Base);
        // M1: a deletion behind the range has not happened yet.
        if (own.Base.DeleteTid > _range.End) own.Base.DeleteTid = 0;
        return own;
    }

    // A directory entry's data name the PFS of the object.
    ReadOnlySpan<byte> OwnEntry(scoped ref LeafElm own, ReadOnlySpan<byte> data)
    {
        Span<byte> entry = _entry.AsSpan(0, data.Length);
        data.CopyTo(entry);
        uint localization = Localization.OfPfs(_pfsId).Value;
        Span<byte> field = entry.Slice(8, 4);
        if (BinaryPrimitives.ReadUInt32LittleEndian(field) == localization) return data;
        BinaryPrimitives.WriteUInt32LittleEndian(field, localization);
        own.DataCrc = HammerCrc.LeafData(_host.Version, RecType.DirEntry, entry);
        return entry;
    }

    void MoveTo(in BaseElm key, bool consumed)
    {
        // A remembered record stays the first one ahead as long as the place reached lies before it.
        if (_aheadKnown)
        {
            int order = BaseElm.Compare(in key, in _ahead);
            if (order > 0 || (order == 0 && consumed)) _aheadKnown = false;
        }
        _track = key;
        _consumed = consumed;
    }

    // ------------------------------------------------------------------ holds of the lock

    /// <summary>
    /// Runs a step under the exclusive lock until it is through: Again goes on with the next hold; NeedFlush and NoSpc
    /// close the group first.
    /// </summary>
    Errno Repeat<TState>(TState state, Func<TState, Errno> step)
    {
        int waits = 0;
        while (true)
        {
            Errno result;
            Enter();
            try
            {
                result = step(state);
            }
            catch (Exception e) when (IsHalfDone)
            {
                _host.LatchHalfDone(e);
                throw;
            }
            finally
            {
                _host.ExitExclusive();
            }
            if (result == Errno.Again)
            {
                waits = 0;
                continue;
            }
            if (result != Errno.NeedFlush && result != Errno.NoSpc) return result;
            if (++waits > WaitsMax) return Errno.NoSpc;
            Errno durable = _host.WaitDurable();
            if (durable.IsError) return durable;
        }
    }

    void Enter()
    {
        _host.EnterExclusive();
        NoteWhole();
        if (!_noting || _promised == _host.Core.Group.Number) return;
        _promised = _host.Core.Group.Number;
        _host.Core.Promise(HintNodes);
    }

    // Every single deletion and insertion is whole by itself; an exception in the middle of one latches the mount.
    void NoteWhole() => _wholeAt = _host.Core.Writer.Changes;

    bool IsHalfDone => _host.Core.Writer.Changes != _wholeAt;

    Errno DeleteTo(in BaseElm key, bool inclusive) =>
        Repeat((Self: this, Key: key, Inclusive: inclusive), static s => s.Self.DeleteToLocked(in s.Key, s.Inclusive));

    /// <summary>
    /// Marks what is live from the place reached up to the key deleted; Again if this hold was not enough. Afterwards
    /// the first record not before the key is known, and the cursor stands at it.
    /// </summary>
    Errno DeleteToLocked(in BaseElm key, bool inclusive)
    {
        if (_aheadKnown && BaseElm.Compare(in key, in _ahead) < 0) return Errno.None;
        if (!_host.Core.HasCredits(ItemNodes)) return Errno.NeedFlush;
        int looked = 0;
        for (bool more = _cursor.SeekFirst(in _track); ; more = _cursor.Next())
        {
            if (!more || BaseElm.Compare(in _cursor.Elm.Base, in _last) > 0)
            {
                _ahead = _last with { DeleteTid = 0 };
                _aheadKnown = true;
                return Errno.None;
            }
            ref LeafElm elm = ref _cursor.Elm;
            if (_consumed && BaseElm.Compare(in elm.Base, in _track) == 0) continue;
            int order = BaseElm.Compare(in elm.Base, in key);
            if (order > 0 || (order == 0 && !inclusive))
            {
                _ahead = elm.Base;
                _aheadKnown = true;
                return Errno.None;
            }
            if (++looked > GapRecordsMax || !_host.Core.HasCredits(ItemNodes))
                return looked > 1 ? Errno.Again : Errno.NeedFlush;
            DeleteInGap();
            NoteWhole();
            _track = elm.Base;
            _consumed = true;
        }
    }

    void DeleteInGap()
    {
        ref LeafElm elm = ref _cursor.Elm;
        if (elm.Base.DeleteTid != 0 || elm.Base.CreateTid >= _range.End) return;
        if (elm.Base.RecType is RecType.Config or RecType.Snapshot) return;
        GapDeleted++;
        SetDelete(_range.End, _host.Core.Records.NowSeconds);
    }

    void SetDelete(ulong tid, uint seconds)
    {
        if (_cursor.Elm.Base.DeleteTid == 0 && _cursor.Elm.Base.RecType == RecType.Inode) _host.CountInodes(-1);
        _host.Core.Tree.SetDelete(_cursor, tid, seconds);
        _host.Core.Tids.RaiseTo(tid);
        _host.Core.NoteChange();
    }

    // ------------------------------------------------------------------ one record

    Errno Item(in LeafElm own, ReadOnlySpan<byte> data, bool create)
    {
        if (own.Base.ObjId <= 0 || (ulong)own.Base.ObjId > Math.Max(_range.End, Tid.PeerMax))
            return Errno.Inval;
        bool config = own.Base.RecType == RecType.Config;
        HammerOff reserved = HammerOff.Null;
        int waits = 0;
        while (true)
        {
            Errno result;
            Enter();
            try
            {
                result = ItemLocked(in own, data, create && !config, ref reserved);
                if (result == Errno.None) MoveTo(in own.Base, consumed: true);
            }
            catch (Exception e) when (IsHalfDone)
            {
                _host.LatchHalfDone(e);
                throw;
            }
            finally
            {
                _host.ExitExclusive();
            }
            if (result == Errno.Again) continue;
            if (result == WriteFirst)
            {
                WriteLarge(reserved, data);
                continue;
            }
            if (result != Errno.NeedFlush && result != Errno.NoSpc) return result;
            if (++waits > WaitsMax) return Giveup(reserved);
            Errno durable = _host.WaitDurable();
            if (durable.IsError) return durable;
        }
    }

    /// <summary>
    /// Not an error: space is reserved, the data are to be written to it without the lock, then repeat.
    /// </summary>
    static readonly Errno WriteFirst = new(1_000_100);

    Errno Giveup(HammerOff reserved)
    {
        if (reserved.IsNull) return Errno.NoSpc;
        _host.EnterExclusive();
        try
        {
            _host.Core.Freemap.Unreserve(reserved);
        }
        finally
        {
            _host.ExitExclusive();
        }
        return Errno.NoSpc;
    }

    Errno ItemLocked(in LeafElm own, ReadOnlySpan<byte> data, bool create, ref HammerOff reserved)
    {
        if (!_host.Core.HasCredits(ItemNodes)) return Errno.NeedFlush;
        Errno result = DeleteToLocked(in own.Base, inclusive: false);
        if (result.IsError) return result;
        if (BaseElm.Compare(in own.Base, in _ahead) == 0)
        {
            Invariant.Check(reserved.IsNull, "a record that exists needs no space");
            ItemExists(in own);
            return Errno.None;
        }
        return create ? ItemCreate(in own, data, ref reserved) : Errno.None;
    }

    void ItemExists(in LeafElm own)
    {
        if (own.Base.DeleteTid == 0 || own.Base.RecType == RecType.Config) return;
        if (!_cursor.SeekExact(in own.Base) || _cursor.Elm.Base.DeleteTid == own.Base.DeleteTid) return;
        Updated++;
        SetDelete(own.Base.DeleteTid, own.DeleteTs);
    }

    Errno ItemCreate(in LeafElm own, ReadOnlySpan<byte> data, ref HammerOff reserved)
    {
        LeafElm elm = own;
        elm.DataOffset = 0;
        bool large = IsLarge(in own) && data.Length > 0;
        if (reserved.IsNull && _host.Core.Freemap.UsableFreeBytes < SpareBytes) return Errno.NoSpc;
        if (large && reserved.IsNull)
        {
            if (_host.Core.Freemap.Reserve(Zone.LargeData, data.Length) is not { } place) return Errno.NoSpc;
            reserved = place;
            return WriteFirst;
        }
        if (large)
        {
            _host.Core.Freemap.Commit(reserved, data.Length);
            elm.DataOffset = reserved.Value;
            reserved = HammerOff.Null;
        }
        else if (data.Length > 0)
        {
            Errno stored = _host.Core.Records.StoreData(ZoneOf(in own), data, out HammerOff place);
            if (stored.IsError) return stored;
            elm.DataOffset = place.Value;
        }
        Errno result = _host.Core.Records.InsertElm(in elm);
        if (result.IsError) return result;
        ItemCreated(in elm);
        return Errno.None;
    }

    void ItemCreated(in LeafElm elm)
    {
        Created++;
        if (elm.Base.RecType == RecType.Inode && elm.Base.DeleteTid == 0) _host.CountInodes(1);
        ulong highest = Math.Max(Math.Max(elm.Base.CreateTid, elm.Base.DeleteTid), (ulong)elm.Base.ObjId);
        _host.Core.Tids.RaiseTo(highest);
        _host.Core.NoteChange();
    }

    static bool IsLarge(in LeafElm elm) =>
        elm.Base.RecType is RecType.Data or RecType.Db && elm.DataLen >= HammerConst.BufferBytes;

    static Zone ZoneOf(in LeafElm elm) =>
        elm.Base.RecType is RecType.Data or RecType.Db ? Zone.SmallData : Zone.Meta;

    void WriteLarge(HammerOff place, ReadOnlySpan<byte> data)
    {
        int whole = data.Length & ~(HammerConst.DataAlignBytes - 1);
        try
        {
            if (whole > 0) _host.WriteLargeData(place, data[..whole]);
            if (whole == data.Length) return;
            Span<byte> tail = stackalloc byte[HammerConst.DataAlignBytes];
            tail.Clear();
            data[whole..].CopyTo(tail);
            _host.WriteLargeData(place.Add(whole), tail);
        }
        catch (HammerMediumException)
        {
            Giveup(place);
            throw;
        }
    }
}
