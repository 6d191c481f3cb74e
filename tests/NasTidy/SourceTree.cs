using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace NasTidy;

/// <summary>A text file of the repository; the path is relative to its root, with forward slashes.</summary>
public sealed class SourceFile(string path, string text)
{
    readonly Lazy<string[]> _lines = new(() => text.ReplaceLineEndings("\n").Split('\n'));
    readonly Lazy<SyntaxTree> _syntax = new(() => CSharpSyntaxTree.ParseText(text, path: path));

    public string Path => path;
    public string Name => path[(path.LastIndexOf('/') + 1)..];
    public string Text => text;
    public IReadOnlyList<string> Lines => _lines.Value;
    public bool IsCSharp => path.EndsWith(".cs", StringComparison.Ordinal);
    public SyntaxTree Syntax => _syntax.Value;

    /// <summary>Where a piece of syntax stands, as path:line.</summary>
    public string PlaceOf(SyntaxNode node) => $"{path}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";
}

/// <summary>The text files that somebody wrote: all but build products, the golden data and binary files.</summary>
public sealed class SourceTree(IReadOnlyList<SourceFile> files)
{
    static readonly string[] s_skippedDirectories =
        [".git", "bin", "obj", "out", "TestResults", "artifacts"];
    static readonly string[] s_binaryEndings = [".zst", ".img", ".png", ".jpg", ".gz", ".so", ".dll"];

    public IReadOnlyList<SourceFile> Files => files;

    public IEnumerable<SourceFile> CSharp => files.Where(f => f.IsCSharp);

    public SourceFile? Find(string path) => files.FirstOrDefault(f => f.Path == path);

    public static SourceTree Of(params (string Path, string Text)[] files) =>
        new([.. files.Select(f => new SourceFile(f.Path, f.Text))]);

    public static SourceTree Load(string root)
    {
        var found = new List<SourceFile>();
        Collect(root, "", found);
        return new SourceTree([.. found.OrderBy(f => f.Path, StringComparer.Ordinal)]);
    }

    static void Collect(string root, string directory, List<SourceFile> found)
    {
        foreach (string entry in Directory.EnumerateFileSystemEntries(Path.Combine(root, directory)))
        {
            string name = Path.GetFileName(entry);
            string path = directory.Length == 0 ? name : $"{directory}/{name}";
            if (Directory.Exists(entry))
            {
                bool skipped = s_skippedDirectories.Contains(name) || path == "tests/golden";
                if (!skipped && new DirectoryInfo(entry).LinkTarget is null) { Collect(root, path, found); }
            }
            else if (path != ".git" && !s_binaryEndings.Any(e => name.EndsWith(e, StringComparison.Ordinal)))
            {
                string text = File.ReadAllText(entry);
                if (!text.Contains('\0')) { found.Add(new SourceFile(path, text)); }
            }
        }
    }
}
