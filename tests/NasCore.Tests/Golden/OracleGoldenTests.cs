using System;
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
        using GoldenLease golden = GoldenData.Borrow(name);
        using OracleVolume volume = OracleVolume.Open(golden.Paths);
        Assert.Equal(image.Version, volume.Medium.Version);
        Assert.Equal(image.Crashed, !volume.Undo.WasClean);
        Assert.Empty(volume.Verify().Select(f => f.ToString()).Take(20));
        foreach (GoldenManifestRef expected in image.Manifests)
        {
            List<ManifestEntry> found = volume.Manifest(expected.Pfs, expected.AsOf, expected.TimesAreCtime);
            string differences = GoldenManifest.Differences(GoldenManifest.Load(expected), found);
            Assert.True(differences.Length == 0, $"{name}, {expected}:\n{differences}");
        }
        if (image.ShowPath is not null) { CompareWithDump(volume, ShowText.Load(image.ShowPath)); }
        if (name.Contains("/crash.", StringComparison.Ordinal) && image.Crashed) { CompareWithLog(volume, name); }
        if (!image.Crashed && image.Version >= 4) { Assert.Empty(OracleUndo.BadSectors(volume.Medium).Take(5)); }
    }

    [Fact]
    public void Oracle_and_model_use_nothing_of_what_they_judge()
    {
        Assert.DoesNotContain(typeof(OracleVolume).Assembly.GetReferencedAssemblies(),
            a => a.Name!.StartsWith("Nas", StringComparison.Ordinal));
    }

    // The original logged which range it undid, and where it would have begun to redo.
    static void CompareWithLog(OracleVolume volume, string name)
    {
        string log = GoldenData.Text($"{name}.recovery.log");
        Match undone = Regex.Match(log, "recovery undo +([0-9a-f]{16}-[0-9a-f]{16})");
        Match sync = Regex.Match(log, "Found REDO_SYNC ([0-9a-f]{16})");
        Assert.Equal(undone.Groups[1].Value, $"{volume.Undo.First:x16}-{volume.Undo.Last:x16}");
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
