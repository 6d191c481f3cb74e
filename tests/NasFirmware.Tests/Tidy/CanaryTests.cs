using System;
using System.Collections.Generic;
using System.Linq;
using NasTidy;
using Xunit;

namespace NasFirmware.Tests.Tidy;

/// <summary>Each rule must find the breach in a small made-up repository, else its silence on the real one says
/// nothing.</summary>
public sealed class CanaryTests
{
    static void Finds(IEnumerable<Finding> findings, string place, string what)
    {
        Finding found = Assert.Single(findings);
        Assert.Equal(place, found.Place);
        Assert.Contains(what, found.What, StringComparison.Ordinal);
        Assert.NotEmpty(found.Remedy);
    }

    static CodeMap Map(string upper, string upperCode, string lower, string lowerCode) =>
        CodeMap.Read(SourceTree.Of((upper, upperCode), (lower, lowerCode)));

    [Theory]
    [InlineData("src/NasCore/Undo/A.cs", "namespace NasCore.Undo; class A { BTree.B? _b; }")]
    [InlineData("src/NasCore/Undo/A.cs", "using NasCore.BTree; namespace NasCore.Undo; class A { B? _b; }")]
    [InlineData("src/NasDevices/A.cs", "namespace NasDevices; class A { object B() => new NasCore.BTree.B(); }")]
    [InlineData("src/NasCore/A.cs", "namespace NasCore; class A { int C() => BTree.B.Make().Size; }",
        "src/NasCore/Fuse/B.cs")]
    public void Layers_find_a_use_upwards(string path, string code, string used = "src/NasCore/BTree/B.cs")
    {
        string text = "namespace NasCore.BTree; class B { public int Size; public static B Make() => new(); }";
        Finds(Layers.Check(Map(path, code, used, text)).Take(1), path + ":1", "must not use");
    }

    [Fact]
    public void Layers_find_a_use_that_names_no_namespace()
    {
        CodeMap map = Map(
            "src/NasCore/Io/A.cs", "namespace NasCore.Io; class A { Facade? _facade; }",
            "src/NasCore/Facade.cs", "namespace NasCore; class Facade;");
        Finds(Layers.Check(map), "src/NasCore/Io/A.cs:1", "NasCore/Io must not use NasCore");
    }

    [Fact]
    public void Layers_allow_a_use_downwards()
    {
        CodeMap map = Map(
            "src/NasCore/BTree/A.cs", "namespace NasCore.BTree; class A { NasCore.Undo.B? _b; }",
            "src/NasCore/Undo/B.cs", "namespace NasCore.Undo; class B;");
        Assert.Empty(Layers.Check(map));
        Assert.Single(map.Uses);
    }

    [Fact]
    public void Layers_find_a_folder_without_a_place() =>
        Finds(Layers.Check(Map("src/NasCore/Utils/A.cs", "namespace NasCore.Utils; class A;", "x.cs", "")),
            "NasCore/Utils", "no place");

    [Fact]
    public void Layers_find_a_forbidden_reference_of_a_project() =>
        Finds(Layers.CheckProjects(SourceTree.Of(("src/NasCore/NasCore.csproj",
            "<Project><I><ProjectReference Include=\"../NasDevices/NasDevices.csproj\"/></I></Project>"))),
            "src/NasCore/NasCore.csproj", "NasDevices");

    [Theory]
    [InlineData("class A { unsafe void B(int* p) { } }")]
    [InlineData("class A { [System.Runtime.InteropServices.DllImport(\"c\")] static extern int getpid(); }")]
    [InlineData("partial class A { [LibraryImport(\"c\")] private static partial int getpid(); }")]
    public void Unsafe_code_is_found(string code) =>
        Assert.NotEmpty(CodeRules.UnsafeOnlyInNasLinux(SourceTree.Of(("src/NasCore/A.cs", code))));

    [Fact]
    public void Unsafe_code_is_allowed_in_NasLinux() =>
        Assert.Empty(CodeRules.UnsafeOnlyInNasLinux(SourceTree.Of(("src/NasLinux/A.cs", "unsafe class A { }"))));

    [Fact]
    public void Long_method_is_found()
    {
        string body = string.Concat(Enumerable.Repeat("        C();\n", 80));
        (string, string) file = ("a.cs", $"class A\n{{\n    void B()\n    {{\n{body}    }}\n}}\n");
        Finds(CodeRules.MethodLength(SourceTree.Of(file)), "a.cs:3", "B has 83 lines");
        (string, string) exceptions = (CodeRules.ExceptionsPath, "a.cs B: a table of cases\n");
        Assert.Empty(CodeRules.MethodLength(SourceTree.Of(file, exceptions)));
    }

    [Fact]
    public void Long_file_is_found() =>
        Finds(CodeRules.FileLength(SourceTree.Of(("a.cs", new string('\n', 700)))), "a.cs", "700 lines");

    [Theory]
    [InlineData("gone.cs: it was a table of cases", "no file")]
    [InlineData("a.cs B: it was a table of cases", "keeps the rule")]
    [InlineData("a.cs B", "no reason")]
    public void Needless_exception_is_found(string line, string what) =>
        Finds(CodeRules.ExceptionsAreNeeded(
            SourceTree.Of((CodeRules.ExceptionsPath, line), ("a.cs", "class A { void B() { } }"))),
            CodeRules.ExceptionsPath, what);

    [Fact]
    public void Wrong_namespace_is_found() =>
        Finds(CodeRules.NamespaceIsFolder(SourceTree.Of(("src/NasCore/Undo/A.cs", "namespace NasCore.Redo;"))),
            "src/NasCore/Undo/A.cs:1", "NasCore.Undo");

    [Fact]
    public void Long_line_is_found() =>
        Finds(TextRules.LineLength(SourceTree.Of(("a.cs", "\n" + new string('x', 121)))), "a.cs:2", "121 columns");

    [Fact]
    public void Character_outside_ascii_is_found() =>
        Finds(TextRules.Ascii(SourceTree.Of(("a.cs", "// caf\u00e9"))), "a.cs:1", "U+00E9");

    [Fact]
    public void Space_at_the_end_is_found() =>
        Finds(TextRules.NoTrailingSpace(SourceTree.Of(("a.cs", "x "))), "a.cs:1", "space");

    [Fact]
    public void Reminder_is_found() =>
        Finds(TextRules.NoReminders(SourceTree.Of(("a.cs", "// TO" + "DO later"))), "a.cs:1", "reminder");

    [Theory]
    [InlineData("cd /wo" + "rk/tree")]
    [InlineData("see \"/ro" + "ot/notes\"")]
    [InlineData("/ho" + "me/anna/x")]
    public void Path_of_a_machine_is_found(string text) =>
        Finds(TextRules.NoMachinePath(SourceTree.Of(("a.md", text))), "a.md:1", "path of somebody's machine");

    [Fact]
    public void Package_registry_is_found() =>
        Finds(TextRules.NoRegistryHost(SourceTree.Of(("nuget.config", "https://api.nu" + "get.org/v3"))),
            "nuget.config:1", "registry");

    [Theory]
    [InlineData("# A\n\n# B\n")]
    [InlineData("text\n\n# A\n")]
    [InlineData("## A\n")]
    public void Document_with_a_wrong_title_is_found(string text) =>
        Finds(DocumentRules.OneTitle(SourceTree.Of(("a.md", text))), "a.md", "title");

    [Fact]
    public void Comment_in_a_fenced_block_is_no_title() =>
        Assert.Empty(DocumentRules.OneTitle(SourceTree.Of(("a.md", "# A\n\n```\n# make\n```\n"))));

    [Fact]
    public void Gap_in_the_decision_records_is_found()
    {
        const string parts = "# A\n## Context\n## Decision\n## Consequences\n## What would change our mind\n";
        Finds(DocumentRules.Decisions(
            SourceTree.Of(("docs/decisions/0001-a.md", parts), ("docs/decisions/0003-b.md", parts))),
            "docs/decisions/0003-b.md", "0002");
    }

    [Fact]
    public void Link_to_nowhere_is_found() =>
        Finds(DocumentRules.Links(SourceTree.Of(("docs/a.md", "# A\n[b](b.md)\n")), path => path == "b.md"),
            "docs/a.md", "b.md");
}
