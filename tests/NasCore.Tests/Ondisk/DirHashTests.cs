using System.Globalization;
using System.Text;
using NasCore.Objects;
using NasCore.Ondisk;
using Xunit;

namespace NasCore.Tests.Ondisk;

/// <summary>Name hash vectors of on-disk-format, appendix A.</summary>
public sealed class DirHashTests
{
    const byte Alg0 = InodeOndisk.CapDirLocalIno, Alg1 = InodeOndisk.CapDirLocalIno | InodeOndisk.CapHashAlg1;

    [Theory]
    [InlineData("a", "E8B7BE43", "68B7BE4300000000", "68B7BE4356F40000")]
    [InlineData("foo", "8C736521", "0C73652100000000", "0C736521E9520000")]
    [InlineData("hello", "3610A686", "3610A68600000000", "3610A68690960000")]
    [InlineData("hello.txt", "1260CEBB", "1260CEBB00000000", "524805CBDCDB0000")]
    [InlineData("foo.c~", "DCF64598", "5CF6459800000000", "132D4490996E0000")]
    [InlineData("Makefile", "6441A1AC", "6441A1AC00000000", "6441A1ACC5ED0000")]
    [InlineData("a-b_c.d", "704A6C0A", "704A6C0A00000000", "7A0DD8771C400000")]
    [InlineData(".profile", "95E5DA7C", "15E5DA7C00000000", "0157AA0F4F990000")]
    [InlineData("tmp-1.o", "69085AAC", "69085AAC00000000", "3FDC004333A40000")]
    [InlineData("x.x", "F07A10D8", "707A10D800000000", "19B82D06E0A20000")]
    [InlineData("...", "1A43B61B", "1A43B61B00000000", "00000001AC580000")]
    [InlineData("._", "B10A57B6", "310A57B600000000", "00000001E6BC0000")]
    public void Name_hashes_to_hammers_key(string name, string crc, string alg0, string alg1)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        Assert.Equal(crc, HammerCrc.Crc32(bytes).ToString("X8", CultureInfo.InvariantCulture));
        Assert.Equal(alg0, DirHash.Key(Alg0, bytes).ToString("X16", CultureInfo.InvariantCulture));
        Assert.Equal(alg1, DirHash.Key(Alg1, bytes).ToString("X16", CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Iteration_limits_are_those_of_the_algorithm()
    {
        Assert.Equal(0xFFFFFFFF, DirHash.IterationsMax(Alg0));
        Assert.Equal(0x00FFFFFF, DirHash.IterationsMax(Alg1));
        long key = DirHash.Key(Alg1, "foo"u8);
        Assert.True(DirHash.Admits(Alg1, "foo"u8, key));
        Assert.True(DirHash.Admits(Alg1, "foo"u8, key + 0xFFFFFF));
        Assert.False(DirHash.Admits(Alg1, "foo"u8, key + 0x1000000));
        Assert.False(DirHash.Admits(Alg1, "foo"u8, key - 1));
        Assert.False(DirHash.Admits(Alg1, "foo"u8, long.MinValue));
    }

    [Fact]
    public void Undefined_algorithms_are_not_known()
    {
        Assert.True(DirHash.IsKnown(0) && DirHash.IsKnown(1) && DirHash.IsKnown(5));
        Assert.False(DirHash.IsKnown(2) || DirHash.IsKnown(3) || DirHash.IsKnown(7));
    }

    [Fact]
    public void Empty_alg0_hash_becomes_the_smallest_key() =>
        Assert.Equal(DirHash.MinKey, DirHash.Key(0, default));
}
