using System.Collections.Generic;
using System.Linq;
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
        }
        finally
        {
            GoldenData.Release(name);
        }
    }
}
