using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore;

// History: snapshot and config records (mirroring-and-operations 5), time marks, prune, and leases on the past.
// Methods that change something block until it is durable.
public sealed partial class HammerFs
{
    /// <summary>Nodes that one of these records may touch.</summary>
    const int HistoryNodes = 24;
    /// <summary>Text of a config record at most, without its NUL.</summary>
    public const int ConfigBytesMax = ConfigBytes - 2;
    const int ConfigBytes = 1024;

    /// <summary>Ids of the PFSs that have a record and are not deleted, ascending; 0 is always there.</summary>
    public List<int> PfsIds() => Shared(cursor =>
    {
        var ids = new List<int> { 0 };
        BaseElm key = RecordKey.Pfs(1);
        key.CreateTid = 1;
        for (bool more = cursor.SeekFirst(in key); more; more = cursor.Next())
        {
            BaseElm e = cursor.Elm.Base;
            if (e.Localization != key.Localization || e.ObjId != key.ObjId || e.RecType != RecType.Pfs) break;
            int id = (int)((e.Key >> 16) & HammerConst.PfsIdMax);
            if (e.DeleteTid == 0 && PfsOf(id).Exists) ids.Add(id);
        }
        return ids;
    });

    // ------------------------------------------------------------------ snapshots

    /// <summary>
    /// Makes what was done so far durable and gives the TID to register as a snapshot of a PFS: one above the group's
    /// TID (architecture M2), on a slave the end of its last whole batch.
    /// </summary>
    public Errno SnapshotTid(int pfsId, out ulong tid)
    {
        tid = 0;
        if (!TryGetPfs(pfsId, out _) && pfsId != 0) return Errno.NoEnt;
        Errno result = SyncAndWait();
        tid = SafeTidShared(pfsId);
        return result;
    }

    /// <summary>
    /// Registers a TID. <see cref="Errno.Exist"/> if it is registered already, <see cref="Errno.Inval"/> if it does not
    /// lie in the past, or a prune has gone over it (<see cref="IsWhole"/>).
    /// </summary>
    public Errno AddSnapshot(int pfsId, ulong tid, string label)
    {
        if (_core is null) return Errno.RoFs;
        if (!TryGetPfs(pfsId, out _) && pfsId != 0) return Errno.NoEnt;
        if (tid == 0) return Errno.Inval;
        var data = new SnapshotData { SnapTid = tid, Ts = _core.Records.NowMicros, Label = LabelText.Make(label) };
        byte[] bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<SnapshotData>(in data)).ToArray();
        lock (_marksLock)
        {
            // Under the lock: a return of a former master takes its present back (HammerFs.Rejoin).
            if (tid > SafeTidShared(pfsId)) return Errno.Inval;
            bool isThere = Snapshots(pfsId).Exists(s => s.Tid == tid);
            if (!isThere && !IsWhole(pfsId, tid)) return Errno.Inval;
            return PutHistory(RecordKey.Snapshot(pfsId, tid), bytes, replaces: false);
        }
    }

    /// <summary>Takes a registered TID off; its history goes with the next prune.</summary>
    public Errno RemoveSnapshot(int pfsId, ulong tid) =>
        PutHistory(RecordKey.Snapshot(pfsId, tid), null, replaces: true);

    /// <summary>Registered TIDs of a PFS, ascending; of a slave those that it has come to.</summary>
    public List<SnapshotEntry> Snapshots(int pfsId) => Shared(cursor =>
    {
        var list = new List<SnapshotEntry>();
        ulong end = EndOfMarks(pfsId);
        // Keys are TIDs taken as signed numbers.
        BaseElm key = RecordKey.Snapshot(pfsId, 0);
        key.Key = long.MinValue;
        key.CreateTid = 1;
        for (bool more = cursor.SeekFirst(in key); more; more = cursor.Next())
        {
            ref LeafElm elm = ref cursor.Elm;
            if (elm.Base.Localization != key.Localization || elm.Base.ObjId != key.ObjId
                || elm.Base.RecType != RecType.Snapshot) break;
            if (elm.Base.DeleteTid == 0 && unchecked((ulong)elm.Base.Key) <= end) list.Add(SnapshotOf(in elm));
        }
        list.Sort((a, b) => a.Tid.CompareTo(b.Tid));
        return list;
    });

    SnapshotEntry SnapshotOf(in LeafElm elm)
    {
        ulong tid = unchecked((ulong)elm.Base.Key);
        if (elm.DataLen < SnapshotData.Bytes || elm.DataOffset == 0) return new SnapshotEntry(tid, 0, "");
        using BufferRef buffer = _records.Pin(in elm);
        SnapshotData data = MemoryMarshal.Read<SnapshotData>(buffer.Bytes(SnapshotData.Bytes));
        // Readers trust the key (operations 5.2).
        return new SnapshotEntry(tid, data.Ts, LabelText.Get(data.Label));
    }

    // ------------------------------------------------------------------ configuration

    static BaseElm ConfigKey(int pfsId, long key)
    {
        BaseElm config = RecordKey.Inode(pfsId, HammerConst.RootObjId);
        config.RecType = RecType.Config;
        config.Key = key;
        return config;
    }

    /// <summary>The configuration text of a PFS (cleanup's policy); <see cref="Errno.NoEnt"/> if it has none.</summary>
    public Errno ReadConfig(int pfsId, out string text)
    {
        text = "";
        byte[]? data = ReadHistory(ConfigKey(pfsId, 0));
        if (data is null) return Errno.NoEnt;
        int end = Array.IndexOf(data, (byte)0);
        text = Encoding.UTF8.GetString(data, 0, end < 0 ? data.Length : end);
        return Errno.None;
    }

    /// <summary>Replaces the configuration text; <see cref="Errno.TooBig"/> beyond
    /// <see cref="ConfigBytesMax"/>.</summary>
    public Errno WriteConfig(int pfsId, string text)
    {
        if (!TryGetPfs(pfsId, out _) && pfsId != 0) return Errno.NoEnt;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length > ConfigBytesMax) return Errno.TooBig;
        byte[] data = new byte[ConfigBytes];
        bytes.CopyTo(data, 0);
        return PutHistory(ConfigKey(pfsId, 0), data, replaces: true);
    }

    // ------------------------------------------------------------------ records with one live version, without history

    byte[]? ReadHistory(BaseElm key) => Shared(cursor =>
    {
        if (!cursor.SeekAsOf(key, Tid.Max) || cursor.Elm.DataOffset == 0) return null;
        byte[] data = new byte[cursor.Elm.DataLen];
        _records.Read(in cursor.Elm, data);
        return data;
    });

    struct HistoryArg
    {
        public BaseElm Key;
        public byte[]? Data;
        public bool Replaces;
    }

    /// <summary>Stores a record, or removes it (null); physically, without history, durably.</summary>
    Errno PutHistory(BaseElm key, byte[]? data, bool replaces)
    {
        var arg = new HistoryArg { Key = key, Data = data, Replaces = replaces };
        while (true)
        {
            Errno result = Mutate(HistoryNodes, ref arg, PutHistoryLocked);
            if (result.IsError && result != Errno.NeedFlush) return result;
            bool isDone = !result.IsError;
            result = SyncAndWait();
            if (isDone || result.IsError) return result;
        }
    }

    Errno PutHistoryLocked(BTreeCursor cursor, ref HistoryArg arg)
    {
        Errno space = CheckSpace(HammerConst.NodeBytes + (arg.Data?.Length ?? 0), removal: arg.Data is null);
        return space.IsError ? space : StoreHistoryLocked(cursor, ref arg);
    }

    Errno StoreHistoryLocked(BTreeCursor cursor, ref HistoryArg arg)
    {
        bool exists = cursor.SeekAsOf(arg.Key, Tid.Max);
        if (exists && !arg.Replaces) return Errno.Exist;
        if (!exists && arg.Data is null) return Errno.NoEnt;
        if (exists) _core!.Records.RemovePhysically(cursor);
        return arg.Data is null ? Errno.None : _core!.Records.InsertMeta(arg.Key, arg.Data);
    }

    /// <summary>The clock given at mount.</summary>
    public TimeProvider Time => _options.Time;

    /// <summary>Bytes of all volumes together, as statfs shows them.</summary>
    public long TotalBytes => Math.Max(0, _volumes.Root.Header.StatBigBlocks) * HammerConst.BigBlockBytes;

    /// <summary>The wall clock of this file system.</summary>
    public DateTimeOffset Now => _options.Time.GetUtcNow();

    /// <summary>Bytes in free big-blocks.</summary>
    public long FreeBytes => Math.Max(0, _volumes.Root.Header.StatFreeBigBlocks) * HammerConst.BigBlockBytes;

    /// <summary>Bytes of big-blocks that became empty since the mount.</summary>
    public long ReturnedBytes => _core?.Freemap.ReturnedBytes ?? 0;

    // ------------------------------------------------------------------ prune

    /// <summary>
    /// A prune of one PFS, ready to be stepped (mirroring-and-operations 6.1). Time marks that the rule does not keep
    /// are taken off first, durably. Everything removes the snapshots, too.
    /// </summary>
    public Errno OpenPrune(int pfsId, PruneRule rule, BaseElm? resume, out Prune? prune)
    {
        prune = null;
        if (_core is null) return Errno.RoFs;
        if (!TryGetPfs(pfsId, out _) && pfsId != 0) return Errno.NoEnt;
        PruneRule capped;
        Errno result;
        lock (_marksLock)
        {
            // What was registered since the rule was made counts, too.
            if (!rule.IsEverything)
                rule = PruneRule.Keep([.. rule.Kept, .. Snapshots(pfsId).Select(s => s.Tid)], rule.Limit);
            capped = rule.Capped(SafeTidShared(pfsId));
            result = DropMarks(pfsId, capped);
        }
        if (result.IsError) return result;
        if (rule.IsEverything)
        {
            foreach (SnapshotEntry snapshot in Snapshots(pfsId))
            {
                // What is registered from here on is above the limit.
                if (snapshot.Tid > capped.Limit) continue;
                result = RemoveSnapshot(pfsId, snapshot.Tid);
                if (result.IsError && result != Errno.NoEnt) return result;
            }
        }
        prune = new Prune(MaintenanceHost, pfsId, capped, resume);
        return Errno.None;
    }

    // ------------------------------------------------------------------ leases on the past

    sealed class HistoryLease(HammerFs fs, int pfsId, ulong fromTid, ulong toTid) : IDisposable
    {
        internal bool Needs(int pfs, ulong createTid, ulong deleteTid) =>
            pfs == pfsId && createTid <= toTid && deleteTid > fromTid;

        public void Dispose()
        {
            lock (fs._leases) fs._leases.Remove(this);
        }
    }

    readonly List<HistoryLease> _leases = [];

    /// <summary>
    /// Until it is disposed, no version that is visible at any TID of the range (both included) is removed from
    /// a PFS by maintenance. A mirror that sends the range up to E keeps (E, E); whoever compares two states keeps
    /// both.
    /// </summary>
    public IDisposable KeepHistory(int pfsId, ulong fromTid, ulong toTid)
    {
        var lease = new HistoryLease(this, pfsId, fromTid, toTid);
        lock (_leases) _leases.Add(lease);
        return lease;
    }

    bool IsHistoryKept(int pfsId, ulong createTid, ulong deleteTid)
    {
        lock (_leases)
        {
            foreach (HistoryLease lease in _leases)
            {
                if (lease.Needs(pfsId, createTid, deleteTid)) return true;
            }
        }
        return false;
    }
}
