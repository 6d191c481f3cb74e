using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Mirror;
using NasCore.Volumes;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Reblocking;

/// <summary>Reblock of volumes made by HAMMER itself: every manifest stays true, nothing is found wrong.</summary>
public sealed class ReblockGoldenTests
{
    [Theory]
    [InlineData("v6/basic")]
    [InlineData("v6/snapprune.before")]
    [InlineData("v6/snapprune.after")]
    [InlineData("v7/basic")]
    [InlineData("v7/maint")]
    [InlineData("v7/multivol")]
    [InlineData("v7/mirror.slave3")]
    [InlineData("v5-upgraded-to-v7/upgrade_to_v7")]
    public void Golden_volume_shows_its_manifests_after_everything_was_moved(string name)
    {
        using GoldenLease lease = GoldenData.Borrow(name);
        IBlockDevice[] devices = Overlays(lease);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), devices))
        {
            ReblockStats stats = ReblockKit.Run(fs, new ReblockRequest { AllPfs = true });
            Assert.True(stats.DataMoves > 0 && stats.BTreeMoves > 0, $"{stats}");
            Assert.True(stats.DataMoves <= stats.DataCount && stats.BTreeMoves == stats.BTreeCount, $"{stats}");
            Assert.Equal(0, stats.BadRecords);
        }
        MountedTree.AssertSound(name, devices);
        AssertClean(devices, name);
        using HammerFs again = MountedTree.Mount(MountedTree.Options(), devices);
        // The second time around, big-blocks that are nearly full stay.
        ReblockStats second = ReblockKit.Run(again, new ReblockRequest { AllPfs = true, FillPercent = 10 });
        Assert.Equal(0, second.BadRecords);
        AssertManifests(again, name);
    }

    static IBlockDevice[] Overlays(GoldenLease lease) => [.. lease.Paths.Select(p =>
        new OverlayBlockDevice(FileBlockDevice.Open(p, readOnly: true, exclusive: false), ownsBase: true))];

    static void AssertManifests(HammerFs fs, string name)
    {
        foreach (GoldenManifestRef reference in GoldenData.Image(name).Manifests)
        {
            var root = new Vnode(reference.Pfs, reference.AsOf ?? Tid.Max, HammerConst.RootObjId);
            string differences = GoldenManifest.Differences(GoldenManifest.Load(reference), FsWalker.Walk(fs, root),
                reference.TimesAreCtime ? ManifestIgnore.None : ManifestIgnore.Mtime);
            Assert.True(differences.Length == 0, $"{name} {reference}:\n{differences}");
        }
    }

    static void AssertClean(IBlockDevice[] devices, string name)
    {
        var findings = new List<CheckFinding>();
        using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([.. devices.Select(d => new KeptDevice(d))]));
        Maintenance.Check.Run(volumes, new CheckOptions { Data = true }, findings.Add, null, default);
        // Remains of renames were there before (observed 30).
        findings.RemoveAll(f => f.IsWarning && f.Rule is "orphan" or "sync-end");
        Assert.True(findings.Count == 0, $"{name}:\n{string.Join('\n', findings.Take(10))}");
    }

    [Theory]
    [InlineData("v6")]
    [InlineData("v7")]
    public void Reblocked_slave_takes_the_next_increment(string version)
    {
        using GoldenLease lease = GoldenData.Borrow(version + "/mirror.slave1");
        IBlockDevice[] devices = Overlays(lease);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), devices))
        {
            ReblockKit.Run(fs, new ReblockRequest { PfsId = 1 });
            Assert.Equal(Errno.None, fs.OpenMirrorTarget(1, out HammerFs.MirrorTargetLease? target));
            using (target)
            {
                byte[] stream = GoldenData.Stream($"{version}/mirror.incr.stream");
                Assert.True(new MirrorTargetSession(new ArrayChannel(stream), _ => target!.Target,
                    new MirrorOptions()).Run());
            }
            ReblockKit.Run(fs, new ReblockRequest { AllPfs = true, FillPercent = 90 });
            AssertSlave(fs, version);
        }
        MountedTree.AssertSound(version, devices);
    }

    static void AssertSlave(HammerFs fs, string version)
    {
        GoldenManifestRef reference = GoldenData.Image(version + "/mirror.slave2").Manifests[0];
        var root = new Vnode(reference.Pfs, reference.AsOf ?? Tid.Max, HammerConst.RootObjId);
        Assert.Equal("", GoldenManifest.Differences(GoldenManifest.Load(reference), FsWalker.Walk(fs, root),
            ManifestIgnore.None));
    }

    [Fact]
    public void Mirror_stream_of_a_reblocked_master_is_the_same_but_for_places()
    {
        using GoldenLease lease = GoldenData.Borrow("v7/mirror.master2");
        IBlockDevice[] devices = Overlays(lease);
        using HammerFs fs = MountedTree.Mount(MountedTree.Options(), devices);
        ulong end = fs.DurableTid;
        List<string> before = Stream(fs, end);
        ReblockKit.Run(fs, new ReblockRequest { AllPfs = true });
        Assert.Equal(before, Stream(fs, end));
        Assert.True(before.Count > 100);
    }

    static List<string> Stream(HammerFs fs, ulong end)
    {
        var channel = new ArrayChannel([]);
        new MirrorSourceSession(channel, fs.MirrorSource(1),
            new MirrorSourceOptions { ForcedBegin = 1, ForcedEnd = end }, TimeProvider.System)
            .Run(TestContext.Current.CancellationToken);
        var lines = new List<string>();
        var reader = new MrecordReader(new ArrayChannel(channel.Written.ToArray()));
        while (reader.TryRead())
        {
            LeafElm leaf = reader.Kind is MrecordType.Rec or MrecordType.Pass ? reader.Leaf : default;
            lines.Add($"{reader.Kind} {leaf.Base} {leaf.Base.DeleteTid:x} {leaf.DataLen} {leaf.DataCrc:x8}");
        }
        return lines;
    }
}
