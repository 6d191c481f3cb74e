using System;
using System.Collections.Generic;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace NasTidy;

/// <summary>Rules about C# that a compiler does not know.</summary>
public static class CodeRules
{
    public const int MethodLinesMax = 70;
    public const int FileLinesMax = 600;

    /// <summary>The exceptions, one a line: "path: reason" for a file, "path Method: reason" for a method.</summary>
    public const string ExceptionsPath = "tests/tidy-exceptions.txt";

    /// <summary>The conformance tests call the kernel as programs do, past our own layer.</summary>
    const string TestedCalls = "tests/NasPosix.Tests/Sys.cs";

    public static IEnumerable<Finding> UnsafeOnlyInNasLinux(SourceTree tree)
    {
        const string remedy = "Move it into src/NasLinux behind a safe method";
        SourceFile[] sources =
            [.. tree.CSharp.Where(f => CodeMap.UnitOf(f.Path)?.Project != "NasLinux" && f.Path != TestedCalls)];
        foreach (SourceFile file in sources)
        {
            SyntaxNode root = file.Syntax.GetRoot();
            foreach (SyntaxToken token in root.DescendantTokens().Where(t => t.IsKind(SyntaxKind.UnsafeKeyword)))
            {
                yield return new Finding(file.PlaceOf(token.Parent!), "unsafe code", remedy);
            }
            foreach (AttributeSyntax attribute in root.DescendantNodes().OfType<AttributeSyntax>())
            {
                string name = attribute.Name.ToString().Split('.')[^1];
                if (name is "DllImport" or "LibraryImport" or "UnmanagedCallersOnly")
                {
                    yield return new Finding(file.PlaceOf(attribute), $"{name} outside NasLinux", remedy);
                }
            }
        }
        foreach (SourceFile file in tree.Files.Where(f => f.Name.EndsWith(".csproj", StringComparison.Ordinal)))
        {
            bool allows = file.Text.Contains("<AllowUnsafeBlocks>true", StringComparison.Ordinal);
            if (allows && file.Path != "src/NasLinux/NasLinux.csproj")
            {
                yield return new Finding(file.Path, "a project other than NasLinux allows unsafe code", remedy);
            }
        }
    }

    public static IEnumerable<Finding> MethodLength(SourceTree tree)
    {
        HashSet<string> listed = Exceptions(tree);
        foreach (SourceFile file in tree.CSharp)
        {
            foreach (SyntaxNode node in file.Syntax.GetRoot().DescendantNodes())
            {
                string? name = node switch
                {
                    MethodDeclarationSyntax m => m.Identifier.Text,
                    ConstructorDeclarationSyntax c => c.Identifier.Text,
                    LocalFunctionStatementSyntax l => l.Identifier.Text,
                    AccessorDeclarationSyntax a => a.Keyword.Text,
                    OperatorDeclarationSyntax o => "operator " + o.OperatorToken.Text,
                    _ => null,
                };
                if (name is null) { continue; }
                FileLinePositionSpan span = node.GetLocation().GetLineSpan();
                int lines = span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
                if (lines > MethodLinesMax && !listed.Contains($"{file.Path} {name}"))
                {
                    yield return new Finding(
                        file.PlaceOf(node), $"{name} has {lines} lines, more than {MethodLinesMax}",
                        $"Cut it into steps with names, or list \"{file.Path} {name}: reason\" in {ExceptionsPath}");
                }
            }
        }
    }

    public static IEnumerable<Finding> FileLength(SourceTree tree)
    {
        HashSet<string> listed = Exceptions(tree);
        return tree.CSharp
            .Where(f => f.Lines.Count - 1 > FileLinesMax && !listed.Contains(f.Path))
            .Select(f => new Finding(f.Path, $"{f.Lines.Count - 1} lines, more than {FileLinesMax}",
                $"One file is one subject: split it, or list \"{f.Path}: reason\" in {ExceptionsPath}"));
    }

    /// <summary>An exception that nothing needs any more, or one without a reason, is a breach too.</summary>
    public static IEnumerable<Finding> ExceptionsAreNeeded(SourceTree tree)
    {
        SourceFile? file = tree.Find(ExceptionsPath);
        foreach (string line in file?.Lines.Where(l => l.Length > 0 && !l.StartsWith('#')) ?? [])
        {
            string[] parts = line.Split(": ", 2);
            string path = parts[0].Split(' ')[0];
            if (parts.Length < 2 || parts[1].Trim().Length < 10)
            {
                yield return new Finding(
                    ExceptionsPath, $"\"{line}\" gives no reason", "Write why the rule does not fit");
            }
            else if (tree.Find(path) is not { } named)
            {
                yield return new Finding(ExceptionsPath, $"there is no file {path}", "Remove the line");
            }
            else
            {
                var alone = new SourceTree([named]);
                string method = parts[0][path.Length..].Trim() + " ";
                bool needed = path == parts[0]
                    ? FileLength(alone).Any()
                    : MethodLength(alone).Any(f => f.What.StartsWith(method, StringComparison.Ordinal));
                if (!needed)
                {
                    yield return new Finding(
                        ExceptionsPath, $"\"{parts[0]}\" keeps the rule by now", "Remove the line");
                }
            }
        }
    }

    static HashSet<string> Exceptions(SourceTree tree) =>
        [.. (tree.Find(ExceptionsPath)?.Lines ?? []).Where(l => !l.StartsWith('#')).Select(l => l.Split(": ", 2)[0])];

    /// <summary>Namespace = project and folder, one file-scoped namespace a file.</summary>
    public static IEnumerable<Finding> NamespaceIsFolder(SourceTree tree)
    {
        foreach (SourceFile file in tree.CSharp.Where(f => CodeMap.UnitOf(f.Path) is not null))
        {
            string[] folders = file.Path.Split('/')[..^1];
            if (folders[0] == "firmware") { folders = ["src", "NasFirmware", .. folders[1..]]; }
            string expected = string.Join('.', folders[1..]);
            SyntaxNode root = file.Syntax.GetRoot();
            foreach (var space in root.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>())
            {
                if (space.Name.ToString() != expected)
                {
                    yield return new Finding(
                        file.PlaceOf(space), $"namespace {space.Name} in a folder whose namespace is {expected}",
                        "Move the file or rename the namespace: the layers are read from both");
                }
            }
        }
    }
}
