using System.Globalization;
using System.IO;
using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>What a second user may not do, each refusal by its errno, and the few things that he may.</summary>
public sealed class MountedAccessTests
{
    /// <summary>Made by root in the mount; the second user is 1000 with the groups 1000 and 2000.</summary>
    const string Scene = """
        umask 022
        echo secret > private; chmod 600 private; echo text > public
        mkdir -m 755 closed; echo x > closed/file; mkdir -m 700 hidden; echo x > hidden/file; mkdir -m 711 through
        echo x > through/known; mkdir -m 1777 sticky; echo x > sticky/roots; chmod 666 sticky/roots
        mkdir -m 777 open; echo x > open/roots; echo mine > open/mine; chown 1000:1000 open/mine
        printf '#!/bin/sh\necho ran\n' > program; chmod 755 program; cp program noexecbit; chmod 644 noexecbit
        echo x > grouped; chgrp 2000 grouped; chmod 640 grouped; echo x > othergroup; chgrp 3000 othergroup
        chmod 640 othergroup; echo x > denied; setfacl -m u:1000:--- denied
        echo x > allowed; chmod 600 allowed; setfacl -m u:1000:rw allowed
        echo x > masked; chmod 600 masked; setfacl -m u:1000:rw masked; setfacl -m m::r masked
        echo x > immutable; chown 1000 immutable; echo x > append; chown 1000 append; ln -s private link
        mkfifo -m 600 fifo; mkdir -m 2775 setgid; chown 1000:2000 setgid; chmod 2775 setgid
        """;

    const string SecondUser = """
        import os, errno, ctypes, fcntl, struct, stat, sys
        os.setgroups([2000]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)
        libc = ctypes.CDLL(None, use_errno=True)
        refused = 0
        def no(code, call, *arguments):
            global refused
            try: call(*arguments)
            except OSError as e: assert e.errno == code, (call, arguments, e)
            else: raise AssertionError(("succeeded", call, arguments))
            refused += 1
        EACCES, EPERM, EROFS = errno.EACCES, errno.EPERM, errno.EROFS
        R, W = os.O_RDONLY, os.O_WRONLY
        no(EACCES, os.open, "private", R)
        no(EACCES, os.open, "public", W)
        no(EACCES, os.open, "public", R | os.O_TRUNC)
        no(EACCES, os.truncate, "public", 0)
        no(EACCES, os.open, "closed/new", W | os.O_CREAT)
        no(EACCES, os.mkdir, "closed/new")
        no(EACCES, os.mknod, "closed/new", stat.S_IFIFO | 0o600)
        no(EACCES, os.symlink, "x", "closed/new")
        no(EACCES, os.unlink, "closed/file")
        no(EACCES, os.rename, "closed/file", "open/file")
        no(EACCES, os.rename, "open/mine", "closed/mine")
        no(EACCES, os.link, "open/mine", "closed/mine")
        no(EACCES, os.rmdir, "hidden")
        no(EACCES, os.listdir, "hidden")
        no(EACCES, os.stat, "hidden/file")
        no(EACCES, os.listdir, "through")
        assert open("through/known").read() == "x\n"
        no(EACCES, os.open, "link", R)
        no(EACCES, os.open, "fifo", W | os.O_NONBLOCK)
        no(EPERM, os.chmod, "public", 0o777)
        no(EPERM, os.chown, "public", 1000, -1)
        no(EPERM, os.chown, "open/mine", 0, -1)
        no(EPERM, os.chown, "open/mine", -1, 3000)
        os.chown("open/mine", -1, 2000)
        no(EPERM, os.utime, "public", (1, 1))
        no(EACCES, os.utime, "public", None)
        no(EPERM, os.unlink, "sticky/roots")
        no(EPERM, os.rename, "sticky/roots", "sticky/other")
        no(EPERM, os.rename, "open/mine", "sticky/roots")
        open("sticky/roots", "a").write("y"); os.unlink("open/roots")
        no(EPERM, os.mknod, "open/device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        no(EACCES, os.open, "othergroup", R)
        assert open("grouped").read() == "x\n"
        no(EACCES, os.open, "grouped", W)
        no(EACCES, os.open, "denied", R)
        open("allowed", "a").write("z")
        assert open("masked").read() == "x\n"
        no(EACCES, os.open, "masked", W)
        no(EPERM, os.setxattr, "open/mine", "trusted.x", b"1")
        no(EPERM, os.setxattr, "open/mine", "security.capability", b"\1\0\0\2" + bytes(16))
        no(EACCES, os.setxattr, "public", "user.x", b"1")
        no(EACCES, os.getxattr, "private", "user.x")
        no(EPERM, os.setxattr, "public", "system.posix_acl_access", struct.pack("<I", 2) + b"".join(
            struct.pack("<HHi", *e) for e in ((1, 7, -1), (4, 7, -1), (32, 7, -1))))
        no(EACCES, os.execv, "./noexecbit", ["x"])
        no(EPERM, os.open, "immutable", W)
        no(EPERM, os.open, "append", W)
        fd = os.open("append", W | os.O_APPEND); os.write(fd, b"y\n"); os.close(fd)
        fd = os.open("open/mine", R)
        no(EPERM, fcntl.ioctl, fd, 0x40086602, struct.pack("q", 0x10))
        # Set-id bits go where the owner changes or another writes; a set-gid directory passes its group on.
        os.chmod("open/mine", 0o6755)
        if not stat.S_IMODE(os.stat("open/mine").st_mode) == 0o6755: raise AssertionError("set-id by the owner")
        os.chown("open/mine", -1, 1000)
        assert stat.S_IMODE(os.stat("open/mine").st_mode) == 0o755, oct(os.stat("open/mine").st_mode)
        os.chmod("open/mine", 0o6755)
        open("open/mine", "a").write("w")
        assert stat.S_IMODE(os.stat("open/mine").st_mode) == 0o755, oct(os.stat("open/mine").st_mode)
        os.mkdir("setgid/d"); os.close(os.open("setgid/f", os.O_CREAT | W, 0o2775))
        assert os.stat("setgid/d").st_gid == 2000 and os.stat("setgid/d").st_mode & stat.S_ISGID
        assert os.stat("setgid/f").st_gid == 2000
        # A group that one is not in: the bit is dropped silently.
        os.close(os.open("open/g", os.O_CREAT | W, 0o755))
        print(refused)
        """;

    [Fact]
    public void Second_user_is_refused_forty_accesses_with_the_errno_of_linux()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run(Scene + "\nchattr +i immutable; chattr +a append");
        int refused = int.Parse(volume.Python(SecondUser), CultureInfo.InvariantCulture);
        Assert.True(refused >= 40, $"{refused} refusals");
        volume.Run("chattr -i immutable; chattr -a append; same \"$(cat append)\" $'x\\ny'; rm -r *");
        volume.UnmountSound();
    }

    /// <summary>The same accesses get the same answers from a file system of the kernel.</summary>
    [Fact]
    public void Second_user_is_refused_the_same_on_tmpfs()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Run("mkdir $S/tmpfs; mount -t tmpfs -o mode=755 none $S/tmpfs");
        try
        {
            volume.Run("cd $S/tmpfs\n" + Scene + "\nchattr +i immutable; chattr +a append");
            File.WriteAllText(Path.Combine(volume.Scratch, "program.py"), SecondUser);
            int refused = int.Parse(volume.Run("cd $S/tmpfs; py $S/program.py"),
                CultureInfo.InvariantCulture);
            Assert.True(refused >= 40, $"{refused} refusals");
        }
        finally
        {
            volume.Run("umount -l $S/tmpfs");
        }
    }

    [Fact]
    public void Mount_flags_noexec_nosuid_nodev_and_ro_hold()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount("noexec,nosuid,nodev");
        volume.Run("""
            printf '#!/bin/sh\necho ran\n' > program; chmod 755 program; no ./program; same "$(sh ./program)" ran
            cp /usr/bin/id id; chmod 4755 id; mknod -m 666 null c 1 3; no sh -c 'echo > null'
            mkdir -m 777 open; cd open; as sh -c 'echo x > mine'
            """);
        volume.Unmount();
        volume.Mount();
        volume.Run("""
            same "$(./program)" ran; same "$(as ./id -u)" 0; same "$(as ./id | grep -o euid=0)" euid=0
            echo > null; test -c null
            """);
        volume.Unmount();
        volume.Mount("nosuid");
        volume.Run("same \"$(as ./id -u)\" 1000");
        volume.Unmount();
        volume.Mount("ro");
        volume.Run("no touch new; no rm program; no chmod 600 program; no sh -c 'echo >> program'; ./program");
        volume.UnmountSound();
    }

    [Fact]
    public void Acls_are_inherited_as_on_ext4()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run("""
            umask 022; mkdir dir; setfacl -d -m u:1000:rwx,g:2000:r-x,m::rwx dir; setfacl -m u:1000:rwx dir
            as sh -c 'umask 077; echo x > dir/f; mkdir dir/d; echo y > dir/d/g'
            getfacl -cn dir/f > $S/f; grep -qx 'user:1000:rwx.*#effective:rw-' $S/f; grep -qx 'mask::rw-' $S/f
            grep -qx 'other::r--' $S/f; same "$(stat -c %a dir/f)" 664
            getfacl -cn dir/d > $S/d; grep -qx 'default:user:1000:rwx' $S/d; grep -qx 'user:1000:rwx' $S/d
            grep -qx 'default:mask::rwx' $S/d; getfacl -cn dir/d/g | grep -qx 'group:2000:r-x.*#effective:r--'
            # chmod moves the mask, not the group; copies keep ACLs; removal gives the mode back its meaning
            chmod 600 dir/f; getfacl -cn dir/f | grep -qx 'mask::---'; chmod 640 dir/f
            cp -a dir copy; diff <(getfacl -cnR dir) <(getfacl -cnR copy)
            setfacl -k dir; mkdir dir/plain; same "$(stat -c %a dir/plain)" 755; setfacl -bR copy
            no sh -c 'getfacl -cnR copy | grep -q 1000:'
            """);
        // They are on the medium: a new mount shows the same.
        string before = volume.Run("getfacl -nR .");
        volume.Unmount();
        volume.Mount();
        Assert.Equal(before, volume.Run("getfacl -nR ."));
        volume.UnmountSound();
    }
}
