using System;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using NasCore.Io;
using NasCore.Volumes;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Newfs;

/// <summary>Fresh volumes are byte-identical to those of HAMMER's own formatter (tests/golden/README.md).</summary>
public sealed class NewfsGoldenTests
{
    const long MiB = 1 << 20, GiB = 1L << 30;

    /// <summary>2010-01-01T00:00:00Z in microseconds.</summary>
    internal const ulong GoldenTimeUs = 1262304000000000;
    internal static readonly Guid GoldenFsId = new(Convert.FromHexString("00112233445566778899aabbccddeeff"));

    public static TheoryData<uint, long[], long, string[]> Hashes => new()
    {
        { 6, [2 * GiB], 8 * MiB, ["17773014b3f6c37db6e76b3a768fa63e515d3400f30b4b012ee5288ba0a57e95"] },
        { 7, [2 * GiB], 8 * MiB, ["fa15380f1885bc3bc36aec5e8b2b9a985a789e9d5dd8cc5492c708a75b4f31c5"] },
        { 6, [42500096], 8 * MiB, ["6a96f902360b1ffa7dc5ab7f0e4bdf95c93b71ca057a91cb2761e48c4c682036"] },
        { 7, [64 * MiB], 8 * MiB, ["33fe0d6dd02fc45304ad1b098ae89a05b21418cfffc49528578c4ad84ac547da"] },
        { 7, [256 * MiB], 20 * MiB, ["239b29313ea8ac152e1be75a515eb9e25a422fe4c63f12305e91d8d2962add22"] },
        { 7, [2 * GiB, 2 * GiB], 8 * MiB,
            ["ff992b74f7ad846c2e89e21d1ddda52d132d345ef2f1392079dd545e1e402699",
             "06d793ed4a4ecc58ddc32a5f6a206195588ca4fa81aa4707423691b6a357d568"] },
        // Without an image in the golden data: the default FIFO of 512 MiB.
        { 7, [2 * GiB], 0, ["0f4078aebb194d90f12c6f3793079fae9791c5db0191a68d43f45cc1e1ef3103"] },
    };

    [Theory, MemberData(nameof(Hashes))]
    public void Fresh_volume_has_the_hash_of_hammers_own(uint version, long[] sizes, long undo, string[] expected)
    {
        MemoryBlockDevice[] devices = Make(version, sizes, undo);
        Assert.Equal(expected, devices.Select(Sha256));
    }

    [Theory, InlineData(1u), InlineData(2u), InlineData(3u), InlineData(4u), InlineData(5u)]
    public void Fresh_volume_of_an_old_version_equals_the_golden_image(uint version)
    {
        string name = $"fresh/v{version}-2g-u8m";
        using GoldenLease lease = GoldenData.Borrow(name);
        using FileStream golden = File.OpenRead(lease.Paths[0]);
        MemoryBlockDevice made = Make(version, [2 * GiB], 8 * MiB)[0];
        Assert.Equal(golden.Length, made.Length);
        byte[] expected = new byte[1 << 20], actual = new byte[1 << 20];
        for (long at = 0; at < golden.Length; at += expected.Length)
        {
            golden.ReadExactly(expected);
            made.Read(at, actual);
            Assert.True(expected.AsSpan().SequenceEqual(actual), $"first difference in the MiB at {at:x}");
        }
    }

    [Fact]
    public void Newfs_of_a_memory_device_writes_only_what_the_format_needs()
    {
        // Header, layers 1 and 2, FIFO of 8 MiB, node, meta: what a fresh volume occupies, and nothing else.
        MemoryBlockDevice device = Make(7, [2 * GiB], 8 * MiB)[0];
        long occupied = device.OccupiedBytes;
        Assert.InRange(occupied, 24 * MiB, 24 * MiB + 4 * 65536);
    }

    internal static MemoryBlockDevice[] Make(uint version, long[] sizes, long undo)
    {
        MemoryBlockDevice[] devices = [.. sizes.Select(s => new MemoryBlockDevice(s))];
        Volumes.Newfs.Format(devices, new NewfsOptions
        {
            Label = "golden", Version = version, FsId = GoldenFsId, TimeUs = GoldenTimeUs,
            UndoBytes = undo == 0 ? null : undo, Force = true,
        });
        return devices;
    }

    static string Sha256(MemoryBlockDevice device)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        for (long at = 0; at < device.Length; at += buffer.Length)
        {
            int n = (int)Math.Min(buffer.Length, device.Length - at);
            device.Read(at, buffer.AsSpan(0, n));
            hash.AppendData(buffer, 0, n);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
