using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using NasTesting;
using NasTesting.Model;
using NasTesting.Oracle;
using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>The operations that made basic.img, done by system calls on a mount of our own volume.</summary>
public sealed class MountedReplayTests
{
    /// <summary>Does a list of operations; contents come from a file of bytes, by offset and length. After each
    /// stage the volume is synced.</summary>
    const string Player = """
        import os, fcntl, struct, stat, sys
        words = lambda line: line.rstrip("\n").split("\t")
        contents = open(sys.argv[2], "rb")
        BSD = {1: 0x40, 2: 0x10}
        kinds = {"CharDevice": stat.S_IFCHR, "BlockDevice": stat.S_IFBLK, "Fifo": stat.S_IFIFO, "Socket": stat.S_IFSOCK}
        os.umask(0)
        def opened(path, flags, call):
            fd = os.open(path, flags)
            try: call(fd)
            finally: os.close(fd)
        for line in open(sys.argv[1], encoding="utf-8", newline="\n"):
            op, path, other, offset, length, at, mode, kind, a, b = words(line)
            offset, length, at, mode, a, b = map(int, (offset, length, at, mode, a, b))
            path = "." + path
            if op == "Create": os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
            elif op == "Mkdir": os.mkdir(path, mode)
            elif op in ("Write", "Wtext"):
                contents.seek(at)
                data = contents.read(length)
                def write(fd): assert os.pwrite(fd, data, offset) == length
                opened(path, os.O_WRONLY, write)
            elif op == "Truncate": os.truncate(path, length)
            elif op == "Symlink": os.symlink(other, path)
            elif op == "Link": os.link(path, "." + other)
            elif op == "Mknod": os.mknod(path, kinds[kind] | mode, os.makedev(a, b))
            elif op == "Rename": os.rename(path, "." + other)
            elif op == "Unlink": os.unlink(path)
            elif op == "Rmdir": os.rmdir(path)
            elif op == "Chmod": os.chmod(path, mode)
            elif op == "Chown": os.chown(path, a, b)
            elif op == "Chflags":
                if a in BSD: opened(path, os.O_RDONLY, lambda fd: fcntl.ioctl(fd, 0x40086602, struct.pack("q", BSD[a])))
            elif op == "Utimes": os.utime(path, ns=(a * 1000, b * 1000))
            elif op == "Fsync": opened(path, os.O_RDONLY, os.fsync)
            elif op in ("Sync", "Tid"): opened(".", os.O_RDONLY, os.fsync)
            else: assert op in ("Clock", "Tick", "Mount", "Unmount"), op
        """;

    const ManifestIgnore Ignored = ManifestIgnore.Ino | ManifestIgnore.Times | ManifestIgnore.Flags;

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Basic_ops_through_a_mount_give_the_same_trees_and_live_records(int version)
    {
        string level = version.ToString(CultureInfo.InvariantCulture);
        using MountedVolume volume = MountedVolume.Fresh(512, "-V", level, "-u", "16m");
        volume.Mount();
        File.WriteAllText(Path.Combine(volume.Scratch, "play.py"), Player);
        int stage = 1;
        foreach (List<ModelOp> part in Stages(ModelOp.ParseList(GoldenData.Text($"v{version}/basic.ops.zst"))))
        {
            WriteOperations(volume, part);
            volume.Run("py $S/play.py $S/ops $S/contents");
            MountedGoldenTests.CompareTree(volume, ".", GoldenManifest.Load($"v{version}/basic.live{stage}.json.zst"),
                Ignored);
            stage++;
        }
        volume.UnmountSound();
        CompareRecords(volume, version);
    }

    static IEnumerable<List<ModelOp>> Stages(List<ModelOp> all)
    {
        var part = new List<ModelOp>();
        foreach (ModelOp op in all)
        {
            part.Add(op);
            if (op.Kind != OpKind.Tid) continue;
            yield return part;
            part = [];
        }
    }

    static void WriteOperations(MountedVolume volume, List<ModelOp> operations)
    {
        using FileStream contents = File.Create(Path.Combine(volume.Scratch, "contents"));
        var lines = new StringBuilder();
        foreach (ModelOp op in operations)
        {
            long at = contents.Position;
            if (op.Kind is OpKind.Write or OpKind.Wtext) contents.Write(op.Content());
            object[] words = [op.Kind, op.Path, op.Other, op.Offset, op.Length, at, op.Mode, op.Type, op.A, op.B];
            lines.AppendJoin('\t', words.Select(w => Convert.ToString(w, CultureInfo.InvariantCulture))).Append('\n');
        }
        File.WriteAllText(Path.Combine(volume.Scratch, "ops"), lines.ToString());
    }

    /// <summary>Keys, types and lengths of live records, CRCs of file data. The nohistory flag, which a mount cannot
    /// set, is in none of them.</summary>
    static void CompareRecords(MountedVolume volume, int version)
    {
        using OracleVolume ours = OracleVolume.Open(volume.Images);
        using GoldenLease golden = GoldenData.Borrow($"v{version}/basic");
        using OracleVolume original = OracleVolume.Open(golden.Paths);
        List<string> found = ours.Canonical(), expected = original.Canonical();
        string missing = string.Join("\n", expected.Except(found).Take(5));
        string extra = string.Join("\n", found.Except(expected).Take(5));
        Assert.True(expected.SequenceEqual(found), $"missing:\n{missing}\ntoo much:\n{extra}");
    }
}
