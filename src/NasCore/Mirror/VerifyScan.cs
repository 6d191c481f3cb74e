using System;
using System.IO;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// The records of one side between two keys, as they are compared. Used for one range and then thrown away, so that
/// nothing is pinned while the other side is waited for. Allocates nothing per record.
/// </summary>
public sealed class VerifyScan : IDisposable
{
    readonly IMirrorHost _host;
    readonly int _pfsId;
    readonly VerifyView _view;
    readonly byte[] _data;
    readonly BaseElm _after;
    readonly FilteredScan _scan;
    VerifyRecord _current;
    LeafElm _leaf;
    int _at = -1, _epoch = -1;

    /// <param name="side">Whose records.</param>
    /// <param name="view">As of when, and how.</param>
    /// <param name="after">Exclusive.</param>
    /// <param name="last">Inclusive.</param>
    /// <param name="data">At least <see cref="HammerConst.ExtentBytesMax"/> bytes, for the data of one record.</param>
    public VerifyScan(IVerifySide side, VerifyView view, in VerifyRecord after, in VerifyRecord last, byte[] data)
    {
        _host = side.Host;
        _pfsId = side.PfsId;
        _view = view;
        _data = data;
        _after = after.KeyIn(_pfsId);
        _scan = new FilteredScan(_host.Nodes, in _after, last.KeyIn(_pfsId), threshold: 0)
        {
            OnNode = view.Full ? CheckNode : null,
        };
    }

    public ref readonly VerifyRecord Current => ref _current;
    /// <summary>Bytes of data that the records met so far have.</summary>
    public long DataBytes { get; private set; }

    public bool MoveNext()
    {
        while (true)
        {
            if (++_at >= _scan.Count && !Refill()) return false;
            ref readonly ScanItem item = ref _scan.Item(_at);
            if (item.IsSkip || !IsCompared(in item.Leaf.Base)) continue;
            _leaf = item.Leaf;
            Take();
            return true;
        }
    }

    bool IsCompared(in BaseElm key)
    {
        if (BaseElm.Compare(in key, in _after) <= 0) return false;
        if (!Tid.Visible(key.CreateTid, key.DeleteTid, _view.Tid)) return false;
        // What belongs to a volume and not to what it holds: the PFSs, their configuration and marks.
        return key.RecType switch
        {
            RecType.Pfs or RecType.Snapshot or RecType.Config => false,
            RecType.Ext => _pfsId != 0 || key.ObjId != HammerConst.RootObjId || key.Key >= 0,
            _ => true,
        };
    }

    // The upper nodes are met at each descent; a leaf is met once.
    void CheckNode(in NodeRef node)
    {
        if (node.IsLeaf) _host.Records.CheckMedium(in node);
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

    void Take()
    {
        _current = VerifyRecord.KeyOf(in _leaf.Base);
        _current.ObjTypeRaw = _leaf.Base.ObjTypeRaw;
        _current.DataLen = _leaf.DataLen;
        DataBytes += Math.Max(0, _leaf.DataLen);
        bool entry = _leaf.Base.RecType == RecType.DirEntry;
        if (!_view.Full && !entry)
        {
            _current.Crc = _leaf.DataCrc;
            return;
        }
        ReadOnlySpan<byte> data = Data(out bool good);
        if (!good) _current.Flags = VerifyRecord.BadData;
        if (!_view.Full)
        {
            _current.Crc = good ? HammerCrc.Crc32(data) : 0;
            return;
        }
        UInt128 content = good ? XxHash128.HashToUInt128(data) : 0;
        _current.ContentLow = (ulong)content;
        _current.ContentHigh = (ulong)(content >> 64);
    }

    /// <summary>
    /// The data of the current record without what depends on the side; valid until the next call. What could be read
    /// of bad data is in it too.
    /// </summary>
    public ReadOnlySpan<byte> Data(out bool good)
    {
        int length = Math.Clamp(_leaf.DataLen, 0, HammerConst.ExtentBytesMax);
        Span<byte> data = _data.AsSpan(0, length);
        good = length == _leaf.DataLen && Read(data);
        if (_leaf.Base.RecType == RecType.DirEntry && length >= DirEntryHead.Bytes)
        {
            // The PFS of the target.
            data.Slice(8, 4).Clear();
        }
        if (_leaf.Base.RecType == RecType.Inode && length == InodeOndisk.Bytes)
        {
            // atime is never mirrored as such.
            data[(_view.Times ? InodeOndisk.MtimeAt + 8 : InodeOndisk.MtimeAt)..].Clear();
        }
        return data;
    }

    // Large extents come straight from the medium, pinned by the epoch; what a cache holds is read under the lock, and
    // so is what looks bad, before it is believed (R1). The full form reads what the medium has, whatever the caches
    // hold: a byte that flips there shows nowhere else until it is needed.
    bool Read(Span<byte> data)
    {
        if (_leaf.Data.Zone == Zone.LargeData)
        {
            try
            {
                ReadOnce(data);
                return true;
            }
            catch (Exception e) when (e is HammerMediumException or IOException)
            {
                data.Clear();
            }
        }
        int epoch = _host.EnterShared();
        try
        {
            ReadOnce(data);
            return true;
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            return false;
        }
        finally
        {
            _host.ExitShared();
            _host.LeaveEpoch(epoch);
        }
    }

    void ReadOnce(Span<byte> data)
    {
        if (_view.Full) _host.Records.ReadMedium(in _leaf, data);
        else _host.Records.Read(in _leaf, data);
    }

    void Leave()
    {
        if (_epoch >= 0) _host.LeaveEpoch(_epoch);
        _epoch = -1;
    }

    public void Dispose() => Leave();
}

/// <summary>Digest of a range: how many records, how many of them with bad data, and a sum of all of them.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct VerifyDigest
{
    public const int Bytes = 40;

    public long Records;             // 00
    public long Bad;                 // 08
    public long DataBytes;           // 10
    public ulong Low;                // 18
    public ulong High;               // 20

    public readonly bool IsSame(in VerifyDigest other) => Records == other.Records && Bad == other.Bad
        && DataBytes == other.DataBytes && Low == other.Low && High == other.High;

    /// <summary>Digests records one after the other.</summary>
    public sealed class Maker
    {
        readonly XxHash128 _hash = new();
        VerifyDigest _digest;

        public void Add(in VerifyRecord record)
        {
            _digest.Records++;
            if (record.IsBad) _digest.Bad++;
            _digest.DataBytes += record.DataLen;
            _hash.Append(VerifyRecord.AsBytes(in record));
        }

        public long Records => _digest.Records;
        public long DataBytes => _digest.DataBytes;

        /// <summary>The digest; the maker starts afresh.</summary>
        public VerifyDigest Take()
        {
            VerifyDigest result = _digest;
            UInt128 sum = _hash.GetCurrentHashAsUInt128();
            (result.Low, result.High) = ((ulong)sum, (ulong)(sum >> 64));
            _hash.Reset();
            _digest = default;
            return result;
        }
    }
}
