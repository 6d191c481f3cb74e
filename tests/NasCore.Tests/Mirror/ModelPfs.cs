using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Tests.Mirror;

/// <summary>One record version of the model, without its PFS id.</summary>
sealed record ModelRecord(LeafElm Leaf, byte[] Data)
{
    internal ModelRecord Deleted(ulong tid) =>
        this with { Leaf = Leaf with { Base = Leaf.Base with { DeleteTid = tid } } };
    public override string ToString() => $"{Leaf.Base} del={Leaf.Base.DeleteTid:x16} len={Data.Length}";
}

/// <summary>
/// A PFS as a sorted list of record versions: source and target of a mirror as the reference words them, naively.
/// Leaves of the imagined tree are runs of records; a leaf remembers the highest TID that touched it.
/// </summary>
sealed class ModelPfs(int pfsId, bool slave, Guid shared) : IMirrorSource, IMirrorTarget
{
    readonly Lock _lock = new();
    readonly SortedDictionary<BaseElm, ModelRecord> _records = new(KeyOrder.Instance);
    readonly SortedDictionary<BaseElm, ulong> _touched = new(KeyOrder.Instance);
    MirrorRange _range;
    BaseElm _track;
    bool _trackIncluded;

    internal PseudofsData Pfs = new()
    {
        SyncBegTid = 1, SyncEndTid = 1, SharedUuid = shared, UniqueUuid = Guid.NewGuid(),
        MirrorFlags = slave ? PseudofsData.FlagSlave : 0,
    };
    internal ulong NowTid = 0x1_0000_0000;
    internal int Commits, Abandoned;
    internal bool IncludeTail = true;

    internal IEnumerable<ModelRecord> Records => _records.Values;
    internal IEnumerable<string> LinesAsOf(ulong tid) => _records.Values
        .Where(r => Tid.Visible(r.Leaf.Base.CreateTid, r.Leaf.Base.DeleteTid, tid))
        .Select(r => $"{r.Leaf.Base.Localization:x8} {r.Leaf.Base.ObjId:x} "
            + $"{r.Leaf.Base.RecTypeRaw:x} {r.Leaf.Base.Key:x} "
            + $"{r.Leaf.Base.CreateTid:x} {Convert.ToHexString(r.Data)}");

    sealed class KeyOrder : IComparer<BaseElm>
    {
        internal static readonly KeyOrder Instance = new();
        public int Compare(BaseElm x, BaseElm y) => BaseElm.Compare(x, y);
    }

    // ---- local changes

    internal void Put(long objId, long key, byte[] data)
    {
        Remove(objId, key);
        var leaf = new LeafElm
        {
            Base = new BaseElm
            {
                Localization = Localization.MiscType, ObjId = objId, RecType = RecType.Data, Key = key,
                CreateTid = NowTid, BType = BaseElm.BTypeRecord, ObjTypeRaw = 2,
            },
            DataOffset = 0xb000000000000000, DataLen = data.Length, DataCrc = HammerCrc.Crc32(data),
        };
        _records[leaf.Base] = new ModelRecord(leaf, data);
        _touched[leaf.Base] = NowTid;
    }

    internal void Remove(long objId, long key)
    {
        ModelRecord? old = _records.Values.FirstOrDefault(r => r.Leaf.Base.ObjId == objId && r.Leaf.Base.Key == key
            && r.Leaf.Base.DeleteTid == 0);
        if (old is null) return;
        if (old.Leaf.Base.CreateTid == NowTid) _records.Remove(old.Leaf.Base);
        else _records[old.Leaf.Base] = old.Deleted(NowTid);
        _touched[old.Leaf.Base] = NowTid;
    }

    internal void RemovePhysically(long objId, long key)
    {
        foreach (ModelRecord r in _records.Values.Where(r =>
            r.Leaf.Base.ObjId == objId && r.Leaf.Base.Key == key).ToList())
        {
            _records.Remove(r.Leaf.Base);
            _touched[r.Leaf.Base] = NowTid;
        }
    }

    internal void Publish()
    {
        Pfs.SyncEndTid = NowTid;
        NowTid += 16;
    }

    // ---- source

    public Errno ReadPfs(out PseudofsData pfs)
    {
        pfs = Pfs;
        return Errno.None;
    }

    public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage)
    {
        lineage = null;
        return ReadPfs(out pfs);
    }

    public long BytesMax { get; set; } = 1000;
    public bool IsWhole(ulong tid) => true;

    public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop) => Pfs.SyncEndTid > tid;

    public IMirrorScan Scan(MirrorRange range) => new ModelScan(this, range);

    public IMirrorScan Scan(MirrorRange range, in BaseElm from) =>
        throw new NotSupportedException("this target keeps no hints");

    public bool KeepsHints => false;

    const int LeafRecords = 3;

    sealed class ModelScan : IMirrorScan
    {
        readonly List<(MirrorItemKind Kind, LeafElm Leaf, byte[] Data, BaseElm Beg, BaseElm End)> _items = [];
        int _at = -1;
        LeafElm _leaf;
        BaseElm _beg, _end;

        internal ModelScan(ModelPfs pfs, MirrorRange range)
        {
            BaseElm low = new() { ObjId = long.MinValue, Key = long.MinValue, CreateTid = 1 };
            BaseElm high = BaseElm.GlobalHigh with { Localization = 0xffff };
            BaseElm[] keys = [.. pfs._records.Keys];
            for (int i = 0; i < Math.Max(1, keys.Length); i += LeafRecords)
            {
                BaseElm beg = i == 0 ? low : keys[i];
                BaseElm end = i + LeafRecords < keys.Length ? keys[i + LeafRecords] : high;
                ulong top = pfs._touched.Where(t => BaseElm.Compare(t.Key, beg) >= 0 && BaseElm.Compare(t.Key, end) < 0)
                    .Select(t => t.Value).DefaultIfEmpty().Max();
                if (top < range.Begin) _items.Add((MirrorItemKind.Skip, default, [], beg, end));
                else foreach (BaseElm key in keys.Skip(i).Take(LeafRecords)) AddLeaf(pfs._records[key], range);
            }
        }

        void AddLeaf(ModelRecord record, MirrorRange range)
        {
            LeafElm leaf = record.Leaf;
            if (leaf.Base.CreateTid > range.End) return;
            if (leaf.Base.DeleteTid > range.End) leaf.Base.DeleteTid = 0;
            MirrorItemKind kind = leaf.Base.CreateTid < range.Begin ? MirrorItemKind.Pass : MirrorItemKind.Rec;
            _items.Add((kind, leaf, record.Data, default, default));
        }

        public bool MoveNext()
        {
            if (++_at >= _items.Count) return false;
            (_, _leaf, _, _beg, _end) = _items[_at];
            return true;
        }

        public MirrorItemKind Kind => _items[_at].Kind;
        public ref readonly LeafElm Leaf => ref _leaf;
        public ref readonly BaseElm SkipBeg => ref _beg;
        public ref readonly BaseElm SkipEnd => ref _end;
        public long NodesVisited => 0;

        public bool ReadData(Span<byte> destination)
        {
            _items[_at].Data.CopyTo(destination);
            return HammerCrc.Crc32(_items[_at].Data) == _leaf.DataCrc;
        }

        public void Dispose() { }
    }

    // ---- target

    public Errno Begin(MirrorRange range)
    {
        _range = range;
        _track = new BaseElm { ObjId = long.MinValue, Key = long.MinValue, CreateTid = 1 };
        _trackIncluded = true;
        return Errno.None;
    }

    static BaseElm Own(BaseElm key)
    {
        key.Localization &= Localization.TypeMask;
        return key;
    }

    void DeleteTo(in BaseElm key, bool inclusive = false)
    {
        foreach (ModelRecord r in _records.Values.ToList())
        {
            int fromTrack = BaseElm.Compare(r.Leaf.Base, _track), toKey = BaseElm.Compare(r.Leaf.Base, key);
            if (fromTrack < 0 || (fromTrack == 0 && !_trackIncluded)) continue;
            if (toKey > 0 || (toKey == 0 && !inclusive)) continue;
            if (r.Leaf.Base.RecType is RecType.Config or RecType.Snapshot) continue;
            if (r.Leaf.Base.DeleteTid == 0 && r.Leaf.Base.CreateTid < _range.End)
                _records[r.Leaf.Base] = r.Deleted(_range.End);
        }
    }

    public Errno Rec(in LeafElm leaf, ReadOnlySpan<byte> data)
    {
        if (HammerCrc.LeafData(6, leaf.Base.RecType, data) != leaf.DataCrc) return Errno.Inval;
        return Record(leaf, data.ToArray());
    }

    public Errno Pass(in LeafElm leaf) => Record(leaf, null);

    Errno Record(LeafElm leaf, byte[]? data)
    {
        leaf.Base = Own(leaf.Base);
        DeleteTo(leaf.Base);
        (_track, _trackIncluded) = (leaf.Base, false);
        if (leaf.Base.RecType == RecType.Config) return Errno.None;
        if (leaf.Base.DeleteTid > _range.End) leaf.Base.DeleteTid = 0;
        if (_records.TryGetValue(leaf.Base, out ModelRecord? old))
        {
            if (leaf.Base.DeleteTid != 0) _records[leaf.Base] = old.Deleted(leaf.Base.DeleteTid);
        }
        else if (data is not null && leaf.Base.CreateTid >= _range.Begin)
        {
            _records[leaf.Base] = new ModelRecord(leaf, data);
        }
        return Errno.None;
    }

    public Errno Skip(in BaseElm beg, in BaseElm end)
    {
        DeleteTo(Own(beg));
        (_track, _trackIncluded) = (Own(end), true);
        return Errno.None;
    }

    public Errno Commit()
    {
        if (IncludeTail) DeleteTo(BaseElm.GlobalHigh with { Localization = 0xffff }, true);
        lock (_lock) Pfs.SyncEndTid = _range.End;
        Commits++;
        return Errno.None;
    }

    public void Abandon() => Abandoned++;

    public override string ToString() => $"PFS#{pfsId} at {Tid.Format(Pfs.SyncEndTid)}, {_records.Count} records";
}
