using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;

namespace NasTesting;

/// <summary>Finds every golden volume by the naming rules of tests/golden/README.md.</summary>
static class GoldenCatalogue
{
    internal static IReadOnlyList<GoldenImage> Build(string golden)
    {
        var list = new List<GoldenImage>();
        foreach (string folder in Folders(Path.Combine(golden, "fresh"))) { list.Add(Fresh(folder)); }
        foreach (string folder in Folders(Path.Combine(golden, "made"))) { AddMade(folder, list); }
        foreach (string folder in Folders(Path.Combine(golden, "random"))) { list.Add(RandomVolume(folder)); }
        foreach (string folder in Folders(Path.Combine(golden, "random-crashed"))) { list.Add(RandomCrashed(folder)); }
        if (list.Count == 0) { throw new DirectoryNotFoundException($"golden data are missing: {golden} is empty"); }
        return list;
    }

    static IEnumerable<string> Folders(string parent) =>
        Directory.Exists(parent) ? Directory.GetDirectories(parent).Order(StringComparer.Ordinal)
        : throw new DirectoryNotFoundException($"golden data are missing: {parent}");

    static GoldenImage Fresh(string folder) => new()
    {
        Name = "fresh/" + Path.GetFileName(folder),
        Version = VersionOfFolder(Path.GetFileName(folder)),
        Archives = [.. Directory.GetFiles(folder, "vol*.img.tar.zst").Order(StringComparer.Ordinal)],
        Manifests = [],
        ShowPath = Path.Combine(folder, "show.txt"),
        Fresh = true,
    };

    // "v7-64m-u8m", "v6" and "v5-upgraded-to-v7": the last vN is the version now.
    static int VersionOfFolder(string folder) => folder.Split('-').Where(p => p.Length == 2 && p[0] == 'v')
        .Select(p => p[1] - '0').Last();

    static void AddMade(string folder, List<GoldenImage> list)
    {
        string prefix = Path.GetFileName(folder) + "/";
        foreach (string archive in Directory.GetFiles(folder, "*.img.zst").Order(StringComparer.Ordinal))
        {
            string set = Path.GetFileName(archive)[..^".img.zst".Length];
            if (set.EndsWith(".v1", StringComparison.Ordinal)) { continue; }
            string[] archives = [archive];
            if (set.EndsWith(".v0", StringComparison.Ordinal))
            {
                set = set[..^3];
                archives = [archive, Path.Combine(folder, set + ".v1.img.zst")];
            }
            bool crashed = set.StartsWith("crash.", StringComparison.Ordinal)
                && !set.EndsWith(".recovered", StringComparison.Ordinal);
            string show = Path.Combine(folder, set + ".show.txt.zst");
            list.Add(new GoldenImage
            {
                Name = prefix + set,
                Version = VersionOfFolder(Path.GetFileName(folder)),
                Archives = archives,
                Manifests = [.. ManifestsOf(folder, set)],
                ShowPath = File.Exists(show) ? show : null,
                Crashed = crashed,
                Recovered = crashed ? Ref(0, null, Path.Combine(folder, set + ".recovered.json.zst"), false) : null,
            });
        }
    }

    static GoldenManifestRef Ref(int pfs, ulong? asOf, string path, bool timesAreCtime, string section = "") =>
        File.Exists(path) ? new(pfs, asOf, path, section, timesAreCtime)
        : throw new FileNotFoundException($"golden data are missing: {path}", path);

    static IEnumerable<GoldenManifestRef> ManifestsOf(string folder, string set)
    {
        string[] parts = set.Split('.');
        string File(string name) => Path.Combine(folder, name);
        return parts[0] switch
        {
            "basic" => Basic(folder),
            "maint" => [Ref(0, null, File("maint.final.json.zst"), false)],
            "mirror" => Mirror(folder, parts[1], 1, 1),
            "mirrorids" => MirrorIds(folder, parts[1]),
            "multivol" => [Ref(0, null, File("multivol.json.zst"), false)],
            "snapprune" => SnapPrune(folder),
            "upgrade_to_v7" => [Ref(0, null, File("upgrade_to_v7.json.zst"), false)],
            "crash" when parts[^1] == "recovered" => [Ref(0, null, File(set + ".json.zst"), false)],
            "crash" => [Ref(0, null, File(set + ".ro.json.zst"), true)],
            _ => throw new InvalidDataException($"{folder}/{set}.img.zst: a golden set without a rule"),
        };
    }

    static IEnumerable<GoldenManifestRef> Basic(string folder)
    {
        int stage = 0;
        foreach (JsonElement tid in Info(folder, "basic.tids.json").GetProperty("tids").EnumerateArray())
        {
            stage++;
            string path = Path.Combine(folder, string.Create(
                CultureInfo.InvariantCulture, $"basic.asof{stage}.json.zst"));
            yield return Ref(0, Tid(tid), path, true);
        }
        yield return Ref(0, null, Path.Combine(folder, "basic.live4.json.zst"), false);
    }

    // A slave's manifest was taken through its softlink: as of its stored sync_end_tid, times from ctime.
    static IEnumerable<GoldenManifestRef> Mirror(string folder, string which, int masterPfs, int slavePfs)
    {
        JsonElement info = Info(folder, "mirror.info.json");
        string path = Path.Combine(folder, $"mirror.{which}.json.zst");
        if (which.StartsWith("master", StringComparison.Ordinal))
        {
            yield return Ref(masterPfs, null, path, false);
            yield break;
        }
        string end = which[^1] switch { '1' => "full", '2' => "incr", _ => "pruned_incr" };
        yield return Ref(slavePfs, Tid(info.GetProperty(end + "_end_tid")), path, true);
    }

    static IEnumerable<GoldenManifestRef> MirrorIds(string folder, string which)
    {
        JsonElement info = Info(folder, "mirrorids.info.json");
        string path = Path.Combine(folder, $"mirrorids.{which}.json.zst");
        if (which.StartsWith("master", StringComparison.Ordinal))
        {
            yield return Ref(info.GetProperty("master_pfs").GetInt32(), null, path, false);
            yield break;
        }
        int pfs = info.GetProperty("slave_pfs").GetInt32();
        yield return Ref(pfs, Tid(info.GetProperty("incr_end_tid")), path, true);
        // There is no image of the slave after the first stream; the later one still shows it.
        string first = Path.Combine(folder, "mirrorids.slave1.json.zst");
        yield return Ref(pfs, Tid(info.GetProperty("full_end_tid")), first, true);
    }

    // The TID of the snapshot that was deleted before pruning (index 2) has no manifest.
    static IEnumerable<GoldenManifestRef> SnapPrune(string folder)
    {
        JsonElement[] tids = [.. Info(folder, "snapprune.info.json").GetProperty("snapshot_tids").EnumerateArray()];
        for (int i = 0; i < tids.Length; i++)
        {
            string path = Path.Combine(folder, string.Create(
                CultureInfo.InvariantCulture, $"snapprune.asof{i}.json.zst"));
            if (File.Exists(path)) { yield return Ref(0, Tid(tids[i]), path, true); }
        }
        yield return Ref(0, null, Path.Combine(folder, "snapprune.live.json.zst"), false);
    }

    static GoldenImage RandomVolume(string folder)
    {
        string manifest = Path.Combine(folder, "manifest.json.zst");
        var refs = new List<GoldenManifestRef> { Ref(0, null, manifest, false, "live") };
        foreach (JsonProperty view in GoldenData.Json(manifest).GetProperty("asof").EnumerateObject())
        {
            refs.Add(Ref(0, GoldenData.ParseTid(view.Name), manifest, true, view.Name));
        }
        string name = Path.GetFileName(folder);
        return new GoldenImage
        {
            Name = "random/" + name,
            Version = name == "8003" ? 6 : 7,
            Archives = [Path.Combine(folder, "volume.img.zst")],
            Manifests = refs,
        };
    }

    static GoldenImage RandomCrashed(string folder) => new()
    {
        Name = "random-crashed/" + Path.GetFileName(folder),
        Version = 7,
        Archives = [Path.Combine(folder, "crashed.img.zst")],
        Manifests = [],
        Recovered = Ref(0, null, Path.Combine(folder, "recovered.json.zst"), false),
        Crashed = true,
    };

    static JsonElement Info(string folder, string file) => GoldenData.Json(Path.Combine(folder, file));

    static ulong Tid(JsonElement element) => GoldenData.ParseTid(element.GetString() ?? "");
}
