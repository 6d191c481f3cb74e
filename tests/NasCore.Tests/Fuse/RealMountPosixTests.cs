using System;
using System.Diagnostics;
using System.IO;
using NasCore.Fuse.Dispatch;
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
        Assert.Empty(mount.Log);
    }

    [Fact]
    public void Mount_has_the_kernel_forget_views_beyond_a_bound()
    {
        using var fs = new MemoryFs();
        using var mount = new TestMount(fs, rowsMax: 300);
        mount.Run("for d in 1 2 3 4; do mkdir $D/$d; for f in $(seq 100); do : > $D/$d/$f; done; done");
        for (ulong tid = 0x100000500; tid < 0x100000508; tid++) fs.Snapshot(0, tid);
        mount.Run("for t in 0 1 2 3 4 5 6 7; do ls -lR $D/@@0x000000010000050$t/ > /dev/null; done");
        NodeTable nodes = mount.Mount.Session.Dispatcher.Nodes;
        long start = Stopwatch.GetTimestamp();
        while (nodes.Rows > 300)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30), $"{nodes.Rows} rows are left");
            mount.Run("ls $D/1@@0x0000000100000501 > /dev/null");
        }
        mount.Run("test $(ls -R $D/@@0x0000000100000503/ | wc -l) -gt 400");
    }

    [Fact]
    public void Mount_gives_handles_that_outlive_a_remount()
    {
        using var fs = new MemoryFs();
        fs.AddPfs(1);
        fs.Snapshot(0, 0x100000500);
        string script = Path.GetTempFileName();
        File.WriteAllText(script, """
            import ctypes, os, sys
            libc = ctypes.CDLL(None, use_errno=True)
            def handle(path):
                h = (ctypes.c_uint32 * 34)(128); m = ctypes.c_int()
                if libc.name_to_handle_at(-100, path.encode(), h, ctypes.byref(m), 0): raise OSError(ctypes.get_errno())
                return bytes(h)
            def opened(mount, h):
                b = (ctypes.c_uint32 * 34).from_buffer_copy(h)
                fd = libc.open_by_handle_at(os.open(mount, os.O_RDONLY), b, os.O_RDONLY)
                return fd if fd >= 0 else -ctypes.get_errno()
            d = os.environ["D"]
            if sys.argv[1] == "take":
                os.makedirs(d + "/x/y"); open(d + "/x/y/f", "w").write("live")
                open(d + "/@@-1:00001/g", "w").write("pfs")
                for n, p in enumerate(["x/y/f", "@@-1:00001/g", "@@0x0000000100000500"]):
                    open(f"{sys.argv[2]}{n}", "wb").write(handle(d + "/" + p))
            fds = [opened(d, open(f"{sys.argv[2]}{n}", "rb").read()) for n in range(3)]
            assert os.read(fds[0], 9) == b"live" and os.read(fds[1], 9) == b"pfs", fds
            assert fds[2] >= 0 if sys.argv[1] == "take" else fds[2] == -116, fds
            """);
        try
        {
            using (var mount = new TestMount(fs)) mount.Run($"python3 {script} take {script}");
            using (var mount = new TestMount(fs)) mount.Run($"python3 {script} use {script}; rm {script}?");
        }
        finally
        {
            File.Delete(script);
        }
    }
}
