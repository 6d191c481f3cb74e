using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.BTree;
using NasCore.Flush;
using NasCore.Mirror;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasCore.Transactions;

namespace NasCore;

// Mirroring: what streams are read from and written to (Mirror/ holds the algorithms).
public sealed partial class HammerFs
{
    /// <summary>
    /// The PFS as a source of mirror streams. What was written before the call is made durable first, so that the
    /// first batch holds it: whoever copies a tree and then mirrors it expects to find it there.
    /// </summary>
    public IMirrorSource MirrorSource(int pfsId)
    {
        if (_core is { IsRunning: true }) SyncAndWait();
        BeginLineage(pfsId);
        return new MirrorSourceOfPfs(this, pfsId);
    }

    /// <summary>The PFS as the target of one mirror stream: Busy if it already is, RoFs if it is no slave.</summary>
    public Errno OpenMirrorTarget(int pfsId, out MirrorTargetLease? lease)
    {
        lease = null;
        if (_core is null) return Errno.RoFs;
        if (!TryGetPfs(pfsId, out PseudofsData pfs)) return Errno.NoEnt;
        if (!pfs.IsSlave || pfsId == 0) return Errno.RoFs;
        lease = TryLease(pfsId);
        if (lease is null) return Errno.Busy;
        // A return of a former master that was cut off is finished first.
        Errno result = RejoinRollback(pfsId);
        if (!result.IsError) return result;
        lease.Dispose();
        lease = null;
        return result;
    }

    /// <summary>The right to write a stream into a slave, or to roll it back: one at a time for each PFS.</summary>
    public sealed class MirrorTargetLease : IDisposable
    {
        readonly HammerFs _fs;
        readonly int _pfsId;
        bool _given;

        internal MirrorTargetLease(HammerFs fs, int pfsId)
        {
            _fs = fs;
            _pfsId = pfsId;
            Target = new MirrorApply(new MirrorWriteAccess(fs), pfsId);
        }

        public MirrorApply Target { get; }

        public void Dispose()
        {
            if (_given) return;
            _given = true;
            Target.Abandon();
            lock (_fs._mirrorTargets) _fs._mirrorTargets.Remove(_pfsId);
        }
    }

    MirrorTargetLease? TryLease(int pfsId)
    {
        lock (_mirrorTargets)
        {
            if (!_mirrorTargets.Add(pfsId)) return null;
        }
        return new MirrorTargetLease(this, pfsId);
    }

    /// <summary>Streams under way that note how far they have come, by PFS; guarded by the exclusive lock.</summary>
    readonly Dictionary<int, Action> _atClose = [];

    /// <summary>The close of a group (WriteCore.OnClose): everything of the front end enters the tree.</summary>
    void CloseGroup()
    {
        CloseDirty();
        // A group without changes stays empty: what a stream only passed over is no reason to write.
        if (_atClose.Count > 0 && !Core.Writer.IsClean)
        {
            foreach (Action atClose in _atClose.Values) atClose();
        }
        LagGroupClosed();
    }

    /// <summary>New contents for a PFS record, under the key that it has; only in space that nobody needs.</summary>
    Errno PatchPfsLocked(int pfsId, in PseudofsData data)
    {
        BTreeCursor cursor = RentCursor();
        try
        {
            if (!cursor.SeekAsOf(RecordKey.Pfs(pfsId), Tid.Max)) return Errno.NoEnt;
            Errno result = Core.Records.ReplaceUnversioned(cursor,
                MemoryMarshal.AsBytes(new ReadOnlySpan<PseudofsData>(in data)));
            if (!result.IsError) Core.NoteChange();
            return result;
        }
        finally
        {
            ReturnCursor(cursor);
            lock (_pfsStates) _pfsStates.Remove(pfsId);
        }
    }

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

        public IDisposable KeepHistory(int pfsId, ulong end) => fs.KeepHistory(pfsId, end, end);
        public void ExitShared() => fs._lock.ExitReadLock();
        public void LeaveEpoch(int epoch) => fs._epochs.Leave(epoch);
    }

    sealed class MirrorSourceOfPfs(HammerFs fs, int pfsId) : IMirrorSource
    {
        public Errno ReadPfs(out PseudofsData pfs) => fs.ReadSource(pfsId, out pfs, out _);

        public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage) =>
            fs.ReadSource(pfsId, out pfs, out lineage);

        public IMirrorScan Scan(MirrorRange range) => new MirrorScan(new MirrorAccess(fs), pfsId, range);

        public IMirrorScan Scan(MirrorRange range, in BaseElm from) =>
            new MirrorScan(new MirrorAccess(fs), pfsId, range, from);

        public bool IsWhole(ulong tid) => fs.IsWhole(pfsId, tid);

        public long BytesMax
        {
            get
            {
                ref VolumeOndisk header = ref fs._volumes.Root.Header;
                return Math.Max(0, header.StatBigBlocks - header.StatFreeBigBlocks) * HammerConst.BigBlockBytes;
            }
        }

        /// <summary>
        /// True if anything of this PFS changed after a TID. A durable group moves the safe TID of every master, also
        /// when only another PFS changed, a slave that this very stream feeds among them: without this look, a stream
        /// between two PFSs of one file system, or two boxes that mirror each other, would never rest.
        /// </summary>
        bool HasNews(ulong tid)
        {
            if (!fs.TryGetPfs(pfsId, out PseudofsData pfs) || pfs.IsSlave) return true;
            return fs.HasChanged(pfsId, tid);
        }

        // Every durable group may move the safe TID of a master, or the end of a slave.
        public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop)
        {
            if (fs._core is null) return fs.SafeTidShared(pfsId) > tid;
            using var moved = new ManualResetEventSlim();
            void Wake(ulong _) => moved.Set();
            void WakePfs() => moved.Set();
            fs._core.GroupDurable += Wake;
            fs.PfsMoved += WakePfs;
            try
            {
                ulong looked = tid;
                while (true)
                {
                    ulong safe = fs.SafeTidShared(pfsId);
                    if (safe > looked && HasNews(tid)) return true;
                    if (safe > looked) fs.LagSame(pfsId, tid, safe);
                    looked = Math.Max(looked, safe);
                    if (!moved.Wait(timeout, stop)) return false;
                    moved.Reset();
                }
            }
            catch (OperationCanceledException)
            {
                return false;
            }
            finally
            {
                fs._core.GroupDurable -= Wake;
                fs.PfsMoved -= WakePfs;
            }
        }
    }

    sealed class MirrorWriteAccess(HammerFs fs) : IMirrorWriteHost
    {
        public WriteCore Core => fs.Core;
        public NodeStore Nodes => fs._nodes;
        public uint Version => fs._volumes.Version;
        public HammerOff BTreeRoot => fs._root();
        public BTreeCursor NewCursor() => fs._inodes.NewCursor();

        public void EnterExclusive()
        {
            fs.Health.ThrowIfCritical();
            fs._lock.EnterWriteLock();
        }

        public void ExitExclusive() => fs._lock.ExitWriteLock();

        public void LatchHalfDone(Exception cause) =>
            fs.Health.LatchCritical(HammerOff.Null, "a change by a mirror failed half-way", cause);

        public Errno WaitDurable() => fs.SyncAndWait();

        public Errno WaitPfsDurable(int pfsId) => fs.PfsDurable(pfsId);

        public void WriteLargeData(HammerOff off, ReadOnlySpan<byte> data)
        {
            try
            {
                fs._volumes.WriteExtents(off, data);
            }
            catch (IOException e)
            {
                // Reserved space that nothing refers to: the batch breaks, the mount lives.
                throw new HammerMediumException(off, "writing file data failed: " + e.Message, e);
            }
        }

        public Errno ReadPfs(int pfsId, out PseudofsData pfs)
        {
            if (fs._lock.IsReadLockHeld || fs._lock.IsWriteLockHeld)
            {
                PfsState state = fs.PfsOf(pfsId);
                pfs = state.Data;
                return state.Exists ? Errno.None : Errno.NoEnt;
            }
            return fs.TryGetPfs(pfsId, out pfs) ? Errno.None : Errno.NoEnt;
        }

        public Errno StorePfs(int pfsId, in PseudofsData pfs)
        {
            fs.StorePfsLocked(pfsId, in pfs);
            return Errno.None;
        }

        public Lineage? Lineage(int pfsId) => fs.LineageOf(pfsId);

        public Errno StoreLineage(int pfsId, Lineage? lineage) => fs.StoreLineage(pfsId, lineage);

        public Errno LeaveSource(int pfsId, Guid source) => fs.LeaveSource(pfsId, source);

        public Errno PatchPfs(int pfsId, in PseudofsData pfs) => fs.PatchPfsLocked(pfsId, in pfs);

        public void SetAtClose(int pfsId, Action? atClose)
        {
            if (atClose is null) fs._atClose.Remove(pfsId);
            else fs._atClose[pfsId] = atClose;
        }

        public void CountInodes(int delta) => fs.CountInodes(delta);
    }

    /// <summary>True if anything that a mirror of this PFS would send has changed after a TID.</summary>
    public bool HasChanged(int pfsId, ulong tid)
    {
        if (_core is not null && Shared(_ => _core.LastRemoval(pfsId)) > tid) return true;
        using var scan = new MirrorScan(new MirrorAccess(this), pfsId, new MirrorRange(tid + 1, SafeTidShared(pfsId)));
        while (scan.MoveNext())
        {
            if (scan.Kind == MirrorItemKind.Skip) continue;
            ref readonly BaseElm elm = ref scan.Leaf.Base;
            // Records of the file system itself lie under the root directory of PFS 0; configuration is not mirrored.
            if (!GroupState.IsOfFs(in elm) && (elm.CreateTid > tid || elm.DeleteTid > tid)) return true;
        }
        return false;
    }
}
