using System;

namespace NasCore.Fuse.Dispatch;

/// <summary>
/// Tells the kernel to drop what it remembers, after changes that did not come through it: a mirror batch, prune,
/// rollback, destroying a PFS. Call it outside every lock of the file system: the kernel may wait for requests under
/// way before it returns.
/// </summary>
public interface IFuseNotifier
{
    /// <summary>Attributes, ACLs and all cached content of the object.</summary>
    void InvalInode(Vnode vnode);
    /// <summary>Attributes and ACLs only; this one takes no lock in the kernel.</summary>
    void InvalAttr(Vnode vnode);
    /// <summary>The name in the directory, with everything below it.</summary>
    void InvalEntry(Vnode directory, ReadOnlySpan<byte> name);
    /// <summary>Everything remembered of views of the past of a PFS: after prune, rollback, destroy.</summary>
    void InvalHistory(int pfsId);
}
