using System;
using System.IO;
using System.Linq;
using NasDevices.Leds;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>What docs/OPERATING.md says of the lights is what they do.</summary>
public sealed class LightDocumentTests
{
    const string Installed = "/usr/share/nashammer/operating/";

    [Fact]
    public void Table_of_the_lights_is_the_table_of_the_program()
    {
        string[] lines = File.ReadAllLines(Path.Combine(GoldenData.RepositoryRoot, "docs", "OPERATING.md"));
        int head = Array.IndexOf(lines, "| Display | Light | Colour | Meaning |");
        Assert.True(head >= 0, "docs/OPERATING.md has no table of the lights");
        Assert.Equal(
            LightTable.Rows.Select(r =>
                $"| {r.Word} | {r.RhythmText} | {r.Colour.ToString().ToLowerInvariant()} | {r.Meaning} |"),
            lines.Skip(head + 2).TakeWhile(l => l.StartsWith('|')));
    }

    [Fact]
    public void Words_fit_the_display() => Assert.All(LightTable.Rows, r => Assert.InRange(r.Word.Length, 1, 10));

    [Fact]
    public void Scripts_of_the_document_are_there() => Assert.All(
        File.ReadAllText(Path.Combine(GoldenData.RepositoryRoot, "docs", "OPERATING.md")).Split([' ', '\n'])
            .Where(w => w.StartsWith(Installed, StringComparison.Ordinal)),
        script => Assert.True(File.Exists(Path.Combine(GoldenData.RepositoryRoot, "scripts", "operating",
            script[Installed.Length..])), script));
}
