using System;
using NasCore;
using NasCore.Fuse.Dispatch;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasFirmware.Identity;

/// <summary>
/// The place of a box's identity on a volume: the file `identity` in the folder `.nashammer` of the root PFS, root's
/// alone (0600 in 0700). The folder carries the flag nohistory, which what is made in it inherits: a copy that is
/// replaced or removed leaves no older version behind, neither for readers of the past nor for a mirror.
///
/// Everything goes through the facade, not through the mounted directory. A new content is made durable under another
/// name first and then takes the old one's place, so that a power cut leaves the one or the other.
/// </summary>
static class VolumeCopy
{
    internal const string Place = ".nashammer/identity";
    const uint FolderMode = 0x1C0, FileMode = 0x180, OthersBits = 0x3F;
    const int TriesMax = 100;

    static readonly Caller s_root = new(0, 0, 0);
    static ReadOnlySpan<byte> Folder => ".nashammer"u8;
    static ReadOnlySpan<byte> File => "identity"u8;
    static ReadOnlySpan<byte> Unfinished => "identity.new"u8;
    static ReadOnlySpan<byte> Damaged => "identity.damaged"u8;

    /// <summary>Something stands at the place, believed or not: then the root PFS must not leave the box.</summary>
    internal static bool IsThere(HammerFs fs) =>
        fs.Lookup(fs.Root, Folder, out _, out _) != Errno.NoEnt;

    internal static string WhyNotSent(string volume) => $"the root of '{volume}' holds the key of a box "
        + $"({Place}), which must not leave it";

    /// <summary>The content, or null if there is none. <see cref="Errno.Perm"/>: it is not root's alone.</summary>
    internal static Errno Read(HammerFs fs, out byte[]? content)
    {
        content = null;
        Errno result = Enter(fs, out Vnode folder);
        if (result.IsError) return result == Errno.NoEnt ? Errno.None : result;
        result = fs.Lookup(folder, File, out Vnode file, out FileAttr attr);
        if (result.IsError) return result == Errno.NoEnt ? Errno.None : result;
        if (!IsRoots(in attr, ObjType.RegFile)) return Errno.Perm;
        byte[] bytes = new byte[Math.Min(attr.Size, IdentityFile.BytesMax + 1)];
        for (int at = 0; at < bytes.Length;)
        {
            result = fs.Read(file, (ulong)at, bytes.AsSpan(at), out int got);
            if (result.IsError) return result;
            if (got == 0) break;
            at += got;
        }
        content = bytes;
        return Errno.None;
    }

    static Errno Enter(HammerFs fs, out Vnode folder)
    {
        Errno result = fs.Lookup(fs.Root, Folder, out folder, out FileAttr attr);
        return result.IsError ? result : IsRoots(in attr, ObjType.Directory) ? Errno.None : Errno.Perm;
    }

    static bool IsRoots(in FileAttr attr, ObjType type) =>
        attr.Type == type && attr.Uid == 0 && (attr.Mode & OthersBits) == 0;

    /// <summary>Puts the content there, durable when this returns.</summary>
    internal static Errno Write(HammerFs fs, IFuseNotifier? notifier, byte[] content)
    {
        Errno result = Enter(fs, out Vnode folder);
        if (result == Errno.NoEnt) result = MakeFolder(fs, notifier, out folder);
        if (result.IsError) return result;
        result = Unlink(fs, folder, Unfinished.ToArray());
        if (!result.IsError) result = WriteFile(fs, folder, content);
        if (!result.IsError)
        {
            result = Retry(fs, () => fs.Rename(folder, Unfinished, folder, File, RenameKind.Replace));
            if (!result.IsError) result = fs.SyncAndWait();
        }
        // Nothing of it stays where it could not be finished.
        if (result.IsError) Unlink(fs, folder, Unfinished.ToArray());
        Tell(notifier, folder);
        return result;
    }

    static Errno MakeFolder(HammerFs fs, IFuseNotifier? notifier, out Vnode folder)
    {
        Vnode made = default, root = fs.Root;
        Errno result = Retry(fs, () => fs.Create(root, Folder, ObjType.Directory, FolderMode, 0, 0, s_root, out made,
            out _));
        folder = made;
        notifier?.InvalEntry(root, Folder);
        notifier?.InvalInode(root);
        return result;
    }

    static Errno WriteFile(HammerFs fs, Vnode folder, byte[] content)
    {
        Vnode file = default;
        // Also when the power went before the folder was marked.
        Errno result = fs.GetAttr(folder, out FileAttr attr);
        var mark = new AttrRequest { Change = AttrChange.Uflags, Uflags = attr.Uflags | InodeOndisk.UfNoHistory };
        if (!result.IsError && attr.Uflags != mark.Uflags)
            result = Retry(fs, () => fs.SetAttr(folder, mark, s_root, out _));
        if (!result.IsError)
        {
            result = Retry(fs, () => fs.Create(folder, Unfinished, ObjType.RegFile, FileMode, 0, 0, s_root, out file,
                out _));
        }
        for (int at = 0; at < content.Length && !result.IsError;)
        {
            int done = 0, from = at;
            result = Retry(fs, () => fs.Write(file, (ulong)from, content.AsSpan(from), append: false, killSetId: false,
                out done));
            at += done;
        }
        return result.IsError ? result : fs.SyncAndWait();
    }

    /// <summary>Takes the folder away with all that is in it, durable when this returns.</summary>
    internal static Errno Remove(HammerFs fs, IFuseNotifier? notifier)
    {
        Errno result = Enter(fs, out Vnode folder);
        if (result.IsError) return result == Errno.NoEnt ? Errno.None : result;
        foreach (byte[] name in new[] { File.ToArray(), Unfinished.ToArray(), Damaged.ToArray() })
        {
            result = Unlink(fs, folder, name);
            if (result.IsError) return result;
        }
        Tell(notifier, folder);
        result = Retry(fs, () => fs.Rmdir(fs.Root, Folder));
        notifier?.InvalEntry(fs.Root, Folder);
        notifier?.InvalInode(fs.Root);
        return result.IsError ? result : fs.SyncAndWait();
    }

    /// <summary>A content that is not believed stays beside the new one, for a person to look at.</summary>
    internal static Errno PutAside(HammerFs fs, IFuseNotifier? notifier)
    {
        Errno result = Enter(fs, out Vnode folder);
        if (!result.IsError)
            result = Retry(fs, () => fs.Rename(folder, File, folder, Damaged, RenameKind.Replace));
        Tell(notifier, folder);
        return result;
    }

    static Errno Unlink(HammerFs fs, Vnode folder, byte[] name)
    {
        Errno result = Retry(fs, () => fs.Unlink(folder, name));
        return result == Errno.NoEnt ? Errno.None : result;
    }

    static void Tell(IFuseNotifier? notifier, Vnode folder)
    {
        if (notifier is null) return;
        notifier.InvalEntry(folder, File);
        notifier.InvalEntry(folder, Unfinished);
        notifier.InvalEntry(folder, Damaged);
        notifier.InvalInode(folder);
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
