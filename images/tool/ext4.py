"""Makes an ext4 file system out of a folder, with the same bytes from the same input on every machine.

mkfs.ext4 -d takes over the order in which the folder happens to be listed, and the moment at which the files were put
there. So the empty file system is made by mkfs.ext4 with fixed identifiers, and filled by one run of debugfs that gets
every entry in the order of its name, with its mode, owner and time of change.
"""

import os
import stat
import subprocess
import tempfile
import uuid

NAMESPACE = uuid.UUID("a6ac1b5e-3c63-5d29-9d8e-4e61734861dd")
FEATURES = "^metadata_csum_seed,^orphan_file,^resize_inode"


def quote(text):
    """A word for debugfs, whose parser knows double quotes, doubled inside."""
    if "\n" in text:
        raise ValueError(f"a name with a line break cannot be written: {text!r}")
    return '"' + text.replace('"', '""') + '"'


def walk(folder):
    """Everything below a folder as (path from its root, path here, lstat), parents first, in the order of names."""
    def descend(inside, here):
        for name in sorted(os.listdir(here), key=os.fsencode):
            path = os.path.join(here, name)
            facts = os.lstat(path)
            yield f"{inside}/{name}", path, facts
            if stat.S_ISDIR(facts.st_mode):
                yield from descend(f"{inside}/{name}", path)
    yield from descend("", folder)


class Script:
    """The commands for debugfs that copy a folder into an empty file system. Names of one file become files."""

    def __init__(self, epoch, scratch):
        self.lines = []
        self.epoch = epoch
        self.scratch = scratch

    def set(self, path, field, value):
        self.lines.append(f"sif {quote(path)} {field} {value}")

    def facts(self, path, facts):
        """Mode, owner and time of an entry; what is later than the epoch is a trace of the build."""
        self.set(path, "mode", f"0{facts.st_mode:o}")
        if facts.st_uid:
            self.set(path, "uid", facts.st_uid)
        if facts.st_gid:
            self.set(path, "gid", facts.st_gid)
        self.set(path, "mtime", f"@{min(int(facts.st_mtime), self.epoch)}")

    def attributes(self, path, here):
        for name in sorted(os.listxattr(here, follow_symlinks=False)):
            value = os.path.join(self.scratch, f"xattr{len(self.lines)}")
            with open(value, "wb") as file:
                file.write(os.getxattr(here, name, follow_symlinks=False))
            self.lines.append(f"ea_set -f {quote(value)} {quote(path)} {name}")

    def add(self, path, here, facts):
        parent, name = os.path.split(path)
        kind = stat.S_IFMT(facts.st_mode)
        self.lines.append(f"cd {quote(parent or '/')}")
        if kind == stat.S_IFDIR:
            self.lines.append(f"mkdir {quote(name)}")
        elif kind == stat.S_IFREG:
            self.lines.append(f"write {quote(here)} {quote(name)}")
        elif kind == stat.S_IFLNK:
            self.lines.append(f"symlink {quote(name)} {quote(os.readlink(here))}")
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            letter = "c" if kind == stat.S_IFCHR else "b"
            self.lines.append(f"mknod {quote(name)} {letter} {os.major(facts.st_rdev)} {os.minor(facts.st_rdev)}")
        elif kind == stat.S_IFIFO:
            self.lines.append(f"mknod {quote(name)} p")
        else:
            raise ValueError(f"{here}: a socket cannot be put into an image")
        self.facts(path, facts)
        if kind in (stat.S_IFDIR, stat.S_IFREG):
            self.attributes(path, here)


def run(command, environment, **more):
    """Runs a tool with its output kept back; an error shows it."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stdout}{done.stderr}".strip())
    return done


def make(path, size, label, folder, epoch):
    """Makes the file system in a new file of that size. folder None leaves it empty."""
    environment = dict(os.environ, E2FSPROGS_FAKE_TIME=str(epoch), E2FSCK_TIME=str(epoch), LC_ALL="C",
                       DEBUGFS_PAGER="cat")
    with open(path, "wb") as file:
        file.truncate(size)
    run(["mkfs.ext4", "-q", "-F", "-L", label, "-U", str(uuid.uuid5(NAMESPACE, label)), "-m", "0", "-O", FEATURES,
         "-E", f"hash_seed={uuid.uuid5(NAMESPACE, label + ' seed')},lazy_itable_init=0,lazy_journal_init=0,"
         "nodiscard,root_owner=0:0", path], environment)
    if folder is not None:
        fill(path, folder, epoch, environment)
    # -D packs the folders; 1 says that something was changed, which is what it is for.
    done = subprocess.run(["e2fsck", "-f", "-y", "-D", path], env=environment, capture_output=True, text=True,
                          check=False)
    if done.returncode > 1:
        raise RuntimeError(f"e2fsck: {done.stdout}{done.stderr}")
    run(["e2fsck", "-f", "-n", path], environment)


def fill(path, folder, epoch, environment):
    with tempfile.TemporaryDirectory() as scratch:
        script = Script(epoch, scratch)
        for entry in walk(folder):
            script.add(*entry)
        script.facts("/", os.lstat(folder))
        commands = os.path.join(scratch, "commands")
        with open(commands, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("\n".join(script.lines) + "\n")
        done = run(["debugfs", "-w", "-f", commands, path], environment)
    # It goes on after a mistake and ends with 0: whatever it says beside the echo of the commands is one.
    said = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs 1.")]
    said += [line for line in done.stdout.splitlines()
             if line and not line.startswith(("debugfs: ", "Allocated inode: "))]
    if said:
        raise RuntimeError(f"debugfs: {said[0]} (and {len(said) - 1} more)")
