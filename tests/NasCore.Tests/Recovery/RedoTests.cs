using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Undo;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>W9: fsync by REDO. Each scenario loses data, or brings back old data, if its rule is broken.</summary>
public sealed class RedoTests : RuleTestBase
{
    /// <summary>A volume with a durable, open file, on a device that records.</summary>
    sealed class Scene : IDisposable
    {
        public Scene(byte[] content, bool noHistory = false, uint version = 7, bool fsynced = true)
        {
            Driver = Small(noHistory, version: version);
            Log = Recorded(Driver);
            File = RuleTestBase.File(Fs, "f", content);
            Assert.Equal(Errno.None, Fs.Open(File));
            RuleTestBase.Sync(Fs);
            if (fsynced) Assert.True(Fsync());
        }

        public EngineDriver Driver { get; }
        public RecordingDevice Log { get; }
        public Vnode File { get; }
        public HammerFs Fs => Driver.Fs;

        /// <summary>True if REDO was enough, false if the group has to close; that is done then.</summary>
        public bool Fsync(Vnode vnode)
        {
            Errno? result = null;
            Fs.WhenSynced(vnode, (_, e) => result = e, null);
            if (result is null) Fs.Core.RedoOnce();
            bool redo = result is not null;
            if (!redo) Fs.Core.FlushOnce();
            Assert.Equal(Errno.None, result);
            return redo;
        }

        public bool Fsync() => Fsync(File);

        /// <summary>What the disk holds when the power goes now, without what was not flushed.</summary>
        public MemoryBlockDevice Cut()
        {
            int flushed = Log.Count;
            while (flushed > 0 && !Log.Events[flushed - 1].IsFlush) flushed--;
            Assert.Equal(flushed, Log.Count);
            return Driver.Device.Clone();
        }

        public byte[] AfterCut(string name = "f", bool noHistory = false)
        {
            MemoryBlockDevice device = Cut();
            using HammerFs again = MountedTree.Mount(MountedTree.Options(noHistory: noHistory), device);
            byte[] content = Read(again, Find(again, name));
            again.Dispose();
            MountedTree.AssertSound("after the cut", device);
            return content;
        }

        public void Dispose() => Driver.Dispose();
    }

    static byte[] Joined(byte[] old, long offset, byte[] bytes)
    {
        byte[] joined = new byte[Math.Max(old.Length, offset + bytes.Length)];
        old.CopyTo(joined, 0);
        bytes.CopyTo(joined, offset);
        return joined;
    }

    [Theory]
    [InlineData(5000, 5000, 4096)]
    [InlineData(5000, 100, 10)]
    [InlineData(100_000, 100_000, 4096)]
    [InlineData(100_000, 30_000, 40_000)]
    [InlineData(100_000, 200_000, 1)]
    [InlineData((1 << 20) - 10, (1 << 20) - 20, 5000)]
    [InlineData((1 << 20) + 70_000, (1 << 20) + 65_000, 4096)]
    [InlineData(0, 0, 1)]
    public void W9_fsync_of_a_write_costs_one_flush_and_survives(int size, int offset, int length)
    {
        using var scene = new Scene(Bytes(size, 1));
        byte[] bytes = Bytes(length, 2);
        Write(scene.Fs, scene.File, offset, bytes);
        int from = scene.Log.Count;
        Assert.True(scene.Fsync());
        RecordingDevice.Event[] events = [.. scene.Log.Events.Skip(from)];
        Assert.Single(events, e => e.IsFlush);
        Assert.True(events[^1].IsFlush);
        Assert.DoesNotContain(events, e => !e.IsFlush && e.Offset == 0);
        Assert.Equal(Joined(Bytes(size, 1), offset, bytes), scene.AfterCut());
    }

    [Fact]
    public void W9_each_fsync_of_an_append_adds_to_the_one_before()
    {
        using var scene = new Scene([]);
        byte[] all = [];
        for (int i = 0; i < 60; i++)
        {
            byte[] bytes = Bytes(1000 + i * 50, i);
            Write(scene.Fs, scene.File, all.Length, bytes);
            all = [.. all, .. bytes];
            Assert.True(scene.Fsync());
            if (i % 7 == 0) Assert.Equal(all, scene.AfterCut());
            if (i % 25 == 24) scene.Fs.Core.FlushOnce();
        }
        Assert.Equal(all, scene.AfterCut());
        Sync(scene.Fs);
        Assert.Equal(all, scene.AfterCut());
    }

    [Fact]
    public void W9_fsync_without_a_change_since_writes_nothing()
    {
        using var scene = new Scene(Bytes(5000, 1));
        Write(scene.Fs, scene.File, 5000, Bytes(100, 2));
        Assert.True(scene.Fsync());
        int from = scene.Log.Count;
        Assert.True(scene.Fsync());
        Assert.Equal(from, scene.Log.Count);
    }

    [Theory]
    [InlineData(100, 100)]
    [InlineData(20_000, 50_000)]
    [InlineData(0, 0)]
    [InlineData(60_000, 1_500_000)]
    public void W9_truncation_and_extension_are_redone(int cut, int grown)
    {
        using var scene = new Scene(Bytes(60_000, 1));
        Truncate(scene.Fs, scene.File, (ulong)cut);
        Truncate(scene.Fs, scene.File, (ulong)grown);
        Assert.True(scene.Fsync());
        byte[] expected = new byte[grown];
        Bytes(60_000, 1).AsSpan(0, cut).CopyTo(expected);
        Assert.Equal(expected, scene.AfterCut());
        Truncate(scene.Fs, scene.File, 40);
        Write(scene.Fs, scene.File, 50, Bytes(10, 2));
        Assert.True(scene.Fsync());
        expected = Joined(Joined(new byte[50], 0, expected[..Math.Min(40, expected.Length)]), 50, Bytes(10, 2));
        Assert.Equal(expected, scene.AfterCut());
    }

    [Fact]
    public void W9_what_was_written_behind_the_new_end_stays_away()
    {
        using var scene = new Scene(Bytes(100, 1));
        Write(scene.Fs, scene.File, 20, Bytes(50_000, 2));
        Truncate(scene.Fs, scene.File, 30);
        Truncate(scene.Fs, scene.File, 90_000);
        Assert.True(scene.Fsync());
        byte[] expected = new byte[90_000];
        Bytes(100, 1).AsSpan(0, 20).CopyTo(expected);
        Bytes(50_000, 2).AsSpan(0, 10).CopyTo(expected.AsSpan(20));
        Assert.Equal(expected, scene.AfterCut());
    }

    public static TheoryData<string> OtherChanges => ["chmod", "chown", "flags", "times", "xattr", "link", "rename",
        "punch", "zero", "extents", "large", "many"];

    [Theory]
    [MemberData(nameof(OtherChanges))]
    public void W9_fsync_waits_for_the_group_if_anything_else_changed(string what)
    {
        using var scene = new Scene(Bytes(70_000, 1), fsynced: false);
        HammerFs fs = scene.Fs;
        Change(fs, scene.File, what);
        Write(fs, scene.File, 3, Bytes(5, 2));
        Assert.False(scene.Fsync());
        // In the next group all is well again.
        Write(fs, scene.File, 3, Bytes(5, 3));
        Assert.True(scene.Fsync());
    }

    [Theory]
    [MemberData(nameof(OtherChanges))]
    public void W9_so_it_does_if_that_came_after_a_redo(string what)
    {
        using var scene = new Scene(Bytes(70_000, 1));
        Write(scene.Fs, scene.File, 3, Bytes(5, 2));
        Assert.True(scene.Fsync());
        Change(scene.Fs, scene.File, what);
        // Blocks and ranges can still be logged if the file is known to be fsynced.
        Assert.Equal(what == "extents", scene.Fsync());
    }

    static void Change(HammerFs fs, Vnode file, string what)
    {
        AttrRequest? request = what switch
        {
            "chmod" => new AttrRequest { Change = AttrChange.Mode, Mode = 0x180 },
            "chown" => new AttrRequest { Change = AttrChange.Uid, Uid = 5 },
            "flags" => new AttrRequest { Change = AttrChange.Uflags, Uflags = InodeOndisk.UfNoDump },
            "times" => new AttrRequest { Change = AttrChange.Mtime, Mtime = 77 },
            _ => null,
        };
        if (request is { } set) Must(fs, () => fs.SetAttr(file, set, Root, out _));
        else if (what == "xattr") Must(fs, () => fs.SetXattr(file, "user.a"u8, "b"u8, XattrKind.Any));
        else if (what == "link") Must(fs, () => fs.Link(file, fs.Root, Name("g"), out _));
        else if (what == "rename") Must(fs, () => fs.Rename(fs.Root, Name("f"), fs.Root, Name("g"), default));
        else if (what == "punch") Must(fs, () => fs.Fallocate(file, FallocateKind.PunchHole, 100, 20_000));
        else if (what == "zero") Must(fs, () => fs.Fallocate(file, FallocateKind.ZeroRange, 100, 20));
        else if (what == "extents") Write(fs, file, 0, Bytes(32768, 9));
        else if (what == "large") Write(fs, file, 0, Bytes(600_000, 9));
        else for (int i = 0; i < 100; i++) Write(fs, file, i * 100, Bytes(3, i));
    }

    /// <summary>Whether a replay may write into a PFS is told by its record as the last group left it.</summary>
    [Fact]
    public void W9_fsync_waits_for_the_group_if_the_record_of_its_pfs_changed()
    {
        using var scene = new Scene(Bytes(100, 1));
        HammerFs fs = scene.Fs;
        Thread? other = null;
        Errno? result = null;
        bool changed = false, early = false;
        // Raised while no other group can close: the change of the record stays in the open one.
        fs.Core.GroupDurable += _ =>
        {
            if (other is not null) return;
            long before = fs.Core.Writer.Changes;
            other = new Thread(() => fs.UpdatePfs(0, (ref PseudofsData pfs) => pfs.PruneMin = 7));
            other.Start();
            changed = SpinWait.SpinUntil(() => fs.Core.Writer.Changes != before, TimeSpan.FromSeconds(20));
            Write(fs, scene.File, 0, Bytes(10, 2));
            fs.WhenSynced(scene.File, (_, e) => result = e, null);
            fs.Core.RedoOnce();
            early = result is not null;
        };
        File(fs, "g");
        fs.Core.FlushOnce();
        other!.Join();
        Assert.True(changed);
        Assert.False(early);
        Assert.Equal(Errno.None, result);
        Write(fs, scene.File, 0, Bytes(10, 3));
        Assert.True(scene.Fsync());
    }

    [Fact]
    public void W9_a_file_that_is_fsynced_keeps_whole_blocks_for_redo()
    {
        using var scene = new Scene(Bytes(70_000, 1), fsynced: false);
        Write(scene.Fs, scene.File, 16384, Bytes(16384, 2));
        Assert.False(scene.Fsync());
        Write(scene.Fs, scene.File, 32768, Bytes(16384, 3));
        Assert.True(scene.Fsync());
        byte[] expected = Joined(Joined(Bytes(70_000, 1), 16384, Bytes(16384, 2)), 32768, Bytes(16384, 3));
        Assert.Equal(expected, scene.AfterCut());
    }

    [Fact]
    public void W9_unlink_and_rename_behind_a_redo_in_a_lost_group_do_not_lose_its_data()
    {
        using var scene = new Scene(Bytes(5000, 1));
        HammerFs fs = scene.Fs;
        Vnode other = File(fs, "other", Bytes(10, 1));
        Assert.Equal(Errno.None, fs.Open(other));
        Sync(fs);
        Write(fs, scene.File, 5000, Bytes(50, 2));
        Assert.True(scene.Fsync());
        Write(fs, other, 0, Bytes(20, 3));
        Assert.True(scene.Fsync(other));
        Must(fs, () => fs.Rename(fs.Root, Name("other"), fs.Root, Name("f"), default));
        Vnode third = File(fs, "third");
        // Another REDO takes the UNDO of all that to the medium.
        Must(fs, () => fs.Unlink(fs.Root, Name("third")));
        Write(fs, scene.File, 0, Bytes(9, 4));
        Assert.False(scene.Fs.DurableGroup >= scene.Fs.OpenGroup);
        Assert.Equal(Joined(Bytes(5000, 1), 5000, Bytes(50, 2)), scene.AfterCut());
        Assert.Equal(Bytes(20, 3), scene.AfterCut("other"));
        Assert.NotEqual(default, third);
        Sync(fs);
        Assert.Equal(Bytes(20, 3), scene.AfterCut());
    }

    [Fact]
    public void W9_redo_of_a_durable_group_is_not_replayed_over_what_came_later()
    {
        using var scene = new Scene(Bytes(5000, 1));
        Write(scene.Fs, scene.File, 0, Bytes(5000, 2));
        Assert.True(scene.Fsync());
        Sync(scene.Fs);
        Write(scene.Fs, scene.File, 0, Bytes(5000, 3));
        Sync(scene.Fs);
        Assert.Equal(Bytes(5000, 3), scene.AfterCut());
        // With a REDO of the next group of another file, which makes recovery look at REDO.
        Vnode other = File(scene.Fs, "other");
        Assert.Equal(Errno.None, scene.Fs.Open(other));
        Sync(scene.Fs);
        Write(scene.Fs, other, 0, Bytes(7, 4));
        Assert.True(scene.Fsync(other));
        Assert.Equal(Bytes(5000, 3), scene.AfterCut());
        Assert.Equal(Bytes(7, 4), scene.AfterCut("other"));
    }

    [Fact]
    public void W9_fsyncers_who_wait_together_share_one_flush()
    {
        using var scene = new Scene(Bytes(10, 1));
        HammerFs fs = scene.Fs;
        Vnode[] files = [.. Enumerable.Range(0, 8).Select(i => File(fs, $"f{i}"))];
        foreach (Vnode file in files) Assert.Equal(Errno.None, fs.Open(file));
        Sync(fs);
        var answered = new List<int>();
        for (int i = 0; i < 8; i++)
        {
            Write(fs, files[i], 0, Bytes(3000, i));
            fs.WhenSynced(files[i], (state, e) => answered.Add(e.IsError ? -1 : (int)state!), i);
        }
        int from = scene.Log.Count;
        fs.Core.RedoOnce();
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], answered);
        Assert.Single(scene.Log.Events.Skip(from), e => e.IsFlush);
        for (int i = 0; i < 8; i++) Assert.Equal(Bytes(3000, i), scene.AfterCut($"f{i}"));
    }

    [Fact]
    public void W9_who_waits_for_redo_is_answered_by_a_group_that_closes_first()
    {
        using var scene = new Scene(Bytes(10, 1));
        Write(scene.Fs, scene.File, 0, Bytes(30, 2));
        Errno? result = null;
        scene.Fs.WhenSynced(scene.File, (_, e) => result = e, null);
        scene.Fs.Core.FlushOnce();
        Assert.Equal(Errno.None, result);
    }

    [Fact]
    public void W7_redo_leaves_the_group_room_to_close_and_then_closes_it()
    {
        using var scene = new Scene(Bytes(10, 1));
        int redone = 0;
        byte[] last = [];
        for (int i = 0; i < 60; i++)
        {
            last = Bytes(60_000, i);
            Write(scene.Fs, scene.File, 0, last);
            if (scene.Fsync()) redone++;
            Assert.True(scene.Fs.Core.Log.GroupBytes <= 8 << 20 >> 2);
            Assert.True(scene.Fs.Core.Log.RedoBytes <= 8 << 20 >> 3);
        }
        Assert.InRange(redone, 40, 59);
        Assert.Equal(last, scene.AfterCut());
    }

    [Theory]
    [InlineData(6u, false)]
    [InlineData(7u, true)]
    public void Independent_reader_walks_our_redo_and_finds_where_it_begins(uint version, bool noHistory)
    {
        using var scene = new Scene(Bytes(5000, 1), noHistory, version);
        Dir(scene.Fs, "before");
        Write(scene.Fs, scene.File, 5000, Bytes(5000, 2));
        long at = scene.Fs.Core.Log.Position;
        Assert.True(scene.Fsync());
        Dir(scene.Fs, "behind");
        Write(scene.Fs, scene.File, 10_000, Bytes(5000, 3));
        Assert.True(scene.Fsync());
        MemoryBlockDevice device = scene.Cut();
        using OracleVolume oracle = MountedTree.Oracle(device);
        // Where the next record went, or behind the rest of its sector.
        Assert.InRange(oracle.Undo.RedoStart!.Value - FifoGeometry.ToZone3(at).Value, 0UL, 511UL);
        Assert.True(oracle.Undo.Applied > 0);
        Assert.Equal(0, scene.Fs.Core.Log.Position % 4096);
        Assert.Equal(FifoGeometry.ToZone3(scene.Fs.Core.Log.Position).Value, oracle.Undo.Last);
        Assert.Empty(oracle.Verify());
        Assert.Equal(Joined(Joined(Bytes(5000, 1), 5000, Bytes(5000, 2)), 10_000, Bytes(5000, 3)),
            scene.AfterCut(noHistory: noHistory));
    }

    [Fact]
    public void Without_the_option_every_fsync_closes_a_group()
    {
        using var scene = new Scene(Bytes(10, 1));
        using HammerFs fs = MountedTree.Mount(MountedTree.Options() with { Redo = false }, scene.Driver.Device.Clone());
        Vnode file = Find(fs, "f");
        Assert.Equal(Errno.None, fs.Open(file));
        Write(fs, file, 0, Bytes(30, 2));
        Errno? result = null;
        fs.WhenSynced(file, (_, e) => result = e, null);
        fs.Core.RedoOnce();
        Assert.Null(result);
        fs.Core.FlushOnce();
        Assert.Equal(Errno.None, result);
    }
}
