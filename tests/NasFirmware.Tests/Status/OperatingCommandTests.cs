using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>
/// Every command that docs/OPERATING.md tells an owner to type is run by a test: the table says by which one, and how
/// it stands there. A new command in the document wants a test, and a row here.
/// </summary>
public sealed partial class OperatingCommandTests
{
    const string Scripts = "/usr/share/nashammer/operating/", Operating = "Pair/OperatingScriptTests.cs",
        Package = "Daemon/PackageTests.cs", Peers = "Peers/PeerCommandTests.cs", Config = "Config/ConfigTests.cs",
        Pair = "Pair/PairTests.cs", Update = "Daemon/UpdateContainerTests.cs",
        Ssh = "Mirror/SshMirrorTests.cs";

    // Command; test below tests/NasFirmware.Tests; what stands in it.
    static readonly (string Command, string Test, string Text)[] s_rows =
    [
        ("apt install ./nashammer_*.deb", Package, "apt install ./nashammer_*.deb"),
        ("apt remove nashammer", Package, "apt remove nashammer"),
        ("apt purge nashammer", Package, "apt purge nashammer"),
        ("nashammer status", Package, "nashammer status"),
        ("lsblk -f", Package, "lsblk -f"),
        ("nashammer config check", Package, "nashammer config check"),
        ("systemctl reload nashammer", Package, "systemctl reload nashammer"),
        ("nashammer mount -o ro /dev/sda /mnt", Package, "nashammer mount -o ro $DISK /mnt"),
        ("nashammer update nashammer_0.2.0_arm64.deb", Update, "nashammer update /2.0.deb"),
        ("nashammer update --status", Update, "nashammer update --status |"),
        ("nashammer peer pair", Peers, "Start(\"peer\", \"pair\", \"--yes-code\""),
        ("nashammer peer pair nas1.local", Peers, "Start(\"peer\", \"pair\", $\"127.0.0.1:{port}\""),
        ("nashammer peer pair 192.168.1.20", Peers, "Start(\"peer\", \"pair\", $\"127.0.0.1:{port}\""),
        ("nashammer peer id", Peers, "Run(\"peer\", \"id\""),
        ("nashammer peer id --forget backup", "Pair/IdentityPairTests.cs", "\"$H\" peer id --forget disk-right"),
        ("nashammer peer id --new", "Pair/IdentityPairTests.cs", "$(\"$H\" peer id --new"),
        ("nashammer peer add nas2 KEY 192.168.1.20", Peers, "Run(\"peer\", \"add\", \"nas2\""),
        ("nashammer peer list", Peers, "Run(\"peer\", \"list\""),
        ("nashammer peer remove nas2", Peers, "Run(\"peer\", \"remove\", \"nas2\""),
        ("nashammer config check FILE", Config, "Run(\"config\", \"check\""),
        ("nashammer config show --effective FILE", Config, "Run(\"config\", \"show\", \"--effective\""),
        ("nashammer verify family", Pair, "verify family\n"),
        ("nashammer verify family --full", Pair, "verify family --full"),
        ("mkdir -p -m 700 /var/lib/nashammer/ssh", Ssh, "mkdir -p -m 700 $STATE/ssh"),
        ("ssh-keygen -t ed25519 -N '' -f /var/lib/nashammer/ssh/id_ed25519", Ssh,
            "ssh-keygen -t ed25519 -N '' -f $STATE/ssh/id_ed25519"),
        ("ssh-keyscan dragonfly.home >>/var/lib/nashammer/ssh/known_hosts", Ssh,
            "ssh-keyscan -p $PORT 127.0.0.1 >>$STATE/ssh/known_hosts"),
        ("ssh-keygen -lf /var/lib/nashammer/ssh/known_hosts", Ssh, "ssh-keygen -lf $STATE/ssh/known_hosts"),
        (Scripts + "first-disk.sh /dev/sda photos /srv/photos", Operating, "on left first-disk.sh"),
        (Scripts + "first-disk.sh /dev/sda backup /srv/backup", Operating, "on left first-disk.sh"),
        (Scripts + "replace-disk.sh /dev/sdb backup", Operating, "on right replace-disk.sh"),
        ("nashammer switch-over family", Operating, "switch-over family"),
        (Scripts + "make-master.sh family /srv/backup/family", Operating, "on right make-master.sh family"),
        (Scripts + "rejoin.sh family /srv/photos/family PROMOTION", Operating,
            "on left rejoin.sh family \"$MASTER\" \"$promotion\" ||"),
        (Scripts + "rejoin.sh family /srv/photos/family PROMOTION --yes", Operating,
            "on left rejoin.sh family \"$MASTER\" \"$promotion\" --yes"),
    ];

    // The same for commands inside of sentences.
    static readonly (string Command, string Test, string Text)[] s_inSentences =
    [
        ("nashammer panel --png FILE", "Status/PanelCommandTests.cs", "Run(\"panel\", \"--png\", png"),
        ("nashammer panel --devices", "Status/PanelCommandTests.cs", "Run(\"panel\", \"--devices\")"),
        ("nashammer panel --acknowledge", "Pair/IdentityPairTests.cs", "box right panel --acknowledge"),
        ("nashammer locate [on|off] [--for TIME]", "Daemon/DaemonVolumeTests.cs", "Run(\"locate\", \"--for\", \"10m\""),
        ("nashammer peer id --replace VOLUME", "Pair/IdentityPairTests.cs", "\"$H\" peer id --replace disk-right"),
        ("nashammer check", "Daemon/DaemonVolumeTests.cs", "Run(\"check\", _box.Image(\"good\"))"),
        ("nashammer pfs-downgrade", "Mirror/AnnouncementTests.cs", "\"$H\" pfs-downgrade b/obj"),
        ("nashammer update", Update, "nashammer update /2.0.deb"),
        ("nashammer verify", Pair, "verify family\n"),
        ("nashammer verify --full", Pair, "verify family --full"),
        ("apt-mark showhold", Update, "\"$(apt-mark showhold)\" = nashammer"),
        ("apt-mark unhold nashammer", Update, "apt-mark unhold nashammer"),
        ("journalctl -u nashammer-trial", Update, "journalctl -u nashammer-trial -o cat |"),
    ];

    // What no test here can run: it wants a card in a board, or another machine's system. image-test logs in by ssh.
    static readonly HashSet<string> s_elsewhere = new(StringComparer.Ordinal)
    {
        "ssh root@nas1.local", "/usr/lib/nashammer/card-writable busybox vi /boot/firmware/config.toml",
    };

    /// <summary>Commands in back quotes that are typed with something behind their name.</summary>
    [GeneratedRegex(@"`((?:nashammer|apt|apt-mark|systemctl|ssh|journalctl|/usr/[^\s`]+)\s[^`]+)`")]
    private static partial Regex InSentences { get; }

    /// <summary>Lines of indented blocks, and of fenced ones that name no language, without their remarks.</summary>
    static IEnumerable<string> Commands(string[] lines)
    {
        bool fenced = false, other = false;
        foreach (string line in lines)
        {
            if (line.StartsWith("```", StringComparison.Ordinal))
            {
                fenced = !fenced;
                other = fenced && line.Length > 3;
                continue;
            }
            if (other || (!fenced && !line.StartsWith("    ", StringComparison.Ordinal))) continue;
            string command = line.Split(" #")[0].Trim();
            if (command.Length > 0) yield return command;
        }
    }

    [Fact]
    public void Every_command_of_the_document_is_run_by_a_test()
    {
        string root = GoldenData.RepositoryRoot;
        var rows = s_rows.ToDictionary(r => r.Command, r => r, StringComparer.Ordinal);
        var typed = Commands(File.ReadAllLines(Path.Combine(root, "docs", "OPERATING.md"))).ToHashSet();
        Assert.True(typed.Count > 10, "docs/OPERATING.md has few commands");
        Assert.All(typed, command =>
        {
            Assert.True(rows.TryGetValue(command, out (string Command, string Test, string Text) row),
                $"docs/OPERATING.md: no row of OperatingCommandTests says which test runs: {command}");
            Runs(root, row);
        });
        Assert.All(rows.Keys, command => Assert.True(typed.Contains(command), $"nobody is told to type: {command}"));
    }

    [Fact]
    public void Every_command_in_a_sentence_of_the_document_is_run_by_a_test()
    {
        string root = GoldenData.RepositoryRoot;
        var rows = s_rows.Concat(s_inSentences).ToDictionary(r => r.Command, r => r, StringComparer.Ordinal);
        string text = Fences().Replace(File.ReadAllText(Path.Combine(root, "docs", "OPERATING.md")), "");
        HashSet<string> said = [.. InSentences.Matches(text).Select(m => Blanks().Replace(m.Groups[1].Value, " "))];
        Assert.All(said.Except(s_elsewhere), command =>
        {
            Assert.True(rows.TryGetValue(command, out (string Command, string Test, string Text) row),
                $"docs/OPERATING.md: no row of OperatingCommandTests says which test runs: {command}");
            Runs(root, row);
        });
        Assert.All(s_inSentences.Select(r => r.Command).Concat(s_elsewhere),
            command => Assert.True(said.Contains(command), $"nobody is told to type: {command}"));
    }

    [GeneratedRegex("^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fences();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    // In a line that is no remark, of a test that nothing skips.
    static void Runs(string root, (string Command, string Test, string Text) row)
    {
        string[] lines = File.ReadAllLines(Path.Combine(root, "tests", "NasFirmware.Tests", row.Test));
        string test = string.Concat(lines.Select(l => l.TrimStart())
            .Where(l => !l.StartsWith("//", StringComparison.Ordinal) && !l.StartsWith('#')).Select(l => l + "\n"));
        Assert.True(test.Contains(row.Text, StringComparison.Ordinal),
            $"{row.Test} does not run {row.Command}: there is no: {row.Text}");
        Assert.False(test.Contains("Assert.Skip", StringComparison.Ordinal)
            || test.Contains("Skip =", StringComparison.Ordinal), $"{row.Test} may be skipped");
    }
}
