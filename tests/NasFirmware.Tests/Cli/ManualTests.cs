using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using Xunit;

namespace NasFirmware.Tests.Cli;

/// <summary>The manual pages say what --help says, all of it, once.</summary>
public sealed class ManualTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-man-").FullName;

    public ManualTests()
    {
        string program = Path.Combine(AppContext.BaseDirectory, "nashammer");
        Assert.Equal("", Shell($"SOURCE_DATE_EPOCH=1700000000 '{program}' man '{_folder}' 2>&1"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string[] Pages => [.. Directory.GetFiles(_folder).Order(StringComparer.Ordinal)];

    static List<string> VerbsOfHelp()
    {
        string[] lines = NashammerProcess.Run("--help").Output.Split('\n');
        return [.. lines.SkipWhile(l => l != "Commands:").Skip(1).Where(l => l.Trim().Length > 0)
            .Select(l => l.Trim().Split(' ')[0])];
    }

    [Fact]
    public void Every_verb_of_the_help_is_in_exactly_one_page()
    {
        string[] described = [.. Pages.SelectMany(File.ReadAllLines)
            .Where(l => l.StartsWith(".SS ", StringComparison.Ordinal))
            .Select(l => l[4..].Replace("\\-", "-", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        List<string> verbs = VerbsOfHelp();
        Assert.True(verbs.Count > 30, "the help names few verbs");
        Assert.Equal(verbs.Order(StringComparer.Ordinal), described);
    }

    [Fact]
    public void A_page_has_the_words_of_the_help()
    {
        string page = Rendered(Path.Combine(_folder, "nashammer-volume.8"));
        foreach (string line in NashammerProcess.Run("newfs", "--help").Output.Split('\n')
            .Where(l => l.StartsWith("  -", StringComparison.Ordinal)))
        {
            if (line.Contains("--help", StringComparison.Ordinal)) continue;
            string[] halves = line.Trim().Split("  ", 2, StringSplitOptions.TrimEntries);
            Assert.Contains(Words(halves[0]), page, StringComparison.Ordinal);
            Assert.Contains(Words(halves[1]), page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Nobody_warns_of_the_pages()
    {
        foreach (string page in Pages)
            Assert.Equal("", Shell($"man --warnings -E UTF-8 -l -Tutf8 -Z '{page}' 2>&1 >/dev/null"));
        Assert.Equal("", Shell($"mandoc -Tlint '{string.Join("' '", Pages)}' 2>&1"));
    }

    static string Words(string text) =>
        string.Join(' ', text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));

    static string Rendered(string page) =>
        Words(Shell($"MANWIDTH=1000 man --no-hyphenation --no-justification -P cat -l '{page}'"));

    static string Shell(string command)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", command]) { RedirectStandardOutput = true };
        start.Environment["LC_ALL"] = "C.UTF-8";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }
}
