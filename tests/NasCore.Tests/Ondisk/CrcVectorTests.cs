using System;
using System.Globalization;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Ondisk;

/// <summary>Checksum vectors of on-disk-format, appendix A: old kind, new kind.</summary>
public sealed class CrcVectorTests
{
    static void Equal(string old, string @new, Func<uint, uint> sum)
    {
        Assert.Equal(old, sum(6).ToString("X8", CultureInfo.InvariantCulture));
        Assert.Equal(@new, sum(7).ToString("X8", CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Plain_sums()
    {
        Equal("CBF43926", "E3069283", v => HammerCrc.Sum(v, "123456789"u8));
        Equal("AB54D286", "94640B85", v => HammerCrc.Sum(v, new byte[16384]));
        Equal("190A55AD", "8A9136AA", v => HammerCrc.Sum(v, new byte[32]));
        Equal("00000000", "00000000", v => HammerCrc.Sum(v, default));
    }

    [Fact]
    public void Crc32c_goes_on_from_a_seed() =>
        Assert.Equal(0xE3069283u, HammerCrc.Crc32C("56789"u8, HammerCrc.Crc32C("1234"u8)));

    [Fact]
    public void Layer1_without_space()
    {
        var entry = new Layer1Ondisk { PhysOffset = ulong.MaxValue };
        Equal("631EA731", "097C0BBD", v => HammerCrc.Layer1(v, in entry));
    }

    [Theory]
    [InlineData(4, 0x800000u, 0, "6663E9C8", "F2AF524B")]
    [InlineData(3, 0x800000u, 0, "12FB0047", "64FA7EDB")]
    [InlineData(0, 0u, 0x800000, "40565E24", "D0A34FA4")]
    [InlineData(15, 0x800000u, 0, "17F14DC6", "2F5FF96A")]
    [InlineData(8, 4096u, 8384512, "07643AB6", "BCDD37F4")]
    [InlineData(9, 432u, 8388176, "4A0D15AC", "6FA1E9EB")]
    public void Layer2(byte zone, uint append, int free, string old, string @new)
    {
        var entry = new Layer2Ondisk { ZoneByte = zone, AppendOff = append, BytesFree = free };
        Equal(old, @new, v => HammerCrc.Layer2(v, in entry));
    }

    [Fact]
    public void Blockmaps()
    {
        const ulong undo = 0x3000000000000000;
        var entry = new BlockmapOndisk
        {
            PhysOffset = ulong.MaxValue, FirstOffset = undo, NextOffset = undo, AllocOffset = undo + 0x20000000,
        };
        Equal("E18FB593", "8531F7D4", v => HammerCrc.Blockmap(v, in entry));
        entry = new BlockmapOndisk
        {
            PhysOffset = 0x2000000000000000, NextOffset = 0x2000000000000000, AllocOffset = 0x2FFFFFFFFFFFFFFF,
        };
        Equal("982A8334", "1B254FBC", v => HammerCrc.Blockmap(v, in entry));
        BlockmapOndisk Zone(ulong zone) => new()
        {
            FirstOffset = zone << 60, NextOffset = zone << 60, AllocOffset = (zone << 60) | HammerOff.LongMask,
        };
        entry = Zone(10);
        Equal("FA3DB281", "C67FF111", v => HammerCrc.Blockmap(v, in entry));
        entry = Zone(11);
        Equal("653E9135", "9AED5351", v => HammerCrc.Blockmap(v, in entry));
        entry = default;
        Equal("6AB6B2D5", "FA2626D2", v => HammerCrc.Blockmap(v, in entry));
    }

    [Theory]
    [InlineData(0u, "4A45FC5A", "317FE32E")]
    [InlineData(1u, "F2F99B3F", "EC3A4996")]
    public void Dummy(uint seq, string old, string @new)
    {
        byte[] record = new byte[512];
        var head = new FifoHead { Signature = 0xC84E, Type = FifoHead.TypeDummy, Size = 512, Seq = seq };
        var tail = new FifoTail { Signature = 0xC74F, Type = FifoHead.TypeDummy, Size = 512 };
        MemoryMarshal.Write(record, in head);
        MemoryMarshal.Write(record.AsSpan(504), in tail);
        Equal(old, @new, v => HammerCrc.FifoRecord(v, record));
    }

    [Fact]
    public void Redo_sync()
    {
        byte[] record = new byte[64];
        var redo = new FifoRedo
        {
            Head = new FifoHead { Signature = 0xC84E, Type = FifoHead.TypeRedo, Size = 64, Seq = 0x100001 },
            Offset = 0x3000000000000038, Flags = RedoFlags.Sync,
        };
        var tail = new FifoTail { Signature = 0xC74F, Type = FifoHead.TypeRedo, Size = 64 };
        MemoryMarshal.Write(record, in redo);
        MemoryMarshal.Write(record.AsSpan(56), in tail);
        Equal("E755FDDA", "B1B1BEC8", v => HammerCrc.FifoRecord(v, record));
    }

    [Fact]
    public void Undo_of_a_layer2_entry_byte_for_byte()
    {
        byte[] record = Convert.FromHexString("4ec8430038000000000010003bdf523f"
            + "40048000000000201000000000000000" + "000000000000000000008000a44fa3d0" + "4fc7430038000000");
        Assert.True(HammerCrc.FifoRecordMatches(7, record));
        Assert.False(HammerCrc.FifoRecordMatches(6, record));
        Equal("CB3CDC4C", "3F52DF3B", v => HammerCrc.FifoRecord(v, record));
    }

    [Fact]
    public void Empty_leaf()
    {
        var node = new NodeOndisk { Type = BaseElm.BTypeLeaf };
        byte[] bytes = new byte[4096];
        MemoryMarshal.Write(bytes, in node);
        Equal("ACC2B1B3", "EDEEACEA", v => HammerCrc.Node(v, bytes));
    }

    [Fact]
    public void Inode_data_without_its_times()
    {
        var inode = new InodeOndisk
        {
            Version = 1, Mode = 493, Ctime = 1_000_000_000_000_000, ObjTypeRaw = 1, CapFlags = 5, Nlinks = 1,
            Mtime = 1, Atime = 2,
        };
        byte[] bytes = new byte[128];
        MemoryMarshal.Write(bytes, in inode);
        Equal("9578CFA7", "66FC68BF", v => HammerCrc.LeafData(v, RecType.Inode, bytes));
        Assert.Equal(0u, HammerCrc.LeafData(7, RecType.Inode, bytes.AsSpan(0, 120)));
    }

    [Fact]
    public void Directory_entry_data()
    {
        byte[] bytes = new byte[19];
        var head = new DirEntryHead { ObjId = 0x100000400 };
        MemoryMarshal.Write(bytes, in head);
        "foo"u8.CopyTo(bytes.AsSpan(16));
        Equal("1B6979B2", "40199797", v => HammerCrc.LeafData(v, RecType.DirEntry, bytes));
    }
}
