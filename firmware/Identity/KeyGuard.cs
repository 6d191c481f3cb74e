using System;
using System.Threading;
using NasCore;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasFirmware.Identity;

/// <summary>
/// A root PFS as the source of a mirror, whoever opened the stream: the key of a box does not go out with it.
///
/// A stream lives for months and what it is about changes meanwhile: the key may come after it was opened, or be moved
/// by whoever owns the volume's root. So it is looked for twice. Before each batch, after it was fixed up to which TID
/// it goes: a place that stands now ends the stream, and a copy that comes later has a higher TID. And in the records
/// themselves: data that begin like a copy and hold a private key are not handed over, under whichever name they lie
/// and in whichever version.
/// </summary>
sealed class KeyGuard : IMirrorSource
{
    readonly HammerFs _fs;
    readonly IMirrorSource _inner;
    readonly string _volume;

    KeyGuard(HammerFs fs, IMirrorSource inner, string volume)
    {
        _fs = fs;
        _inner = inner;
        _volume = volume;
    }

    /// <summary>The source of a PFS; all its methods throw <see cref="MirrorRefusedException"/> where the key would go
    /// along.</summary>
    internal static IMirrorSource Of(HammerFs fs, int pfsId, string volume)
    {
        IMirrorSource source = fs.MirrorSource(pfsId);
        return pfsId == 0 ? new KeyGuard(fs, source, volume) : source;
    }

    public Errno ReadPfs(out PseudofsData pfs) => ReadPfs(out pfs, out _);

    public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage)
    {
        Errno result = _inner.ReadPfs(out pfs, out lineage);
        if (VolumeCopy.IsThere(_fs)) throw new MirrorRefusedException(null, VolumeCopy.WhyNotSent(_volume));
        return result;
    }

    public long BytesMax => _inner.BytesMax;
    public bool IsWhole(ulong tid) => _inner.IsWhole(tid);
    public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop) =>
        _inner.WaitBeyond(tid, timeout, stop);
    public IMirrorScan Scan(MirrorRange range) => new GuardedScan(_inner.Scan(range), _volume);
    public IMirrorScan Scan(MirrorRange range, in BaseElm from) =>
        new GuardedScan(_inner.Scan(range, in from), _volume);

    sealed class GuardedScan(IMirrorScan inner, string volume) : IMirrorScan
    {
        public bool MoveNext() => inner.MoveNext();
        public MirrorItemKind Kind => inner.Kind;
        public ref readonly LeafElm Leaf => ref inner.Leaf;
        public ref readonly BaseElm SkipBeg => ref inner.SkipBeg;
        public ref readonly BaseElm SkipEnd => ref inner.SkipEnd;
        public long NodesVisited => inner.NodesVisited;
        public void Dispose() => inner.Dispose();

        public bool ReadData(Span<byte> destination)
        {
            bool isGood = inner.ReadData(destination);
            if (!IdentityFile.HoldsKey(destination)) return isGood;
            // What stands in the buffer goes nowhere either.
            destination.Clear();
            throw new MirrorRefusedException(null, $"the root of '{volume}' holds the key of a box: the file with "
                + $"inode number {Leaf.Base.ObjId} is a copy of "
                + $"{VolumeCopy.Place}, perhaps a former version. Take it away, and prune it if it has a history");
        }
    }
}
