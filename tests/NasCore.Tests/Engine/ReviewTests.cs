using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using NasCore.Io;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>Errors found by reading the engine, each as the scenario in which it showed.</summary>
public sealed class ReviewTests
{
    static readonly Caller s_root = new(0, 0, 0);

    static Vnode Make(EngineDriver driver, string name, Vnode? dir = null)
    {
        Errno e = driver.Fs.Create(dir ?? driver.Fs.Root, Encoding.ASCII.GetBytes(name), ObjType.RegFile, 0x1A4, 0, 0,
            s_root, out Vnode child, out _);
        Assert.Equal(Errno.None, e);
        return child;
    }

    static void Put(EngineDriver driver, Vnode file, string text) => Assert.Equal(Errno.None,
        driver.Fs.Write(file, 0, Encoding.ASCII.GetBytes(text), append: false, killSetId: false, out _));

    [Fact]
    public void Fsync_of_a_file_just_made_waits_for_its_group()
    {
        using var driver = new EngineDriver();
        Vnode file = Make(driver, "lock");
        Assert.Equal(Errno.None, driver.Fs.Open(file));
        Assert.True(driver.Fs.GroupOf(file) > driver.Fs.DurableGroup, "nothing of the file is durable yet");
    }

    [Fact]
    public void Fsync_after_reopening_waits_for_changes_that_entered_the_tree_early()
    {
        using var driver = new EngineDriver();
        long group = driver.Fs.OpenGroup;
        List<Vnode> files = [];
        for (int i = 0; i < 150; i++)
        {
            files.Add(Make(driver, $"file{i}"));
            Put(driver, files[^1], "content");
        }
        Assert.Equal(group, driver.Fs.OpenGroup);
        foreach (Vnode file in files)
        {
            Assert.Equal(Errno.None, driver.Fs.Open(file));
            Assert.True(driver.Fs.GroupOf(file) >= group, "the content is in the open group");
        }
    }

    [Fact]
    public void Reopened_clean_file_needs_no_new_group_for_its_fsync()
    {
        using var driver = new EngineDriver();
        Vnode file = Make(driver, "old");
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        Vnode other = Make(driver, "other");
        Put(driver, other, "waits");
        Assert.Equal(Errno.None, driver.Fs.Open(file));
        Assert.True(driver.Fs.GroupOf(file) <= driver.Fs.DurableGroup);
    }

    [Fact]
    public void Refused_changes_leave_no_objects_in_memory()
    {
        using var driver = new EngineDriver();
        List<Vnode> dirs = [];
        for (int i = 0; i < 50; i++)
        {
            Errno e = driver.Fs.Create(driver.Fs.Root, Encoding.ASCII.GetBytes($"dir{i}"), ObjType.Directory, 0x1ED,
                0, 0, s_root, out Vnode dir, out _);
            Assert.Equal(Errno.None, e);
            dirs.Add(dir);
            Make(driver, "file", dir);
        }
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        int before = driver.Fs.LiveCount;
        foreach (Vnode dir in dirs)
            Assert.Equal(Errno.NoEnt, driver.Fs.Unlink(dir, "none"u8));
        for (int i = 0; i < 50; i++)
            Assert.Equal(Errno.NotEmpty, driver.Fs.Rmdir(driver.Fs.Root, Encoding.ASCII.GetBytes($"dir{i}")));
        Assert.Equal(before, driver.Fs.LiveCount);
    }

    [Fact]
    public void Dirty_objects_that_cannot_enter_the_tree_early_latch_the_mount()
    {
        using var driver = new EngineDriver();
        List<Vnode> files = [];
        for (int i = 0; i < 200; i++) files.Add(Make(driver, $"file{i}"));
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        int at = 0;
        var mode = new AttrRequest { Change = AttrChange.Mode, Mode = 0x180 };
        while (driver.Fs.Core.HasCredits(48))
            Assert.Equal(Errno.None, driver.Fs.SetAttr(files[at++], in mode, s_root, out _));
        driver.Fs.Cache.DropClean();
        driver.Fs.Volumes.Locate(new HammerOff(driver.Fs.Volumes.Root.Header.BTreeRoot), 0, out long root);
        driver.Device.Write(root, new byte[4096]);
        Assert.Throws<HammerMediumException>(() => driver.Fs.SetAttr(files[at], in mode, s_root, out _));
        Assert.True(driver.Fs.Health.IsCritical, "acknowledged changes were about to get lost");
    }

    [Fact]
    public void Seek_in_a_huge_sparse_file_is_one_look()
    {
        using var driver = new EngineDriver();
        Vnode file = Make(driver, "sparse");
        Assert.Equal(Errno.None, driver.Fs.Write(file, 3 << 20, new byte[200_000], false, false, out _));
        Put(driver, file, "start");
        var size = new AttrRequest { Change = AttrChange.Size, Size = 1UL << 62 };
        Assert.Equal(Errno.None, driver.Fs.SetAttr(file, in size, s_root, out _));
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        Assert.Equal(Errno.NxIo, driver.Fs.Seek(file, 4 << 20, hole: false, out _));
        Assert.Equal(Errno.None, driver.Fs.Seek(file, 0, hole: true, out ulong found));
        Assert.Equal(16384UL, found);
        Assert.Equal(Errno.None, driver.Fs.Seek(file, 20000, hole: false, out found));
        Assert.Equal(3UL << 20, found);
        Assert.Equal(Errno.None, driver.Fs.Seek(file, 3 << 20, hole: true, out found));
        Assert.Equal((3UL << 20) + (4 << 16), found);
        Assert.Equal(Errno.None, driver.Fs.Seek(file, found, hole: true, out ulong same));
        Assert.Equal(found, same);
    }

    [Fact]
    public void A_nameless_file_whose_last_handle_is_closed_cannot_get_a_name()
    {
        using var driver = new EngineDriver();
        Assert.Equal(Errno.None, driver.Fs.TmpFile(driver.Fs.Root, 0x1A4, s_root, out Vnode file, out _));
        Put(driver, file, "content");
        driver.Fs.Release(file);
        Assert.Equal(Errno.NoEnt, driver.Fs.Link(file, driver.Fs.Root, "name"u8, out _));
        Assert.Equal(Errno.NoEnt, driver.Fs.Open(file));
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        driver.AssertSound("after destruction");
    }

    [Fact]
    public void Appends_at_the_same_time_both_arrive()
    {
        using var driver = new EngineDriver();
        var hook = new HookDevice(driver.Device);
        driver.Fs.Dispose();
        using var fs = HammerFs.Open(VolumeSet.Open([hook]), new HammerFsOptions
        {
            Time = driver.Time, RunFlusher = false, CacheBytes = 16 << 20,
        });
        Assert.Equal(Errno.None,
            fs.Create(fs.Root, "log"u8, ObjType.RegFile, 0x1A4, 0, 0, s_root, out Vnode file, out _));
        byte[] first = new byte[32768], second = new byte[32768];
        Array.Fill(first, (byte)1);
        Array.Fill(second, (byte)2);
        // The second append comes while the bytes of the first are on their way to the device, without the lock.
        hook.OnWrite = () => Assert.Equal(Errno.None, fs.Write(file, 0, second, append: true, false, out _));
        Assert.Equal(Errno.None, fs.Write(file, 0, first, append: true, false, out _));
        byte[] all = new byte[100_000];
        Assert.Equal(Errno.None, fs.Read(file, 0, all, out int length));
        Assert.Equal(65536, length);
        Assert.Equal(32768 * 3, all.Sum(b => b));
    }

    /// <summary>Runs an action once, before the next write.</summary>
    sealed class HookDevice(IBlockDevice inner) : IBlockDevice
    {
        public Action? OnWrite { get; set; }
        public string Name => inner.Name;
        public long Length => inner.Length;
        public int LogicalBlockBytes => inner.LogicalBlockBytes;
        public bool IsReadOnly => inner.IsReadOnly;
        public void Read(long offset, Span<byte> destination) => inner.Read(offset, destination);

        public void Write(long offset, ReadOnlySpan<byte> source)
        {
            Action? action = OnWrite;
            OnWrite = null;
            action?.Invoke();
            inner.Write(offset, source);
        }

        public void Flush() => inner.Flush();
        public void Discard(long offset, long length) => inner.Discard(offset, length);
        public void StartWriteback(long offset, long length) => inner.StartWriteback(offset, length);
        public void Dispose() => inner.Dispose();
    }

    [Fact]
    public void A_stalled_mirror_turns_a_full_disk_into_no_endless_flushing()
    {
        using var driver = new EngineDriver(bytes: 200 << 20, undoBytes: 8 << 20, noHistory: true);
        int count = 0;
        Errno e = Errno.None;
        for (; !e.IsError && count < 100; count++) e = Fill(driver, count);
        Assert.Equal(Errno.NoSpc, e);
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        using (IMirrorScan scan = driver.Fs.MirrorSource(0).Scan(new MirrorRange(1, driver.Fs.DurableTid)))
        {
            // The peer has taken one record and is silent since: everything freed from now on is pinned.
            Assert.True(scan.MoveNext());
            for (int i = 1; i < count; i++)
                _ = driver.Apply(new ModelOp(OpKind.Unlink) { Path = $"/fill{i}" });
            for (int i = 0; i < 4; i++) Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
            Assert.Equal(Errno.NoSpc, Fill(driver, 200));
            Assert.Equal(Errno.None, driver.Apply(new ModelOp(OpKind.Unlink) { Path = "/fill0" }));
        }
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        Assert.Equal(Errno.None, Fill(driver, 201));
    }

    static Errno Fill(EngineDriver driver, int number)
    {
        Errno e = driver.Apply(new ModelOp(OpKind.Create) { Path = $"/fill{number}", Mode = 0x1A4 });
        if (e.IsError) return e;
        Assert.Equal(Errno.None, driver.Resolve($"/fill{number}", out Vnode file));
        byte[] bytes = new byte[1 << 20];
        for (int at = 0; at < 8 && !e.IsError; at++)
        {
            for (int tries = 0; tries < 50; tries++)
            {
                e = driver.Fs.Write(file, (ulong)at << 20, bytes, false, false, out _);
                if (e != Errno.NeedFlush) break;
                driver.Fs.Core.FlushOnce();
            }
        }
        return e;
    }

    static int MakePfs(EngineDriver driver)
    {
        Assert.Equal(Errno.None, driver.Fs.CreatePfs(slave: false, new Guid("10112233-4455-6677-8899-aabbccddeeff"),
            new Guid("20112233-4455-6677-8899-aabbccddeeff"), out int id));
        return id;
    }

    [Fact]
    public void Destroying_a_pfs_with_changes_in_memory_leaves_the_mount_sound()
    {
        using var driver = new EngineDriver();
        int id = MakePfs(driver);
        Put(driver, Make(driver, "file", new Vnode(id, Tid.Max, HammerConst.RootObjId)), "content");
        Assert.Equal(Errno.None, driver.Fs.DestroyPfs(id));
        Assert.False(driver.Fs.Health.IsCritical, driver.Fs.Health.Message);
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        driver.AssertSound("after pfs-destroy");
    }

    [Fact]
    public void A_change_while_a_master_becomes_a_slave_is_part_of_the_slave()
    {
        using var driver = new EngineDriver();
        int id = MakePfs(driver);
        bool made = false;
        driver.Fs.Core.GroupDurable += _ =>
        {
            // Between the wait of pfs-downgrade and its change of the record.
            if (made) return;
            made = true;
            Put(driver, Make(driver, "late", new Vnode(id, Tid.Max, HammerConst.RootObjId)), "content");
        };
        Assert.Equal(Errno.None, driver.Fs.DowngradePfs(id));
        Assert.True(made);
        Assert.True(driver.Fs.TryGetPfs(id, out var pfs));
        var view = new Vnode(id, pfs.SyncEndTid, HammerConst.RootObjId);
        Assert.Equal(Errno.None, driver.Fs.Lookup(view, "late"u8, out _, out FileAttr attr));
        Assert.Equal(7UL, attr.Size);
        driver.AssertSound("after pfs-downgrade");
    }

    [Fact]
    public void A_peer_cannot_use_up_the_transaction_ids()
    {
        using var driver = new EngineDriver();
        Assert.Equal(Errno.None, driver.Fs.CreatePfs(slave: true, Guid.NewGuid(), Guid.NewGuid(), out int id));
        Assert.Equal(Errno.None, driver.Fs.OpenMirrorTarget(id, out HammerFs.MirrorTargetLease? lease));
        using (lease)
        {
            Assert.Equal(Errno.Inval, lease!.Target.Begin(new MirrorRange(1, Tid.AllocLimit - 1)));
            Assert.Equal(Errno.None, lease.Target.Begin(new MirrorRange(1, 1UL << 40)));
            LeafElm leaf = default;
            leaf.Base.ObjId = long.MaxValue - 100;
            leaf.Base.Localization = 2;
            leaf.Base.RecType = RecType.Data;
            leaf.Base.CreateTid = 1UL << 33;
            Assert.Equal(Errno.Inval, lease.Target.Rec(in leaf, default));
        }
    }

    [Fact]
    public void Cutting_blocks_on_a_full_disk_ends_in_no_space_and_not_in_a_latched_mount()
    {
        using var driver = new EngineDriver(bytes: 200 << 20, undoBytes: 8 << 20);
        Vnode file = Make(driver, "cut");
        const long start = 1 << 20;
        Assert.Equal(Errno.None, driver.Fs.Write(file, (ulong)start, new byte[65536], false, false, out _));
        Errno e = Errno.None;
        for (int i = 0; !e.IsError && i < 100; i++) e = Fill(driver, i);
        Assert.Equal(Errno.NoSpc, e);
        e = Errno.None;
        for (ulong i = 1; !e.IsError && i < 2000; i++)
        {
            // Each group leaves the block of the one before as history.
            var cut = new AttrRequest { Change = AttrChange.Size, Size = start + 65536 - i };
            e = driver.Fs.SetAttr(file, in cut, s_root, out _);
            Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        }
        Assert.Equal(Errno.NoSpc, e);
        Assert.False(driver.Fs.Health.IsCritical, driver.Fs.Health.Message);
        var empty = new AttrRequest { Change = AttrChange.Size };
        Assert.Equal(Errno.None, driver.Fs.SetAttr(file, in empty, s_root, out _));
        Assert.Equal(Errno.None, driver.Apply(new ModelOp(OpKind.Unlink) { Path = "/cut" }));
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        Assert.False(driver.Fs.Health.IsCritical, driver.Fs.Health.Message);
    }

    [Fact]
    public void An_open_file_that_gets_a_name_again_keeps_its_past()
    {
        using var driver = new EngineDriver();
        Vnode file = Make(driver, "before");
        Put(driver, file, "content");
        Assert.Equal(Errno.None, driver.Fs.SyncTid(out ulong tid));
        Assert.Equal(Errno.None, driver.Fs.Open(file));
        Assert.Equal(Errno.None, driver.Fs.Unlink(driver.Fs.Root, "before"u8));
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        Assert.Equal(Errno.None, driver.Fs.Link(file, driver.Fs.Root, "after"u8, out _));
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        byte[] bytes = new byte[7];
        Assert.Equal(Errno.None, driver.Fs.Read(file with { AsOf = tid }, 0, bytes, out int length));
        Assert.Equal("content", Encoding.ASCII.GetString(bytes, 0, length));
        Assert.Equal(Errno.None, driver.Fs.Read(file, 0, bytes, out length));
        Assert.Equal("content", Encoding.ASCII.GetString(bytes, 0, length));
        driver.AssertSound("after linking again");
    }

    [Fact]
    public void A_next_tid_that_leaves_no_positive_object_id_is_refused_at_mount()
    {
        using var driver = new EngineDriver();
        driver.Fs.Dispose();
        byte[] header = new byte[HammerConst.BufferBytes];
        driver.Device.Read(0, header);
        System.Runtime.InteropServices.MemoryMarshal.AsRef<VolumeOndisk>(header.AsSpan()).NextTid = 1UL << 63;
        driver.Device.Write(0, header);
        HammerFormatException e = Assert.Throws<HammerFormatException>(() => HammerFs.Open(
            VolumeSet.Open([driver.Device]), new HammerFsOptions { Time = driver.Time, RunFlusher = false }));
        Assert.Contains("next transaction id", e.Message, StringComparison.Ordinal);
    }
}
