using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Fuse.Abi;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/*
 * From a request of the kernel to a call of the file system and back.
 *
 * Handle() takes one whole message, calls the operation of its opcode and sends the reply. It never throws: what the
 * operation throws becomes an error number (FaultLog). It never waits for a flush: FSYNC, FSYNCDIR and SYNCFS leave
 * a callback with the file system, which sends the reply from the flusher's thread; a change for which the open
 * flush group has no room ends as NeedFlush, and the caller (the session) parks the message and hands it in again.
 * A request that is run twice is safe, because NeedFlush promises that nothing was changed.
 *
 * The body of a request is untrusted all the same: what is too short or makes no sense is EINVAL. On lookup, getattr,
 * read and write nothing is allocated on the managed heap.
 *
 * The operations are grouped in files: Names (entries of directories), Files (content), Attrs, Xattrs, Dirs, Links.
 */

/// <summary>Serves the FUSE protocol from an <see cref="IFileSystem"/>. Thread-safe; one per mount.</summary>
public sealed partial class FuseDispatcher
{
    readonly IFileSystem _fs;
    readonly NodeTable _nodes;
    readonly FaultLog _faults;
    readonly TimeProvider _time;
    readonly OpenStamps _stamps = new();
    readonly ulong _epoch;
    bool _setXattrExt;
    long _requests;

    /// <param name="epoch">Differs from mount to mount: makes node ids of former mounts stale.</param>
    public FuseDispatcher(IFileSystem fs, FuseLimits limits, TimeProvider time, Action<string> log, uint epoch)
    {
        _fs = fs;
        Limits = limits;
        _time = time;
        _epoch = epoch | 1UL << 32;
        _faults = new FaultLog(fs, log);
        _nodes = new NodeTable(fs.Root);
    }

    public FuseLimits Limits { get; }
    public NodeTable Nodes => _nodes;
    public FaultLog Faults => _faults;
    /// <summary>INIT has been answered.</summary>
    public bool Initialized { get; private set; }
    /// <summary>The kernel's protocol cannot be served; says why.</summary>
    public string? Refusal { get; private set; }
    public long Requests => Volatile.Read(ref _requests);

    /// <summary>Tells the kernel of changes that it did not make; null before the session starts.</summary>
    public IFuseNotifier? Notifier { get; set; }

    /// <summary>
    /// Serves one message. False: there is no room in the open flush group; nothing was done, hand the same message
    /// in again once that group is durable.
    /// </summary>
    public bool Handle(IFuseTransport transport, ReadOnlySpan<byte> message, Span<byte> replyBuffer)
    {
        Interlocked.Increment(ref _requests);
        if (!MemoryMarshal.TryRead(message, out FuseInHeader head)) return true;
        var reply = new ReplyWriter(replyBuffer);
        int bodyBytes = message.Length - FuseInHeader.Bytes - head.ExtWords * 8;
        Errno error = Errno.Inval;
        if (head.Len == message.Length && bodyBytes >= 0)
        {
            var body = new RequestCursor(message.Slice(FuseInHeader.Bytes, bodyBytes));
            try
            {
                error = Dispatch(transport, in head, ref body, ref reply);
            }
#pragma warning disable CA1031 // one of the four places that map every exception
            catch (Exception exception)
#pragma warning restore CA1031
            {
                TakeBack(ref reply);
                error = _faults.Map(exception, head.Opcode);
            }
        }
        if (error == Errno.NeedFlush) return false;
        if (reply.Silent || HasNoReply(head.Opcode)) return true;
        Invariant.Check(error.Value < Errno.NeedFlush.Value, "an error number for the kernel is a real one");
        if (!transport.Send(reply.Finish(head.Unique, -error.Value)) && !error.IsError) TakeBack(ref reply);
        return true;
    }

    /// <summary>Answers a request without a payload, from any thread.</summary>
    public static void ReplyError(IFuseTransport transport, ulong unique, Errno error)
    {
        Span<byte> buffer = stackalloc byte[FuseOutHeader.Bytes];
        transport.Send(new ReplyWriter(buffer).Finish(unique, -error.Value));
    }

    static bool HasNoReply(FuseOpcode opcode) =>
        opcode is FuseOpcode.Forget or FuseOpcode.BatchForget or FuseOpcode.NotifyReply;

    Errno Dispatch(IFuseTransport transport, in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        switch (head.Opcode)
        {
            case FuseOpcode.Init: return Init(ref body, ref reply);
            case FuseOpcode.Lookup: return Lookup(in head, ref body, ref reply);
            case FuseOpcode.Forget: return Forget(in head, ref body);
            case FuseOpcode.BatchForget: return BatchForget(ref body);
            case FuseOpcode.GetAttr: return GetAttr(in head, ref reply);
            case FuseOpcode.SetAttr: return SetAttr(in head, ref body, ref reply);
            case FuseOpcode.ReadLink: return ReadLink(in head, ref reply);
            case FuseOpcode.Symlink: return Symlink(in head, ref body, ref reply);
            case FuseOpcode.MkNod: return MkNod(in head, ref body, ref reply);
            case FuseOpcode.MkDir: return MkDir(in head, ref body, ref reply);
            case FuseOpcode.Unlink: return Remove(in head, ref body, directory: false);
            case FuseOpcode.RmDir: return Remove(in head, ref body, directory: true);
            case FuseOpcode.Rename: return Rename(in head, ref body, hasFlags: false);
            case FuseOpcode.Rename2: return Rename(in head, ref body, hasFlags: true);
            case FuseOpcode.Link: return Link(in head, ref body, ref reply);
            case FuseOpcode.Create: return Create(in head, ref body, ref reply);
            case FuseOpcode.TmpFile: return TmpFile(in head, ref body, ref reply);
            case FuseOpcode.Open: return Open(in head, ref body, ref reply);
            case FuseOpcode.Release: return Release(in head);
            case FuseOpcode.Read: return Read(in head, ref body, ref reply);
            case FuseOpcode.Write: return Write(in head, ref body, ref reply);
            case FuseOpcode.FAllocate: return FAllocate(in head, ref body);
            case FuseOpcode.LSeek: return LSeek(in head, ref body, ref reply);
            case FuseOpcode.FSync or FuseOpcode.FSyncDir: return FSync(transport, in head, ref reply);
            case FuseOpcode.SyncFs: return SyncFs(transport, in head, ref reply);
            case FuseOpcode.OpenDir: return OpenDir(in head, ref reply);
            case FuseOpcode.ReleaseDir: return ReleaseDir(in head);
            case FuseOpcode.ReadDir: return ReadDir(in head, ref body, ref reply);
            case FuseOpcode.ReadDirPlus: return ReadDirPlus(in head, ref body, ref reply);
            case FuseOpcode.StatFs: return StatFs(ref reply);
            case FuseOpcode.GetXattr: return GetXattr(in head, ref body, ref reply);
            case FuseOpcode.ListXattr: return ListXattr(in head, ref body, ref reply);
            case FuseOpcode.SetXattr: return SetXattr(in head, ref body);
            case FuseOpcode.RemoveXattr: return RemoveXattr(in head, ref body);
            case FuseOpcode.Ioctl: return Ioctl(in head, ref body, ref reply);
            case FuseOpcode.Destroy: return Errno.None;
            // ENOSYS has a meaning to the kernel: FLUSH and INTERRUPT are never sent again (operations are as
            // uninterruptible as a local disk's), COPY_FILE_RANGE is done by reading and writing.
            default: return Errno.NoSys;
        }
    }

    Errno Init(ref RequestCursor body, ref ReplyWriter reply)
    {
        const uint major = 7, minor = 38, minorLeast = 34;
        if (!body.TryTake(out FuseInitIn init)) return Errno.Inval;
        if (init.Major > major)
        {
            // The kernel asks again with the version named here.
            reply.Put(new FuseInitOut { Major = major, Minor = minor });
            return Errno.None;
        }
        if (init.Major < major || init.Minor < minorLeast)
        {
            Refusal = $"the kernel speaks FUSE {init.Major}.{init.Minor}, needed is {major}.{minorLeast} or later";
            return new Errno(71); // EPROTO
        }
        FuseInitFlags wanted = FuseInitFlags.AsyncRead | FuseInitFlags.AtomicOTrunc | FuseInitFlags.ExportSupport |
            FuseInitFlags.BigWrites | FuseInitFlags.DontMask | FuseInitFlags.HasIoctlDir |
            FuseInitFlags.DoReadDirPlus | FuseInitFlags.ReadDirPlusAuto | FuseInitFlags.AsyncDio |
            FuseInitFlags.ParallelDirOps | FuseInitFlags.PosixAcl | FuseInitFlags.MaxPages |
            FuseInitFlags.HandleKillPrivV2 | FuseInitFlags.SetXattrExt;
        FuseInitFlags flags = init.Flags & wanted;
        _setXattrExt = flags.HasFlag(FuseInitFlags.SetXattrExt);
        reply.Put(new FuseInitOut
        {
            Major = major, Minor = minor, MaxReadahead = (uint)Limits.TransferBytesMax, Flags = flags,
            MaxBackground = Limits.BackgroundMax, CongestionThreshold = (ushort)(Limits.BackgroundMax * 3 / 4),
            MaxWrite = (uint)Limits.TransferBytesMax, TimeGran = 1000, MaxPages = (ushort)Limits.PagesMax,
        });
        Initialized = true;
        return Errno.None;
    }

    Errno StatFs(ref ReplyWriter reply)
    {
        const uint blockBytes = HammerConst.BufferBytes;
        Errno error = _fs.StatFs(out FsStat stat);
        if (error.IsError) return error;
        // Inodes are not preallocated: as many can be made as 1 KiB pieces are left.
        ulong inodesFree = stat.AvailBytes / 1024;
        reply.Put(new FuseStatFsOut
        {
            Blocks = stat.TotalBytes / blockBytes, BFree = stat.FreeBytes / blockBytes,
            BAvail = stat.AvailBytes / blockBytes, Files = stat.Inodes + inodesFree, FFree = inodesFree,
            BSize = blockBytes, FrSize = blockBytes, NameLen = HammerConst.NameBytesMax,
        });
        return Errno.None;
    }

    /// <summary>Undoes what an undeliverable reply promised.</summary>
    void TakeBack(ref ReplyWriter reply)
    {
        if (reply.Opened is { } opened) _fs.Release(opened);
        reply.Opened = null;
        if (reply.EntryNode != 0) _nodes.Forget(reply.EntryNode, 1);
        reply.EntryNode = 0;
        if (reply.EntriesPlus) TakeBackEntries(reply.Payload);
        reply.EntriesPlus = false;
    }

    /// <summary>The object of a request; a link node is not an object that can be changed or read.</summary>
    Errno Target(in FuseInHeader head, out Vnode vnode)
    {
        Errno error = _nodes.Resolve(head.NodeId, out vnode, out bool isLink);
        return error.IsError ? error : isLink ? Errno.RoFs : Errno.None;
    }

    /// <summary>ENOENT for a node that the kernel knows means that the object is gone.</summary>
    static Errno Gone(Errno error) => error == Errno.NoEnt ? Errno.Stale : error;

    static Caller CallerOf(in FuseInHeader head, uint umask = 0) =>
        new(head.Uid, head.Gid, (int)head.Pid) { Umask = umask & 0x1FF };

    static Errno TakeName(ref RequestCursor body, out ReadOnlySpan<byte> name)
    {
        if (!body.TryTakeString(out name) || name.IndexOf((byte)'/') >= 0) return Errno.Inval;
        return name.Length > HammerConst.NameBytesMax ? Errno.NameTooLong : Errno.None;
    }

    /// <summary>A name to be made or removed: "." and ".." are none.</summary>
    static Errno TakeNewName(ref RequestCursor body, out ReadOnlySpan<byte> name)
    {
        Errno error = TakeName(ref body, out name);
        if (error.IsError) return error;
        return name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) ? Errno.Inval : Errno.None;
    }

    static uint ReadUInt32(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(bytes);
}
