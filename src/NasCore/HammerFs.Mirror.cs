using System;
using System.Threading;
using NasCore.BTree;
using NasCore.Mirror;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore;

// Mirroring: what streams are read from and written to (Mirror/ holds the algorithms).
public sealed partial class HammerFs
{
    /// <summary>The PFS as a source of mirror streams.</summary>
    public IMirrorSource MirrorSource(int pfsId) => new MirrorSourceOfPfs(this, pfsId);

    sealed class MirrorAccess(HammerFs fs) : IMirrorHost
    {
        public NodeStore Nodes => fs._nodes;
        public RecordReader Records => fs._records;
        public HammerOff BTreeRoot => fs._root();

        public int EnterShared()
        {
            fs._lock.EnterReadLock();
            return fs._epochs.Enter();
        }

        public void ExitShared() => fs._lock.ExitReadLock();
        public void LeaveEpoch(int epoch) => fs._epochs.Leave(epoch);
    }

    sealed class MirrorSourceOfPfs(HammerFs fs, int pfsId) : IMirrorSource
    {
        public Errno ReadPfs(out PseudofsData pfs)
        {
            if (!fs.TryGetPfs(pfsId, out pfs)) return Errno.NoEnt;
            pfs.SyncEndTid = fs.SafeTid(pfsId);
            return Errno.None;
        }

        public IMirrorScan Scan(MirrorRange range) => new MirrorScan(new MirrorAccess(fs), pfsId, range);

        public long BytesMax
        {
            get
            {
                ref VolumeOndisk header = ref fs._volumes.Root.Header;
                return Math.Max(0, header.StatBigBlocks - header.StatFreeBigBlocks) * HammerConst.BigBlockBytes;
            }
        }

        public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop) => fs.SafeTid(pfsId) > tid;
    }
}
