using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>Golden volumes mounted read-only show their manifests to plain stat, read and readlink calls.</summary>
public sealed class MountedGoldenTests
{
    /// <summary>Lists a tree in the shape of the golden manifests; arguments: root, result.</summary>
    const string Walker = """
        import os, sys, stat, hashlib, json
        kinds = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "symlink", stat.S_IFCHR: "chr",
                 stat.S_IFBLK: "blk", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "sock"}
        result = []
        def show(path, shown):
            s = os.lstat(path)
            e = dict(path=shown or "/", type=kinds[stat.S_IFMT(s.st_mode)], ino="%x" % s.st_ino, uid=s.st_uid,
                gid=s.st_gid, mode="%o" % stat.S_IMODE(s.st_mode), nlink=s.st_nlink, size=s.st_size,
                mtime_us=s.st_mtime_ns // 1000, ctime_us=s.st_ctime_ns // 1000)
            if e["type"] == "file":
                h = hashlib.sha256()
                with open(path, "rb") as f:
                    while piece := f.read(1 << 20): h.update(piece)
                e["sha256"] = h.hexdigest()
            if e["type"] == "symlink": e["target"] = os.readlink(path)
            if e["type"] in ("chr", "blk"): e["rdev"] = f"{os.major(s.st_rdev)}:{os.minor(s.st_rdev)}"
            result.append(e)
            if e["type"] != "dir": return
            seen = {}
            for entry in os.scandir(path):
                seen[entry.name] = entry.inode()
            for name, ino in seen.items():
                assert os.lstat(path + "/" + name).st_ino == ino, ("d_ino", path, name)
                show(path + "/" + name, shown + "/" + name)
        show(sys.argv[1], "")
        with open(sys.argv[2], "w") as f: json.dump(result, f)
        """;

    [Theory]
    [InlineData("v1/basic")]
    [InlineData("v6/basic")]
    [InlineData("v7/basic")]
    [InlineData("v7/mirror.slave3")]
    [InlineData("v7/mirrorids.master2")]
    [InlineData("v7/multivol")]
    [InlineData("v5-upgraded-to-v7/upgrade_to_v7")]
    [InlineData("v7/crash.undoredo-other-n79-torn")]
    [InlineData("random/8002")]
    public void Mounted_golden_volume_shows_its_manifests(string name)
    {
        GoldenImage image = GoldenData.Image(name);
        using MountedVolume volume = MountedVolume.Golden(name);
        volume.Mount("ro");
        Dictionary<int, uint> devices = ViewDevices(volume.Images);
        foreach (GoldenManifestRef reference in Selected(image))
        {
            bool live = reference is { AsOf: null, Pfs: 0 };
            string asOf = reference.AsOf is ulong tid ? string.Create(CultureInfo.InvariantCulture, $"0x{tid:x16}")
                : "-1";
            string root = live ? "." : string.Create(CultureInfo.InvariantCulture, $"@@{asOf}:{reference.Pfs:00000}");
            ulong view = live ? 0 : (ulong)(devices[reference.Pfs] ^ Fold(reference.AsOf)) << 32;
            List<ManifestEntry> expected =
                [.. GoldenManifest.Load(reference).Select(e => e with { Ino = e.Ino ^ view, Flags = 0 })];
            CompareTree(volume, root, expected, reference.TimesAreCtime ? ManifestIgnore.None : ManifestIgnore.Mtime);
        }
        Assert.Contains("Read-only", volume.TryRun("touch new").Output, StringComparison.Ordinal);
    }

    /// <summary>Walks a tree of a mount and compares it with a manifest.</summary>
    internal static void CompareTree(MountedVolume volume, string root, IReadOnlyCollection<ManifestEntry> expected,
        ManifestIgnore ignore)
    {
        File.WriteAllText(Path.Combine(volume.Scratch, "walk.py"), Walker);
        volume.Run($"py $S/walk.py '{root}' $S/found.json");
        string differences = GoldenManifest.Differences(
            expected, GoldenManifest.Load(Path.Combine(volume.Scratch, "found.json")), ignore);
        Assert.True(differences.Length == 0, $"{root}:\n{differences}");
    }

    /// <summary>All manifests of small sets; of random volumes with their dozens of TIDs some.</summary>
    static IEnumerable<GoldenManifestRef> Selected(GoldenImage image) => image.Manifests.Count < 8 ? image.Manifests
        : image.Manifests.Where((m, i) => m.AsOf is null || i % (image.Manifests.Count / 4) == 0);

    static uint Fold(ulong? asOf) => asOf is ulong tid ? (uint)tid ^ (uint)(tid >> 32) : 0;

    /// <summary>HAMMER's device number of each PFS without its TID: the CRC of the shared UUID.</summary>
    static Dictionary<int, uint> ViewDevices(string[] images)
    {
        using OracleVolume oracle = OracleVolume.Open(images);
        var devices = oracle.PfsTable.ToDictionary(p => p.Key, p => OracleCrc.Old(p.Value.SharedUuid.ToByteArray()));
        if (!devices.ContainsKey(0)) devices[0] = OracleCrc.Old(oracle.Medium.Root.Fsid.ToByteArray());
        return devices;
    }
}
