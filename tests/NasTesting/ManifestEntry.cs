using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Text.Json;

namespace NasTesting;

/// <summary>One path of a tree, in the shape of the golden manifests.</summary>
public sealed record ManifestEntry
{
    /// <summary>Absolute within the PFS; bytes that are not UTF-8 as lone surrogates (OracleText).</summary>
    public required string Path { get; init; }

    /// <summary>dir, file, symlink, chr, blk, fifo, sock.</summary>
    public required string Type { get; init; }

    public ulong Ino { get; init; }
    public int Mode { get; init; }
    public uint Uid { get; init; }
    public uint Gid { get; init; }
    public ulong Nlink { get; init; }
    public ulong Size { get; init; }
    public ulong MtimeUs { get; init; }
    public ulong CtimeUs { get; init; }
    public uint Flags { get; init; }
    public string? Sha256 { get; init; }
    public string? Target { get; init; }

    /// <summary>"major:minor" of a device.</summary>
    public string? Rdev { get; init; }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Path} {Type} ino=0x{Ino:x16} mode={Convert.ToString(Mode, 8)} uid={Uid} gid={Gid} nlink={Nlink} size={Size} "
        + $"mtime={MtimeUs} ctime={CtimeUs} flags=0x{Flags:x}{(Sha256 is null ? "" : " sha256=" + Sha256[..16])}"
        + $"{(Target is null ? "" : " target=" + Target)}{(Rdev is null ? "" : " rdev=" + Rdev)}");
}

/// <summary>What a comparison of trees leaves out.</summary>
[Flags]
public enum ManifestIgnore
{
    None = 0,
    Mtime = 1,
    Ctime = 2,
    Times = Mtime | Ctime,
    Ino = 4,
    Flags = 8,
    Nlink = 16,
}

/// <summary>Reads golden manifests and compares trees.</summary>
public static class GoldenManifest
{
    public static IReadOnlyList<ManifestEntry> Load(GoldenManifestRef reference) =>
        Load(reference.ManifestPath, reference.Section);

    /// <param name="path">A .json or .json.zst file; a relative path is taken below tests/golden or its made/.</param>
    /// <param name="section">Empty, or "live" or "0xTID" for the manifests of random/.</param>
    public static IReadOnlyList<ManifestEntry> Load(string path, string section = "")
    {
        JsonElement root = GoldenData.Json(path);
        if (section == "live") { root = root.GetProperty("live"); }
        else if (section.Length > 0) { root = root.GetProperty("asof").GetProperty(section); }
        return [.. root.EnumerateArray().Select(Parse)];
    }

    static ManifestEntry Parse(JsonElement e) => new()
    {
        Path = Text(e, "path") ?? "",
        Type = Text(e, "type") ?? "",
        Ino = GoldenData.ParseTid(Text(e, "ino") ?? ""),
        Mode = Convert.ToInt32(Text(e, "mode"), 8),
        Uid = e.GetProperty("uid").GetUInt32(),
        Gid = e.GetProperty("gid").GetUInt32(),
        Nlink = e.GetProperty("nlink").GetUInt64(),
        Size = e.GetProperty("size").GetUInt64(),
        MtimeUs = e.GetProperty("mtime_us").GetUInt64(),
        CtimeUs = e.GetProperty("ctime_us").GetUInt64(),
        Flags = (uint)GoldenData.ParseTid(Text(e, "flags") ?? "0"),
        Sha256 = Text(e, "sha256"),
        Target = Text(e, "target"),
        Rdev = Text(e, "rdev"),
    };

    static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    /// <summary>The differences, one line each, at most <paramref name="max"/> of them and a last line with their
    /// number; empty when the trees are equal. Order does not matter.</summary>
    public static string Differences(
        IReadOnlyCollection<ManifestEntry> expected, IReadOnlyCollection<ManifestEntry> actual,
        ManifestIgnore ignore = ManifestIgnore.None, int max = 10)
    {
        var lines = new List<string>();
        Dictionary<string, ManifestEntry> rest = [];
        foreach (ManifestEntry entry in actual)
        {
            if (!rest.TryAdd(entry.Path, entry)) { lines.Add($"twice: {entry.Path}"); }
        }
        foreach (ManifestEntry entry in expected)
        {
            if (!rest.Remove(entry.Path, out ManifestEntry? found)) { lines.Add($"missing: {entry}"); }
            else if (Masked(entry, ignore) != Masked(found, ignore))
            {
                lines.Add($"expected: {entry}\n   found: {found}");
            }
        }
        lines.AddRange(rest.Values.Select(e => $"too much: {e}"));
        if (lines.Count == 0 && ignore.HasFlag(ManifestIgnore.Ino))
        {
            lines.AddRange(LinkDifferences(expected, actual));
        }
        if (lines.Count == 0) { return ""; }
        var text = new StringBuilder();
        foreach (string line in lines.Take(max)) { text.AppendLine(line); }
        return text.Append(CultureInfo.InvariantCulture,
            $"{lines.Count} differences in {expected.Count} expected paths").ToString();
    }

    // Without comparing inode numbers: the same paths must be names of one object on both sides.
    static IEnumerable<string> LinkDifferences(
        IReadOnlyCollection<ManifestEntry> expected, IReadOnlyCollection<ManifestEntry> actual)
    {
        Dictionary<string, ulong> found = actual.ToDictionary(e => e.Path, e => e.Ino);
        Dictionary<ulong, ulong> there = [];
        Dictionary<ulong, ulong> back = [];
        foreach (ManifestEntry entry in expected)
        {
            ulong ino = found[entry.Path];
            there.TryAdd(entry.Ino, ino);
            back.TryAdd(ino, entry.Ino);
            if (there[entry.Ino] != ino || back[ino] != entry.Ino)
            {
                yield return $"links: {entry.Path} is another object than its other names say";
            }
        }
    }

    static ManifestEntry Masked(ManifestEntry entry, ManifestIgnore ignore) => entry with
    {
        MtimeUs = ignore.HasFlag(ManifestIgnore.Mtime) ? 0 : entry.MtimeUs,
        CtimeUs = ignore.HasFlag(ManifestIgnore.Ctime) ? 0 : entry.CtimeUs,
        Ino = ignore.HasFlag(ManifestIgnore.Ino) ? 0 : entry.Ino,
        Flags = ignore.HasFlag(ManifestIgnore.Flags) ? 0 : entry.Flags,
        Nlink = ignore.HasFlag(ManifestIgnore.Nlink) ? 0 : entry.Nlink,
    };
}
