using System;
using NasCore;
using NasCore.Primitives;
using NasTesting.Model;
using NasTesting.Oracle;

namespace NasCampaign;

/// <summary>Does the model's operations on a mounted file system.</summary>
public static class ModelDriver
{
    static readonly Caller s_root = new(0, 0, 0);

    public static Errno Resolve(HammerFs fs, string path, out Vnode vnode)
    {
        vnode = fs.Root;
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            Errno e = fs.Lookup(vnode, OracleText.Encode(part), out vnode, out _);
            if (e.IsError) return e;
        }
        return Errno.None;
    }

    public static Errno ResolveParent(HammerFs fs, string path, out Vnode dir, out byte[] name)
    {
        int slash = path.LastIndexOf('/');
        name = OracleText.Encode(path[(slash + 1)..]);
        return Resolve(fs, path[..Math.Max(slash, 0)], out dir);
    }

    /// <summary>
    /// Does one operation; <see cref="Errno.NeedFlush"/> means: close a group and do it again. A write may stop
    /// before its end: <paramref name="done"/> bytes are written, go on behind them.
    /// </summary>
    public static Errno Apply(HammerFs fs, ModelOp op, ref int done)
    {
        switch (op.Kind)
        {
            case OpKind.Create or OpKind.Mkdir or OpKind.Mknod or OpKind.Symlink or OpKind.Unlink or OpKind.Rmdir:
                return ApplyName(fs, op);
            case OpKind.Link or OpKind.Rename or OpKind.RenameNew or OpKind.Exchange:
                return ApplyTwo(fs, op);
            case OpKind.Write or OpKind.Wtext:
                Errno e = Resolve(fs, op.Path, out Vnode vnode);
                return e.IsError ? e : Write(fs, vnode, op.Offset, op.Content(), ref done);
            default:
                return op.IsMarker ? Errno.None : ApplyObject(fs, op);
        }
    }

    /// <summary>Writes from byte <paramref name="done"/> of the content on, and counts it up.</summary>
    public static Errno Write(HammerFs fs, Vnode vnode, long offset, byte[] content, ref int done)
    {
        while (done < content.Length)
        {
            Errno e = fs.Write(vnode, (ulong)(offset + done), content.AsSpan(done), false, false, out int n);
            if (e.IsError) return e;
            done += n;
        }
        return Errno.None;
    }

    static Errno ApplyName(HammerFs fs, ModelOp op)
    {
        Errno e = ResolveParent(fs, op.Path, out Vnode dir, out byte[] name);
        if (e.IsError) return e;
        return op.Kind switch
        {
            OpKind.Create => fs.Create(dir, name, ObjType.RegFile, (uint)op.Mode, 0, 0, s_root, out _, out _),
            OpKind.Mkdir => fs.Create(dir, name, ObjType.Directory, (uint)op.Mode, 0, 0, s_root, out _, out _),
            OpKind.Mknod => fs.Create(dir, name, (ObjType)op.Type, (uint)op.Mode, (uint)op.A, (uint)op.B, s_root,
                out _, out _),
            OpKind.Symlink => fs.Symlink(dir, name, OracleText.Encode(op.Other), s_root, out _, out _),
            OpKind.Unlink => fs.Unlink(dir, name),
            _ => fs.Rmdir(dir, name),
        };
    }

    static Errno ApplyTwo(HammerFs fs, ModelOp op)
    {
        Errno e = ResolveParent(fs, op.Other, out Vnode toDir, out byte[] toName);
        if (e.IsError) return e;
        if (op.Kind == OpKind.Link)
        {
            e = Resolve(fs, op.Path, out Vnode vnode);
            return e.IsError ? e : fs.Link(vnode, toDir, toName, out _);
        }
        e = ResolveParent(fs, op.Path, out Vnode fromDir, out byte[] fromName);
        if (e.IsError) return e;
        return fs.Rename(fromDir, fromName, toDir, toName, op.Kind switch
        {
            OpKind.RenameNew => RenameKind.NoReplace,
            OpKind.Exchange => RenameKind.Exchange,
            _ => RenameKind.Replace,
        });
    }

    static Errno ApplyObject(HammerFs fs, ModelOp op)
    {
        Errno e = Resolve(fs, op.Path, out Vnode vnode);
        if (e.IsError) return e;
        return op.Kind switch
        {
            OpKind.Truncate => Set(fs, vnode, new AttrRequest { Change = AttrChange.Size, Size = (ulong)op.Length }),
            OpKind.Punch => fs.Fallocate(vnode, FallocateKind.PunchHole, (ulong)op.Offset, (ulong)op.Length),
            OpKind.Chmod => Set(fs, vnode, new AttrRequest { Change = AttrChange.Mode, Mode = (uint)op.Mode }),
            OpKind.Chown => Set(fs, vnode, new AttrRequest
            {
                Change = AttrChange.Uid | AttrChange.Gid, Uid = (uint)op.A, Gid = (uint)op.B,
            }),
            OpKind.Chflags => Set(fs, vnode, new AttrRequest { Change = AttrChange.Uflags, Uflags = (uint)op.A }),
            OpKind.Utimes => Set(fs, vnode, new AttrRequest
            {
                Change = AttrChange.Atime | AttrChange.Mtime, Atime = op.A, Mtime = op.B,
            }),
            OpKind.SetXattr => fs.SetXattr(vnode, OracleText.Encode(op.Other), op.Content(), XattrKind.Any),
            OpKind.RemoveXattr => fs.RemoveXattr(vnode, OracleText.Encode(op.Other)),
            _ => throw new InvalidOperationException($"{op}"),
        };
    }

    static Errno Set(HammerFs fs, Vnode vnode, AttrRequest request) => fs.SetAttr(vnode, in request, s_root, out _);

    /// <summary>
    /// fsync of a file or folder: asks as the FUSE dispatcher does, and lets the flusher do what it would do, no more.
    /// </summary>
    public static Errno Fsync(HammerFs fs, Vnode vnode)
    {
        Errno? answer = null;
        fs.WhenSynced(vnode, (_, e) => answer = e, null);
        if (answer is null) fs.Core.RedoOnce();
        for (int i = 0; answer is null; i++)
        {
            if (i > 1000) throw new CampaignFinding($"fsync of {vnode} is never answered");
            fs.Core.FlushOnce();
        }
        return answer.Value;
    }
}
