using System;
using NasCore;
using NasCore.Fuse.Session;
using NasCore.Primitives;
using NasLinux;
using Xunit;

namespace NasCoreTests.Fuse;

public sealed class MountOptionsTests
{
    [Fact]
    public void Options_of_fstab_are_told_from_ours()
    {
        MountOptions options = MountOptions.Parse(
            "defaults,nofail,_netdev,x-systemd.automount,nodev,suid,noexec,nohistory,flush=2.5,cache=8m,times=ctime");
        Assert.True(options.NoHistory);
        Assert.Equal(TimeSpan.FromSeconds(2.5), options.FlushInterval);
        Assert.Equal(8L << 20, options.CacheBytes);
        Assert.Equal(TimesRule.Ctime, options.Times);
        Assert.Equal(MountFlags.NoAtime | MountFlags.NoDev | MountFlags.NoExec, options.Flags);
        Assert.False(options.ReadOnly);
        HammerFsOptions engine = options.ForEngine(TimeProvider.System, null);
        Assert.Equal((TimeSpan.FromSeconds(2.5), 8L << 20), (engine.FlushInterval, engine.CacheBytes));
    }

    [Fact]
    public void Later_words_override_earlier_ones()
    {
        Assert.False(MountOptions.Parse("ro,rw").ReadOnly);
        Assert.Equal(MountFlags.NoAtime | MountFlags.NoSuid | MountFlags.NoExec,
            MountOptions.Parse("user,dev").Flags);
    }

    [Fact]
    public void Moment_of_the_past_is_read_only()
    {
        MountOptions options = MountOptions.Parse("rw,asof=0x0000000100000500");
        Assert.Equal(0x100000500ul, options.AsOf);
        Assert.True(options.ReadOnly);
        Assert.True(options.Flags.HasFlag(MountFlags.ReadOnly));
        Assert.Equal(Tid.Max, MountOptions.Parse("").AsOf);
    }

    [Theory]
    [InlineData("r0")]
    [InlineData("asof=now")]
    [InlineData("asof=0x0")]
    [InlineData("flush=0")]
    [InlineData("flush=-1")]
    [InlineData("cache=1")]
    [InlineData("cache=99999999999g")]
    [InlineData("times=mtime")]
    [InlineData("sync=yes")]
    public void Bad_word_is_refused_and_named(string word)
    {
        var error = Assert.Throws<HammerFormatException>(() => MountOptions.Parse("noexec," + word));
        Assert.Contains(word.Split('=')[0], error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mount_table_unescapes_names()
    {
        MountEntry entry = Assert.Single(MountTable.Parse("""
            36 35 0:41 / /mnt/my\040disk\134x rw,noatime shared:1 master:2 - fuse.nashammer nashammer:/a\040b:/c rw
            37 36 0:42 / short
            """));
        Assert.Equal(new MountEntry("0:41", @"/mnt/my disk\x", "fuse.nashammer", "nashammer:/a b:/c"), entry);
        Assert.Equal(["/a b", "/c"], MountSource.Volumes(entry.Source));
        Assert.StartsWith("/run/nashammer/", MountSource.SocketPath(entry.Source), StringComparison.Ordinal);
    }
}
