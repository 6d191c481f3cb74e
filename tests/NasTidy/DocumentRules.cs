using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.RegularExpressions;

namespace NasTidy;

/// <summary>Rules about documents.</summary>
public static partial class DocumentRules
{
    const string DecisionsFolder = "docs/decisions/";
    static readonly string[] s_decisionParts =
        ["## Context", "## Decision", "## Consequences", "## What would change our mind"];

    static IEnumerable<SourceFile> Documents(SourceTree tree) =>
        tree.Files.Where(f => f.Name.EndsWith(".md", StringComparison.Ordinal));

    /// <summary>The lines of a document that are not in a fenced block.</summary>
    static IEnumerable<string> Prose(SourceFile file)
    {
        bool fenced = false;
        foreach (string line in file.Lines)
        {
            if (line.StartsWith("```", StringComparison.Ordinal)) { fenced = !fenced; }
            else if (!fenced) { yield return line; }
        }
    }

    public static IEnumerable<Finding> OneTitle(SourceTree tree)
    {
        foreach (SourceFile file in Documents(tree))
        {
            int titles = Prose(file).Count(l => l.StartsWith("# ", StringComparison.Ordinal));
            bool first = file.Lines[0].StartsWith("# ", StringComparison.Ordinal);
            if (titles != 1 || !first)
            {
                yield return new Finding(file.Path, $"{titles} titles, {(first ? "" : "not ")}on the first line",
                    "A document begins with one \"# title\"; its parts are \"## ...\"");
            }
        }
    }

    public static IEnumerable<Finding> Decisions(SourceTree tree)
    {
        int expected = 1;
        var records = Documents(tree).Where(f => f.Path.StartsWith(DecisionsFolder, StringComparison.Ordinal));
        foreach (SourceFile file in records)
        {
            string number = expected.ToString("0000", CultureInfo.InvariantCulture);
            if (!file.Name.StartsWith(number + "-", StringComparison.Ordinal))
            {
                yield return new Finding(file.Path, $"the next decision record is number {number}",
                    "Number the records without gaps: NNNN-title.md");
            }
            expected++;
            foreach (string part in s_decisionParts.Where(p => !file.Lines.Contains(p)))
            {
                yield return new Finding(file.Path, $"no part \"{part}\"",
                    "A record has context, decision, consequences and what would change our mind");
            }
            if (file.Lines.Count > 80)
            {
                yield return new Finding(file.Path, $"{file.Lines.Count} lines", "A decision record is one page");
            }
        }
    }

    /// <summary>Relative links of documents lead to something that exists.</summary>
    public static IEnumerable<Finding> Links(SourceTree tree, Func<string, bool> exists)
    {
        foreach (SourceFile file in Documents(tree))
        {
            string folder = file.Path.Contains('/') ? file.Path[..(file.Path.LastIndexOf('/') + 1)] : "";
            foreach (Match link in Prose(file).SelectMany(line => Link().Matches(line)))
            {
                string target = link.Groups[1].Value;
                if (!target.Contains(':') && !exists(folder + target))
                {
                    yield return new Finding(file.Path, $"a link to {target}, which is not there", "Mend the link");
                }
            }
        }
    }

    [GeneratedRegex(@"\]\(([^)#]+)[^)]*\)")]
    private static partial Regex Link();
}
