using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Golden;

/// <summary>
/// Proves the judge: the independent reader shows every tree that HAMMER's own code showed, finds nothing wrong in any
/// volume that HAMMER wrote, and sees the same B-Tree as HAMMER's own dump.
/// </summary>
public sealed class OracleGoldenTests
{
    public static IEnumerable<object[]> Images() => GoldenData.ImageNames();

    [Theory]
    [MemberData(nameof(Images))]
    public void Golden_volume_read_by_the_oracle_shows_its_manifests_and_is_sound(string name)
    {
        GoldenImage image = GoldenData.Image(name);
        try
        {
            using OracleVolume volume = OracleVolume.Open(GoldenData.Unpack(name));
            Assert.Equal(image.Version, volume.Medium.Version);
            Assert.Empty(volume.Verify().Select(f => f.ToString()).Take(20));
            foreach (GoldenManifestRef expected in image.Manifests)
            {
                List<ManifestEntry> found = volume.Manifest(expected.Pfs, expected.AsOf, expected.TimesAreCtime);
                string differences = GoldenManifest.Differences(GoldenManifest.Load(expected), found);
                Assert.True(differences.Length == 0, $"{name}, {expected}:\n{differences}");
            }
            Assert.Equal(image.Crashed, !volume.Undo.WasClean);
            if (image.ShowPath is not null) { CompareWithDump(volume, ShowText.Load(image.ShowPath)); }
        }
        finally
        {
            GoldenData.Release(name);
        }
    }

    public static IEnumerable<object[]> CrashedImages() =>
        GoldenData.Catalogue.Where(i => i.Crashed && i.Name.Contains("/crash.", System.StringComparison.Ordinal))
            .Select(i => new object[] { i.Name });

    [Theory]
    [MemberData(nameof(CrashedImages))]
    public void Crashed_volume_is_undone_over_the_range_that_the_original_logged(string name)
    {
        string log = GoldenData.Text($"{name}.recovery.log");
        Match undone = Regex.Match(log, "recovery undo +([0-9a-f]{16})-([0-9a-f]{16})");
        Match sync = Regex.Match(log, "Found REDO_SYNC ([0-9a-f]{16})");
        using OracleVolume volume = OracleVolume.Open(GoldenData.Unpack(name));
        Assert.Equal($"{volume.Undo.First:x16}-{volume.Undo.Last:x16}",
            $"{undone.Groups[1].Value}-{undone.Groups[2].Value}");
        Assert.Equal(sync.Success ? sync.Groups[1].Value : "", $"{volume.Undo.RedoStart:x16}");
        Assert.True(volume.Undo.Applied > 0);
    }

    static void CompareWithDump(OracleVolume volume, ShowText dump)
    {
        Assert.Empty(dump.FlaggedLines);
        Assert.Equal(dump.Nodes, volume.Tree.Nodes.Select(
            n => new ShowNode(n.Address, n.Count, n.Parent, n.Type, n.Depth, n.MirrorTid)));
        Assert.Equal(dump.Records, volume.Records.Select(ShowRecord.Of));
    }
}
