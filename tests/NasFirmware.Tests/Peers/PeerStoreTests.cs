using System;
using System.IO;
using System.Linq;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>The key of a box and the list of those that it knows.</summary>
public sealed class PeerStoreTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-state-").FullName;
    static readonly string s_own = Key('0'), s_a = Key('a'), s_b = Key('b');

    static string Key(char digit) => new(digit, 64);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    PeerStore Store(params PeerEntry[] configured) => new(_folder, s_own, configured);

    static PeerEntry Entry(string name, string? key, string? address = null) =>
        new() { Name = name, Key = key, Address = address };

    [Fact]
    public void Key_is_made_once_and_only_its_owner_reads_it()
    {
        string state = Path.Combine(_folder, "new", "state");
        using PeerKey made = PeerKey.LoadOrMake(state), again = PeerKey.LoadOrMake(state);
        Assert.Equal(made.Hash, again.Hash);
        Assert.True(PeerStore.IsKey(made.Hash));
        Assert.True(again.Certificate.HasPrivateKey);
        string path = Path.Combine(state, PeerKey.FileName);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Contains("chmod 600", Assert.Throws<IOException>(() => PeerKey.LoadOrMake(state)).Message,
            StringComparison.Ordinal);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(path, File.ReadAllText(path)[..100]);
        Assert.Contains("not the key of a box",
            Assert.Throws<PeerKeyException>(() => PeerKey.LoadOrMake(state)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hash_is_that_of_the_public_key_and_not_of_the_certificate()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(
            System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        string[] hashes = [.. Enumerable.Range(1, 2).Select(i =>
        {
            var request = new System.Security.Cryptography.X509Certificates.CertificateRequest($"CN={i}", key,
                System.Security.Cryptography.HashAlgorithmName.SHA256);
            using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch,
                DateTimeOffset.UnixEpoch.AddDays(i));
            return PeerKey.HashOf(certificate);
        })];
        Assert.Equal(hashes[0], hashes[1]);
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
            key.ExportSubjectPublicKeyInfo())), hashes[0]);
    }

    [Fact]
    public void Peers_survive_and_other_processes_see_them()
    {
        PeerStore one = Store(), two = Store();
        Assert.Empty(two.All());
        one.Add(Entry("nas2", s_a, "192.168.1.20"));
        Assert.Equal(Entry("nas2", s_a, "192.168.1.20"), two.Find("nas2"));
        two.Add(Entry("nas3", s_b));
        Assert.Equal(["nas2", "nas3"], one.All().Select(p => p.Name));
        Assert.Equal("nas3", Store().FindKey(s_b)!.Name);
        Assert.True(one.Remove("nas2"));
        Assert.False(one.Remove("nas2"));
        Assert.Null(two.FindKey(s_a));
    }

    [Fact]
    public void Configuration_counts_and_the_file_adds_what_it_leaves_out()
    {
        PeerStore store = Store(Entry("nas2", null, "nas2.home"), Entry("nas3", s_b));
        Assert.Null(store.FindKey(s_a));
        store.Add(Entry("nas2", s_a, "10.0.0.2"));
        Assert.Equal(Entry("nas2", s_a, "nas2.home"), store.Find("nas2"));
        Assert.Throws<IOException>(() => store.Add(Entry("nas3", Key('c'))));
        Assert.Throws<IOException>(() => store.Add(Entry("nas4", s_b)));
        Assert.Throws<IOException>(() => store.Add(Entry("me", s_own)));
        Assert.Throws<IOException>(() => store.Add(Entry("../x", Key('d'))));
        Assert.Throws<IOException>(() => store.Add(Entry("nas5", "ABC")));
        Assert.Throws<IOException>(() => store.Add(Entry("nas5", Key('d'), "a b")));
        Assert.Null(store.FindKey(s_own));
    }

    [Fact]
    public void Torn_write_leaves_the_old_peers()
    {
        Store().Add(Entry("nas2", s_a));
        string path = Path.Combine(_folder, PeerStore.FileName);
        byte[] whole = File.ReadAllBytes(path);
        for (int cut = 0; cut < whole.Length; cut += 7)
        {
            // What a power cut inside a write leaves: a part of it under its own name.
            File.WriteAllBytes(path + NasLinux.DurableFile.Unfinished, whole[..cut]);
            Assert.Equal("nas2", Store().FindKey(s_a)!.Name);
        }
        Store().Add(Entry("nas3", s_b));
        Assert.Equal(2, Store().All().Count);
        Assert.False(File.Exists(path + NasLinux.DurableFile.Unfinished));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"peers\":null}")]
    [InlineData("{\"peers\":[{\"name\":\"x\",\"key\":\"short\"}]}")]
    [InlineData("{\"peers\":[{\"name\":\"x\",\"colour\":\"red\"}]}")]
    public void Damaged_file_lets_nobody_in_is_told_and_is_kept(string content)
    {
        string path = Path.Combine(_folder, PeerStore.FileName);
        File.WriteAllText(path, content);
        PeerStore store = Store(Entry("nas3", s_b));
        Assert.Equal(["nas3"], store.All().Select(p => p.Name));
        Assert.Contains(path, store.Problem, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => store.Add(Entry("nas2", s_a)));
        Assert.Equal(content, File.ReadAllText(path));
        File.Delete(path);
        Assert.Single(store.All());
        Assert.Null(store.Problem);
    }

    [Theory]
    [InlineData("nas2", "nas2:7445")]
    [InlineData("nas2.home:99", "nas2.home:99")]
    [InlineData("192.168.1.20", "192.168.1.20:7445")]
    [InlineData("fe80::1", "[fe80::1]:7445")]
    [InlineData("[fe80::1]", "[fe80::1]:7445")]
    [InlineData("[fe80::1]:80", "[fe80::1]:80")]
    [InlineData("", null)]
    [InlineData("a b", null)]
    [InlineData("nas2:", null)]
    [InlineData("nas2:0", null)]
    [InlineData("nas2:65536", null)]
    [InlineData("[nas2]:1", null)]
    [InlineData("[fe80::1]:", null)]
    [InlineData("[fe80::1", null)]
    [InlineData("-nas;rm", null)]
    public void Addresses_are_read_strictly(string text, string? expected) =>
        Assert.Equal(expected, PeerAddress.TryParse(text, out PeerAddress a) ? a.ToString() : null);

    [Theory]
    [InlineData("[::]:7445", true)]
    [InlineData("0.0.0.0:0", true)]
    [InlineData("::", false)]
    [InlineData("7445", false)]
    [InlineData("nas1:7445", false)]
    [InlineData("1.2.3.4", false)]
    [InlineData("1.2.3.4:70000", false)]
    public void Listening_addresses_have_a_port(string text, bool good) =>
        Assert.Equal(good, PeerEndpoint.TryParseListen(text, out _));
}
