using System;
using System.Collections.Generic;
using System.Linq;
using NasPosix.Tests.Cases;

namespace NasPosix.Tests;

/// <summary>All cases: "area/name" and its commands. In the texts a line "name: commands" is a case; a line that is
/// indented goes on with the one before.</summary>
static class CaseTable
{
    static readonly (string Area, string Text)[] s_areas =
    [
        ("permissions", AccessCases.Permissions), ("set-id", AccessCases.SetId), ("acl", AccessCases.Acls),
        ("names", NameCases.Names), ("open", NameCases.Opening), ("rename", NameCases.Renames),
        ("content", ContentCases.Content), ("mmap", ContentCases.Mappings), ("locks", ContentCases.Locks),
        ("times", AttributeCases.Times), ("xattr", AttributeCases.Xattrs),
        ("directories", AttributeCases.Directories),
    ];

    internal static Dictionary<string, string> All { get; } = Read();

    static Dictionary<string, string> Read()
    {
        var all = new Dictionary<string, string>();
        foreach ((string area, string text) in s_areas)
        {
            string name = "";
            foreach (string line in text.Split('\n').Where(l => l.Trim().Length > 0))
            {
                if (line[0] == ' ')
                {
                    all[name] += " " + line.Trim();
                    continue;
                }
                int colon = line.IndexOf(": ", StringComparison.Ordinal);
                name = area + "/" + line[..colon];
                all.Add(name, line[(colon + 2)..].Trim());
            }
        }
        return all;
    }
}
