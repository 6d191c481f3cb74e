"""The FAT partition and the disk around the partitions, without mounting anything."""

import hashlib
import os
import stat

from ext4 import run, walk

ALIGNMENT = 4 << 20
CHUNK = 1 << 20


def make_fat(path, size, label, volume_id, folder, epoch):
    """A FAT32 file system with the folder's files, whose times are the epoch's."""
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(epoch), TZ="UTC", LC_ALL="C", MTOOLS_SKIP_CHECK="1")
    with open(path, "wb") as file:
        file.truncate(size)
    run(["mkfs.vfat", "--invariant", "-F", "32", "-s", "4", "-n", label, "-i", volume_id, path], environment)
    for inside, here, facts in walk(folder):
        if stat.S_ISDIR(facts.st_mode):
            run(["mmd", "-i", path, "::" + inside], environment)
        elif stat.S_ISREG(facts.st_mode):
            run(["mcopy", "-i", path, here, "::" + inside], environment)
        else:
            raise ValueError(f"{here}: FAT has files and folders only")
    run(["fsck.vfat", "-n", path], environment)


def make_disk(path, disk_id, partitions):
    """Joins partitions [(file, type)] into a disk with an MBR; holes stay holes."""
    start, table = ALIGNMENT, [f"label: dos\nlabel-id: 0x{disk_id}\nunit: sectors\n"]
    places = []
    for file, kind in partitions:
        size = os.path.getsize(file)
        table.append(f"start={start // 512}, size={size // 512}, type={kind}")
        places.append((file, start))
        start += -(-size // ALIGNMENT) * ALIGNMENT
    with open(path, "wb") as disk:
        disk.truncate(start)
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path], dict(os.environ, LC_ALL="C"),
        input="\n".join(table) + "\n")
    nothing = bytes(CHUNK)
    with open(path, "r+b") as disk:
        for file, place in places:
            with open(file, "rb") as source:
                while chunk := source.read(CHUNK):
                    if chunk != nothing[:len(chunk)]:
                        disk.seek(place)
                        disk.write(chunk)
                    place += len(chunk)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(partition, folder, is_fat):
    """One line an entry: partition, type, mode, owner, size, SHA-256 or target, path."""
    letters = {stat.S_IFDIR: "d", stat.S_IFREG: "f", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b",
               stat.S_IFIFO: "p"}
    for inside, here, facts in walk(folder):
        kind = stat.S_IFMT(facts.st_mode)
        mode, owner = ("-", "-") if is_fat else (f"{stat.S_IMODE(facts.st_mode):04o}",
                                                 f"{facts.st_uid}:{facts.st_gid}")
        size, content = "-", "-"
        if kind == stat.S_IFREG:
            size, content = str(facts.st_size), digest(here)
        elif kind == stat.S_IFLNK:
            content = os.readlink(here)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            content = f"{os.major(facts.st_rdev)},{os.minor(facts.st_rdev)}"
        yield "\t".join([partition, letters[kind], mode, owner, size, content, inside])
