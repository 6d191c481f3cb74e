using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>
/// How long the kernel may believe what it was told, in seconds (architecture R4). A view that cannot change is
/// believed for a day. A live object that changes through this mount only may be believed for long as well, since
/// the kernel notes its own changes; its attributes a little less, since a write may clear set-id bits. What a
/// mirror may change underneath is believed for a second. Symbolic links are never believed: the text of a PFS link
/// changes with every batch.
/// </summary>
readonly record struct CachePolicy(ulong EntrySeconds, ulong AttrSeconds)
{
    static readonly CachePolicy Never = new(0, 0);
    static readonly CachePolicy Shared = new(1, 1);
    static readonly CachePolicy Own = new(3600, 60);
    static readonly CachePolicy Frozen = new(86400, 86400);

    public static CachePolicy For(IFileSystem fs, Vnode vnode, ObjType type)
    {
        if (type == ObjType.SoftLink) return fs.IsImmutable(vnode) ? Never with { AttrSeconds = 1 } : Never;
        if (fs.IsImmutable(vnode)) return Frozen;
        return fs.ChangesOnlyHere(vnode) ? Own : Shared;
    }
}
