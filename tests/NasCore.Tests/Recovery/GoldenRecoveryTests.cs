using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasTesting;
using NasTesting.Model;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// Volumes at the moment of a crash, made by HAMMER's own code, mounted read-write: UNDO, then REDO, gives the tree
/// that HAMMER itself gave. Times of files that REDO touched are new, so times are not compared for those.
/// </summary>
public sealed class GoldenRecoveryTests
{
    public static TheoryData<string> Crashed =>
        [.. GoldenData.Catalogue.Where(i => i.Recovered is not null).Select(i => i.Name)];

    [Theory]
    [MemberData(nameof(Crashed))]
    public void Golden_crashed_volume_mounted_read_write_shows_the_recovered_manifest(string name)
    {
        GoldenImage image = GoldenData.Image(name);
        using GoldenLease lease = GoldenData.Borrow(name);
        OverlayBlockDevice[] devices = [.. lease.Paths.Select(p =>
            new OverlayBlockDevice(FileBlockDevice.Open(p, readOnly: true), ownsBase: true))];
        IReadOnlyList<ManifestEntry> expected = GoldenManifest.Load(image.Recovered!);
        var redone = new HashSet<ulong>();
        string first;
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), devices))
        {
            foreach (long id in fs.RedoneObjects) redone.Add((ulong)id);
            Compare(name, expected, FsWalker.Walk(fs, fs.Root), redone);
            first = MountedTree.Text(fs);
            Assert.False(fs.Health.IsCritical, fs.Health.Message);
        }
        MountedTree.AssertSound(name, devices);
        using (OracleVolume oracle = MountedTree.Oracle(devices)) Assert.True(oracle.Undo.WasClean, name);
        using (HammerFs again = MountedTree.Mount(MountedTree.Options(), devices))
        {
            Assert.Equal(first, MountedTree.Text(again));
            Assert.True(again.RecoveryOutcome!.IsClean, "a clean unmount leaves nothing to undo");
        }
        foreach (OverlayBlockDevice device in devices) device.Dispose();
    }

    [Theory]
    [InlineData("v7/crash.undoredo-final-n82")]
    [InlineData("v7/crash.undoredo-other-n79-torn")]
    [InlineData("v6/crash.undoredo-final-n82")]
    public void Power_cut_while_redo_is_replayed_loses_nothing_that_fsync_had_promised(string name)
    {
        GoldenImage image = GoldenData.Image(name);
        using GoldenLease lease = GoldenData.Borrow(name);
        using var golden = FileBlockDevice.Open(lease.Paths[0], readOnly: true);
        IReadOnlyList<ManifestEntry> expected = GoldenManifest.Load(image.Recovered!);
        var log = new RecordingDevice(new OverlayBlockDevice(golden));
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), log))
            Assert.NotEmpty(fs.RedoneObjects);
        var random = new ModelRandom(82);
        // The mount's own writes; the last ones are those of the clean unmount.
        for (int at = 1; at < log.Count; at += 2)
        {
            var kind = (CutKind)random.Below(4);
            using var device = new OverlayBlockDevice(golden);
            PowerCutter.Replay(log.Events, at, kind, random, device);
            string context = $"{name} cut {at} of {log.Count} {kind}";
            using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
            {
                string all = GoldenManifest.Differences(expected, FsWalker.Walk(fs, fs.Root), ManifestIgnore.Times);
                Assert.True(all.Length == 0, $"{context}:\n{all}");
            }
            MountedTree.AssertSound(context, device);
        }
    }

    static void Compare(string name, IReadOnlyList<ManifestEntry> expected, IReadOnlyList<ManifestEntry> found,
        HashSet<ulong> redone)
    {
        string all = GoldenManifest.Differences(expected, found, ManifestIgnore.Times);
        Assert.True(all.Length == 0, $"{name}:\n{all}");
        string times = GoldenManifest.Differences([.. expected.Where(e => !redone.Contains(e.Ino))],
            [.. found.Where(e => !redone.Contains(e.Ino))]);
        Assert.True(times.Length == 0, $"{name}, times of files that REDO did not touch:\n{times}");
    }
}
