using System;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>POSIX and Linux calls through the kernel, by ordinary programs and a little Python.</summary>
public sealed class RealMountPosixTests
{
    [Fact]
    public void Mount_serves_the_calls_of_linux()
    {
        using var fs = new MemoryFs();
        using var mount = new TestMount(fs);
        mount.Run(PosixScripts.Calls);
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        Assert.Empty(mount.Log);
    }

    [Fact]
    public void Mount_synchronous_writes_wait_for_the_medium()
    {
        using var fs = new MemoryFs();
        using var mount = new TestMount(fs);
        mount.Run("dd if=/dev/zero of=$D/f bs=4k count=3 oflag=sync status=none");
        Assert.True(fs.SyncRequests >= 3, $"{fs.SyncRequests} of 3 writes were made durable");
    }

    [Fact]
    public void Mount_checks_permissions_of_other_users()
    {
        using var fs = new MemoryFs();
        using var mount = new TestMount(fs);
        mount.Run(PosixScripts.Permissions);
    }

    [Fact]
    public void Mount_of_views_looks_like_other_file_systems()
    {
        using var fs = new MemoryFs();
        fs.AddPfs(1);
        using var mount = new TestMount(fs);
        const string tid = "@@0x0000000100000500";
        mount.Run("mkdir -p $D/a/b; echo old > $D/a/b/f; echo same > $D/a/g; mkdir $D/@@-1:00001/x; ls $D/@@-1:00001");
        fs.Snapshot(0, 0x100000500);
        mount.Run($$"""
            cd $D; echo new > a/b/f; rm a/g; T={{tid}}
            test "$(cat a/b/f@@0x0000000100000500)" = old; test "$(cat a/b/$T/f)" = old; test "$(cat $T/a/b/f)" = old
            test "$(cat a$T/b/f)" = old; test "$(cat a/.$T/b/f)" = old; test "$(cat a/b/f)" = new
            test "$(stat -c %i a/b/f)" != "$(stat -c %i a/b/f$T)"
            # inodes of a view are the same however it is entered, and every place is a place of its own
            test "$(stat -c %i a/b/f$T)" = "$(stat -c %i $T/a/b/f)"
            test "$(cd a$T/b && pwd -P)" = "$D/a$T/b"; test "$(cd $T/a/b && pwd -P)" = "$D/$T/a/b"
            (cd a$T/b; ls $D/$T/a/b >/dev/null; test "$(/bin/pwd)" = "$D/a$T/b")
            diff -r a $T/a > /tmp/nh-d-$$ && exit 1; grep -q 'Only in.*: g' /tmp/nh-d-$$; rm /tmp/nh-d-$$
            cp a/b/f$T a/b/f; test "$(cat a/b/f)" = old; test "$(find -L $T -type f | wc -l)" = 2
            ! touch $T/a/h; ! rm -f $T/a/g; test -e $T/a/g
            # a live directory has one place; other ways lead there by a link
            test "$(readlink a/@@-1:00001)" = ../@@-1:00001; test -d a/b/@@-1:00001/x
            test "$(cd a/b/@@-1:00001/x && pwd -P)" = "$D/@@-1:00001/x"
            test "$(readlink a/b/@@-1)" = ../../a/b; test "$(cat a/b/@@-1/f)" = old
            test "$(readlink $T/a/b/@@-1)" = ../../../a/b; test "$(readlink @@-1)" = .
            test "$(readlink a$T/@@-1)" = ../a
            touch @@-1:00001/x/y; test "$(readlink @@-1:00001/x/@@-1)" = ../../@@-1:00001/x
            test "$(stat -c %i @@-1:00001)" != "$(stat -c %i .)"
            """);
        // Once the kernel has forgotten, nothing is remembered.
        mount.Mount.Unmount();
        Assert.True(mount.Mount.Session.WaitForEnd(TimeSpan.FromSeconds(10)));
        Assert.True(mount.Mount.Session.Dispatcher.Requests > 0);
    }
}
