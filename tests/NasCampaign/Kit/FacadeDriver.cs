using System;
using System.Text;
using NasCore;
using NasCore.Primitives;
using NasTesting.Model;
using NasTesting.Oracle;

namespace NasCampaign.Kit;

/// <summary>
/// Does the operations of a list to a file system through its facade, by path and without following links, as the
/// kernel would after its own checks. Returns the file system's errno. Markers are not done here.
/// </summary>
sealed class FacadeDriver(IFileSystem fs)
{
    const int WriteMax = 1 << 20;
    const int NameMax = 255;
    static readonly Caller s_root = new(0, 0, 1);

    public IFileSystem Fs => fs;

    /// <summary>Answer for the kernel where it never asks a file system; false shows the engine's own checks.</summary>
    public bool KernelChecks { get; init; } = true;

    /// <summary>Called when the open group is full; by default waits for everything to become durable.</summary>
    public Action WhenFull { get; init; } = () =>
    {
        Errno flushed = fs.SyncAndWait();
        if (flushed.IsError) { throw new InvalidOperationException($"flush: {flushed}"); }
    };

    public Errno Do(ModelOp op)
    {
        for (int i = 0; i < 100; i++)
        {
            Errno result = Try(op);
            if (result != Errno.NeedFlush) { return result; }
            WhenFull();
        }
        throw new InvalidOperationException($"always needs a flush: {op}");
    }

    Errno Try(ModelOp op)
    {
        switch (op.Kind)
        {
            case OpKind.Create or OpKind.Mkdir or OpKind.Mknod:
                return Make(op);
            case OpKind.Symlink:
                return At(op.Path, (dir, name) =>
                    fs.Symlink(dir, name, OracleText.Encode(op.Other), s_root, out _, out _));
            case OpKind.Link:
                return On(op.Path, vnode => At(op.Other, (dir, name) => fs.Link(vnode, dir, name, out _)));
            case OpKind.Unlink:
                return At(op.Path, fs.Unlink);
            case OpKind.Rmdir:
                return At(op.Path, fs.Rmdir);
            case OpKind.Rename or OpKind.RenameNew or OpKind.Exchange:
                return Rename(op);
            case OpKind.Write or OpKind.Wtext:
                return On(op.Path, vnode => Write(vnode, op));
            case OpKind.Punch:
                return On(op.Path, vnode =>
                    fs.Fallocate(vnode, FallocateKind.PunchHole, (ulong)op.Offset, (ulong)op.Length));
            case OpKind.SetXattr:
                return On(op.Path, vnode =>
                    fs.SetXattr(vnode, Encoding.UTF8.GetBytes(op.Other), op.Content(), XattrKind.Any));
            case OpKind.RemoveXattr:
                return On(op.Path, vnode => fs.RemoveXattr(vnode, Encoding.UTF8.GetBytes(op.Other)));
            default:
                return On(op.Path, vnode => fs.SetAttr(vnode, AttributesOf(op), s_root, out _));
        }
    }

    static AttrRequest AttributesOf(ModelOp op) => op.Kind switch
    {
        OpKind.Truncate => new AttrRequest { Change = AttrChange.Size, Size = (ulong)op.Length },
        OpKind.Chmod => new AttrRequest { Change = AttrChange.Mode, Mode = (uint)op.Mode },
        OpKind.Chown => new AttrRequest
        {
            Change = AttrChange.Uid | AttrChange.Gid, Uid = (uint)op.A, Gid = (uint)op.B,
        },
        OpKind.Chflags => new AttrRequest { Change = AttrChange.Uflags, Uflags = (uint)op.A },
        OpKind.Utimes => new AttrRequest
        {
            Change = AttrChange.Atime | AttrChange.Mtime, Atime = op.A, Mtime = op.B,
        },
        _ => throw new ArgumentException($"not an operation on the tree: {op}"),
    };

    Errno Make(ModelOp op)
    {
        ObjType type = op.Kind switch
        {
            OpKind.Create => ObjType.RegFile,
            OpKind.Mkdir => ObjType.Directory,
            _ => (ObjType)op.Type,
        };
        return At(op.Path, (dir, name) => fs.Create(
            dir, name, type, (uint)op.Mode, (uint)op.A, (uint)op.B, s_root, out _, out _));
    }

    Errno Rename(ModelOp op)
    {
        RenameKind kind = op.Kind switch
        {
            OpKind.RenameNew => RenameKind.NoReplace,
            OpKind.Exchange => RenameKind.Exchange,
            _ => RenameKind.Replace,
        };
        Errno error = Parent(op.Path, out Vnode fromDir, out byte[] fromName);
        if (error.IsError) { return error; }
        // The kernel looks the source up before anything else.
        error = fs.Lookup(fromDir, fromName, out _, out FileAttr source);
        if (error.IsError) { return error; }
        return At(op.Other, (toDir, toName) =>
        {
            Errno refusal = KernelChecks ? KernelAnswer(op, source, toDir, toName) : Errno.None;
            return refusal.IsError ? refusal : fs.Rename(fromDir, fromName, toDir, toName, kind);
        });
    }

    // What never reaches a file system under Linux: a directory into itself, and one type over the other.
    Errno KernelAnswer(ModelOp op, FileAttr source, Vnode toDir, ReadOnlySpan<byte> toName)
    {
        Errno found = fs.Lookup(toDir, toName, out _, out FileAttr target);
        if (op.Kind == OpKind.RenameNew && !found.IsError) { return Errno.Exist; }
        if (op.Kind == OpKind.Exchange && found.IsError) { return found; }
        bool inside = op.Other.StartsWith(op.Path + "/", StringComparison.Ordinal)
            || (op.Kind == OpKind.Exchange && op.Path.StartsWith(op.Other + "/", StringComparison.Ordinal));
        if (inside) { return Errno.Inval; }
        if (op.Kind != OpKind.Rename || found.IsError || target.ObjId == source.ObjId) { return Errno.None; }
        bool fromDir = source.Type == ObjType.Directory;
        bool overDir = target.Type == ObjType.Directory;
        return fromDir == overDir ? Errno.None : overDir ? Errno.IsDir : Errno.NotDir;
    }

    // A group that fills up in the middle of a long write takes the rest after its flush, as the kernel's pieces do.
    Errno Write(Vnode vnode, ModelOp op)
    {
        byte[] bytes = op.Content();
        for (int at = 0; at < bytes.Length;)
        {
            int piece = Math.Min(WriteMax, bytes.Length - at);
            Errno error = fs.Write(
                vnode, (ulong)op.Offset + (ulong)at, bytes.AsSpan(at, piece), false, false, out int done);
            if (error == Errno.NeedFlush) { WhenFull(); }
            else if (error.IsError) { return error; }
            else if (done <= 0) { throw new InvalidOperationException($"wrote {done} bytes: {op}"); }
            else { at += done; }
        }
        return Errno.None;
    }

    delegate Errno InDirectory(Vnode directory, ReadOnlySpan<byte> name);

    Errno At(string path, InDirectory action)
    {
        Errno error = Parent(path, out Vnode directory, out byte[] name);
        return error.IsError ? error : action(directory, name);
    }

    Errno On(string path, Func<Vnode, Errno> action)
    {
        Errno error = Find(path, out Vnode vnode);
        return error.IsError ? error : action(vnode);
    }

    /// <summary>The object of a path.</summary>
    public Errno Find(string path, out Vnode vnode)
    {
        vnode = fs.Root;
        if (path == "/") { return Errno.None; }
        Errno error = Parent(path, out Vnode directory, out byte[] name);
        return error.IsError ? error : fs.Lookup(directory, name, out vnode, out _);
    }

    Errno Parent(string path, out Vnode directory, out byte[] name)
    {
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        directory = fs.Root;
        name = OracleText.Encode(names[^1]);
        foreach (string step in names[..^1])
        {
            Errno error = fs.Lookup(directory, OracleText.Encode(step), out directory, out FileAttr attr);
            if (error.IsError) { return error; }
            if (attr.Type != ObjType.Directory) { return Errno.NotDir; }
        }
        return name.Length > NameMax ? Errno.NameTooLong : Errno.None;
    }
}
