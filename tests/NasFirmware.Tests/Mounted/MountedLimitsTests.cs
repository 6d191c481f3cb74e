using System;
using System.IO;
using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>Full volumes, volumes that are taken, mount(8) and fstab.</summary>
public sealed class MountedLimitsTests
{
    [Fact]
    public void Full_volume_says_so_and_deleting_makes_room()
    {
        using MountedVolume volume = MountedVolume.Fresh(256, "-u", "8m");
        volume.Mount("nohistory,flush=0.5");
        volume.Run("""
            mkdir keep small; echo kept > keep/f; sync .
            # until it is full, in large and in small files
            no dd if=/dev/zero of=large bs=1M count=500 conv=fsync; dd if=large of=/dev/null bs=1M status=none
            (cd small; for i in $(seq 3000); do head -c 20000 /dev/zero > $i || break; done) 2>$S/err || true
            grep -q 'No space left' $S/err; same "$(cat keep/f)" kept
            test $(df --output=avail -Bm . | tail -1 | tr -dc 0-9) -le 16
            # deleting works, and what was freed can be used again
            rm large; rm -r small
            dd if=/dev/urandom of=again bs=1M count=24 conv=fsync status=none; echo more >> keep/f
            same "$(cat keep/f | tr '\n' ' ')" 'kept more '
            """);
        volume.UnmountSound();
    }

    [Fact]
    public void Full_volume_with_history_lets_everything_be_deleted()
    {
        using MountedVolume volume = MountedVolume.Fresh(96, "-u", "8m");
        volume.Mount("flush=0.5");
        volume.Run("""
            mkdir d; no dd if=/dev/urandom of=d/large bs=1M count=500; sync . || true
            for i in $(seq 200); do echo $i > d/$i || break; done 2>/dev/null || true
            rm -r d; same "$(ls)" ''
            """);
        volume.UnmountSound();
        // It can be mounted and read even so.
        volume.Mount();
        volume.Run("same \"$(ls)\" ''; df . > /dev/null");
        volume.UnmountSound();
    }

    [Fact]
    public void Second_mount_of_a_volume_is_refused()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        string other = Directory.CreateDirectory(Path.Combine(volume.Scratch, "other")).FullName;
        foreach (string options in (string[])["defaults", "ro"])
        {
            (int code, string output) = volume.TryNashammer("mount", "-o", options, volume.Images[0], other);
            Assert.NotEqual(0, code);
            Assert.Contains($"is mounted on {volume.Dir} already", output, StringComparison.Ordinal);
        }
        string link = Path.Combine(volume.Scratch, "link.img");
        File.CreateSymbolicLink(link, volume.Images[0]);
        Assert.NotEqual(0, volume.TryNashammer("mount", link, other).Code);
        volume.Run("ln $S/vol0.img $S/hard.img");
        Assert.NotEqual(0, volume.TryNashammer("mount", Path.Combine(volume.Scratch, "hard.img"), other).Code);
        Assert.NotEqual(0, volume.TryNashammer("newfs", "-f", "-L", "x", volume.Images[0]).Code);
        volume.Run("touch works");
        volume.UnmountSound();
    }

    /// <summary>In a mount namespace of its own: the program as /sbin/mount.nashammer, and a private fstab.</summary>
    [Fact]
    public void Fstab_line_mounts_through_the_helper()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        File.WriteAllText(Path.Combine(volume.Scratch, "fstab"),
            $"{volume.Images[0]} {volume.Dir} nashammer noauto,nodev,nosuid,noexec,flush=1,x-a.b,nofail 0 0\n");
        File.WriteAllText(Path.Combine(volume.Scratch, "private.sh"), """
            set -e; mount --make-rprivate /; mkdir $S/sbin
            for f in mount umount; do
                printf '#!/bin/bash\nexec -a /sbin/%s.nashammer "%s" "$@"\n' $f "$N" > $S/sbin/$f.nashammer
                chmod 755 $S/sbin/$f.nashammer
            done
            # other helpers stay: /sbin with ours in front
            mount -t overlay none -o lowerdir=$S/sbin:$(readlink -f /sbin) $(readlink -f /sbin)
            mount --bind $S/fstab /etc/fstab
            cd /; mount $D; grep " $D " /proc/self/mountinfo; echo x > $D/f; test "$(cat $D/f)" = x; umount $D
            test ! -e $D/f; mount -r $D; test "$(cat $D/f)" = x; ! touch $D/g; umount $D
            mount -t nashammer -o ro $IMG $D; test -e $D/f; umount $D
            ! mount -t nashammer -o nonsense $IMG $D
            """);
        string output = volume.Run("cd /; unshare -m bash $S/private.sh");
        Assert.Contains("rw,nosuid,nodev,noexec,noatime", output, StringComparison.Ordinal);
        Assert.Contains("fuse.nashammer", output, StringComparison.Ordinal);
        Assert.Contains("unknown mount option 'nonsense'", output, StringComparison.Ordinal);
        volume.AssertSound();
    }
}
