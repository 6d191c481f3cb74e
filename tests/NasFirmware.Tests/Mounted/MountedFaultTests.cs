using System;
using System.IO;
using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>
/// A disk that really fails under a real mount: a sparse image on a small tmpfs, which runs out of space. Written
/// directly the writes fail; through a loop device they succeed, and the flush fails.
/// </summary>
public sealed class MountedFaultTests : IDisposable
{
    readonly string _tmpfs = Directory.CreateTempSubdirectory("nashammer-fault-").FullName;
    readonly MountedVolume _shell;
    string _loop = "";

    public MountedFaultTests()
    {
        _shell = MountedVolume.Of(Path.Combine(_tmpfs, "image"));
        _shell.Run($"mount -t tmpfs -o size=48m fault {_tmpfs}; truncate -s 512M {_tmpfs}/image");
    }

    public void Dispose()
    {
        _shell.Dispose();
        using (MountedVolume shell = MountedVolume.Of())
        {
            shell.TryRun(_loop.Length > 0 ? $"losetup -d {_loop}" : "true");
            shell.TryRun($"umount {_tmpfs}");
        }
        Directory.Delete(_tmpfs);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Failing_disk_latches_the_mount_and_the_next_one_shows_what_fsync_acknowledged(bool loop)
    {
        string device = Path.Combine(_tmpfs, "image");
        if (loop) device = _loop = _shell.Run($"losetup --find --show {device}");
        using MountedVolume volume = MountedVolume.Of(device);
        volume.Nashammer("newfs", "-f", "-L", "fault", "-u", "8m", device);
        volume.Mount("flush=0.5");
        volume.Run("""
            mkdir keep; dd if=/dev/urandom of=keep/a bs=64k count=20 conv=fsync status=none; sha256sum keep/a > $S/sum
            sync keep
            # more than the disk has room for, until somebody is told
            failed=0
            for i in $(seq 100); do
                dd if=/dev/urandom of=more$i bs=1M count=2 conv=fsync status=none 2>$S/err || { failed=1; break; }
            done
            same $failed 1; grep -q 'Input/output error' $S/err
            """);
        // A group that cannot be written latches the mount: from then on it reads and does not write.
        volume.Run("""
            for i in $(seq 50); do
                if ! touch new$i 2>$S/err; then break; fi
                if ! sync . 2>$S/err; then continue; fi
            done
            grep -q 'Read-only file system' $S/err; sha256sum -c --status $S/sum
            """);
        (int code, string output) = volume.TryNashammer("umount", volume.Dir);
        Assert.Equal(1, code);
        Assert.Contains("could not be made durable", output, StringComparison.Ordinal);
        Assert.Contains("read-only since", output, StringComparison.Ordinal);

        _shell.Run($"mount -o remount,size=700m {_tmpfs}");
        volume.Mount();
        volume.Run("sha256sum -c --status $S/sum; echo again > keep/b; sync keep; same \"$(cat keep/b)\" again");
        volume.Unmount();
        // What the device shows, and what lies in the image.
        _shell.AssertSound();
        // The mark of the loss went with the report of it.
        volume.Mount();
        volume.Unmount();
    }
}
