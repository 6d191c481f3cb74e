using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Golden;

/// <summary>The judge must be able to say no: each damage, with all checksums over it repaired, is named.</summary>
public sealed class OracleCanaryTests
{
    static bool Live(OracleRecord r, ushort type, byte objType) =>
        r.IsLive && r.RecType == type && r.ObjType == objType && r.ObjId != 1;

    static void Add64(byte[] bytes, int offset, long delta) => BinaryPrimitives.WriteInt64LittleEndian(
        bytes.AsSpan(offset), BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(offset)) + delta);

    static void Add32(byte[] bytes, int offset, int delta) => BinaryPrimitives.WriteInt32LittleEndian(
        bytes.AsSpan(offset), BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(offset)) + delta);

    static readonly Dictionary<string, Action<DamagedVolume>> s_damage = new()
    {
        ["data CRC"] = v => v.Edit(v.First(r => Live(r, OracleRecord.Data, 2)).DataOffset, 16, b => b[3] ^= 1),
        ["node CRC"] = v => v.Edit(v.Sound.Tree.Nodes[0].Address + 4090, 1, b => b[0] ^= 1),
        ["node parent"] = v => v.EditNode(v.Sound.Tree.Nodes[1].Address, n => Add64(n, 8, 4096)),
        ["bounds"] = v => v.EditNode(v.Sound.Tree.Nodes[0].Address, n => Add64(n, 64 + 64, 1L << 32)),
        ["strict order"] = v => v.EditNode(v.First(r => r.Index == 2).Node,
            n => n.AsSpan(64 + 64, 64).CopyTo(n.AsSpan(64 + 128))),
        ["mirror_tid of a leaf"] = v => v.EditNode(v.Sound.Records[0].Node, n => Add64(n, 56, -4096)),
        ["mirror_tid of a node"] = v => v.EditNode(v.Sound.Tree.Nodes[0].Address, n => Add64(n, 56, -4096)),
        ["mirror_tid of the parent's element"] = v => v.EditNode(v.Sound.Tree.Nodes[0].Address,
            n => Add64(n, 64 + 40, -4096)),
        ["leaf btype"] = v => v.EditElement(v.Sound.Records[3], e => e[35] = (byte)'L'),
        ["bytes_free"] = v => v.EditLayer2(
            v.First(r => Live(r, OracleRecord.Data, 2)).DataOffset, e => Add32(e, 8, 16)),
        ["append_off"] = v => v.EditLayer2(v.Sound.Tree.Nodes[0].Address, e => e.AsSpan(4, 4).Clear()),
        ["big-block owner"] = v => v.EditLayer2(v.Sound.Medium.Root.UndoArray(0), e => e[0] = 0),
        ["owner agrees with the references"] = v => v.EditLayer2(v.Sound.Tree.Nodes[0].Address, e => e[0] = 9),
        ["layer1 blocks_free"] = v => v.EditLayer2(v.Sound.Medium.Root.UndoArray(0), e => e[0] = 0),
        ["vol0_stat_freebigblocks"] = v => v.EditHeader(h => Add64(h, 208, 1)),
        ["vol0_stat_inodes"] = v => v.EditHeader(h => Add64(h, 224, 1)),
        ["vol_crc"] = v => v.Device.Patch(90, "x"u8),
        ["next_tid is not below any TID"] = v => v.EditHeader(h => Add64(h, 248, -0x10000)),
        ["nlinks"] = v => v.EditPayload(v.First(r => Live(r, OracleRecord.Inode, 2)), p => p[72]++),
        ["nlinks at create_tid"] = v => v.EditPayload(
            v.First(r => !r.IsLive && r.RecType == OracleRecord.Inode && r.ObjId != 1), p => p[72] += 3),
        ["obj_type of inode and element"] = v => v.EditPayload(
            v.First(r => Live(r, OracleRecord.Inode, 2)), p => p[64] = 4),
        ["parent_obj_id of a directory"] = v => v.EditPayload(
            v.First(r => Live(r, OracleRecord.Inode, 1)), p => p[24] ^= 0x55),
        ["name in its hash range"] = v => v.EditPayload(
            v.First(r => Live(r, OracleRecord.DirEntry, 2)), p => p[16] ^= 1),
        ["entry leads to an inode"] = v => v.EditPayload(
            v.First(r => Live(r, OracleRecord.DirEntry, 2)), p => p[4] ^= 0x40),
        ["delete_tid above create_tid"] = v => v.EditElement(
            v.First(r => !r.IsLive), e => e.AsSpan(16, 8).CopyTo(e.AsSpan(24))),
        ["data record is one block"] = v => v.EditElement(
            v.First(r => Live(r, OracleRecord.Data, 2) && r.DataLen == 16384), e => Add64(e, 8, 16)),
        ["zone of the data"] = v => v.EditElement(
            v.First(r => Live(r, OracleRecord.Data, 2) && r.DataLen == 16384), e => e[55] = 0xB0),
        ["extents do not overlap"] = v => v.EditElement(
            v.First(r => Live(r, OracleRecord.Data, 2) && r.DataLen is > 16 and < 8192), e => Add64(e, 48, 16)),
        ["data belong to a file"] = v => v.EditElement(
            v.Sound.Records[^1], e => Add64(e, 0, 1)),
        ["data of a record"] = v => v.EditElement(v.Sound.Records[^1], e => e.AsSpan(48, 8).Clear()),
    };

    public static IEnumerable<object[]> Rules() => s_damage.Keys.Select(k => new object[] { k });

    [Theory]
    [MemberData(nameof(Rules))]
    public void Damaged_volume_is_reported_under_the_broken_rule(string rule)
    {
        using var volume = new DamagedVolume(GoldenData.Unpack("v7/mirror.master2")[0]);
        s_damage[rule](volume);
        using OracleVolume damaged = volume.Reopen();
        Assert.Contains(rule, damaged.Verify().Select(f => f.Rule));
    }
}
