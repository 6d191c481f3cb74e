using System;
using System.Text;
using NasCore;
using NasCore.Fuse.Dispatch;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasFirmware.Daemon;

/// <summary>
/// PFSs by the paths of their links. A PFS is a record with a number, and a link in the root PFS whose text is
/// "@@PFS00001" (mirroring-and-operations 1.4): both are made here through the facade, without the mounted directory.
/// </summary>
static class PfsNames
{
    const int TargetBytesMax = 64, TriesMax = 100;
    const uint RootUid = 0;

    /// <summary>
    /// The number of the PFS whose link stands at the path; the empty path is PFS 0. <see cref="Errno.NoEnt"/> if
    /// nothing is there or the link leads to no PFS, <see cref="Errno.Exist"/> if something else is there.
    /// </summary>
    internal static Errno Find(HammerFs fs, string path, out int pfsId)
    {
        pfsId = 0;
        if (path.Length == 0) return Errno.None;
        Errno result = Folder(fs, path, out Vnode folder, out byte[] name);
        if (result.IsError) return result;
        result = LinkAt(fs, folder, name, out pfsId);
        if (!result.IsError && !fs.TryGetPfs(pfsId, out _)) result = Errno.NoEnt;
        return result;
    }

    /// <summary>
    /// Finds the PFS, or makes it with this kind and shared UUID and puts its link there. One that is there is left as
    /// it is, whatever its kind: the caller looks. The folders of the path must exist.
    /// </summary>
    /// <param name="sharedUuid">Of a new one: a slave has its master's, a master one of its own.</param>
    /// <param name="notifier">Of the mount, if it is mounted: the kernel learns of the new name.</param>
    internal static Errno Ensure(HammerFs fs, string path, bool slave, Guid sharedUuid, out int pfsId,
        IFuseNotifier? notifier = null)
    {
        Errno result = Find(fs, path, out pfsId);
        if (result != Errno.NoEnt) return result;
        result = Folder(fs, path, out Vnode folder, out byte[] name);
        if (result.IsError) return result;
        // The link first: cut off here it leads nowhere, and the next call mends it. The other way round a PFS would be
        // left that nobody can name.
        int next = NextId(fs);
        result = PutLink(fs, folder, name, next);
        if (result.IsError) return result;
        result = fs.CreatePfs(slave, sharedUuid, Guid.NewGuid(), out pfsId);
        if (!result.IsError && pfsId != next) result = PutLink(fs, folder, name, pfsId);
        notifier?.InvalEntry(folder, name);
        notifier?.InvalInode(folder);
        return result.IsError ? result : fs.SyncAndWait();
    }

    /// <summary>The number that the next PFS gets, unless another one is made meanwhile.</summary>
    static int NextId(HammerFs fs)
    {
        int id = 1;
        while (id < HammerConst.PfsIdMax && fs.TryGetPfs(id, out _)) id++;
        return id;
    }

    /// <summary>Makes the link, in place of one that leads elsewhere.</summary>
    static Errno PutLink(HammerFs fs, Vnode folder, byte[] name, int pfsId)
    {
        if (!LinkAt(fs, folder, name, out int there).IsError)
        {
            if (there == pfsId) return Errno.None;
            Errno removed = Retry(fs, () => fs.Unlink(folder, name));
            if (removed.IsError) return removed;
        }
        byte[] target = AsOfName.StoredLink(pfsId);
        return Retry(fs, () => fs.Symlink(folder, name, target, new Caller(RootUid, RootUid, 0), out _, out _));
    }

    static Errno Folder(HammerFs fs, string path, out Vnode folder, out byte[] name)
    {
        string[] parts = path.Split('/');
        folder = fs.Root;
        name = Encoding.UTF8.GetBytes(parts[^1]);
        foreach (string part in parts[..^1])
        {
            Errno result = fs.Lookup(folder, Encoding.UTF8.GetBytes(part), out folder, out FileAttr attr);
            if (result.IsError) return result;
            if (attr.Type != ObjType.Directory) return Errno.NotDir;
        }
        return Errno.None;
    }

    static Errno LinkAt(HammerFs fs, Vnode folder, byte[] name, out int pfsId)
    {
        pfsId = 0;
        Errno result = fs.Lookup(folder, name, out Vnode link, out FileAttr attr);
        if (result.IsError) return result;
        if (attr.Type != ObjType.SoftLink) return Errno.Exist;
        Span<byte> target = stackalloc byte[TargetBytesMax];
        result = fs.ReadLink(link, target, out int length);
        if (result.IsError) return result;
        // It is read with the state that it names now ("@@0x...:00001"), or as it is stored where its PFS is gone.
        ReadOnlySpan<byte> text = target[..length];
        bool isPfs = AsOfName.TryPfsLink(text, out pfsId)
            || (AsOfName.TryParse(text, out AsOfName asOf) && asOf.NameBytes == 0 && (pfsId = asOf.PfsId) > 0);
        return isPfs ? Errno.None : Errno.Exist;
    }

    // A change may have to wait until a group is closed; then it is made again.
    static Errno Retry(HammerFs fs, Func<Errno> change)
    {
        Errno result = Errno.NeedFlush;
        for (int i = 0; i < TriesMax && result == Errno.NeedFlush; i++)
        {
            result = change();
            if (result == Errno.NeedFlush && fs.SyncAndWait() is { IsError: true } lost) return lost;
        }
        return result;
    }
}
