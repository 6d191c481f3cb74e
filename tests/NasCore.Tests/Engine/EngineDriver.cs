using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting;
using NasTesting.Model;
using NasTesting.Oracle;

namespace NasCore.Tests.Engine;

/// <summary>A volume in memory, mounted through the facade, driven by operation lists.</summary>
sealed class EngineDriver : IDisposable
{
    static readonly Caller s_root = new(0, 0, 0);

    readonly HammerFsOptions _options;

    public EngineDriver(uint version = 7, long bytes = 512L << 20, long undoBytes = 16L << 20, bool noHistory = false,
        long cacheBytes = 16L << 20)
    {
        Device = new MemoryBlockDevice(bytes);
        NasCore.Volumes.Newfs.Format([Device], new NewfsOptions
        {
            Label = "TEST", Version = version, Force = true, UndoBytes = undoBytes,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"), TimeUs = 1_262_304_000_000_000,
        });
        _options = new HammerFsOptions
        {
            Time = Time, RunFlusher = false, NoHistory = noHistory, CacheBytes = cacheBytes,
        };
        Fs = Mount();
    }

    public ManualTime Time { get; } = new();
    public MemoryBlockDevice Device { get; private set; }
    public HammerFs Fs { get; private set; }

    HammerFs Mount() => HammerFs.Open(VolumeSet.Open([_mounted ?? Device]), _options);

    IBlockDevice? _mounted;

    /// <summary>Unmounts, and mounts again through a device that decorates <see cref="Device"/>.</summary>
    public void Swap(Func<MemoryBlockDevice, IBlockDevice> decorate)
    {
        Fs.Dispose();
        _mounted = decorate(Device);
        Fs = Mount();
    }

    public void Remount()
    {
        Fs.Dispose();
        Fs = Mount();
    }

    /// <summary>The process dies: nothing but what the device holds is left.</summary>
    public void Crash()
    {
        MemoryBlockDevice copy = Device.Clone();
        Device = copy;
        Fs = Mount();
    }

    public Errno Resolve(string path, out Vnode vnode)
    {
        vnode = Fs.Root;
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            Errno e = Fs.Lookup(vnode, OracleText.Encode(part), out vnode, out _);
            if (e.IsError) return e;
        }
        return Errno.None;
    }

    Errno ResolveParent(string path, out Vnode dir, out byte[] name)
    {
        int slash = path.LastIndexOf('/');
        name = OracleText.Encode(path[(slash + 1)..]);
        return Resolve(path[..Math.Max(slash, 0)], out dir);
    }

    /// <summary>Does one operation; a full group is closed and the operation repeated.</summary>
    public Errno Apply(ModelOp op)
    {
        for (int tries = 0; tries < 10000; tries++)
        {
            Errno e = ApplyOnce(op);
            if (e != Errno.NeedFlush) return e;
            Fs.Core.FlushOnce();
        }
        throw new InvalidOperationException($"no progress: {op}");
    }

    /// <summary>Does one operation; <see cref="Errno.NeedFlush"/> means: flush and do it again.</summary>
    public Errno ApplyOnce(ModelOp op)
    {
        switch (op.Kind)
        {
            case OpKind.Clock:
                Time.Now = DateTimeOffset.FromUnixTimeSeconds((long)op.A);
                return Errno.None;
            case OpKind.Tick:
                Time.Now = Time.Now.AddSeconds(op.A);
                return Errno.None;
            case OpKind.Fsync or OpKind.Sync:
                return Fs.SyncAndWait();
            case OpKind.Remount:
                Remount();
                return Errno.None;
            case OpKind.Crash:
                Crash();
                return Errno.None;
            case OpKind.Tid or OpKind.Mount or OpKind.Unmount:
                return Errno.None;
            case OpKind.Create or OpKind.Mkdir or OpKind.Mknod or OpKind.Symlink or OpKind.Unlink or OpKind.Rmdir:
                return ApplyName(op);
            case OpKind.Link or OpKind.Rename or OpKind.RenameNew or OpKind.Exchange:
                return ApplyTwo(op);
            default:
                return ApplyObject(op);
        }
    }

    Errno ApplyName(ModelOp op)
    {
        Errno e = ResolveParent(op.Path, out Vnode dir, out byte[] name);
        if (e.IsError) return e;
        return op.Kind switch
        {
            OpKind.Create => Fs.Create(dir, name, ObjType.RegFile, (uint)op.Mode, 0, 0, s_root, out _, out _),
            OpKind.Mkdir => Fs.Create(dir, name, ObjType.Directory, (uint)op.Mode, 0, 0, s_root, out _, out _),
            OpKind.Mknod => Fs.Create(dir, name, (ObjType)op.Type, (uint)op.Mode, (uint)op.A, (uint)op.B, s_root,
                out _, out _),
            OpKind.Symlink => Fs.Symlink(dir, name, OracleText.Encode(op.Other), s_root, out _, out _),
            OpKind.Unlink => Fs.Unlink(dir, name),
            _ => Fs.Rmdir(dir, name),
        };
    }

    Errno ApplyTwo(ModelOp op)
    {
        Errno e = ResolveParent(op.Other, out Vnode toDir, out byte[] toName);
        if (e.IsError) return e;
        if (op.Kind == OpKind.Link)
        {
            e = Resolve(op.Path, out Vnode vnode);
            return e.IsError ? e : Fs.Link(vnode, toDir, toName, out _);
        }
        e = ResolveParent(op.Path, out Vnode fromDir, out byte[] fromName);
        if (e.IsError) return e;
        return Fs.Rename(fromDir, fromName, toDir, toName, op.Kind switch
        {
            OpKind.RenameNew => RenameKind.NoReplace,
            OpKind.Exchange => RenameKind.Exchange,
            _ => RenameKind.Replace,
        });
    }

    Errno ApplyObject(ModelOp op)
    {
        Errno e = Resolve(op.Path, out Vnode vnode);
        if (e.IsError) return e;
        return op.Kind switch
        {
            OpKind.Write or OpKind.Wtext => Write(vnode, op),
            OpKind.Truncate => Set(vnode, new AttrRequest { Change = AttrChange.Size, Size = (ulong)op.Length }),
            OpKind.Punch => Fs.Fallocate(vnode, FallocateKind.PunchHole, (ulong)op.Offset, (ulong)op.Length),
            OpKind.Chmod => Set(vnode, new AttrRequest { Change = AttrChange.Mode, Mode = (uint)op.Mode }),
            OpKind.Chown => Set(vnode, new AttrRequest
            {
                Change = AttrChange.Uid | AttrChange.Gid, Uid = (uint)op.A, Gid = (uint)op.B,
            }),
            OpKind.Chflags => Set(vnode, new AttrRequest { Change = AttrChange.Uflags, Uflags = (uint)op.A }),
            OpKind.Utimes => Set(vnode, new AttrRequest
            {
                Change = AttrChange.Atime | AttrChange.Mtime, Atime = op.A, Mtime = op.B,
            }),
            OpKind.SetXattr => Fs.SetXattr(vnode, OracleText.Encode(op.Other), op.Content(), XattrKind.Any),
            OpKind.RemoveXattr => Fs.RemoveXattr(vnode, OracleText.Encode(op.Other)),
            _ => throw new InvalidOperationException($"{op}"),
        };
    }

    Errno Write(Vnode vnode, ModelOp op)
    {
        byte[] content = op.Content();
        int done = 0;
        while (done < content.Length)
        {
            Errno e = Fs.Write(vnode, (ulong)(op.Offset + done), content.AsSpan(done), append: false,
                killSetId: false, out int n);
            if (e == Errno.NeedFlush) Fs.Core.FlushOnce();
            else if (e.IsError) return e;
            done += n;
        }
        return Errno.None;
    }

    Errno Set(Vnode vnode, AttrRequest request) => Fs.SetAttr(vnode, in request, s_root, out _);

    public List<ManifestEntry> Manifest(ulong asOf = Tid.Max) =>
        FsWalker.Walk(Fs, new Vnode(0, asOf, HammerConst.RootObjId));

    /// <summary>The independent reader's findings on what the device holds now.</summary>
    public List<OracleFinding> Verify()
    {
        MemoryBlockDevice device = Device;
        using OracleVolume oracle = OracleVolume.Open(new DelegateOracleDevice(device.Length, device.Read));
        return oracle.Verify();
    }

    public void AssertSound(string context)
    {
        List<OracleFinding> findings = Verify();
        if (findings.Count > 0)
            throw new InvalidOperationException($"{context}:\n{string.Join("\n", findings.Take(10))}");
    }

    public void Dispose() => Fs.Dispose();
}
