namespace NasCoreTests.Fuse;

/// <summary>Shell scripts that use the mount $D as programs do, and fail where it does not behave.</summary>
static class PosixScripts
{
    /// <summary>Calls of POSIX and Linux, most of them from Python.</summary>
    internal const string Calls = """
        cd $D
        cat > /tmp/nh-posix-$$.py <<'PY'
        import os, mmap, ctypes, errno, fcntl, struct, stat
        libc = ctypes.CDLL(None, use_errno=True)
        def fails(code, call):
            try: call()
            except OSError as e: assert e.errno == code, (e.errno, code)
            else: raise AssertionError("no error")
        def rename2(a, b, flags):
            if libc.renameat2(-100, a.encode(), -100, b.encode(), flags): raise OSError(ctypes.get_errno(), a)
        open("a", "w").write("A"); open("b", "w").write("B")
        fails(errno.EEXIST, lambda: rename2("a", "b", 1))
        rename2("a", "b", 2)
        assert open("a").read() == "B" and open("b").read() == "A"
        # unnamed files
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(fd, b"tmp"); assert os.fstat(fd).st_nlink == 0
        assert libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b"linked", 0x400) == 0; os.close(fd)
        assert open("linked").read() == "tmp" and os.stat("linked").st_nlink == 1
        # an unlinked open file stays usable
        f = open("gone", "w+"); f.write("still"); f.flush(); os.unlink("gone"); f.seek(0)
        assert f.read() == "still" and os.fstat(f.fileno()).st_nlink == 0; f.close()
        # holes
        fd = os.open("sparse", os.O_CREAT | os.O_RDWR)
        os.pwrite(fd, b"x" * 65536, 1 << 20); os.ftruncate(fd, 4 << 20)
        assert os.lseek(fd, 0, os.SEEK_DATA) == 1 << 20
        assert os.lseek(fd, 1 << 20, os.SEEK_HOLE) == (1 << 20) + 65536
        assert libc.fallocate(fd, 3, ctypes.c_long(1 << 20), ctypes.c_long(65536)) == 0
        fails(errno.ENXIO, lambda: os.lseek(fd, 0, os.SEEK_DATA))
        assert libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(5 << 20)) == 0
        assert os.fstat(fd).st_size == 5 << 20
        os.close(fd)
        # a shared mapping
        fd = os.open("mapped", os.O_CREAT | os.O_RDWR); os.ftruncate(fd, 8192)
        m = mmap.mmap(fd, 8192); m[5000:5005] = b"hello"; m.flush(); m.close(); os.fsync(fd)
        assert os.pread(fd, 5, 5000) == b"hello"; os.close(fd)
        # attributes
        os.setxattr("b", "user.x", b"1" * 1000); assert os.getxattr("b", "user.x") == b"1" * 1000
        assert os.listxattr("b") == ["user.x"]; os.removexattr("b", "user.x")
        fails(errno.ENODATA, lambda: os.getxattr("b", "user.x"))
        os.utime("b", ns=(123456789123456789, 987654321987654321))
        assert os.stat("b").st_mtime_ns == 987654321987654000, os.stat("b").st_mtime_ns
        # append and exclusive creation
        fd = os.open("b", os.O_WRONLY | os.O_APPEND); os.write(fd, b"1"); os.lseek(fd, 0, 0); os.write(fd, b"2")
        assert open("b").read() == "A12"
        fails(errno.EEXIST, lambda: os.open("b", os.O_CREAT | os.O_EXCL))
        # flags, locks
        fd = os.open("b", os.O_RDONLY); flags = bytearray(8)
        fcntl.ioctl(fd, 0x40086602, struct.pack("q", 0x40)); fcntl.ioctl(fd, 0x80086601, flags)
        assert flags[0] == 0x40
        fails(errno.EOPNOTSUPP, lambda: fcntl.ioctl(fd, 0x40086602, struct.pack("q", 0x80)))
        fcntl.flock(fd, fcntl.LOCK_EX); fcntl.lockf(open("a", "r+"), fcntl.LOCK_EX)
        # copying inside the file system falls back to reading and writing
        copy = os.open("copy", os.O_CREAT | os.O_WRONLY)
        assert os.copy_file_range(os.open("linked", os.O_RDONLY), copy, 3) == 3
        # set-id bits
        open("suid", "w").write("x"); os.chmod("suid", 0o6755); os.chown("suid", 1, 1)
        assert stat.S_IMODE(os.stat("suid").st_mode) == 0o755
        os.chown("suid", 1000, 1000); os.chmod("suid", 0o6755)
        if os.fork() == 0:
            os.setgid(1000); os.setuid(1000); fd = os.open("suid", os.O_WRONLY); os.write(fd, b"y"); os._exit(0)
        os.wait(); assert stat.S_IMODE(os.stat("suid").st_mode) == 0o755, oct(os.stat("suid").st_mode)
        # names that a directory still lists while entries go away
        os.mkdir("many")
        for i in range(2000): open(f"many/{i}", "w").close()
        seen = 0
        for entry in os.scandir("many"): os.unlink(entry.path); seen += 1
        assert seen == 2000 and not os.listdir("many"), seen
        fd = os.open("many", os.O_RDONLY); os.fsync(fd); os.rmdir("many")
        os.sync()
        PY
        python3 /tmp/nh-posix-$$.py && rm /tmp/nh-posix-$$.py
        """;

    /// <summary>What user 1000 may and may not do.</summary>
    internal const string Permissions = """
        chmod 755 $(dirname $D)
        mkdir -m 700 $D/secret; echo x > $D/secret/f; mkdir -m 1777 $D/tmp; touch $D/tmp/root; chmod 644 $D/tmp/root
        as() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
        ! as cat $D/secret/f; ! as touch $D/new; ! as rm -f $D/tmp/root; as touch $D/tmp/mine
        test "$(stat -c %u:%g $D/tmp/mine)" = 1000:1000
        ! as chmod 777 $D/tmp/root; ! as chown 1000 $D/tmp/root; ! as sh -c "echo >> $D/tmp/root"
        umask 027; touch $D/masked; test "$(stat -c %a $D/masked)" = 640
        mkdir -m 2775 $D/group; chgrp 1000 $D/group; chmod g+s $D/group; touch $D/group/f; mkdir $D/group/d
        test "$(stat -c %g $D/group/f)" = 1000; test -g $D/group/d
        """;

    /// <summary>ACLs as setfacl sets them: on the file, as default, and with a mask that chmod moves.</summary>
    internal const string Acls = """
        as() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
        chmod 755 $(dirname $D); cd $D; mkdir acl; echo x > acl/f; chmod 600 acl/f
        ! as cat $D/acl/f 2>/dev/null
        setfacl -m u:1000:r acl/f; as cat $D/acl/f > /dev/null; test "$(stat -c %a acl/f)" = 640
        getfacl -cn acl/f | grep -qx 'user:1000:r--'
        chmod 600 acl/f; ! as cat $D/acl/f 2>/dev/null; getfacl -cn acl/f | grep -qx 'mask::---'
        setfacl -m d:u:1000:rwx acl; umask 077; echo y > acl/g; mkdir acl/d
        as cat $D/acl/g > /dev/null; getfacl -cnd acl/d | grep -qx 'user:1000:rwx'
        setfacl -b acl/f acl/g; ! as cat $D/acl/g 2>/dev/null; chmod 644 acl/g; as cat $D/acl/g > /dev/null
        """;
}
