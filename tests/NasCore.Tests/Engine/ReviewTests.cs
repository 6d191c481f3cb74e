using System.Collections.Generic;
using System.Text;
using NasCore.Primitives;
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
}
