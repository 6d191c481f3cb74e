using System;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Volumes;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>mirror-read of golden masters gives the golden streams record for record.</summary>
public sealed class GoldenMirrorReadTests
{
    sealed class Collect : MirrorWatcher
    {
        internal MirrorBatch Batch;
        public override void BatchEnded(in MirrorBatch batch) => Batch = batch;
    }

    static byte[] Read(string image, int pfs, ulong? begin, ulong end, out MirrorBatch batch)
    {
        using HammerFs fs = HammerFs.Open(VolumeSet.OpenPaths(GoldenData.Unpack(image), true, false),
            new HammerFsOptions { ReadOnly = true, Time = TimeProvider.System });
        var channel = new ArrayChannel([]);
        var watch = new Collect();
        new MirrorSourceSession(channel, fs.MirrorSource(pfs),
            new MirrorSourceOptions { ForcedBegin = begin, ForcedEnd = end }, TimeProvider.System, watch)
            .Run(TestContext.Current.CancellationToken);
        batch = watch.Batch;
        return channel.Written.ToArray();
    }

    [Theory]
    [InlineData("v6", "mirror", "full", "master1", 1)]
    [InlineData("v6", "mirror", "full_bulk", "master1", 1)]
    [InlineData("v6", "mirror", "incr", "master2", 1)]
    [InlineData("v6", "mirror", "incr_bulk", "master2", 1)]
    [InlineData("v6", "mirror", "pruned_incr", "master3", 1)]
    [InlineData("v7", "mirror", "full", "master1", 1)]
    [InlineData("v7", "mirror", "full_bulk", "master1", 1)]
    [InlineData("v7", "mirror", "incr", "master2", 1)]
    [InlineData("v7", "mirror", "incr_bulk", "master2", 1)]
    [InlineData("v7", "mirror", "pruned_incr", "master3", 1)]
    [InlineData("v7", "mirrorids", "full", "master1", 3)]
    [InlineData("v7", "mirrorids", "incr", "master2", 3)]
    public void Stream_read_from_the_golden_master_is_the_golden_stream(string version, string set, string stream,
        string master, int pfs)
    {
        var info = GoldenData.Json($"{version}/{set}.info.json");
        string name = stream.Replace("_bulk", "", StringComparison.Ordinal);
        ulong end = GoldenData.ParseTid(info.GetProperty(name + "_end_tid").GetString()!);
        ulong? begin = name == "full" ? null : GoldenData.ParseTid(info.GetProperty(name + "_begin_tid").GetString()!);
        byte[] ours = Read($"{version}/{set}.{master}", pfs, begin, end, out MirrorBatch batch);
        Compare(GoldenData.Stream($"{version}/{set}.{stream}.stream"), ours, end);
        Assert.True(batch.NodesVisited > 0);
    }

    static void Compare(byte[] golden, byte[] ours, ulong end)
    {
        var expected = new MrecordReader(new ArrayChannel(golden));
        var actual = new MrecordReader(new ArrayChannel(ours));
        while (expected.TryRead())
        {
            Assert.True(actual.TryRead(), $"record {expected.RecordNumber} is missing");
            string at = $"record {expected.RecordNumber}: {MirrorDump.Text(expected)}\nours: {MirrorDump.Text(actual)}";
            Assert.True(expected.Head.Type == actual.Head.Type, at);
            switch (expected.Kind)
            {
                case MrecordType.Skip:
                    Assert.True(BaseElm.Compare(expected.Skip.SkipBeg, actual.Skip.SkipBeg) == 0, at);
                    Assert.True(BaseElm.Compare(expected.Skip.SkipEnd, actual.Skip.SkipEnd) == 0, at);
                    break;
                case MrecordType.Pass:
                    LeafElm leaf = expected.Leaf;
                    if (leaf.Base.DeleteTid > end) leaf.Base.DeleteTid = 0;
                    Assert.True(leaf.Equals(actual.Leaf), at);
                    break;
                case MrecordType.Rec or MrecordType.Pfsd:
                    Assert.True(expected.Record[8..].SequenceEqual(actual.Record[8..]), at);
                    break;
            }
        }
        Assert.False(actual.TryRead());
    }
}
