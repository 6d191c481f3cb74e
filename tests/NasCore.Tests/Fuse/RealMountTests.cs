using System;
using System.IO;
using NasCore.Fuse.Session;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>The kernel itself as the peer: a mount of a file system in memory, used by ordinary programs.</summary>
public sealed class RealMountTests
{
    [Fact]
    public void Mount_files_and_directories_behave_as_posix_says()
    {
        using var fs = new MemoryFs();
        using var mount = new TestMount(fs);
        mount.Run("""
            cd $D
            mkdir -p a/b/c && echo hello > a/b/c/f && test "$(cat a/b/c/f)" = hello
            echo more >> a/b/c/f && test "$(wc -c < a/b/c/f)" = 11
            : > a/b/c/f && test ! -s a/b/c/f
            ln a/b/c/f hard && test "$(stat -c %h hard)" = 2 && test "$(stat -c %i hard)" = "$(stat -c %i a/b/c/f)"
            ln -s a/b/c soft && test "$(readlink soft)" = a/b/c && test -f soft/f
            mv hard renamed && test ! -e hard && test -e renamed
            mkfifo p && test -p p && mknod n c 1 3 && test -c n && test "$(stat -c %t:%T n)" = 1:3
            rmdir a 2>/dev/null && exit 1; rm -r a && test ! -e a
            printf 'x%.0s' $(seq 255) > name255; touch "$(cat name255)"; test -e "$(cat name255)"
            touch "$(cat name255)x" 2>/dev/null && exit 1
            touch $'odd\nname \xff\x01' && ls | grep -c odd
            """);
    }

    [Fact]
    public void Mount_large_file_comes_back_as_written()
    {
        using var fs = new MemoryFs();
        using var mount = new TestMount(fs);
        mount.Run("""
            head -c 20000000 /dev/urandom > /tmp/nh-fuse-$$ ; cp /tmp/nh-fuse-$$ $D/big
            cmp /tmp/nh-fuse-$$ $D/big
            dd if=$D/big of=/dev/null bs=1M iflag=direct status=none
            dd if=/tmp/nh-fuse-$$ of=$D/direct bs=1M oflag=direct,sync status=none conv=fsync
            cmp /tmp/nh-fuse-$$ $D/direct
            rm /tmp/nh-fuse-$$
            """);
        Assert.Equal(0, fs.OpenCount);
    }

    [Fact]
    public void Mount_dead_predecessor_is_replaced_and_living_one_is_respected()
    {
        using var fs = new MemoryFs();
        using var mount = new TestMount(fs);
        var request = new FuseMountRequest { Source = "nashammer:other", Directory = mount.Dir };
        IOException refused = Assert.Throws<IOException>(() =>
            FuseMount.Open(fs, request, TimeProvider.System, _ => { }));
        Assert.Contains("already has", refused.Message, StringComparison.Ordinal);

        mount.Mount.Abort();
        Assert.True(mount.Mount.Session.WaitForEnd(TimeSpan.FromSeconds(10)));
        using (FuseMount second = FuseMount.Open(fs, request, TimeProvider.System, mount.Log.Enqueue))
        {
            mount.Run("test \"$(stat -f -c %s $D)\" = 16384; touch $D/new");
            Assert.Equal("nashammer:other", FuseMount.FindOurs(mount.Dir)?.Source);
        }
        Assert.Contains(mount.Log, line => line.Contains("dead mount", StringComparison.Ordinal));
        Assert.Null(FuseMount.FindOurs(mount.Dir));
    }
}
