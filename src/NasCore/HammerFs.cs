using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasCore.Recovery;
using NasCore.Undo;
using NasCore.Volumes;

namespace NasCore;

// HammerFs: what a mounted file system can do.
//
// One reader-writer lock guards all metadata: views and lookups share it, changes own it. Below it lie leaf locks
// only (buffer cache, memory pool). File data are read and written outside it. The parts of this class:
//   HammerFs.cs            opening, views, lookup, attributes
//   HammerFs.Read.cs       reading files, directories, links
//   HammerFs.Write*.cs     changes: each one a bounded operation on the open flush group
//   HammerFs.Flush.cs      closing groups, durability, the flusher thread
public sealed partial class HammerFs : IFileSystem, Maintenance.IHistoryHost, IDisposable
{
    readonly VolumeSet _volumes;
    readonly BufferMemoryPool _pool;
    readonly BufferCache _cache;
    readonly NodeStore _nodes;
    readonly InodeReader _inodes;
    readonly RecordReader _records;
    readonly FileReader _files;
    readonly HammerFsOptions _options;
    readonly FifoGeometry _fifoGeometry;
    readonly RankedReaderWriterLock _lock = new(LockRank.FileSystem, "file system");
    readonly BTreeCursor?[] _cursors = new BTreeCursor?[16];
    readonly Func<HammerOff> _root;
    /// <summary>Live PFS records, by id; loaded on demand, dropped when one changes. Guarded by its own lock.</summary>
    readonly Dictionary<int, PfsState> _pfsStates = [];

    /// <summary>What lookups need to know of a PFS; a copy of its checked record.</summary>
    sealed class PfsState(bool exists, in PseudofsData data)
    {
        public readonly bool Exists = exists;
        public readonly PseudofsData Data = data;
    }

    HammerFs(VolumeSet volumes, HammerFsOptions options)
    {
        _volumes = volumes;
        _options = options;
        _started = options.Time.GetTimestamp();
        _pool = new BufferMemoryPool();
        _cache = new BufferCache(volumes, _pool, CacheBuffers(options.CacheBytes));
        _nodes = new NodeStore(_cache, volumes.Version);
        _records = new RecordReader(volumes, _cache);
        _root = () => new HammerOff(_volumes.Root.Header.BTreeRoot);
        _inodes = new InodeReader(_nodes, _root, _records);
        _files = new FileReader(volumes, _records);
        _fifoGeometry = FifoGeometry.Load(volumes);
        _epochs = new Blockmap.ReaderEpochs(() => OpenGroup);
    }

    static int CacheBuffers(long bytes) => (int)Math.Clamp(bytes / HammerConst.BufferBytes, 512, int.MaxValue);

    /// <summary>
    /// Another flush interval and another size of the cache, while it is mounted. Waits for the file system lock, and
    /// so perhaps for the disk.
    /// </summary>
    public void Configure(TimeSpan flushInterval, long cacheBytes)
    {
        _core?.Pace.Configure(flushInterval);
        _lock.EnterWriteLock();
        try
        {
            _cache.Resize(CacheBuffers(cacheBytes));
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    /// <summary>
    /// Opens a file system; owns the volume set from here on, also on failure. Recovery stage 1 runs first: in memory
    /// for a read-only one.
    /// </summary>
    public static HammerFs Open(VolumeSet volumes, HammerFsOptions options)
    {
        HammerFs? fs = null;
        try
        {
            fs = new HammerFs(volumes, options);
            fs.OpenRecover();
            return fs;
        }
        catch
        {
            if (fs is not null) fs.Dispose();
            else volumes.Dispose();
            throw;
        }
    }

    void OpenRecover()
    {
        if (!IsReadOnly && _volumes.IsReadOnly)
            throw new HammerFormatException("a volume is opened read-only: mount with ro");
        bool writes = !IsReadOnly && _volumes.Version >= WritableVersionMin;
        UndoOutcome outcome = UndoRecovery.Run(_volumes, _fifoGeometry, writes ? WriteRestored : null,
            _options.RecoveryBytes);
        RecoveryOutcome = outcome;
        if (IsReadOnly) OpenHold(outcome);
        else OpenWritable(outcome);
    }

    /// <summary>A read-only mount keeps what UNDO restored in memory and writes nothing.</summary>
    void OpenHold(UndoOutcome outcome)
    {
        foreach (var (address, bytes) in outcome.Buffers) _cache.Hold(new HammerOff(address), bytes);
        outcome.Buffers.Clear();
    }

    /// <summary>What stage 1 found at open.</summary>
    public UndoOutcome? RecoveryOutcome { get; private set; }
    public VolumeSet Volumes => _volumes;
    public BufferCache Cache => _cache;
    public Blockmap.ReaderEpochs Epochs => _epochs;
    public NodeStore Nodes => _nodes;
    public InodeReader Inodes => _inodes;
    public MountHealth Health { get; } = new();
    public bool IsReadOnly => _options.ReadOnly || _options.AsOf != Tid.Max;
    public Vnode Root => new(0, _options.AsOf, HammerConst.RootObjId);

    /// <summary>Runs an action under the shared lock with a cursor: for scans (mirror, check, status).</summary>
    public T Shared<T>(Func<BTreeCursor, T> action)
    {
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            return action(cursor);
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    BTreeCursor RentCursor()
    {
        for (int i = 0; i < _cursors.Length; i++)
        {
            if (Volatile.Read(ref _cursors[i]) is null) continue;
            BTreeCursor? cursor = Interlocked.Exchange(ref _cursors[i], null);
            if (cursor is not null) return cursor;
        }
        return _inodes.NewCursor();
    }

    void ReturnCursor(BTreeCursor cursor)
    {
        for (int i = 0; i < _cursors.Length; i++)
        {
            if (Interlocked.CompareExchange(ref _cursors[i], cursor, null) is null) return;
        }
    }

    public bool IsImmutable(Vnode vnode)
    {
        if (IsReadOnly) return true;
        if (vnode.IsLive) return false;
        return vnode.AsOf <= SafeTidShared(vnode.PfsId);
    }

    /// <summary>The TID up to which a PFS can no longer change: of the last durable group, or the slave's
    /// end in that group (M1, R4). Callers hold the lock.</summary>
    ulong SafeTid(int pfsId)
    {
        PfsState state = PfsOf(pfsId);
        return state.Exists && state.Data.IsSlave ? SlaveEnd(pfsId, state) : DurableTid;
    }

    /// <summary>
    /// The same for callers without the lock: the PFS record may have to be read from the tree, and an old one must
    /// not enter the table after a new one.
    /// </summary>
    ulong SafeTidShared(int pfsId)
    {
        if (_lock.IsReadLockHeld || _lock.IsWriteLockHeld) return SafeTid(pfsId);
        _lock.EnterReadLock();
        try
        {
            return SafeTid(pfsId);
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>The PFS's record as it is now. Takes no file system lock of its own: callers hold it.</summary>
    PfsState PfsOf(int pfsId)
    {
        lock (_pfsStates)
        {
            if (_pfsStates.TryGetValue(pfsId, out PfsState? known)) return known;
        }
        BTreeCursor cursor = RentCursor();
        try
        {
            bool exists = PfsOfRead(cursor, pfsId, out PseudofsData data);
            if (!exists)
            {
                data = default;
                data.SharedUuid = data.UniqueUuid = _volumes.FsId;
            }
            var state = new PfsState(exists, in data);
            lock (_pfsStates)
            {
                if (_pfsStates.Count > 4096) _pfsStates.Clear();
                _pfsStates[pfsId] = state;
            }
            return state;
        }
        finally
        {
            ReturnCursor(cursor);
        }
    }

    /// <summary>
    /// The root PFS is a master whatever its record says: when that is damaged its files are there all the same, with
    /// the values of a volume that has none. What another PFS is, nobody can know.
    /// </summary>
    bool PfsOfRead(BTreeCursor cursor, int pfsId, out PseudofsData data)
    {
        try
        {
            return _inodes.TryPfs(cursor, pfsId, out data);
        }
        catch (HammerMediumException e) when (pfsId == 0)
        {
            _options.Log?.Invoke($"the record of the root PFS is damaged ({e.Message}): its files stay readable, but "
                + "it cannot be mirrored until pfs-update has written the record anew");
            data = default;
            return false;
        }
    }

    /// <summary>PFS data as pfs-status shows them; false if there is no such PFS (a template is returned).</summary>
    public bool TryGetPfs(int pfsId, out PseudofsData data)
    {
        _lock.EnterReadLock();
        try
        {
            PfsState state = PfsOf(pfsId);
            data = state.Data;
            return state.Exists;
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>True if objects of this view must not be changed (mirroring-and-operations 2.2; slaves).</summary>
    bool IsReadOnlyView(Vnode vnode) =>
        IsReadOnly || !vnode.IsLive
        || (vnode.PfsId != 0 && (IsFrozen(vnode.PfsId) || PfsOf(vnode.PfsId).Data.IsSlave));

    public Errno Lookup(Vnode dir, ReadOnlySpan<byte> name, out Vnode child, out FileAttr attr)
    {
        child = default;
        attr = default;
        if (name.Length > HammerConst.NameBytesMax + 32) return Errno.NameTooLong;
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            Errno e = LookupLocked(cursor, dir, name, out child);
            return e.IsError ? e : GetAttrLocked(cursor, child, fake: true, out attr);
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    Errno LookupLocked(BTreeCursor cursor, Vnode dir, ReadOnlySpan<byte> name, out Vnode child)
    {
        child = dir;
        if (name.SequenceEqual("."u8)) return Errno.None;
        if (name.SequenceEqual(".."u8)) return ParentLocked(cursor, dir, out child);
        // An ordinary name that contains "@@" but is no as-of name is looked up as it is.
        if (AsOfName.TryParse(name, out AsOfName asOf)) return LookupAsOf(cursor, dir, name, asOf, out child);
        return LookupEntry(cursor, dir, name, out child);
    }

    Errno LookupAsOf(BTreeCursor cursor, Vnode dir, ReadOnlySpan<byte> name, AsOfName asOf, out Vnode child)
    {
        ulong view = asOf.AsOf == Tid.Max ? _options.AsOf : Math.Min(asOf.AsOf, _options.AsOf);
        ReadOnlySpan<byte> stem = name[..asOf.NameBytes];
        if (stem.IsEmpty || stem.SequenceEqual("."u8))
        {
            bool ofPfs = asOf.PfsId >= 0 && stem.IsEmpty;
            child = ofPfs ? new Vnode(asOf.PfsId, view, HammerConst.RootObjId) : dir with { AsOf = view };
            return TryInodeLocked(cursor, child, out InodeOndisk found)
                ? found.ObjTypeRaw == (byte)ObjType.Directory ? Errno.None : Errno.NotDir
                : Errno.NoEnt;
        }
        return LookupEntry(cursor, dir with { AsOf = view }, stem, out child);
    }

    Errno LookupEntry(BTreeCursor cursor, Vnode dir, ReadOnlySpan<byte> name, out Vnode child)
    {
        child = default;
        if (name.Length > HammerConst.NameBytesMax) return Errno.NameTooLong;
        if (!TryInodeLocked(cursor, dir, out InodeOndisk inode)) return Errno.NoEnt;
        if (inode.ObjTypeRaw != (byte)ObjType.Directory) return Errno.NotDir;
        if (!_inodes.TryEntry(cursor, dir.PfsId, dir.ObjId, inode.CapFlags, dir.AsOf, name, out DirEntryHead entry))
        {
            LookupDamaged(cursor, dir, inode.CapFlags, name);
            return Errno.NoEnt;
        }
        child = new Vnode(new Localization(entry.Localization).PfsId, dir.AsOf, entry.ObjId);
        return Errno.None;
    }

    public Errno Parent(Vnode dir, out Vnode parent)
    {
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            return ParentLocked(cursor, dir, out parent);
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    Errno ParentLocked(BTreeCursor cursor, Vnode dir, out Vnode parent)
    {
        parent = dir;
        if (!TryInodeLocked(cursor, dir, out InodeOndisk inode)) return Errno.NoEnt;
        if (inode.ObjTypeRaw != (byte)ObjType.Directory) return Errno.NotDir;
        if (inode.ParentObjId != 0) parent = dir with { ObjId = inode.ParentObjId };
        // The root of another PFS, or of a view other than the mount's: the mount's own root (operations 2.1).
        else if (dir.PfsId != 0 || dir.AsOf != _options.AsOf) parent = Root;
        return Errno.None;
    }

    public Errno GetAttr(Vnode vnode, out FileAttr attr)
    {
        BTreeCursor cursor = RentCursor();
        _lock.EnterReadLock();
        try
        {
            // A live object without an inode has been removed; what a damaged name leads to is told by Lookup.
            return GetAttrLocked(cursor, vnode, fake: !vnode.IsLive, out attr);
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
    }

    /// <summary>
    /// Attributes, or, if wanted, those of a fake fifo when a directory entry leads to no inode at this TID
    /// (mirroring-and-operations 2.1): damaged names stay visible and removable.
    /// </summary>
    Errno GetAttrLocked(BTreeCursor cursor, Vnode vnode, bool fake, out FileAttr attr)
    {
        attr = default;
        if (!TryInodeLocked(cursor, vnode, out InodeOndisk inode))
        {
            if (!fake || vnode.ObjId == HammerConst.RootObjId) return Errno.NoEnt;
            attr = new FileAttr { ObjId = vnode.ObjId, Type = ObjType.Fifo };
            return Errno.None;
        }
        FillAttr(vnode, in inode, out attr);
        return Errno.None;
    }

    void FillAttr(Vnode vnode, in InodeOndisk inode, out FileAttr attr)
    {
        PfsState pfs = PfsOf(vnode.PfsId);
        attr = new FileAttr
        {
            ObjId = vnode.ObjId,
            Type = (ObjType)inode.ObjTypeRaw,
            Mode = inode.Mode & 0xFFFu,
            Nlinks = inode.Nlinks,
            Uid = InodeOndisk.IdOf(in inode.UidUuid),
            Gid = InodeOndisk.IdOf(in inode.GidUuid),
            Size = inode.Size,
            Ctime = inode.Ctime,
            Mtime = inode.Mtime,
            Atime = inode.Atime,
            Rmajor = inode.Rmajor,
            Rminor = inode.Rminor,
            Uflags = inode.Uflags,
            ViewDev = ViewDev(in pfs.Data.SharedUuid, vnode.AsOf),
            AllocatedBytes = Allocated(inode.Size),
        };
        if (!IsReadOnlyView(vnode)) return;
        bool stored = _options.Times == TimesRule.Stored
            || (_options.Times == TimesRule.ByPfs && pfs.Exists && PfsMark.HasTimes(in pfs.Data));
        if (!stored) attr.Mtime = inode.Ctime;
        attr.Atime = attr.Mtime;
    }

    /// <summary>HAMMER's device number of a view: the same on master and slave (mirroring-and-operations
    /// 2.3).</summary>
    public static uint ViewDev(in Guid sharedUuid, ulong asOf)
    {
        uint crc = HammerCrc.Crc32(System.Runtime.InteropServices.MemoryMarshal.AsBytes(
            new ReadOnlySpan<Guid>(in sharedUuid)));
        return crc ^ (uint)asOf ^ (uint)(asOf >> 32);
    }

    static ulong Allocated(ulong size)
    {
        ulong unit = size >= HammerConst.XDemarc ? HammerConst.XBufferBytes
            : size > HammerConst.SmallFileBytes ? HammerConst.BufferBytes : (ulong)HammerConst.DataAlignBytes;
        return size > ulong.MaxValue - unit ? size : (size + unit - 1) / unit * unit;
    }

    /// <summary>
    /// Without a lock, so that nobody waits here behind somebody who waits for a disk: each number is one that was so.
    /// </summary>
    public Errno StatFs(out FsStat stat)
    {
        ref VolumeOndisk h = ref _volumes.Root.Header;
        ReadOnlySpan<byte> fsid = System.Runtime.InteropServices.MemoryMarshal.AsBytes(
            new ReadOnlySpan<Guid>(in h.FsId));
        ulong free = (ulong)FreeBytes;
        stat = new FsStat
        {
            TotalBytes = (ulong)TotalBytes, FreeBytes = free, AvailBytes = AvailBytes(free),
            Inodes = (ulong)Math.Max(0, h.StatInodes),
            FsId0 = HammerCrc.Crc32(fsid[..8]),
            FsId1 = HammerCrc.Crc32(fsid[8..]) & 0xFFFF,
            Label = _volumes.Label,
        };
        return Errno.None;
    }
}
