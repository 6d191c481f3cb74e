using System.Collections.Generic;
using System.IO;
using System.Linq;
using Spectre.Console;

namespace NasFirmware.Status;

/// <summary>Prints the status: boxes and colours on a terminal, aligned columns into a pipe.</summary>
static class StatusPrinter
{
    internal static void Plain(BoxStatus box, TextWriter to)
    {
        to.WriteLine(StatusTables.Head(box));
        foreach (string problem in box.Problems) to.WriteLine("  ! " + problem);
        foreach (string notice in box.Notices) to.WriteLine("  - " + notice);
        foreach (StatusTable table in StatusTables.Of(box))
        {
            to.WriteLine();
            int[] widths = [.. table.Heads.Select((h, i) => table.Rows.Max(r => r[i].Length) is var w && w > h.Length
                ? w : h.Length)];
            foreach (IReadOnlyList<string> row in table.Rows.Prepend(table.Heads))
                to.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
        }
    }

    internal static void Terminal(BoxStatus box, IAnsiConsole to)
    {
        string colour = box.Severity switch
        {
            Severity.Good => "green", Severity.Degraded => "yellow", _ => "red",
        };
        to.MarkupLine($"[bold {colour}]{Markup.Escape(StatusTables.Head(box))}[/]");
        foreach (string problem in box.Problems) to.MarkupLine($"  [{colour}]![/] {Markup.Escape(problem)}");
        foreach (string notice in box.Notices) to.MarkupLine("  - " + Markup.Escape(notice));
        foreach (StatusTable table in StatusTables.Of(box))
        {
            var drawn = new Table { Border = TableBorder.Rounded };
            foreach (string head in table.Heads) drawn.AddColumn(new TableColumn(Markup.Escape(head)));
            foreach (IReadOnlyList<string> row in table.Rows) drawn.AddRow([.. row.Select(Markup.Escape)]);
            to.Write(drawn);
        }
    }
}
