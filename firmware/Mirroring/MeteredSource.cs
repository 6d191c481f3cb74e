using System;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasFirmware.Mirroring;

/// <summary>
/// Counts what a mirror sends over all its sessions, and how much of it for the second time. A batch that broke leaves
/// the highest key that was handed over; what the next batch from the same start sends up to there has been sent
/// before, whether the target could use it or not. One field compared a record; nothing is allocated for one.
/// </summary>
sealed class SentCounter
{
    ulong _begin;
    BaseElm _highest;
    bool _open, _hasHighest;

    /// <summary>Bytes of records sent, and those sent again.</summary>
    internal long Sent { get; private set; }
    internal long Resent { get; private set; }

    internal void Begin(ulong begin)
    {
        if (_open && begin == _begin) return;
        _begin = begin;
        _open = true;
        _hasHighest = false;
    }

    internal void Count(in BaseElm key, int bytes)
    {
        Sent += bytes;
        if (_hasHighest && BaseElm.Compare(in key, in _highest) <= 0)
        {
            Resent += bytes;
            return;
        }
        _highest = key;
        _hasHighest = true;
    }

    /// <summary>The batch is durable on the other side: nothing of it can come again.</summary>
    internal void Acknowledged() => _open = false;
}

/// <summary>A source that counts what is taken from it, and tells when there is news.</summary>
sealed class MeteredSource(IMirrorSource inner, SentCounter counter) : IMirrorSource
{
    /// <summary>Called when a wait has ended because there is something that the target does not have.</summary>
    internal Action? News { get; set; }

    public Errno ReadPfs(out PseudofsData pfs) => inner.ReadPfs(out pfs);
    public long BytesMax => inner.BytesMax;
    public bool IsWhole(ulong tid) => inner.IsWhole(tid);

    public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop)
    {
        if (!inner.WaitBeyond(tid, timeout, stop)) return false;
        News?.Invoke();
        return true;
    }

    public IMirrorScan Scan(MirrorRange range)
    {
        counter.Begin(range.Begin);
        return new MeteredScan(inner.Scan(range), counter);
    }

    public IMirrorScan Scan(MirrorRange range, in BaseElm from)
    {
        counter.Begin(range.Begin);
        return new MeteredScan(inner.Scan(range, in from), counter);
    }

    sealed class MeteredScan(IMirrorScan inner, SentCounter counter) : IMirrorScan
    {
        public MirrorItemKind Kind => inner.Kind;
        public ref readonly LeafElm Leaf => ref inner.Leaf;
        public ref readonly BaseElm SkipBeg => ref inner.SkipBeg;
        public ref readonly BaseElm SkipEnd => ref inner.SkipEnd;
        public bool ReadData(Span<byte> destination) => inner.ReadData(destination);
        public long NodesVisited => inner.NodesVisited;
        public void Dispose() => inner.Dispose();

        public bool MoveNext()
        {
            if (!inner.MoveNext()) return false;
            if (inner.Kind == MirrorItemKind.Rec)
                counter.Count(in inner.Leaf.Base, MrecordHead.Padded(MrecordRec.Bytes + inner.Leaf.DataLen));
            else if (inner.Kind == MirrorItemKind.Pass)
                counter.Count(in inner.Leaf.Base, MrecordHead.Padded(MrecordRec.Bytes));
            return true;
        }
    }
}
