using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasCore.Primitives;

namespace NasCore.Fuse.Session;

/// <summary>Notifications to the kernel. Objects that it does not know are passed over.</summary>
sealed class FuseNotifier(IFuseTransport transport, NodeTable nodes) : IFuseNotifier
{
    public void InvalInode(Vnode vnode)
    {
        if (nodes.TryFind(vnode, out ulong node)) Send(node, 0);
    }

    public void InvalAttr(Vnode vnode)
    {
        if (nodes.TryFind(vnode, out ulong node)) Send(node, -1);
    }

    public void InvalEntry(Vnode directory, ReadOnlySpan<byte> name)
    {
        if (nodes.TryFind(directory, out ulong node)) SendEntry(node, name);
    }

    /// <summary>Drops every place where a view of the past was entered, with all below that nobody uses.</summary>
    internal void InvalEntryPoints()
    {
        foreach ((ulong parent, byte[] name) in nodes.EntryPoints()) SendEntry(parent, name);
    }

    void SendEntry(ulong node, ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.Length > HammerConst.NameBytesMax) return;
        int headBytes = FuseOutHeader.Bytes + Unsafe.SizeOf<FuseNotifyInvalEntryOut>();
        Span<byte> message = stackalloc byte[headBytes + name.Length + 1];
        message.Clear();
        WriteHead(message, FuseNotifyCode.InvalEntry);
        var entry = new FuseNotifyInvalEntryOut { Parent = node, NameLen = (uint)name.Length };
        MemoryMarshal.Write(message[FuseOutHeader.Bytes..], in entry);
        name.CopyTo(message[headBytes..]);
        transport.Send(message);
    }

    public void InvalHistory(int pfsId)
    {
        Span<ulong> some = stackalloc ulong[128];
        for (int from = 0; from >= 0;)
        {
            from = nodes.ListHistory(pfsId, from, some, out int count);
            foreach (ulong node in some[..count]) Send(node, 0);
        }
    }

    /// <summary>With a negative offset only attributes are dropped.</summary>
    void Send(ulong node, long offset)
    {
        Span<byte> message = stackalloc byte[FuseOutHeader.Bytes + Unsafe.SizeOf<FuseNotifyInvalInodeOut>()];
        WriteHead(message, FuseNotifyCode.InvalInode);
        var inode = new FuseNotifyInvalInodeOut { NodeId = node, Offset = offset, Length = 0 };
        MemoryMarshal.Write(message[FuseOutHeader.Bytes..], in inode);
        transport.Send(message);
    }

    static void WriteHead(Span<byte> message, FuseNotifyCode code)
    {
        var head = new FuseOutHeader { Len = (uint)message.Length, Error = (int)code };
        MemoryMarshal.Write(message, in head);
    }
}
