using System.Collections.Generic;
using System.IO;
using System.Linq;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Golden;

/// <summary>The golden data are all there and the catalogue knows them all.</summary>
public sealed class GoldenDataTests
{
    [Fact]
    public void Catalogue_of_the_golden_data_names_every_image()
    {
        string[] onDisk = Directory.GetFiles(GoldenData.GoldenDirectory, "*.img*.zst", SearchOption.AllDirectories);
        HashSet<string> known = [.. GoldenData.Catalogue.SelectMany(i => i.Archives)];
        Assert.Equal(onDisk.Order(), known.Order());
        Assert.Equal(known.Count, GoldenData.Catalogue.Sum(i => i.Archives.Count));
        Assert.True(GoldenData.Catalogue.Count >= 60, $"only {GoldenData.Catalogue.Count} volumes");
    }

    [Fact]
    public void Catalogue_of_the_golden_data_names_every_manifest()
    {
        string[] exempt = ["basic.live1", "basic.live2", "basic.live3", "crash.state-"];
        IEnumerable<string> onDisk = Directory.GetFiles(GoldenData.GoldenDirectory, "*.json.zst",
            SearchOption.AllDirectories)
            .Where(p => !exempt.Any(e => Path.GetFileName(p).StartsWith(e, System.StringComparison.Ordinal)));
        HashSet<string> known =
            [.. GoldenData.Catalogue.SelectMany(i => i.Manifests.Append(i.Recovered)).OfType<GoldenManifestRef>()
                .Select(m => m.ManifestPath)];
        Assert.Equal(onDisk.Order(), known.Order());
    }

    [Fact]
    public void Unpack_of_an_image_gives_a_sparse_file_of_the_right_size()
    {
        Assert.Equal(512L << 20, new FileInfo(GoldenData.Unpack("v7/mirror.slave1")[0]).Length);
        Assert.Equal(2, GoldenData.Unpack("fresh/v7-2vol-2gx2-u8m").Length);
        Assert.Equal(2L << 30, new FileInfo(GoldenData.Unpack("fresh/v7-2vol-2gx2-u8m")[1]).Length);
        Assert.True(GoldenData.Stream("v7/mirror.full.stream").Length > 100_000);
    }
}
