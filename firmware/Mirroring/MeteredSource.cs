using System;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasFirmware.Mirroring;

/// <summary>
/// Counts what a mirror sends over all its sessions, and how much of it for the second time. A batch that broke leaves
/// the highest key that was handed over, and its end; what the next batch from the same start sends up to that key, and
/// was there at that end already, has been sent before, whether the target could use it or not. Two fields compared a
/// record; nothing is allocated for one. The key of a large batch is noted in a file as well, so that what a killed
/// process had sent is counted in the next one.
/// </summary>
sealed class SentCounter(SentMemory? memory = null)
{
    /// <summary>So much is handed over between two notes.</summary>
    internal const int NoteBytes = 256 << 10;

    Guid _source;
    /// <summary>The batch under way; and the end of the one that came as far as the highest key.</summary>
    ulong _begin, _end, _highestEnd;
    BaseElm _highest;
    bool _open, _hasHighest, _noted;
    int _unnoted;

    /// <summary>Bytes of records sent, and those sent again.</summary>
    internal long Sent { get; private set; }
    internal long Resent { get; private set; }

    /// <summary>The next batches are from this PFS; TIDs of another one mean nothing here.</summary>
    internal void From(Guid source)
    {
        if (source == _source) return;
        _source = source;
        _open = false;
        if (memory?.TryRead(source, out ulong begin, out ulong end, out BaseElm highest) != true) return;
        _noted = true;
        _begin = begin;
        _open = true;
        Reach(in highest, end);
    }

    internal void Begin(ulong begin, ulong end)
    {
        _end = end;
        if (_open && begin == _begin) return;
        _begin = begin;
        _open = true;
        _hasHighest = false;
        _unnoted = 0;
    }

    /// <summary>The target has a batch up to this key: so much was sent, whoever remembers it.</summary>
    internal void Hinted(ulong begin, ulong end, in BaseElm key)
    {
        // Of another batch: what this one has sent is still true.
        if (_open && begin != _begin) return;
        Begin(begin, end);
        if (!_hasHighest || BaseElm.Compare(in key, in _highest) > 0) Reach(in key, end);
    }

    void Reach(in BaseElm key, ulong end)
    {
        _highest = key;
        _highestEnd = end;
        _hasHighest = true;
    }

    internal void Count(in BaseElm key, int bytes)
    {
        Sent += bytes;
        if (_hasHighest && BaseElm.Compare(in key, in _highest) <= 0)
        {
            // What has come into being since is on its way for the first time.
            if (key.CreateTid <= _highestEnd) Resent += bytes;
            return;
        }
        Reach(in key, _end);
        if (memory is null || (_unnoted += bytes) < NoteBytes) return;
        _unnoted = 0;
        _noted = true;
        memory.Write(_source, _begin, _end, in key);
    }

    /// <summary>The batch is durable on the other side: nothing of it can come again.</summary>
    internal void Acknowledged()
    {
        _open = false;
        if (!_noted) return;
        _noted = false;
        memory?.Clear();
    }
}

/// <summary>A source that counts what is taken from it, and tells when there is news.</summary>
sealed class MeteredSource(IMirrorSource inner, SentCounter counter) : IMirrorSource
{
    /// <summary>Called when a wait has ended because there is something that the target does not have.</summary>
    internal Action? News { get; set; }

    public Errno ReadPfs(out PseudofsData pfs) => ReadPfs(out pfs, out _);

    public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage)
    {
        Errno result = inner.ReadPfs(out pfs, out lineage);
        if (!result.IsError) counter.From(pfs.UniqueUuid);
        return result;
    }

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
        counter.Begin(range.Begin, range.End);
        return new MeteredScan(inner.Scan(range), counter);
    }

    public IMirrorScan Scan(MirrorRange range, in BaseElm from)
    {
        counter.Begin(range.Begin, range.End);
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
