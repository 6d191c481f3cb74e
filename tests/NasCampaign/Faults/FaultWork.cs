using System;
using System.Collections.Generic;
using System.Linq;
using NasCampaign.Kit;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting.Model;

namespace NasCampaign.Faults;

/// <summary>
/// The material of the campaign: a volume set with some files on it, cleanly unmounted, and a list of operations to do
/// to it. Both come from the seed alone.
/// </summary>
sealed class FaultWork
{
    const long VolumeBytes = 128L << 20, RootOfSetBytes = 72L << 20;

    readonly List<MemoryBlockDevice> _devices = [];

    /// <param name="seed">Determines everything.</param>
    /// <param name="volumes">Disks of the set.</param>
    /// <param name="noHistory">Mounted without history.</param>
    /// <param name="steps">Operations to do later.</param>
    /// <param name="hasPfs">With a second PFS, and snapshots and configuration of both.</param>
    public FaultWork(ulong seed, int volumes, bool noHistory, int steps, bool hasPfs = false)
    {
        Seed = seed;
        NoHistory = noHistory;
        for (int i = 0; i < volumes; i++)
            _devices.Add(new MemoryBlockDevice(i == 0 && volumes > 1 ? RootOfSetBytes : VolumeBytes, $"disk{i}"));
        Newfs.Format(_devices, new NewfsOptions
        {
            Label = "FAULT", Version = seed % 3 == 0 ? 6u : 7u, Force = true, UndoBytes = 8L << 20, TimeUs = 1,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
        });
        var generator = new OperationGenerator(seed, new OperationOptions
        {
            PathsMax = 25, FileBytesMax = 120_000, WriteBytesMax = 60_000, ErrorPercent = 0, SyncPerMille = 120,
            FsyncPerMille = 0, RemountPerMille = 0, CrashPerMille = 0,
        });
        if (volumes > 1) FillRootVolume();
        using (HammerFs fs = MountedTree.Mount(Options(), [.. _devices]))
        {
            var driver = new FacadeDriver(fs);
            for (int i = 0; i < 40; i++) Do(driver, generator.Next(_before), _before);
            if (hasPfs) AddPfs(fs);
            if (fs.SyncAndWait().IsError) throw new InvalidOperationException("the work cannot be prepared");
        }
        ModelFs model = PreparedModel();
        for (int i = 0; i < steps; i++)
        {
            ModelOp op = generator.Next(model);
            Operations.Add((op, op.IsMarker ? ModelErrno.Ok : op.Apply(model)));
        }
        Operations.Add((new ModelOp(OpKind.Sync), ModelErrno.Ok));
        After = model;
    }

    readonly List<ModelOp> _prepared = [];
    readonly ModelFs _before = new();

    public ulong Seed { get; }
    public bool NoHistory { get; }
    /// <summary>The tree when all operations have been done.</summary>
    public ModelFs After { get; }
    /// <summary>With what each answers.</summary>
    public List<(ModelOp Op, ModelErrno Expected)> Operations { get; } = [];
    public IReadOnlyList<MemoryBlockDevice> Devices => _devices;

    public HammerFsOptions Options() => MountedTree.Options(new ManualTime(), noHistory: NoHistory);

    /// <summary>The devices as they were prepared, to be written freely.</summary>
    public IBlockDevice[] Fresh() => [.. _devices.Select(d => (IBlockDevice)new NamedOverlay(d))];

    /// <summary>A model of what is on the devices, to be changed freely.</summary>
    public ModelFs PreparedModel()
    {
        var model = new ModelFs();
        foreach (ModelOp op in _prepared) op.Apply(model);
        return model;
    }

    /// <summary>A master beside the root PFS, with some files, and records of both that are no files.</summary>
    static void AddPfs(HammerFs fs)
    {
        Must(fs.CreatePfs(false, new Guid("5a5a5a5a-0000-1111-2222-333333333333"),
            new Guid("aaaaaaaa-0000-1111-2222-333333333333"), out int id));
        var root = new Vnode(id, Tid.Max, HammerConst.RootObjId);
        var caller = new Caller(0, 0, 0);
        Must(fs.Create(root, "dir"u8, ObjType.Directory, 0x1ED, 0, 0, caller, out Vnode dir, out _));
        for (int i = 0; i < 12; i++)
        {
            byte[] name = [(byte)'f', (byte)('a' + i)];
            Must(fs.Create(i < 8 ? dir : root, name, ObjType.RegFile, 0x1A4, 0, 0, caller, out Vnode file, out _));
            byte[] content = new byte[200 << i % 10];
            new Random(i).NextBytes(content);
            Must(fs.Write(file, 0, content, false, false, out _));
            Must(fs.SetXattr(file, "user.note"u8, content.AsSpan(0, 100), XattrKind.Any));
        }
        Must(fs.Symlink(root, "link"u8, "a target that is longer than an inode takes"u8, caller, out _, out _));
        for (int pfs = 0; pfs <= id; pfs++)
        {
            Must(fs.SnapshotTid(pfs, out ulong tid));
            Must(fs.AddSnapshot(pfs, tid, "before"));
            Must(fs.WriteConfig(pfs, "snapshots 1d 60d\nprune 1d 5m\n"));
        }
    }

    static void Must(Errno e)
    {
        if (e.IsError) throw new InvalidOperationException($"the work cannot be prepared: {e}");
    }

    /// <summary>
    /// Allocation goes from the first volume on: what follows shall lie on both. A past that is never looked at fills
    /// the first one.
    /// </summary>
    void FillRootVolume()
    {
        using HammerFs fs = MountedTree.Mount(MountedTree.Options(new ManualTime()), [.. _devices]);
        var driver = new FacadeDriver(fs);
        const string path = "/ballast";
        Do(driver, new ModelOp(OpKind.Create) { Path = path, Mode = 0x1A4 }, _before);
        for (int i = 0; i < 5; i++)
        {
            Do(driver, new ModelOp(OpKind.Write) { Path = path, Offset = i * (8L << 20), Length = 8 << 20, Seed = 1 },
                _before);
        }
        if (fs.SyncAndWait().IsError) throw new InvalidOperationException("the work cannot be prepared");
        Do(driver, new ModelOp(OpKind.Unlink) { Path = path }, _before);
    }

    void Do(FacadeDriver driver, ModelOp op, ModelFs model)
    {
        if (op.IsMarker) return;
        _prepared.Add(op);
        ModelErrno expected = op.Apply(model);
        Errno found = driver.Do(op);
        if (found.Value != (int)expected)
            throw new InvalidOperationException($"seed {Seed}: {op}: expected {expected}, found {found}");
    }

    /// <summary>An overlay with the name of what lies below it.</summary>
    sealed class NamedOverlay(MemoryBlockDevice below) : IBlockDevice
    {
        readonly OverlayBlockDevice _overlay = new(below);
        public string Name => below.Name;
        public long Length => _overlay.Length;
        public int LogicalBlockBytes => 512;
        public bool IsReadOnly => false;
        public void Read(long offset, Span<byte> destination) => _overlay.Read(offset, destination);
        public void Write(long offset, ReadOnlySpan<byte> source) => _overlay.Write(offset, source);
        public void Flush() => _overlay.Flush();
        public void Discard(long offset, long length) => _overlay.Discard(offset, length);
        public void StartWriteback(long offset, long length) => _overlay.StartWriteback(offset, length);
        public void Dispose() => _overlay.Dispose();
    }
}
