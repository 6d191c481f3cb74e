using System;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>Objects in memory, while handles come and go.</summary>
public sealed class OpenHandleTests
{
    /// <summary>An object that was closed and opened again within one operation's reach is known once only: what keeps
    /// the first copy alive must not forget the second.</summary>
    [Fact]
    public void Object_closed_and_opened_again_stays_known_until_its_last_handle()
    {
        using var driver = new EngineDriver();
        HammerFs fs = driver.Fs;
        var caller = new Caller(0, 0, 0);
        Assert.Equal(Errno.None, fs.Create(fs.Root, "f"u8, ObjType.RegFile, 0x1A4, 0, 0, caller, out Vnode file,
            out _));
        Assert.Equal(Errno.None, fs.SyncTid(out _));
        Assert.Equal(Errno.None, fs.Open(file));
        fs.Release(file);
        Assert.Equal(Errno.None, fs.Open(file));
        Assert.Equal(Errno.None, fs.Write(file, 0, "first"u8, append: false, killSetId: false, out _));
        Assert.Equal(Errno.None, fs.Unlink(fs.Root, "f"u8));
        Assert.Equal(Errno.None, fs.SyncTid(out _));
        byte[] bytes = new byte[5];
        Assert.Equal(Errno.None, fs.Read(file, 0, bytes, out int length));
        Assert.True(bytes.AsSpan(0, length).SequenceEqual("first"u8));
        Assert.Equal(Errno.None, fs.Write(file, 0, "again"u8, append: false, killSetId: false, out _));
        fs.Release(file);
        Assert.Equal(Errno.None, fs.SyncTid(out _));
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        Assert.Equal(Errno.NoEnt, fs.GetAttr(file, out _));
        driver.AssertSound("closed and opened again");
    }

    [Fact]
    public void Directory_removed_while_open_is_there_until_it_is_closed()
    {
        using var driver = new EngineDriver();
        HammerFs fs = driver.Fs;
        var caller = new Caller(0, 0, 0);
        Assert.Equal(Errno.None, fs.Create(fs.Root, "d"u8, ObjType.Directory, 0x1ED, 0, 0, caller, out Vnode dir,
            out _));
        Assert.Equal(Errno.None, fs.Open(dir));
        Assert.Equal(Errno.None, fs.Rmdir(fs.Root, "d"u8));
        Assert.Equal(Errno.None, fs.SyncTid(out _));
        Assert.Equal(Errno.None, fs.GetAttr(dir, out FileAttr attr));
        Assert.Equal(0UL, attr.Nlinks);
        Assert.Equal(ObjType.Directory, attr.Type);
        fs.Release(dir);
        Assert.Equal(Errno.None, fs.SyncTid(out _));
        Assert.Equal(Errno.NoEnt, fs.GetAttr(dir, out _));
        driver.AssertSound("directory removed while open");
    }

    [Fact]
    public void Names_of_the_past_cannot_be_removed()
    {
        using var driver = new EngineDriver();
        HammerFs fs = driver.Fs;
        Assert.Equal(Errno.RoFs, fs.Unlink(fs.Root, "f@@0x0000000100000000"u8));
        Assert.Equal(Errno.RoFs, fs.Rmdir(fs.Root, "d@@0x0000000100000000"u8));
        Assert.Equal(Errno.NoEnt, fs.Unlink(fs.Root, "f@@0x1"u8));
    }
}
