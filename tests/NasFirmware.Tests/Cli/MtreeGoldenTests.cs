using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Text.Json;
using NasCore.Volumes;
using NasFirmware.Cli;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Cli;

/// <summary>`mtree` of every golden image equals its manifest, at every TID that has one.</summary>
public sealed class MtreeGoldenTests
{
    public static IEnumerable<object[]> Cases() => GoldenData.ManifestCases();

    [Theory, MemberData(nameof(Cases))]
    public void Mtree_of_a_golden_image_equals_its_manifest(string name, int index)
    {
        GoldenManifestRef manifest = GoldenData.Image(name).Manifests[index];
        Dictionary<string, string> expected = Expected(manifest);
        List<(string Path, string Keywords)> lines = Lines(GoldenData.Unpack(name), manifest);
        var seen = new HashSet<string>();
        foreach ((string path, string keywords) in lines)
        {
            Assert.True(expected.TryGetValue(path, out string? wanted), $"{manifest}: {path} is not in the manifest");
            Assert.Equal($"{path} {wanted}", $"{path} {keywords}");
            seen.Add(path);
        }
        Assert.Empty(expected.Keys.Except(seen));
    }

    static List<(string, string)> Lines(string[] images, GoldenManifestRef manifest)
    {
        var lines = new List<(string, string)>();
        var complaints = new List<string>();
        using MtreeSource source = MtreeCommand.OpenImage(
            VolumeSet.OpenPaths(images, readOnly: true, exclusive: false), manifest.AsOf, manifest.Pfs,
            manifest.TimesAreCtime ? "ctime" : "stored");
        byte[]? before = null;
        new MtreeWalk(source, (path, keywords) =>
        {
            if (before is not null) Assert.True(before.AsSpan().SequenceCompareTo(path) < 0, "order of paths");
            before = path;
            lines.Add((MtreeText.Escape(path), keywords));
        }, complaints.Add).Run();
        Assert.Empty(complaints);
        return lines;
    }

    static Dictionary<string, string> Expected(GoldenManifestRef manifest)
    {
        JsonElement list = GoldenData.Json(manifest.ManifestPath);
        if (manifest.Section == "live") list = list.GetProperty("live");
        else if (manifest.Section.Length > 0) list = list.GetProperty("asof").GetProperty(manifest.Section);
        var expected = new Dictionary<string, string>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            string path = item.GetProperty("path").GetString()!;
            string full = path == "/" ? "." : "." + path;
            expected.Add(MtreeText.Escape(Encoding.UTF8.GetBytes(full)), Keywords(item, manifest.TimesAreCtime));
        }
        return expected;
    }

    static string Keywords(JsonElement item, bool timesAreCtime)
    {
        ulong time = item.GetProperty(timesAreCtime ? "ctime_us" : "mtime_us").GetUInt64();
        string type = item.GetProperty("type").GetString() switch
        {
            "chr" => "char", "blk" => "block", "symlink" => "link", "sock" => "socket", string other => other,
            null => "",
        };
        var text = new StringBuilder();
        text.Append($"type={type} mode=0{item.GetProperty("mode").GetString()!.TrimStart('0').PadLeft(3, '0')} ");
        text.Append($"uid={item.GetProperty("uid").GetUInt32()} gid={item.GetProperty("gid").GetUInt32()} ");
        text.Append($"nlink={item.GetProperty("nlink").GetUInt64()} size={item.GetProperty("size").GetUInt64()} ");
        text.Append($"time={time / 1_000_000}.{time % 1_000_000:000000}000");
        if (item.TryGetProperty("target", out JsonElement target))
            text.Append(" link=").Append(MtreeText.Escape(Encoding.UTF8.GetBytes(target.GetString()!)));
        if (item.TryGetProperty("rdev", out JsonElement rdev)) text.Append($" device=linux,{Device(rdev)}");
        if (item.TryGetProperty("sha256", out JsonElement sha)) text.Append($" sha256digest={sha.GetString()}");
        uint flags = item.TryGetProperty("flags", out JsonElement f) ? (uint)GoldenData.ParseTid(f.GetString()!) : 0;
        text.Append($" flags={MtreeText.FlagNames(flags)}");
        text.Append($" inode={GoldenData.ParseTid(item.GetProperty("ino").GetString()!)}");
        return text.ToString();
    }

    static string Device(JsonElement rdev) => rdev.ValueKind == JsonValueKind.String
        ? rdev.GetString()!.Replace(':', ',')
        : string.Join(',', rdev.EnumerateArray().Select(n => n.GetInt64().ToString(CultureInfo.InvariantCulture)));
}
