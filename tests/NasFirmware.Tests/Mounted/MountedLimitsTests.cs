using System;
using System.Globalization;
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

    /// <summary>Fifty rounds with NASHAMMER_FULL=1.</summary>
    [Fact]
    public void Many_processes_fill_delete_and_fill_again_without_loss_of_capacity()
    {
        int rounds = Environment.GetEnvironmentVariable("NASHAMMER_FULL") == "1" ? 50 : 2;
        using MountedVolume volume = MountedVolume.Fresh(160, "-u", "8m");
        string program = Path.Combine(volume.Scratch, "filler.py");
        File.WriteAllText(program, """
            import errno, os, random, sys
            # What fsync acknowledged is kept in a list outside the mount; what was refused is deleted.
            what, writer, turn = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
            kept = os.path.join(os.environ['S'], f'kept{writer}')
            r = random.Random(turn * 100 + writer)
            def content(seed, n): return random.Random(seed).randbytes(n)
            if what == 'fill':
                with open(kept, 'w') as names:
                    refused = number = 0
                    while refused < 3:
                        number += 1
                        name, seed, n = f'w{writer}-{number}', r.randrange(1 << 30), r.choice([900, 60000, 2 << 20])
                        try:
                            fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o644)
                            try:
                                data = memoryview(content(seed, n))
                                while data: data = data[os.write(fd, data[:r.randrange(1, 300000)]):]
                                os.fsync(fd)
                            finally: os.close(fd)
                            names.write(f'{name} {seed} {n}\n')
                        except OSError as e:
                            if e.errno != errno.ENOSPC: raise
                            refused += 1
                            if os.path.exists(name): os.unlink(name)
            else:
                for line in open(kept):
                    name, seed, n = line.split()
                    assert open(name, 'rb').read() == content(int(seed), int(n)), f'{name} has another content'
                    os.unlink(name)
            """);
        volume.Mount("nohistory,flush=0.5");
        string first = "";
        for (int turn = 0; turn < rounds; turn++)
        {
            string output = volume.Run($$"""
                both() { local pids=() w; for w in 1 2 3 4; do py $S/filler.py $1 $w {{turn}} & pids+=($!); done
                    for w in ${pids[@]}; do wait $w; done; }
                both fill; cat $S/kept? | awk '{ n += $3 } END { print int(n / 1048576) }'
                both empty; same "$(ls)" ''; for i in 1 2 3; do sync .; done
                df --output=avail -Bm . | tail -1 | tr -dc 0-9
                """);
            string[] numbers = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            int written = int.Parse(numbers[0], CultureInfo.InvariantCulture);
            Assert.True(written > 30, $"round {turn}: {written} MiB fit");
            if (turn == 0) first = numbers[1];
            int free = int.Parse(numbers[1], CultureInfo.InvariantCulture);
            Assert.True(free + 8 >= int.Parse(first, CultureInfo.InvariantCulture),
                $"round {turn}: {free} MiB free, {first} after the first one");
        }
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
