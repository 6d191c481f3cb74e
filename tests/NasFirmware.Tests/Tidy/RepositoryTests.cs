using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using NasTesting;
using NasTidy;
using Tomlyn;
using Tomlyn.Model;
using Xunit;

namespace NasFirmware.Tests.Tidy;

/// <summary>The repository tests itself: every rule on every file. A message says where, what, and the
/// remedy.</summary>
public sealed class RepositoryTests
{
    static readonly Lazy<SourceTree> s_tree = new(() => SourceTree.Load(GoldenData.RepositoryRoot));
    static readonly Lazy<CodeMap> s_map = new(() => CodeMap.Read(s_tree.Value));

    static void Holds(IEnumerable<Finding> findings)
    {
        Finding[] all = [.. findings];
        Assert.True(all.Length == 0, $"{all.Length} findings:\n" + string.Join('\n', all.Take(40)));
    }

    [Fact]
    public void Code_keeps_to_the_layers() => Holds(Layers.Check(s_map.Value));

    [Fact]
    public void Projects_refer_only_downwards() => Holds(Layers.CheckProjects(s_tree.Value));

    [Fact]
    public void Namespaces_are_folders() => Holds(CodeRules.NamespaceIsFolder(s_tree.Value));

    [Fact]
    public void Unsafe_code_is_only_in_NasLinux() => Holds(CodeRules.UnsafeOnlyInNasLinux(s_tree.Value));

    [Fact]
    public void Methods_fit_a_screen() => Holds(CodeRules.MethodLength(s_tree.Value));

    [Fact]
    public void Files_are_one_subject() => Holds(CodeRules.FileLength(s_tree.Value));

    [Fact]
    public void Listed_exceptions_are_needed() => Holds(CodeRules.ExceptionsAreNeeded(s_tree.Value));

    [Fact]
    public void Lines_fit_120_columns() => Holds(TextRules.LineLength(s_tree.Value));

    [Fact]
    public void Sources_are_ascii() => Holds(TextRules.Ascii(s_tree.Value));

    [Fact]
    public void Lines_have_no_space_at_their_end() => Holds(TextRules.NoTrailingSpace(s_tree.Value));

    [Fact]
    public void No_reminder_is_left() => Holds(TextRules.NoReminders(s_tree.Value));

    [Fact]
    public void No_path_of_a_machine_is_named() => Holds(TextRules.NoMachinePath(s_tree.Value));

    [Fact]
    public void No_package_registry_is_named() => Holds(TextRules.NoRegistryHost(s_tree.Value));

    [Fact]
    public void Documents_have_one_title() => Holds(DocumentRules.OneTitle(s_tree.Value));

    [Fact]
    public void Decision_records_are_numbered_and_complete() => Holds(DocumentRules.Decisions(s_tree.Value));

    [Fact]
    public void Links_of_documents_lead_somewhere() => Holds(DocumentRules.Links(s_tree.Value, path =>
        Path.Exists(Path.Combine(GoldenData.RepositoryRoot, path))));

    [Fact]
    public void Solution_holds_every_project()
    {
        string solution = s_tree.Value.Find("NasHammer.sln")!.Text.Replace('\\', '/');
        Assert.All(
            s_tree.Value.Files.Where(f => f.Name.EndsWith(".csproj", StringComparison.Ordinal)),
            f => Assert.Contains($"\"{f.Path}\"", solution, StringComparison.Ordinal));
    }

    [Fact]
    public void Scripts_are_executable()
    {
        Assert.All(s_tree.Value.Files.Where(f => f.Text.StartsWith("#!", StringComparison.Ordinal)), f => Assert.True(
            File.GetUnixFileMode(Path.Combine(GoldenData.RepositoryRoot, f.Path)).HasFlag(UnixFileMode.UserExecute),
            $"{f.Path} begins with #! but is not executable: chmod +x it, or remove the line"));
    }

    [Fact]
    public void Shipped_configuration_parses_and_sets_nothing()
    {
        var table = TomlSerializer.Deserialize<TomlTable>(s_tree.Value.Find("config.toml")!.Text)!;
        Assert.All(table, section => Assert.Empty(Assert.IsType<TomlTable>(section.Value)));
    }

    [Fact]
    public void Shipped_configuration_parses_with_every_key_uncommented()
    {
        IEnumerable<string> keys = s_tree.Value.Find("config.toml")!.Lines
            .Select(l => l is ['#', not ' ', ..] ? l[1..] : l);
        var table = TomlSerializer.Deserialize<TomlTable>(string.Join('\n', keys))!;
        Assert.Contains(table, section => section.Value is TomlTable { Count: > 0 });
    }

    [Fact]
    public void Drawing_of_the_structure_shows_all_that_the_code_has()
    {
        string drawing = StructureDrawing.Draw(s_map.Value);
        Assert.All(s_map.Value.Units, unit => Assert.Contains($">{unit}</text>", drawing, StringComparison.Ordinal));
        Assert.All(s_map.Value.Uses, use =>
            Assert.Contains($"{use.From} uses {use.To}", drawing, StringComparison.Ordinal));
        Assert.Equal(drawing, StructureDrawing.Draw(s_map.Value));
    }
}
