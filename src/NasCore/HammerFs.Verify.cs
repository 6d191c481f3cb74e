using System;
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

        public Errno ReadFacts(out VerifyFacts facts)
        {
            facts = default;
            if (!fs.TryGetPfs(pfsId, out PseudofsData pfs)) return Errno.NoEnt;
            facts = new VerifyFacts
            {
                SharedUuid = pfs.SharedUuid, End = fs.SafeTidShared(pfsId), IsSlave = pfs.IsSlave ? (byte)1 : (byte)0,
                HasTimes = PfsMark.HasTimes(in pfs) ? (byte)1 : (byte)0,
                LastRemoval = fs._core is null ? 0 : fs.Shared(_ => fs._core.LastRemoval(pfsId)),
            };
            return Errno.None;
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
