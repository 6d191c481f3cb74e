using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Golden;

/// <summary>The engine itself reads every golden volume, live and at every listed TID, as its manifest says.</summary>
public sealed class EngineReadTests
{
    public static TheoryData<string> Images => [.. GoldenData.Catalogue.Select(i => i.Name)];

    [Theory]
    [MemberData(nameof(Images))]
    public void Golden_volume_opened_read_only_shows_its_manifests(string name)
    {
        GoldenImage image = GoldenData.Image(name);
        string[] paths = GoldenData.Unpack(name);
        foreach (GoldenManifestRef reference in image.Manifests)
        {
            using HammerFs fs = HammerFs.Open(VolumeSet.OpenPaths(paths, readOnly: true, exclusive: false),
                new HammerFsOptions
                {
                    ReadOnly = true, Time = TimeProvider.System, RunFlusher = false, CacheBytes = 4 << 20,
                });
            var root = new Vnode(reference.Pfs, reference.AsOf ?? Tid.Max, HammerConst.RootObjId);
            IReadOnlyList<ManifestEntry> expected = GoldenManifest.Load(reference);
            IReadOnlyList<ManifestEntry> found = FsWalker.Walk(fs, root);
            // A read-only mount reports mtime = ctime: a live manifest of a read-write mount has other mtimes.
            string differences = GoldenManifest.Differences(expected, found,
                reference.TimesAreCtime ? ManifestIgnore.None : ManifestIgnore.Mtime);
            Assert.True(differences.Length == 0, $"{name} {reference}:\n{differences}");
        }
    }
}
