using System;
using System.Collections.Generic;
using System.IO;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// The disk fails at its n-th write, flush or read. What could not be made durable is told to whoever waits; the mount
/// becomes read-only with the first cause; nothing is written afterwards; the next mount shows a durable state.
/// </summary>
public sealed class FaultTests : RuleTestBase
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_failed_write_or_flush_of_a_group_latches_the_mount_and_the_next_one_recovers(bool flush)
    {
        int cases = 0;
        for (int n = 0; n < 40; n++)
        {
            if (!FailAt(n, flush)) break;
            cases++;
        }
        Assert.True(cases >= (flush ? 3 : 5), $"{cases} places to fail");
    }

    /// <summary>False if the group has fewer transfers than that.</summary>
    static bool FailAt(int n, bool flush)
    {
        using EngineDriver driver = Small();
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", Bytes(30_000, 1));
        Sync(fs);
        string durable = MountedTree.Text(fs);
        Write(fs, file, 0, Bytes(30_000, 2));
        File(fs, "g", Bytes(100, 3));
        string wanted = MountedTree.Text(fs);
        int count = 0, after = 0;
        Action fail = () =>
        {
            if (count > n) after++;
            if (count++ == n) throw new IOException("the disk says no");
        };
        if (flush) hook.BeforeFlush = fail;
        else hook.BeforeWrite = (_, _) => fail();
        var told = new List<Errno>();
        fs.WhenDurable(fs.OpenGroup, (_, e) => told.Add(e), null);
        Exception? thrown = Record.Exception(fs.Core.FlushOnce);
        if (count <= n)
        {
            Assert.Null(thrown);
            return false;
        }
        Assert.Equal([Errno.Io], told);
        Assert.True(fs.Health.IsCritical);
        Assert.Contains("the disk says no", fs.Health.Message, StringComparison.Ordinal);
        string? message = fs.Health.Message;
        Assert.Equal(Errno.RoFs, fs.Create(fs.Root, Name("h"), ObjType.RegFile, 0x1A4, 0, 0, Root, out _, out _));
        Assert.Equal(Errno.RoFs, fs.Write(file, 0, [1], false, false, out _));
        Assert.Equal(Errno.Io, fs.SyncAndWait());
        Assert.Equal(Bytes(30_000, 2), Read(fs, file));
        fs.Dispose();
        Assert.Equal(message, fs.Health.Message);
        Assert.Equal(0, after);
        using (HammerFs again = MountedTree.Mount(MountedTree.Options(), driver.Device))
        {
            string found = MountedTree.Text(again);
            Assert.True(found == durable || found == wanted, $"n {n} flush {flush}");
        }
        MountedTree.AssertSound($"n {n} flush {flush}", driver.Device);
        return true;
    }

    [Fact]
    public void A_failed_write_of_file_data_is_an_error_of_that_write_only()
    {
        using EngineDriver driver = Small();
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", Bytes(65536, 1));
        Sync(fs);
        hook.BeforeWrite = (_, _) => throw new IOException("the disk says no");
        Assert.Throws<IOException>(() => fs.Write(file, 0, Bytes(65536, 2), false, false, out _));
        hook.BeforeWrite = null;
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        Assert.Equal(Bytes(65536, 1), Read(fs, file));
        Write(fs, file, 0, Bytes(65536, 3));
        driver.Remount();
        driver.AssertSound("reservations were given back");
    }

    [Fact]
    public void A_read_error_of_metadata_is_told_and_gone_when_the_disk_is_well_again()
    {
        using EngineDriver driver = Small();
        for (int i = 0; i < 200; i++) File(driver.Fs, $"f{i}", [1]);
        HookDevice hook = Hooked(driver);
        HammerFs fs = driver.Fs;
        fs.Cache.DropClean();
        hook.BeforeRead = (_, _) => throw new IOException("the disk says no");
        HammerMediumException e = Assert.Throws<HammerMediumException>(
            () => fs.Lookup(fs.Root, Name("f7"), out _, out _));
        Assert.Contains("the disk says no", e.Message, StringComparison.Ordinal);
        hook.BeforeRead = null;
        Assert.Equal([1], Read(fs, Find(fs, "f7")));
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        File(fs, "more", [2]);
        driver.Remount();
        driver.AssertSound("afterwards");
    }

    [Fact]
    public void A_read_error_at_any_place_of_any_change_leaves_a_sound_volume()
    {
        for (int n = 0; n < 60; n++)
        {
            using EngineDriver driver = Small();
            for (int i = 0; i < 150; i++) File(driver.Fs, $"f{i}", Bytes(20_000, i));
            HookDevice hook = Hooked(driver);
            HammerFs fs = driver.Fs;
            fs.Cache.DropClean();
            int left = n;
            hook.BeforeRead = (_, _) =>
            {
                if (left-- == 0) throw new IOException("the disk says no");
            };
            Exception? e = Record.Exception(() => Changes(fs));
            bool reached = left < 0;
            hook.BeforeRead = null;
            Assert.True(e is null or HammerMediumException or IOException or MountCriticalException
                || fs.Health.IsCritical, $"n {n}: {e}");
            fs.Dispose();
            using (MountedTree.Mount(MountedTree.Options(), driver.Device)) { }
            MountedTree.AssertSound($"n {n}", driver.Device);
            if (!reached) return;
        }
    }

    static void Changes(HammerFs fs)
    {
        Vnode vnode = Find(fs, "f10");
        Errno[] results =
        [
            fs.Write(vnode, 5, Bytes(40_000, 9), false, false, out _),
            fs.Unlink(fs.Root, Name("f20")),
            fs.Rename(fs.Root, Name("f30"), fs.Root, Name("f40"), RenameKind.Replace),
            fs.SetAttr(Find(fs, "f50"), new AttrRequest { Change = AttrChange.Size, Size = 100 }, Root, out _),
            fs.SetXattr(Find(fs, "f60"), "user.x"u8, Bytes(9000, 1), XattrKind.Any),
        ];
        Assert.All(results, r => Assert.True(r == Errno.None || r == Errno.RoFs, $"{r}"));
        fs.Core.FlushOnce();
    }
}
