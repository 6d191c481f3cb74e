using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using NasFirmware.Config;
using NasFirmware.Tests.Cli;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Config;

/// <summary>
/// The configuration's reader on the sample files: every good one is read, every bad one gives the messages recorded
/// beside it. NASHAMMER_REWRITE=1 writes the records anew.
/// </summary>
public sealed partial class ConfigTests
{
    static readonly string s_root = GoldenData.RepositoryRoot;
    static readonly string s_samples = Path.Combine(s_root, "tests/NasFirmware.Tests/Config/Samples");
    static readonly string s_shipped = Path.Combine(s_root, "config.toml");

    public static TheoryData<string> Good => Samples("good");
    public static TheoryData<string> Bad => Samples("bad");

    static TheoryData<string> Samples(string folder) =>
        [.. Directory.GetFiles(Path.Combine(s_samples, folder), "*.toml")
            .Select(f => Path.GetFileNameWithoutExtension(f))];

    static ConfigOutcome Read(string file) => ConfigReader.ReadFile(file, box: null);

    static string Messages(ConfigOutcome outcome, string file) =>
        string.Concat(outcome.Mistakes.Select(m => m.In(Path.GetFileName(file)) + "\n"));

    [Theory, MemberData(nameof(Good))]
    public void Good_sample_is_read_and_its_effective_form_means_the_same(string name)
    {
        string file = Path.Combine(s_samples, "good", name + ".toml");
        string box = name == "pair" ? "nas1" : Read(file).Settings!.Box.Name;
        ConfigOutcome outcome = ConfigReader.ReadFile(file, box);
        Assert.True(outcome.Settings is not null, Messages(outcome, file));
        ConfigOutcome again = ConfigReader.Read(outcome.Effective(), box);
        Assert.True(again.Settings is not null, Messages(again, "effective") + outcome.Effective());
        Assert.Equal(outcome.Settings, again.Settings);
        Assert.Equal(outcome.Effective(), again.Effective());
    }

    [Fact]
    public void Shares_of_this_box_become_sections_of_smb_conf()
    {
        Settings settings = Read(Path.Combine(s_samples, "good", "shares.toml")).Settings!;
        Assert.Equal("""
            [family]
                path = /srv/photos/family/holidays
                read only = no
                guest ok = no
                valid users = ann ben-2
            [public]
                path = /srv/photos
                read only = yes
                guest ok = yes

            """.ReplaceLineEndings("\n"), SambaText.Of(settings));
    }

    // To Samba "valid users =" with nothing behind it is everybody.
    [Fact]
    public void Share_without_users_is_never_printed_as_one_for_everybody()
    {
        Settings settings = Read(Path.Combine(s_samples, "good", "shares.toml")).Settings!;
        string text = SambaText.Of(settings with
        {
            Shares = [.. settings.Shares.Select(s => s with { Guest = false, Users = [] })],
        });
        Assert.DoesNotContain("valid users", text, StringComparison.Ordinal);
        Assert.Equal(settings.Shares.Count, text.Split("available = no").Length - 1);
    }

    [Theory, MemberData(nameof(Bad))]
    public void Bad_sample_gives_its_recorded_messages(string name)
    {
        string file = Path.Combine(s_samples, "bad", name + ".toml");
        string expected = Path.ChangeExtension(file, ".expected");
        string messages = Messages(Read(file), file);
        if (Environment.GetEnvironmentVariable("NASHAMMER_REWRITE") == "1") File.WriteAllText(expected, messages);
        Assert.NotEqual("", messages);
        Assert.Equal(File.ReadAllText(expected), messages);
    }

    [Fact]
    public void Shipped_file_is_without_mistakes_as_it_is_and_with_every_key_set()
    {
        Assert.Empty(Read(s_shipped).Mistakes);
        ConfigOutcome all = ConfigReader.Read(Uncommented(), box: null);
        Assert.Equal("", Messages(all, "config.toml"));
    }

    [Fact]
    public void Shipped_file_names_every_key_that_there_is_and_shows_every_default()
    {
        ConfigOutcome all = ConfigReader.Read(Uncommented(), box: null);
        // Each key of the reader was found in the file: what it asked for and what it got are the same.
        var shown = new HashSet<string>(all.Reading.Effective.Select(e => NameOf(e.Section) + "." + e.Key));
        string[] keys = [.. all.Reading.Known.Where(k => k.Contains('.', StringComparison.Ordinal)
            && !k.EndsWith(".*", StringComparison.Ordinal) && !k.EndsWith(".keep", StringComparison.Ordinal))];
        Assert.True(keys.Length > 40, $"{keys.Length} keys");
        string text = File.ReadAllText(s_shipped);
        Assert.All(keys, key =>
        {
            Assert.Contains(key, shown);
            string last = key[(key.LastIndexOf('.') + 1)..];
            Assert.True(Regex.IsMatch(text, $@"^#{Regex.Escape(last)} = |[{{,] {Regex.Escape(last)} = ",
                RegexOptions.Multiline), $"config.toml does not name {key}");
        });
        // Sections without a name of the owner's show the values that hold without them.
        ConfigOutcome none = ConfigReader.Read("", box: "nas1");
        Assert.All(none.Reading.Effective.Where(e => e.Section is not "peers"),
            e => Assert.Contains((e.Section, e.Key, e.Value), all.Reading.Effective));
    }

    /// <summary>volumes.photos is volumes.*, as the reader calls it.</summary>
    static string NameOf(string section) => NamedSection().Replace(section, "$1.*");

    [GeneratedRegex(@"^(volumes|pfs|peers|mirrors|shares)\.[^.]+")]
    private static partial Regex NamedSection();

    static string Uncommented() => string.Join('\n', File.ReadLines(s_shipped)
        .Select(l => l is ['#', not ' ', ..] ? l[1..] : l));

    [Fact]
    public void One_file_serves_both_boxes()
    {
        string file = Path.Combine(s_samples, "good", "pair.toml");
        Settings one = ConfigReader.ReadFile(file, "nas1").Settings!;
        Settings two = ConfigReader.ReadFile(file, "nas2").Settings!;
        Assert.Equal("photos", Assert.Single(one.Volumes).Name);
        Assert.Equal("backup", Assert.Single(two.Volumes).Name);
        Assert.Single(one.Pfs);
        Assert.Empty(two.Pfs);
        Assert.Equal("nas2", Assert.Single(one.Peers).Name);
        Assert.Equal("nas1", Assert.Single(two.Peers).Name);
        MirrorStreamSettings mirror = Assert.Single(one.Mirrors);
        Assert.Equal(new MirrorEnd("nas1", "photos", "family"), mirror.From);
        Assert.Equal(2.5 * 1024 * 1024, mirror.Bandwidth);
        Assert.Equal(TimeSpan.FromDays(10), mirror.Keep.Daily);
        Assert.Equal(TimeSpan.FromDays(7), mirror.Keep.Hourly);
        Assert.Equal(one.Mirrors, two.Mirrors);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("4K", 4096)]
    [InlineData("1.5M", 1572864)]
    [InlineData("2T", 2199023255552)]
    public void Size_is_read_and_shown(string text, long bytes)
    {
        Assert.True(Units.TryBytes(text, out long read));
        Assert.Equal(bytes, read);
        Assert.True(Units.TryBytes(Units.Bytes(bytes), out long again));
        Assert.Equal(bytes, again);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("250ms", 250)]
    [InlineData("1.5s", 1500)]
    [InlineData("2h", 7_200_000)]
    [InlineData("60d", 5_184_000_000)]
    public void Time_is_read_and_shown(string text, long milliseconds)
    {
        Assert.True(Units.TryTime(text, out TimeSpan read));
        Assert.Equal(milliseconds, read.TotalMilliseconds);
        Assert.True(Units.TryTime(Units.Time(read), out TimeSpan again));
        Assert.Equal(read, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("64")]
    [InlineData("M")]
    [InlineData("-1M")]
    [InlineData("1e9G")]
    [InlineData("64 M")]
    [InlineData("99999999999999999999T")]
    [InlineData("NaNM")]
    public void Text_that_is_no_size_is_refused(string text) => Assert.False(Units.TryBytes(text, out _));

    [Fact]
    public void Reader_survives_any_damage_of_a_good_file()
    {
        string text = File.ReadAllText(Path.Combine(s_samples, "good", "pair.toml"));
        var random = new Random(20261123);
        for (int i = 0; i < 300; i++)
        {
            char[] damaged = text.ToCharArray();
            for (int n = random.Next(1, 5); n > 0; n--)
                damaged[random.Next(damaged.Length)] = (char)random.Next(1, 300);
            string broken = new string(damaged)[..random.Next(text.Length)];
            ConfigOutcome outcome = ConfigReader.Read(broken, "nas1");
            Assert.True(outcome.Settings is null == outcome.Mistakes.Count > 0, $"seed 20261123, round {i}");
            Assert.All(outcome.Mistakes, m => Assert.True(m.Place.Line >= 1 && m.Place.Column >= 1));
        }
    }

    [Fact]
    public void Program_tells_mistakes_with_their_places_and_is_silent_on_the_shipped_file()
    {
        NashammerRun good = NashammerProcess.Run("config", "check", s_shipped);
        Assert.Equal(new NashammerRun(0, "", ""), good);
        string file = Path.Combine(s_samples, "bad", "unknown-key.toml");
        NashammerRun bad = NashammerProcess.Run("config", "check", file);
        Assert.Equal(1, bad.ExitCode);
        Assert.StartsWith($"{file}:2:1: unknown key 'nmae' in [box]; did you mean 'name'?\n", bad.Error,
            StringComparison.Ordinal);
        NashammerRun shown = NashammerProcess.Run("config", "show", "--effective", "--box", "nas1", s_shipped);
        Assert.Contains("[memory]\ncache = \"64M\"\n", shown.Output, StringComparison.Ordinal);
    }
}
