using System;
using System.Threading;
using NasCore.BTree;
using NasCore.Mirror;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

// Comparison with another copy (Mirror/VerifyRecord.cs holds the algorithm).
public sealed partial class HammerFs
{
    /// <summary>A PFS as one side of a comparison.</summary>
    public IVerifySide VerifySide(int pfsId) => new VerifySideOfPfs(this, pfsId);

    sealed class VerifySideOfPfs(HammerFs fs, int pfsId) : IVerifySide
    {
        public int PfsId => pfsId;
        public IMirrorHost Host { get; } = new MirrorAccess(fs);

        public Errno ReadFacts(ulong tid, out VerifyFacts facts)
        {
            facts = default;
            if (!fs.TryGetPfs(pfsId, out PseudofsData pfs)) return Errno.NoEnt;
            facts = new VerifyFacts
            {
                SharedUuid = pfs.SharedUuid, End = fs.SafeTidShared(pfsId), IsSlave = pfs.IsSlave ? (byte)1 : (byte)0,
                HasTimes = PfsMark.HasTimes(in pfs) ? (byte)1 : (byte)0,
                LastRemoval = LastRemoval(tid),
            };
            return Errno.None;
        }

        // What was removed before this mount is not known any more.
        ulong LastRemoval(ulong tid)
        {
            if (fs._core is null) return 0;
            var source = new MirrorSourceOfPfs(fs, pfsId);
            if (tid != 0 && !source.WaitBeyond(tid, TimeSpan.Zero, CancellationToken.None)) return 0;
            return Math.Max(fs._core.TidAtMount, fs.Shared(_ => fs._core.LastRemoval(pfsId)));
        }

        public IDisposable Keep(ulong tid) => fs.KeepHistory(pfsId, tid, tid);

        public string? PathOf(long objId, ulong tid)
        {
            BTreeCursor cursor = fs.RentCursor();
            fs._lock.EnterReadLock();
            try
            {
                string? path = new PathFinder(fs._inodes, PathElementsMax).Find(cursor, pfsId, objId, tid);
                string ending = $" of PFS {pfsId}";
                return path?.EndsWith(ending, StringComparison.Ordinal) == true ? path[..^ending.Length] : path;
            }
            finally
            {
                fs._lock.ExitReadLock();
                fs.ReturnCursor(cursor);
            }
        }
    }
}
