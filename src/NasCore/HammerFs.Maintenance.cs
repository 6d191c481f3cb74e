using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using NasCore.BTree;
using NasCore.Flush;
using NasCore.Maintenance;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore;

// Maintenance: what its operations are done to (Maintenance/ holds the algorithms).
public sealed partial class HammerFs
{
    /// <summary>The file system as maintenance operations see it; read-write mounts only.</summary>
    public IMaintenanceHost MaintenanceHost => new MaintenanceAccess(this);

    /// <summary>Waits until what was done so far is durable, or until it is stopped (EINTR).</summary>
    Errno SyncAndWait(CancellationToken stop)
    {
        if (_core is not { IsRunning: true }) return SyncAndWait();
        if (Health.IsCritical) return Errno.Io;
        // The answer may come after nobody waits for it any more.
        var answer = new TaskCompletionSource<Errno>();
        _core.WhenDurable(_core.OpenGroup,
            static (state, e) => ((TaskCompletionSource<Errno>)state!).TrySetResult(e), answer);
        try
        {
            answer.Task.Wait(stop);
            return answer.Task.Result;
        }
        catch (OperationCanceledException)
        {
            return Errno.Intr;
        }
    }

    sealed class MaintenanceAccess(HammerFs fs) : IMaintenanceHost
    {
        public TimeProvider Time => fs._options.Time;
        public WriteCore Core => fs.Core;
        public NodeStore Nodes => fs._nodes;
        public RecordReader Records => fs._records;
        public VolumeSet Volumes => fs._volumes;
        public HammerOff BTreeRoot => fs._root();
        public BTreeCursor NewCursor() => fs._inodes.NewCursor();

        public int EnterShared()
        {
            fs._lock.EnterReadLock();
            return fs._epochs.Enter();
        }

        public void ExitShared() => fs._lock.ExitReadLock();
        public void LeaveEpoch(int epoch) => fs._epochs.Leave(epoch);

        public void EnterExclusive()
        {
            fs.Health.ThrowIfCritical();
            fs._lock.EnterWriteLock();
        }

        public void ExitExclusive() => fs._lock.ExitWriteLock();

        public void LatchHalfDone(Exception cause) =>
            fs.Health.LatchCritical(HammerOff.Null, "a change by maintenance failed half-way", cause);

        public Errno WaitDurable(CancellationToken stop) => fs.SyncAndWait(stop);

        public void WriteLargeData(HammerOff off, ReadOnlySpan<byte> data)
        {
            try
            {
                fs._volumes.WriteExtents(off, data);
            }
            catch (IOException e)
            {
                // Reserved space that nothing refers to: the operation ends, the mount lives.
                throw new HammerMediumException(off, "writing file data failed: " + e.Message, e);
            }
        }

        public long SpareBytes => fs.Core.Freemap.UsableFreeBytes - fs._promisedBytes;
        public long ReserveBytes => fs.ReserveBytes;

        public bool TryPfs(int pfsId, out PseudofsData pfs)
        {
            PfsState state = fs.PfsOf(pfsId);
            pfs = state.Data;
            return state.Exists;
        }

        public ulong SafeTid(int pfsId) => fs.SafeTid(pfsId);

        public bool IsGoing(int pfsId, long objId) =>
            fs._live.TryGetValue((pfsId, objId), out Inode? inode) && (inode.IsOrphan || inode.IsDestroying);

        public bool IsHistoryKept(int pfsId, ulong createTid, ulong deleteTid) =>
            fs.IsHistoryKept(pfsId, createTid, deleteTid);
    }
}
