using System;
using System.Globalization;
using System.Threading;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// Objects with a long past cost no more than others, and what has to look at all of it gives up the lock now and then
/// (architecture W7).
/// </summary>
public sealed class LongPastTests : RuleTestBase
{
    /// <summary>True for the long forms of make test-full.</summary>
    static readonly bool s_full = Environment.GetEnvironmentVariable("NASHAMMER_FULL") == "1";

    static long Visits(HammerFs fs, Action work)
    {
        long before = fs.Core.Cursor().Nodes.Visits;
        work();
        return fs.Core.Cursor().Nodes.Visits - before;
    }

    [Fact]
    public void File_rewritten_many_times_is_written_read_cut_and_removed_as_quickly_as_any()
    {
        using EngineDriver driver = Small(megabytes: s_full ? 1024 : 512);
        HammerFs fs = driver.Fs;
        int times = s_full ? 20_000 : 4_000;
        Vnode file = File(fs, "log", Bytes(5000, 1));
        for (int i = 0; i < times; i++)
        {
            Write(fs, file, 100, Bytes(8, i));
            fs.Core.FlushOnce();
        }
        ulong middle = fs.DurableTid;
        Write(fs, file, 0, Bytes(5000, 2));
        Sync(fs);
        fs.Cache.DropClean();
        // Some levels of a tree, some versions stepped over one by one, and the descent again: nothing that grows.
        Assert.InRange(Visits(fs, () => Assert.Equal(Bytes(5000, 2), Read(fs, file))), 1, 150);
        Assert.InRange(Visits(fs, () => Read(fs, Find(fs, "log", middle))), 1, 250);
        Assert.InRange(Visits(fs, () => Write(fs, file, 7, Bytes(100, 3))), 1, 150);
        Assert.InRange(Visits(fs, () => Sync(fs)), 1, 400);
        Assert.InRange(Visits(fs, () => Truncate(fs, file, 0)), 1, 150);
        Sync(fs);
        Assert.InRange(Visits(fs, () => Must(fs, () => fs.Unlink(fs.Root, Name("log")))), 1, 300);
        Sync(fs);
        driver.Remount();
        Assert.Equal(5000, Read(driver.Fs, Find(driver.Fs, "log", middle)).Length);
        driver.AssertSound("a long past");
    }

    [Fact]
    public void Name_made_and_removed_many_times_is_looked_up_as_quickly_as_any()
    {
        using EngineDriver driver = Small(megabytes: 512);
        HammerFs fs = driver.Fs;
        int times = s_full ? 20_000 : 2_000;
        for (int i = 0; i < times; i++)
        {
            File(fs, "lock");
            fs.Core.FlushOnce();
            Must(fs, () => fs.Unlink(fs.Root, Name("lock")));
            fs.Core.FlushOnce();
        }
        Assert.InRange(Visits(fs, () => Assert.Equal(Errno.NoEnt, fs.Lookup(fs.Root, Name("lock"), out _, out _))), 1,
            80);
        Assert.InRange(Visits(fs, () => File(fs, "lock")), 1, 300);
        Sync(fs);
        driver.Remount();
        driver.AssertSound("a lock file");
    }

    [Fact]
    public void Directory_that_had_many_names_is_removed_in_pieces()
    {
        using EngineDriver driver = Small(megabytes: 512);
        HammerFs fs = driver.Fs;
        Vnode dir = DirOfThePast(fs, s_full ? 50_000 : 10_000);
        Vnode other = DirOfThePast(fs, 5_000, "other");
        long pauses = fs.Pauses;
        // A listing that finds nothing looks at all of it, too.
        Assert.Empty(FsWalker.Names(fs, dir));
        Assert.InRange(fs.Pauses - pauses, 1, 100);
        pauses = fs.Pauses;
        Must(fs, () => fs.Rmdir(fs.Root, Name("dir")));
        Assert.InRange(fs.Pauses - pauses, 1, 100);
        Dir(fs, "moved");
        Must(fs, () => fs.Rename(fs.Root, Name("moved"), fs.Root, Name("other"), RenameKind.Replace));
        Assert.Equal(Errno.NoEnt, fs.Lookup(fs.Root, Name("moved"), out _, out _));
        Assert.Equal(Errno.NoEnt, fs.GetAttr(other, out _));
        driver.Remount();
        driver.AssertSound("a directory with a long past");
    }

    static Vnode DirOfThePast(HammerFs fs, int names, string called = "dir")
    {
        Vnode dir = Dir(fs, called);
        for (int i = 0; i < names; i++)
        {
            byte[] name = Name(i.ToString("x", CultureInfo.InvariantCulture));
            Must(fs, () => fs.Create(dir, name, ObjType.RegFile, 0x1A4, 0, 0, Root, out _, out _));
        }
        Sync(fs);
        for (int i = 0; i < names; i++)
        {
            byte[] name = Name(i.ToString("x", CultureInfo.InvariantCulture));
            Must(fs, () => fs.Unlink(dir, name));
        }
        Sync(fs);
        return dir;
    }

    [Fact]
    public void Name_added_while_a_directory_is_found_empty_keeps_the_directory()
    {
        using EngineDriver driver = Small(megabytes: 512);
        HammerFs fs = driver.Fs;
        DirOfThePast(fs, 9_000);
        for (int i = 0; i < 20; i++)
        {
            Vnode dir = Find(fs, "dir");
            Errno removed = Errno.None, made = Errno.None;
            var thread = new Thread(() => made = fs.Create(dir, Name("late"), ObjType.RegFile, 0x1A4, 0, 0, Root, out _,
                out _));
            thread.Start();
            removed = fs.Rmdir(fs.Root, Name("dir"));
            thread.Join();
            Assert.True(removed == Errno.None ? made == Errno.NoEnt : removed == Errno.NotEmpty && made == Errno.None,
                $"removed {removed}, made {made}");
            if (removed == Errno.None) break;
            Must(fs, () => fs.Unlink(dir, Name("late")));
        }
        Sync(fs);
        driver.Remount();
        driver.AssertSound("rmdir against create");
    }

    [Fact]
    public void File_with_many_dead_extents_is_cut_punched_and_removed_in_pieces()
    {
        using EngineDriver driver = Small(megabytes: s_full ? 4096 : 512);
        HammerFs fs = driver.Fs;
        int blocks = s_full ? 30_000 : 6_000;
        Vnode file = File(fs, "sparse");
        for (int i = 0; i < blocks; i++) Write(fs, file, i * 65536L + (1 << 20), [1]);
        Sync(fs);
        ulong before = fs.DurableTid;
        Must(fs, () => fs.Fallocate(file, FallocateKind.PunchHole, 1 << 20, (ulong)(blocks - 1) * 65536));
        Sync(fs);
        long pauses = fs.Pauses;
        Assert.Equal(Errno.None, fs.Seek(file, 0, hole: false, out ulong found));
        Assert.Equal((ulong)(blocks - 1) * 65536 + (1 << 20), found);
        Must(fs, () => fs.Fallocate(file, FallocateKind.PunchHole, 1 << 20, (ulong)(blocks - 1) * 65536));
        Truncate(fs, file, 5);
        Assert.InRange(fs.Pauses - pauses, 2, 2 + blocks / 1000);
        Assert.Equal(new byte[5], Read(fs, file));
        Sync(fs);
        Must(fs, () => fs.Unlink(fs.Root, Name("sparse")));
        Sync(fs);
        Assert.Equal(Errno.None, fs.Read(Find(fs, "sparse", before), 65536 * 3 + (1 << 20), new byte[1], out int n));
        Assert.Equal(1, n);
        driver.Remount();
        driver.AssertSound("dead extents");
    }
}
