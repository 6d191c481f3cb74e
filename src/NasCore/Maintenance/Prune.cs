using NasCore.BTree;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

// prune (mirroring-and-operations 6.1)
//
// The scan goes backwards over one PFS. What the rule removes leaves the tree with its data, physically: no mark, no
// mirror_tid. What stays, whatever the rule says:
//   - live records, always: open files lose nothing;
//   - versions whose end is not durable yet, and on a slave those that its last whole batch still shows (W8, M1);
//   - versions that somebody has a lease on: the end of a range that a mirror is sending (M3);
//   - objects that are being destroyed or have lost their name while open.
// A record whose space the freemap does not confirm is left where it is, and so is a subtree that cannot be read: they
// are counted, the rest goes on.
//
// Differs: the original destroys live inodes without a name that it meets. Ours has a list of them (W11); nothing else
// is ever destroyed, for nlinks 0 alone proves nothing.

/// <summary>Removes history from one PFS by a rule. See the page above.</summary>
public sealed class Prune : MaintenanceStep
{
    /// <summary>Worst case of one removal: the leaf and its ancestors, freemap entries, the header.</summary>
    const int RemoveNodes = 24;
    /// <summary>Records between two looks at the clock, and in one hold, also where no clock goes on.</summary>
    const int LookBatch = 64, LookMax = 1024;

    readonly int _pfsId;
    readonly PruneRule _rule;
    readonly BTreeCursor _cursor;
    readonly BaseElm[] _found = new BaseElm[128];
    readonly BaseElm _begin;
    BaseElm _next;
    int _count, _at;
    bool _atEnd;

    /// <param name="host">The file system.</param>
    /// <param name="pfsId">The PFS.</param>
    /// <param name="rule">What goes.</param>
    /// <param name="resume">Where an earlier run ended (<see cref="Next"/>); null: the end of the PFS.</param>
    public Prune(IMaintenanceHost host, int pfsId, PruneRule rule, BaseElm? resume) : base(host)
    {
        _pfsId = pfsId;
        _cursor = host.NewCursor();
        _begin = FilteredScan.FirstKey(pfsId);
        BaseElm last = FilteredScan.LastKey(pfsId);
        bool isInside = resume is { } key && BaseElm.Compare(in key, in _begin) >= 0
            && BaseElm.Compare(in key, in last) <= 0;
        _next = isInside ? resume!.Value : last;
        int epoch = host.EnterShared();
        // What ends while the prune goes on belongs to a later one: a snapshot may be made meanwhile.
        _rule = rule.Capped(host.SafeTid(pfsId));
        host.ExitShared();
        host.LeaveEpoch(epoch);
    }

    /// <summary>Everything from this key on is done; where another run can go on.</summary>
    public BaseElm Next
    {
        get
        {
            if (_at == _count) return _next;
            // What was found and is not removed yet comes again: the key right behind the first of it.
            BaseElm behind = _found[_at];
            behind.CreateTid++;
            return behind;
        }
    }
    /// <summary>What goes, with the limit that held when this prune was opened.</summary>
    public PruneRule Rule => _rule;
    /// <summary>Directory entries removed.</summary>
    public long EntriesRemoved { get; private set; }
    /// <summary>Other records removed.</summary>
    public long RecordsRemoved { get; private set; }
    /// <summary>Records that the rule removes and a lease, or an object's unfinished end, has kept.</summary>
    public long RecordsHeld { get; private set; }
    /// <summary>Records and subtrees left alone because what describes them is damaged.</summary>
    public long Damaged { get; private set; }

    protected override PieceEnd Look()
    {
        _count = _at = 0;
        int epoch = Host.EnterShared();
        try
        {
            BeginHold();
            LookBack();
        }
        catch (HammerMediumException) when (LookPast())
        {
            Damaged++;
        }
        finally
        {
            Host.ExitShared();
            Host.LeaveEpoch(epoch);
        }
        return _count > 0 ? PieceEnd.Change : _atEnd ? PieceEnd.Done : PieceEnd.Again;
    }

    void LookBack()
    {
        int batch = 0;
        for (bool more = _cursor.SeekLastBefore(in _next); more; more = _cursor.Prev())
        {
            ref readonly BaseElm at = ref _cursor.Elm.Base;
            if (BaseElm.Compare(in at, in _begin) < 0) break;
            RecordsLooked++;
            _next = at;
            if (_rule.Removes(at.CreateTid, at.DeleteTid)) _found[_count++] = at;
            if (_count == _found.Length || ++batch == LookMax || (batch % LookBatch == 0 && IsHoldOver)) return;
        }
        _atEnd = true;
    }

    /// <summary>
    /// A node on the way cannot be read: the scan goes on before its left bound. False if it has none that helps.
    /// </summary>
    bool LookPast()
    {
        if (_cursor.Depth < 2) return false;
        BaseElm before = _cursor.Leaf.Left;
        before.DeleteTid = 0;
        if (before.CreateTid > 1) before.CreateTid--;
        else if (before.Key != long.MinValue) before.Key--;
        else return false;
        if (BaseElm.Compare(in before, in _next) >= 0) return false;
        _next = before;
        _atEnd = BaseElm.Compare(in before, in _begin) < 0;
        return true;
    }

    protected override PieceEnd Apply()
    {
        for (; _at < _count; _at++)
        {
            if (IsHoldOver) return PieceEnd.Change;
            if (!Host.Core.HasCredits(RemoveNodes)) return PieceEnd.NeedFlush;
            ApplyTo(in _found[_at]);
            NoteWhole();
        }
        return _atEnd ? PieceEnd.Done : PieceEnd.Again;
    }

    void ApplyTo(in BaseElm key)
    {
        // The end of a version may have changed since, by a mirror, and so may everything else.
        if (!_cursor.SeekExact(in key)) return;
        LeafElm elm = _cursor.Elm;
        if (!_rule.Removes(elm.Base.CreateTid, elm.Base.DeleteTid)) return;
        if (elm.Base.DeleteTid > Host.SafeTid(_pfsId) || Host.IsGoing(_pfsId, elm.Base.ObjId)
            || Host.IsHistoryKept(_pfsId, elm.Base.CreateTid, elm.Base.DeleteTid))
        {
            RecordsHeld++;
            return;
        }
        if (!IsCharged(in elm))
        {
            Damaged++;
            return;
        }
        Host.Core.Records.RemovePhysically(_cursor);
        Host.Core.NoteRemoval(_pfsId, elm.Base.DeleteTid);
        Host.Core.NoteChange();
        if (elm.Base.RecType == RecType.DirEntry) EntriesRemoved++;
        else RecordsRemoved++;
        BytesChanged += elm.DataOffset == 0 ? 0 : elm.DataLen;
    }

    /// <summary>True if the freemap agrees that the record's space is in use; asked before any change.</summary>
    bool IsCharged(in LeafElm elm)
    {
        if (elm.DataOffset == 0 || elm.DataLen == 0) return true;
        try
        {
            Objects.RecordReader.CheckPlace(in elm);
            Layer2Ondisk owner = Host.Core.Freemap.Owner(elm.Data);
            return owner.Zone == elm.Data.Zone
                && owner.BytesFree <= HammerConst.BigBlockBytes - HammerConst.RoundData(elm.DataLen);
        }
        catch (HammerMediumException)
        {
            return false;
        }
    }
}
