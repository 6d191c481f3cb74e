using System;
using System.IO;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// The source's scan of a PFS for one batch (mirroring-and-operations 4.3). A record created behind the range is left
/// out, one created before it becomes PASS, the others REC. Allocates nothing per record.
/// Differs: a delete_tid behind the range is 0 in PASS too, so that nothing uncommitted leaves the box (architecture
/// M1).
/// </summary>
public sealed class MirrorScan : IMirrorScan
{
    readonly IMirrorHost _host;
    readonly MirrorRange _range;
    readonly FilteredScan _scan;
    readonly BaseElm _first, _from;
    readonly IDisposable _kept;
    LeafElm _leaf;
    int _at = -1, _epoch = -1;
    bool _before;

    public MirrorScan(IMirrorHost host, int pfsId, MirrorRange range)
        : this(host, pfsId, range, FilteredScan.FirstKey(pfsId))
    {
    }

    /// <param name="host">The mounted file system.</param>
    /// <param name="pfsId">Of the source.</param>
    /// <param name="range">Of the batch.</param>
    /// <param name="from">
    /// Where the scan begins, of any PFS id; what lies before it becomes a skip, the first item (M8).
    /// </param>
    public MirrorScan(IMirrorHost host, int pfsId, MirrorRange range, BaseElm from)
    {
        _host = host;
        _range = range;
        _kept = host.KeepHistory(pfsId, range.End);
        _first = FilteredScan.FirstKey(pfsId);
        BaseElm last = FilteredScan.LastKey(pfsId);
        from.Localization = (from.Localization & Localization.TypeMask) | Localization.OfPfs(pfsId).Value;
        if (BaseElm.Compare(in from, in last) > 0) from = last;
        _from = from;
        _before = BaseElm.Compare(in _first, in from) < 0;
        _scan = new FilteredScan(host.Nodes, _before ? from : _first, last, range.Begin);
    }

    public MirrorItemKind Kind { get; private set; }
    public ref readonly LeafElm Leaf => ref _leaf;
    public ref readonly BaseElm SkipBeg => ref _at < 0 ? ref _first : ref _scan.Item(_at).SkipBeg;
    public ref readonly BaseElm SkipEnd => ref _at < 0 ? ref _from : ref _scan.Item(_at).SkipEnd;
    public long NodesVisited => _scan.NodesVisited;

    public bool MoveNext()
    {
        if (_before)
        {
            _before = false;
            Kind = MirrorItemKind.Skip;
            return true;
        }
        while (true)
        {
            if (++_at >= _scan.Count && !Refill()) return false;
            if (Take(in _scan.Item(_at))) return true;
        }
    }

    bool Take(in ScanItem item)
    {
        if (item.IsSkip)
        {
            Kind = MirrorItemKind.Skip;
            return true;
        }
        ref readonly BaseElm key = ref item.Leaf.Base;
        if (key.CreateTid > _range.End) return false;
        // The list of moments belongs to this copy alone, and no target takes configuration (observed 18).
        if (key.RecType == RecType.Config && key.Key == TimeMarks.RecordKey) return false;
        Kind = key.CreateTid < _range.Begin ? MirrorItemKind.Pass : MirrorItemKind.Rec;
        _leaf = item.Leaf;
        if (_leaf.Base.DeleteTid > _range.End) _leaf.Base.DeleteTid = 0;
        return true;
    }

    bool Refill()
    {
        Leave();
        if (_scan.AtEnd) return false;
        int epoch = _host.EnterShared();
        try
        {
            _scan.Fill(_host.BTreeRoot);
        }
        finally
        {
            _host.ExitShared();
            _epoch = epoch;
        }
        _at = 0;
        return _scan.Count > 0;
    }

    public bool ReadData(Span<byte> destination)
    {
        // Damage of the leaf: data without a place are none, and the target shall keep what it has (M5).
        if (_leaf.DataLen > 0 && _leaf.Data.IsNull)
        {
            destination.Clear();
            return false;
        }
        // Everything but large extents comes out of the buffer cache, whose contents may change without the lock; the
        // times in an inode have no CRC that would tell.
        if (_leaf.Data.Zone != Zone.LargeData) return ReadDataAgain(destination);
        try
        {
            _host.Records.Read(in _leaf, destination);
            return true;
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            return ReadDataAgain(destination);
        }
    }

    // A mismatch is looked at again under the lock before it is believed (R1).
    bool ReadDataAgain(Span<byte> destination)
    {
        int epoch = _host.EnterShared();
        try
        {
            _host.Records.Read(in _leaf, destination);
            return true;
        }
        catch (HammerMediumException)
        {
            return false;
        }
        catch (IOException)
        {
            destination.Clear();
            return false;
        }
        finally
        {
            _host.ExitShared();
            _host.LeaveEpoch(epoch);
        }
    }

    void Leave()
    {
        if (_epoch >= 0) _host.LeaveEpoch(_epoch);
        _epoch = -1;
    }

    public void Dispose()
    {
        Leave();
        _kept.Dispose();
    }
}
