using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>Calls of POSIX and Linux on the engine, through the kernel, and what a later mount finds of them.</summary>
public sealed class MountedPosixTests
{
    const string Prelude = """
        import os, mmap, ctypes, errno, fcntl, struct, stat, random, hashlib, sys
        libc = ctypes.CDLL(None, use_errno=True)
        def fails(code, call, *arguments):
            try: call(*arguments)
            except OSError as e: assert e.errno == code, (call, arguments, e)
            else: raise AssertionError(("succeeded", call, arguments))
        def check(result, *what):
            if result < 0: raise OSError(ctypes.get_errno(), what)
        def rename2(a, b, flags): check(libc.renameat2(-100, a.encode(), -100, b.encode(), flags), a, b)
        def fallocate(fd, mode, at, length):
            check(libc.fallocate(fd, mode, ctypes.c_long(at), ctypes.c_long(length)), mode, at, length)
        def text(path): return open(path).read()
        def put(path, content): open(path, "w").write(content)
        RW = os.O_RDWR | os.O_CREAT

        """;

    const string Names = Prelude + """
        put("a", "A"); put("b", "B"); os.mkdir("d"); put("d/x", "X")
        fails(errno.EEXIST, rename2, "a", "b", 1); rename2("a", "b", 2); assert text("a") + text("b") == "BA"
        rename2("a", "d", 2); assert text("d") == "B" and text("a/x") == "X"; rename2("a", "d", 2)
        rename2("a", "c", 1); assert not os.path.exists("a"); fails(errno.ENOENT, rename2, "a", "c", 2)
        os.mkdir("e"); fails(errno.ENOTEMPTY, os.rename, "e", "d"); fails(errno.EINVAL, os.rename, "d", "d/y")
        fails(errno.EISDIR, os.rename, "c", "e"); fails(errno.ENOTDIR, os.rename, "e", "c"); os.rename("d", "e")
        fails(errno.ENOTEMPTY, os.rmdir, "e"); fails(errno.EPERM, os.link, "e", "f")
        fails(errno.EISDIR, os.unlink, "e")
        # any bytes, up to 255 of them
        generator = random.Random(7)
        odd = [bytes(generator.choice([i for i in range(1, 256) if i != 47]) for _ in range(255)) for _ in range(50)]
        odd += [b"\xff", b"\n", b" ", b"-", b"\\", b"..x", b"@@", b"@@0x", b"x@@", b"x@@0x12", b"@@-2", b"e\xcc\x81"]
        os.mkdir("names")
        for name in odd: os.close(os.open(b"names/" + name, RW))
        assert sorted(os.listdir(b"names")) == sorted(odd)
        for name in odd: assert os.stat(b"names/" + name).st_size == 0
        fails(errno.ENAMETOOLONG, os.mkdir, b"names/" + b"x" * 256)
        for name in odd[:50:2]: os.rename(b"names/" + name, b"names/m" + name[:-1])
        assert len(os.listdir(b"names")) == len(odd)
        # as-of names cannot be made
        for name in ("@@0x0000000100000000", "y@@-1", "@@-1:00001", "y@@0x0000000100000000:00001"):
            for call in (os.mkdir, lambda n: os.symlink("x", n), lambda n: os.link("c", n),
                         lambda n: os.rename("c", n)):
                try: call(name)
                except OSError: pass
                else: raise AssertionError((name, call))
        assert text("c") == "B" or text("c") == "A"
        # links
        for i in range(300): os.link("c", f"l{i}")
        assert os.stat("c").st_nlink == 301
        for i in range(300): os.unlink(f"l{i}")
        os.symlink("t" * 1000, "long"); assert os.readlink("long") == "t" * 1000
        os.symlink("/abs", "short"); assert os.lstat("short").st_size == 4
        # unnamed files
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640); os.write(fd, b"tmp" * 10000)
        assert os.fstat(fd).st_nlink == 0
        check(libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b"linked", 0x400)); os.close(fd)
        assert text("linked") == "tmp" * 10000 and os.stat("linked").st_nlink == 1
        lost = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640); os.write(lost, b"lost" * 10000); os.close(lost)
        # open files and directories outlive their names
        fd = os.open("gone", RW); os.write(fd, b"still" * 100000); os.fsync(fd); os.unlink("gone")
        assert os.pread(fd, 5, 499995) == b"still" and os.fstat(fd).st_nlink == 0; os.pwrite(fd, b"!", 1 << 21)
        assert os.fstat(fd).st_size == (1 << 21) + 1; os.ftruncate(fd, 3); assert os.pread(fd, 9, 0) == b"sti"
        put("gone", "new"); assert os.pread(fd, 9, 0) == b"sti" and text("gone") == "new"; os.close(fd)
        os.mkdir("gonedir"); fd = os.open("gonedir", os.O_RDONLY); os.rmdir("gonedir")
        assert os.listdir(fd) == []; fails(errno.ENOENT, lambda: os.open("x", RW, dir_fd=fd)); os.close(fd)
        # a directory that is read while it changes lists every lasting entry once
        os.mkdir("many")
        for i in range(3000): os.close(os.open(f"many/{i}", RW))
        seen = []
        for n, entry in enumerate(os.scandir("many")):
            seen.append(entry.name)
            if n % 3 == 0: os.unlink(entry.path); os.close(os.open(f"many/extra{n}", RW))
        assert len(seen) == len(set(seen)) and {str(i) for i in range(3000)} <= set(seen)
        """;

    const string Content = Prelude + """
        M = 1 << 20
        fd = os.open("sparse", RW)
        os.pwrite(fd, b"x" * 65536, 3 * M); os.ftruncate(fd, 8 * M)
        assert os.lseek(fd, 0, os.SEEK_DATA) == 3 * M and os.lseek(fd, 3 * M, os.SEEK_HOLE) == 3 * M + 65536
        assert os.lseek(fd, 0, os.SEEK_HOLE) == 0; fails(errno.ENXIO, os.lseek, fd, 4 * M, os.SEEK_DATA)
        os.fsync(fd)
        assert os.lseek(fd, 0, os.SEEK_DATA) == 3 * M and os.lseek(fd, 3 * M, os.SEEK_HOLE) == 3 * M + 65536
        fallocate(fd, 3, 3 * M + 1000, 5000); piece = os.pread(fd, 65536, 3 * M)
        assert piece == b"x" * 1000 + bytes(5000) + b"x" * 59536
        fallocate(fd, 3, 3 * M, 65536); fails(errno.ENXIO, os.lseek, fd, 0, os.SEEK_DATA)
        assert os.fstat(fd).st_size == 8 * M
        os.pwrite(fd, b"y" * 300000, 0); fallocate(fd, 0x10, 100000, 100000)
        assert os.pread(fd, 300000, 0) == b"y" * 100000 + bytes(100000) + b"y" * 100000
        fallocate(fd, 0x10, 8 * M, 4096); assert os.fstat(fd).st_size == 8 * M + 4096
        fallocate(fd, 0x11, 9 * M, 4096); assert os.fstat(fd).st_size == 8 * M + 4096
        fallocate(fd, 0, 0, 10 * M); assert os.fstat(fd).st_size == 10 * M
        fallocate(fd, 1, 0, 20 * M); assert os.fstat(fd).st_size == 10 * M
        fails(errno.EOPNOTSUPP, fallocate, fd, 8, 0, 65536)
        os.close(fd)
        # both ways of truncating, with what lay behind gone for good
        fd = os.open("cut", RW); os.pwrite(fd, b"z" * 200000, 0)
        for size in (150000, 65537, 65536, 16385, 16384, 16383, 1, 0, 199999):
            os.ftruncate(fd, size); assert os.fstat(fd).st_size == size
        assert os.pread(fd, 200000, 0) == bytes(199999); os.close(fd)
        # random pieces against memory, some synced, some through a mapping, some direct
        generator = random.Random(11); size = 3 * M; model = bytearray(size)
        fd = os.open("random", RW); os.ftruncate(fd, size); shared = mmap.mmap(fd, size)
        for n in range(300):
            at = generator.randrange(size); length = min(size - at, generator.choice([1, 100, 5000, 16384, 70000]))
            piece = generator.randbytes(length); model[at:at + length] = piece
            if n % 7 == 0: shared[at:at + length] = piece; shared.flush()
            else: assert os.pwrite(fd, piece, at) == length
            if n % 50 == 49: os.fsync(fd)
            if n % 20 == 0:
                at = generator.randrange(size - 60000); assert os.pread(fd, 60000, at) == model[at:at + 60000], n
        assert os.pread(fd, size, 0) == model and shared[:] == model; shared.close(); os.close(fd)
        direct = os.open("random", os.O_RDONLY | os.O_DIRECT); target = mmap.mmap(-1, size)
        assert os.readv(direct, [target]) == size and target[:] == model; os.close(direct)
        put("random.sha", hashlib.sha256(model).hexdigest())
        # where other limits lie
        fd = os.open("large", RW)
        for at in ((1 << 31) - 5, (1 << 32) - 5, (1 << 40) + 3, (1 << 62) - 10):
            os.pwrite(fd, b"0123456789", at); assert os.pread(fd, 10, at) == b"0123456789", at
        assert os.lseek(fd, 1 << 40, os.SEEK_DATA) <= (1 << 40) + 3; os.close(fd)
        fd = os.open("appended", RW | os.O_APPEND)
        for i in range(1000): os.write(fd, b"%04d" % i); os.pwrite(fd, b"", 0)
        assert os.pread(fd, 4000, 0) == b"".join(b"%04d" % i for i in range(1000)); os.close(fd)
        copy = os.open("copied", RW); source = os.open("random", os.O_RDONLY); done = 0
        while n := os.copy_file_range(source, copy, size - done): done += n
        assert done == size and open("copied", "rb").read() == model
        fd = os.open("vector", RW); os.writev(fd, [b"a" * 10, b"b" * 20000, b"c"])
        assert os.pread(fd, 30000, 0) == b"a" * 10 + b"b" * 20000 + b"c"
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED); os.fdatasync(fd); os.close(fd)
        """;

    const string Attributes = Prelude + """
        put("f", "x")
        os.utime("f", ns=(123456789123456789, 987654321987654321))
        assert os.stat("f").st_mtime_ns == 987654321987654000, os.stat("f").st_mtime_ns
        class Spec(ctypes.Structure): _fields_ = [("s", ctypes.c_long), ("n", ctypes.c_long)]
        def utimens(a, m): check(libc.utimensat(-100, b"f", (Spec * 2)(a, m), 0))
        NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2
        utimens(Spec(0, OMIT), Spec(5, 1999)); assert os.stat("f").st_mtime_ns == 5000001000
        utimens(Spec(0, NOW), Spec(0, OMIT)); assert os.stat("f").st_mtime_ns == 5000001000
        before = os.stat("f").st_ctime_ns; utimens(Spec(0, OMIT), Spec(0, NOW))
        assert os.stat("f").st_mtime_ns > 10 ** 18 and os.stat("f").st_ctime_ns >= before
        put("f", "y"); assert os.stat("f").st_mtime_ns >= before; utimens(Spec(7, 0), Spec(7, 0))
        fd = os.open("f", RW); os.write(fd, b"z"); assert os.fstat(fd).st_mtime_ns > 10 ** 18
        # directories and links change with their entries
        os.mkdir("d"); os.utime("d", (1, 1)); put("d/e", ""); assert os.stat("d").st_mtime > 10 ** 9
        os.utime("d", (1, 1)); os.unlink("d/e"); assert os.stat("d").st_mtime > 10 ** 9
        c = os.stat("f").st_ctime_ns; os.link("f", "g"); assert os.stat("f").st_ctime_ns >= c
        # flags of chattr that have a BSD flag; the others are refused
        flags = bytearray(8); fcntl.ioctl(fd, 0x40086602, struct.pack("q", 0x40)); fcntl.ioctl(fd, 0x80086601, flags)
        assert flags[0] == 0x40; fails(errno.EOPNOTSUPP, fcntl.ioctl, fd, 0x40086602, struct.pack("q", 0x80))
        fails(errno.ENOTTY, fcntl.ioctl, fd, 0x5401, bytearray(64))
        # extended attributes
        values = {"user.a": b"", "user.b": b"1" * 1000, "trusted.t": b"t", "user." + "n" * 250: bytes(range(256)) * 40}
        for name, value in values.items(): os.setxattr("f", name, value)
        for name, value in values.items(): assert os.getxattr("f", name) == value, name
        assert sorted(os.listxattr("f")) == sorted(values)
        fails(errno.EEXIST, os.setxattr, "f", "user.a", b"x", os.XATTR_CREATE)
        fails(errno.ENODATA, os.setxattr, "f", "user.z", b"x", os.XATTR_REPLACE)
        fails(errno.ENODATA, os.getxattr, "f", "user.z")
        os.setxattr("f", "user.big", b"B" * 60000); assert os.getxattr("f", "user.big") == b"B" * 60000
        os.setxattr("f", "user.big", b"s"); assert os.getxattr("f", "user.big") == b"s"
        os.removexattr("f", "user.big"); fails(errno.ENODATA, os.removexattr, "f", "user.big")
        os.setxattr("d", "user.dir", b"d"); os.symlink("f", "l")
        os.setxattr("l", "trusted.l", b"l", follow_symlinks=False)
        put("temporary", ""); os.setxattr("temporary", "user.x", b"y" * 5000); os.unlink("temporary")
        # modes, devices, umask
        for mode in (0, 0o7777, 0o4711, 0o2755, 0o1000):
            os.chmod("f", mode); assert stat.S_IMODE(os.stat("f").st_mode) == mode
        os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3)); assert open("null").read() == ""
        largest = os.makedev(4095, 1048575)
        os.mknod("big", stat.S_IFBLK | 0o600, largest); assert os.stat("big").st_rdev == largest
        os.mkfifo("p", 0o600); os.mknod("s", stat.S_IFSOCK | 0o755); assert stat.S_ISSOCK(os.stat("s").st_mode)
        os.umask(0o027); os.mkdir("masked"); assert stat.S_IMODE(os.stat("masked").st_mode) == 0o750
        # locks
        other = os.open("f", os.O_RDWR); fcntl.flock(fd, fcntl.LOCK_EX)
        fails(errno.EAGAIN, fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB); fcntl.lockf(other, fcntl.LOCK_EX, 10)
        s = os.statvfs("."); assert s.f_namemax == 255 and s.f_bfree <= s.f_blocks and s.f_bavail <= s.f_bfree, s
        os.sync()
        """;

    const string Digest = """
        cd $D; find . -printf '%P|%y|%m|%U|%G|%n|%s|%T@|%C@|%i|%l\n' | LC_ALL=C sort
        find . -type f -size -100M -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        getfattr -Rdhm - . | LC_ALL=C sort
        """;

    [Theory]
    [InlineData(nameof(Names))]
    [InlineData(nameof(Content))]
    [InlineData(nameof(Attributes))]
    public void Calls_behave_as_on_linux_and_last(string what)
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Python(what switch { nameof(Names) => Names, nameof(Content) => Content, _ => Attributes });
        string before = volume.Run(Digest);
        volume.UnmountSound();
        volume.Mount();
        Assert.Equal(before, volume.Run(Digest));
        volume.Run("find . -mindepth 1 -delete; same \"$(ls -A)\" ''");
        volume.UnmountSound();
    }
}
