using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NasCore.Fuse.Abi;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>Listing directories.</summary>
public sealed partial class FuseDispatcher
{
    static readonly int EntryBytes = Unsafe.SizeOf<FuseEntryOut>();
    static readonly int DirentBytes = Unsafe.SizeOf<FuseDirent>();

    /// <summary>Writes entries straight into the reply. With room for attributes, these are left for later.</summary>
    ref struct DirentSink(Span<byte> room, bool plus, uint viewDev) : IDirSink
    {
        readonly Span<byte> _room = room;

        public int Used { get; private set; }

        public bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie)
        {
            int head = plus ? EntryBytes : 0;
            int bytes = Align(head + DirentBytes + name.Length);
            if (bytes > _room.Length - Used) return false;
            Span<byte> place = _room.Slice(Used, bytes);
            place.Clear();
            if (plus)
            {
                // The child waits in the attributes of an entry without a node: nothing to take back yet.
                FuseEntryOut entry = default;
                entry.Attr.Ino = (ulong)child.ObjId;
                entry.Attr.Size = child.AsOf;
                entry.Attr.Blocks = (ulong)child.PfsId;
                MemoryMarshal.Write(place, in entry);
            }
            var dirent = new FuseDirent
            {
                Ino = InodeNumber(child, viewDev), Off = (ulong)nextCookie, NameLen = (uint)name.Length,
                Type = TypeBits(type) >> 12,
            };
            MemoryMarshal.Write(place[head..], in dirent);
            name.CopyTo(place[(head + DirentBytes)..]);
            Used += bytes;
            return true;
        }
    }

    Errno OpenDir(in FuseInHeader head, ref ReplyWriter reply)
    {
        Errno error = Target(in head, out Vnode vnode);
        if (error.IsError) return error;
        error = _fs.Open(vnode);
        if (error.IsError) return Gone(error);
        reply.Opened = vnode;
        // What cannot change is listed once; then the kernel answers by itself.
        FuseOpenReply flags = _fs.IsImmutable(vnode)
            ? FuseOpenReply.CacheDir | FuseOpenReply.KeepCache
            : FuseOpenReply.None;
        reply.Put(new FuseOpenOut { OpenFlags = flags });
        return Errno.None;
    }

    Errno ReleaseDir(in FuseInHeader head)
    {
        if (!_nodes.Resolve(head.NodeId, out Vnode vnode, out _).IsError) _fs.Release(vnode);
        return Errno.None;
    }

    Errno ReadDir(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        Errno error = List(in head, ref body, plus: false, ref reply, out int used);
        if (!error.IsError) reply.Advance(used);
        return error;
    }

    Errno ReadDirPlus(in FuseInHeader head, ref RequestCursor body, ref ReplyWriter reply)
    {
        Errno error = List(in head, ref body, plus: true, ref reply, out int used);
        if (error.IsError) return error;
        Span<byte> list = reply.Free[..used];
        reply.Advance(used);
        reply.EntriesPlus = true;
        while (list.Length > 0)
        {
            FuseDirent dirent = MemoryMarshal.Read<FuseDirent>(list[EntryBytes..]);
            ReadOnlySpan<byte> name = list.Slice(EntryBytes + DirentBytes, (int)dirent.NameLen);
            FuseEntryOut entry = default;
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                FillListed(head.NodeId, name, MemoryMarshal.Read<FuseEntryOut>(list).Attr, ref entry);
            MemoryMarshal.Write(list, in entry);
            list = list[Align(EntryBytes + DirentBytes + name.Length)..];
        }
        return Errno.None;
    }

    Errno List(in FuseInHeader head, ref RequestCursor body, bool plus, ref ReplyWriter reply, out int used)
    {
        used = 0;
        if (!body.TryTake(out FuseReadIn request)) return Errno.Inval;
        Errno error = Target(in head, out Vnode dir);
        if (error.IsError) return error;
        uint viewDev = 0;
        if (dir is not { PfsId: 0, IsLive: true })
        {
            error = _fs.GetAttr(dir, out FileAttr attr);
            if (error.IsError) return Gone(error);
            viewDev = attr.ViewDev;
        }
        int room = (int)Math.Min(request.Size, (uint)Limits.TransferBytesMax);
        var sink = new DirentSink(reply.Free[..room], plus, viewDev);
        error = _fs.ReadDir(dir, (long)request.Offset, ref sink);
        used = sink.Used;
        // An unlinked directory that is still open lists as empty.
        if (error == Errno.NoEnt) return Errno.None;
        return error;
    }

    /// <summary>
    /// Attributes of a listed child. Without them (it is gone meanwhile, or its inode is damaged) the name is listed
    /// all the same, and looking it up tells the trouble.
    /// </summary>
    void FillListed(ulong parentNode, ReadOnlySpan<byte> name, FuseAttr parked, ref FuseEntryOut entry)
    {
        var child = new Vnode((int)parked.Blocks, parked.Size, (long)parked.Ino);
        try
        {
            if (_fs.GetAttr(child, out FileAttr attr).IsError) return;
            bool directory = IsDirectory(attr.Type);
            if (_nodes.Enter(parentNode, name, child, directory, false, out ulong node).IsError) return;
            FillEntry(ref entry, node, child, in attr);
        }
        catch (HammerMediumException damage)
        {
            _faults.Map(damage, FuseOpcode.ReadDirPlus);
        }
    }

    void TakeBackEntries(ReadOnlySpan<byte> list)
    {
        while (list.Length >= EntryBytes + DirentBytes)
        {
            ulong node = MemoryMarshal.Read<FuseEntryOut>(list).NodeId;
            if (node != 0) _nodes.Forget(node, 1);
            int nameBytes = (int)MemoryMarshal.Read<FuseDirent>(list[EntryBytes..]).NameLen;
            list = list[Align(EntryBytes + DirentBytes + nameBytes)..];
        }
    }

    static int Align(int bytes) => (bytes + 7) & ~7;
}
