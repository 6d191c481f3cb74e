using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace NasPosix.Tests;

/// <summary>A command of a case whose result is another one than that of ext4, as docs/FUSE.md lists it.</summary>
readonly record struct Difference(string Case, string Command, string Here);

/// <summary>The table "Differences from ext4" of docs/FUSE.md.</summary>
static class Differences
{
    const string Heading = "## Differences from ext4";

    internal static List<Difference> Read()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "NasHammer.sln")))
        {
            root = Path.GetDirectoryName(root) ?? throw new FileNotFoundException("no NasHammer.sln above the tests");
        }
        string[] lines = File.ReadAllLines(Path.Combine(root, "docs/FUSE.md"));
        return
        [
            .. lines.SkipWhile(l => l != Heading).Skip(1)
                .TakeWhile(l => !l.StartsWith("## ", StringComparison.Ordinal))
                .Where(l => l.StartsWith("| `", StringComparison.Ordinal))
                .Select(l => l.Split('|', StringSplitOptions.TrimEntries))
                .Select(c => new Difference(c[1].Trim('`'), c[2].Trim('`'), c[4].Trim('`'))),
        ];
    }
}
