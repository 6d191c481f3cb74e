using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Newfs;
using NasCore.Volumes;
using Xunit;

namespace NasCore.Tests.Check;

/// <summary>A canary for each kind of damage: broken on a fresh volume with good CRCs, it must be found.</summary>
public sealed class CheckRuleTests
{
    const long BufBeg = 0x88000, BigBlock = 1 << 23;
    const long Layer2At = BufBeg + BigBlock, NodeAt = BufBeg + 3 * BigBlock, MetaAt = BufBeg + 4 * BigBlock;

    static readonly MemoryBlockDevice s_fresh = NewfsGoldenTests.Make(7, [64 << 20], 8 << 20)[0];

    static string[] Rules(Action<MemoryBlockDevice> damage)
    {
        MemoryBlockDevice device = s_fresh.Clone();
        damage(device);
        var findings = new List<CheckFinding>();
        using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([device]));
        Maintenance.Check.Run(volumes, new CheckOptions { Data = true }, findings.Add, null, CancellationToken.None);
        return [.. findings.Where(f => !f.IsWarning).Select(f => f.Rule).Distinct()];
    }

    static void Header(MemoryBlockDevice device, RefAction<VolumeOndisk> change)
    {
        VolumeOndisk header = default;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<VolumeOndisk>(ref header));
        device.Read(0, bytes);
        change(ref header);
        device.Write(0, bytes);
    }

    delegate void RefAction<T>(ref T value);

    static void Node(MemoryBlockDevice device, RefAction<NodeOndisk> change)
    {
        byte[] bytes = new byte[4096];
        device.Read(NodeAt, bytes);
        ref NodeOndisk node = ref MemoryMarshal.AsRef<NodeOndisk>(bytes.AsSpan());
        change(ref node);
        node.Crc = HammerCrc.Node(7, bytes);
        device.Write(NodeAt, bytes);
    }

    static void Layer2(MemoryBlockDevice device, int block, RefAction<Layer2Ondisk> change)
    {
        Layer2Ondisk entry = default;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<Layer2Ondisk>(ref entry));
        device.Read(Layer2At + 16 * block, bytes);
        change(ref entry);
        entry.EntryCrc = HammerCrc.Layer2(7, in entry);
        device.Write(Layer2At + 16 * block, bytes);
    }

    static void Inode(MemoryBlockDevice device, RefAction<InodeOndisk> change)
    {
        byte[] bytes = new byte[128];
        device.Read(MetaAt, bytes);
        change(ref MemoryMarshal.AsRef<InodeOndisk>(bytes.AsSpan()));
        device.Write(MetaAt, bytes);
        Node(device, (ref NodeOndisk n) =>
            NodeOndisk.Leaves(ref n)[0].DataCrc = HammerCrc.LeafData(7, RecType.Inode, bytes));
    }

    [Fact]
    public void Fresh_volume_has_no_findings() => Assert.Empty(Rules(_ => { }));

    [Fact]
    public void Wrong_crcs_are_found()
    {
        Assert.Contains("node-crc", Rules(d => d.Write(NodeAt + 4000, [1])));
        Assert.Contains("data-crc", Rules(d => d.Write(MetaAt + 8, [1])));
        Assert.Contains("layer2-crc", Rules(d => d.Write(Layer2At + 16 * 6 + 12, [1])));
        Assert.Contains("layer1-crc", Rules(d => d.Write(BufBeg + 32 * 7, [1])));
    }

    [Fact]
    public void Freemap_that_lies_is_found()
    {
        Assert.Equal(["bytes-free"], Rules(d => Layer2(d, 4, (ref Layer2Ondisk e) => e.BytesFree -= 16)));
        Assert.Contains("reference-append", Rules(d => Layer2(d, 4, (ref Layer2Ondisk e) => e.AppendOff = 16)));
        Assert.Contains("reference-owner", Rules(d => Layer2(d, 4, (ref Layer2Ondisk e) => e.ZoneByte = 10)));
        Assert.Contains("layer1-free", Rules(d => Layer2(d, 4, (ref Layer2Ondisk e) => e.ZoneByte = 0)));
        Assert.Contains("layer2-owner", Rules(d => Layer2(d, 2, (ref Layer2Ondisk e) => e.ZoneByte = 4)));
        Assert.Contains("layer2", Rules(d => Layer2(d, 6, (ref Layer2Ondisk e) => e.AppendOff = 16)));
        Assert.Equal(["stat-free"], Rules(d => Header(d, (ref VolumeOndisk h) => h.StatFreeBigBlocks++)));
    }

    [Fact]
    public void Broken_tree_is_found()
    {
        Assert.Contains("order", Rules(d => Node(d, (ref NodeOndisk n) =>
            NodeOndisk.Leaves(ref n)[1].Base.Localization = 0)));
        Assert.Contains("node-parent", Rules(d => Node(d, (ref NodeOndisk n) => n.Parent = 4096)));
        Assert.Contains("node", Rules(d => Node(d, (ref NodeOndisk n) => n.Count = 64)));
        Assert.Contains("btype", Rules(d => Node(d, (ref NodeOndisk n) => NodeOndisk.Leaves(ref n)[0].Base.BType = 0)));
        Assert.Contains("mirror-tid", Rules(d => Node(d, (ref NodeOndisk n) => n.MirrorTid = 1)));
        Assert.Contains("lifetime", Rules(d => Node(d, (ref NodeOndisk n) =>
            NodeOndisk.Leaves(ref n)[0].Base.DeleteTid = NodeOndisk.Leaves(ref n)[0].Base.CreateTid)));
        Assert.Contains("next-tid", Rules(d => Node(d, (ref NodeOndisk n) =>
            NodeOndisk.Leaves(ref n)[0].Base.CreateTid = 1UL << 40)));
        Assert.Contains("record", Rules(d => Node(d, (ref NodeOndisk n) => NodeOndisk.Leaves(ref n)[1].DataOffset++)));
        Assert.Contains("node", Rules(d => Header(d, (ref VolumeOndisk h) => h.BTreeRoot += 100)));
    }

    [Fact]
    public void Broken_root_directory_is_found()
    {
        Assert.Equal(["nlinks"], Rules(d => Inode(d, (ref InodeOndisk i) => i.Nlinks = 2)));
        Assert.Equal(["parent"], Rules(d => Inode(d, (ref InodeOndisk i) => i.ParentObjId = 7)));
        Assert.Equal(["inode"], Rules(d => Inode(d, (ref InodeOndisk i) => i.CapFlags = 3)));
        Assert.Contains("root", Rules(d => Node(d, (ref NodeOndisk n) => n.Count = 0)));
    }
}
