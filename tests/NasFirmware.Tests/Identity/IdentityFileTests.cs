using System;
using System.Linq;
using System.Text;
using NasFirmware.Identity;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Identity;

/// <summary>What a copy of a box's identity looks like, and what is not believed.</summary>
public sealed class IdentityFileTests
{
    internal static IdentityCopy Copy(PeerKey key, string box = "nas1", bool isNew = false, long generation = 0,
        params PeerEntry[] peers) => new()
        {
            Box = box, Key = key.Hash, IsNew = isNew, Pem = key.Pem(),
            Peers = new PeerFile { Generation = generation, Peers = peers },
        };

    [Fact]
    public void Copy_comes_back_as_it_was_and_the_same_one_has_the_same_bytes()
    {
        using PeerKey key = PeerKey.Make();
        IdentityCopy copy = Copy(key, "nas1", isNew: true, 7,
            new PeerEntry { Name = "nas2", Key = new string('a', 64), Address = "10.0.0.2" });
        byte[] bytes = IdentityFile.Write(copy);
        Assert.Equal(bytes, IdentityFile.Write(copy));
        IdentityCopy read = IdentityFile.Read(bytes, out string? fault, out _)!;
        Assert.Null(fault);
        Assert.Equal((copy.Box, copy.Key, copy.IsNew, copy.Pem, 7), (read.Box, read.Key, read.IsNew, read.Pem,
            read.Peers.Generation));
        Assert.Equal(copy.Peers.Peers, read.Peers.Peers);
    }

    [Fact]
    public void Every_cut_and_every_changed_byte_is_noticed()
    {
        using PeerKey key = PeerKey.Make();
        byte[] bytes = IdentityFile.Write(Copy(key));
        for (int n = 0; n < bytes.Length; n++) Assert.Null(IdentityFile.Read(bytes.AsSpan(0, n), out _, out _));
        Assert.Null(IdentityFile.Read([.. bytes, 0], out _, out _));
        for (int at = 0; at < bytes.Length; at++)
        {
            bytes[at] ^= 1;
            Assert.Null(IdentityFile.Read(bytes, out string? fault, out _));
            Assert.NotNull(fault);
            bytes[at] ^= 1;
        }
        Assert.NotNull(IdentityFile.Read(bytes, out _, out _));
        Assert.Null(IdentityFile.Read(new byte[IdentityFile.BytesMax + 1], out _, out _));
    }

    [Fact]
    public void Fields_are_looked_at_although_the_sum_fits()
    {
        using PeerKey key = PeerKey.Make(), other = PeerKey.Make();
        IdentityCopy good = Copy(key);
        // The certificate of one and the private key of another.
        string mixed = key.Pem()[..key.Pem().IndexOf("-----BEGIN CERT", StringComparison.Ordinal)]
            + other.Pem()[other.Pem().IndexOf("-----BEGIN CERT", StringComparison.Ordinal)..];
        IdentityCopy[] bad =
        [
            good with { Box = "../x" }, good with { Key = other.Hash }, good with { Key = "short" },
            good with { Pem = "" }, good with { Pem = mixed, Key = other.Hash },
            good with { Pem = new string('x', 100_000) },
            good with { Peers = new PeerFile { Generation = -1 } }, good with { Peers = null! },
            good with { Peers = new PeerFile { Peers = null! } },
            good with { Peers = new PeerFile { Peers = [null!] } },
            good with { Peers = new PeerFile { Peers = [new PeerEntry { Name = "a b" }] } },
            good with
            {
                Peers = new PeerFile
                {
                    Peers = [.. Enumerable.Range(0, 257).Select(i => new PeerEntry { Name = $"n{i}" })],
                },
            },
        ];
        Assert.All(bad, b => Assert.Null(IdentityFile.Read(IdentityFile.Write(b), out _, out _)));
    }

    [Fact]
    public void Newer_version_is_told_apart_from_damage_and_its_fields_are_passed_over()
    {
        using PeerKey key = PeerKey.Make();
        string text = Encoding.UTF8.GetString(IdentityFile.Write(Copy(key)));
        Assert.Null(IdentityFile.Read(Encoding.UTF8.GetBytes(text.Replace("identity 1", "identity 2",
            StringComparison.Ordinal)), out _, out bool isNewer));
        Assert.True(isNewer);
        string json = text[(text.IndexOf('\n', StringComparison.Ordinal) + 1)..].Replace("\"box\"",
            "\"colour\": \"red\", \"box\"", StringComparison.Ordinal);
        string sum = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
            Encoding.UTF8.GetBytes(json)));
        Assert.NotNull(IdentityFile.Read(Encoding.UTF8.GetBytes($"nashammer identity 1 {sum}\n{json}"), out _,
            out isNewer));
        Assert.False(isNewer);
    }
}
