using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

namespace NasTidy;

/// <summary>Rules about the text of any file.</summary>
public static partial class TextRules
{
    public const int ColumnsMax = 120;

    static readonly string[] s_codeEndings =
        [".cs", ".sh", ".csproj", ".props", ".targets", ".toml", ".service", ".rules", ".editorconfig"];

    /// <summary>Host names of package registries, in halves so that this file does not name them.</summary>
    static readonly string[] s_registryHosts =
    [
        "nu" + "get.org", "registry.npm" + "js.org", "py" + "pi.org", "crates" + ".io", "deb.deb" + "ian.org",
        "proxy.go" + "lang.org", "repo.maven" + ".apache.org", "pkgs.dev" + ".azure.com", "snapshot.deb" + "ian.org",
    ];

    static bool IsCode(SourceFile file) =>
        file.Name is "Makefile" or "run" || s_codeEndings.Any(e => file.Name.EndsWith(e, StringComparison.Ordinal));

    public static IEnumerable<Finding> LineLength(SourceTree tree) =>
        EachLine(
            tree.Files.Where(IsCode),
            line => line.Length > ColumnsMax ? $"{line.Length} columns, more than {ColumnsMax}" : null,
            "Break the line, or give its parts names");

    public static IEnumerable<Finding> Ascii(SourceTree tree) =>
        EachLine(
            tree.Files.Where(IsCode),
            line => line.FirstOrDefault(c => c > 126 || (c < 32 && c != '\t')) is var c && c != 0
                ? $"character U+{(int)c:X4}" : null,
            "Sources are ASCII: write it as an escape or in words");

    public static IEnumerable<Finding> NoTrailingSpace(SourceTree tree) =>
        EachLine(
            tree.Files.Where(IsCode),
            line => line.EndsWith(' ') || line.EndsWith('\t') ? "space at the end of the line" : null,
            "Remove it");

    public static IEnumerable<Finding> NoReminders(SourceTree tree) =>
        EachLine(
            tree.Files.Where(IsCode),
            line => Reminder().Match(line) is { Success: true } m ? $"a reminder ({m.Value})" : null,
            "Do it, or file an issue: nothing on the main branch is unfinished");

    public static IEnumerable<Finding> NoMachinePath(SourceTree tree) =>
        EachLine(
            tree.Files,
            line => MachinePath().Match(line) is { Success: true } m
                ? $"a path of somebody's machine ({m.Value})" : null,
            "Use a path relative to the repository, or a temporary folder");

    public static IEnumerable<Finding> NoRegistryHost(SourceTree tree) =>
        EachLine(
            tree.Files,
            line => s_registryHosts.FirstOrDefault(host => Names(line, host)) is { } host
                ? $"names the package registry {host}" : null,
            "Leave the source of packages to the machine's own configuration");

    static bool Names(string line, string host) => line.Contains(host, StringComparison.OrdinalIgnoreCase);

    static IEnumerable<Finding> EachLine(IEnumerable<SourceFile> files, Func<string, string?> look, string remedy)
    {
        foreach (SourceFile file in files)
        {
            for (int i = 0; i < file.Lines.Count; i++)
            {
                if (look(file.Lines[i]) is { } what) { yield return new Finding($"{file.Path}:{i + 1}", what, remedy); }
            }
        }
    }

    [GeneratedRegex(@"\b(TO" + @"DO|FIX" + @"ME|XX" + @"X|HA" + @"CK)\b")]
    private static partial Regex Reminder();

    [GeneratedRegex(@"(?<![\w.$}~*-])/(wo" + @"rk|ro" + @"ot|ho" + @"me/\w+|Use" + @"rs/\w+)/[\w.-]")]
    private static partial Regex MachinePath();
}
