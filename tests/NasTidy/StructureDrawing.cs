using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace NasTidy;

/// <summary>
/// Draws docs/structure.svg: the projects with an arrow to each project they use, and below it a table of all folders
/// in which a mark means that the folder of the row uses the folder of the column. Users stand above and left of what
/// they use, so inside NasCore every mark lies right of the diagonal; a forbidden use is drawn red. The same code
/// gives the same bytes.
/// </summary>
public static class StructureDrawing
{
    const int Cell = 22;
    const int LabelWidth = 190;
    const int TableTop = 470;

    static readonly Dictionary<string, (int X, int Y)> s_projectPlaces = new()
    {
        ["firmware"] = (250, 50),
        ["NasCore"] = (110, 150),
        ["NasDevices"] = (390, 150),
        ["NasLinux"] = (250, 250),
    };

    public static string Draw(CodeMap map)
    {
        Unit[] units = [.. map.Units.Reverse()];
        int width = Math.Max(620, LabelWidth + units.Length * Cell + 40);
        int height = TableTop + units.Length * Cell + 30;
        var svg = new StringBuilder();
        Line(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" "
            + $"width=\"{width}\" height=\"{height}\">");
        Line(svg, "<!-- Drawn from the code by make structure; do not edit. -->");
        Line(svg, $"<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>");
        Line(svg, "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" "
            + "markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#445566\"/></marker></defs>");
        DrawProjects(svg, map);
        DrawTable(svg, map, units);
        Line(svg, "</svg>");
        return svg.ToString();
    }

    static void DrawProjects(StringBuilder svg, CodeMap map)
    {
        Text(svg, 20, 30, "Projects: an arrow leads to what is used", 14, "bold");
        var uses = map.Uses.Where(u => u.From.Project != u.To.Project)
            .Select(u => (From: u.From.Project, To: u.To.Project)).Distinct().Order();
        foreach ((string user, string used) in uses)
        {
            ((int x1, int y1), (int x2, int y2)) = (s_projectPlaces[user], s_projectPlaces[used]);
            string stroke = Layers.Allows(new Unit(user, ""), new Unit(used, "")) ? "#445566" : "#cc0000";
            int tip = x2 + 60 + 30 * Math.Sign(x1 - x2);
            Line(svg, $"<path d=\"M{x1 + 60} {y1 + 40}L{tip} {y2}\" "
                + $"stroke=\"{stroke}\" stroke-width=\"1.5\" fill=\"none\" marker-end=\"url(#tip)\"/>");
        }
        foreach (string project in map.Units.Select(u => u.Project).Distinct().Order(StringComparer.Ordinal))
        {
            (int x, int y) = s_projectPlaces[project];
            Line(svg, $"<rect x=\"{x}\" y=\"{y}\" width=\"120\" height=\"40\" rx=\"6\" "
                + $"fill=\"{Tint(project)}\" stroke=\"#445566\"/>");
            Text(svg, x + 60, y + 25, project, 14, "bold", "middle");
        }
    }

    static void DrawTable(StringBuilder svg, CodeMap map, Unit[] units)
    {
        Text(svg, 20, 330, "Folders: a mark means that the row uses the column", 14, "bold");
        for (int i = 0; i < units.Length; i++)
        {
            int y = TableTop + i * Cell;
            int x = LabelWidth + i * Cell;
            Line(svg, $"<rect x=\"10\" y=\"{y}\" width=\"{LabelWidth - 10 + units.Length * Cell}\" height=\"{Cell}\" "
                + $"fill=\"{Tint(units[i].Project)}\" stroke=\"#ffffff\"/>");
            Line(svg, $"<rect x=\"{x}\" y=\"{y}\" width=\"{Cell}\" height=\"{Cell}\" fill=\"#99a4ae\"/>");
            Text(svg, 16, y + 15, units[i].ToString(), 12);
            Line(svg, $"<text transform=\"translate({x + 15} {TableTop - 6}) rotate(-60)\" font-size=\"12\">"
                + $"{units[i]}</text>");
        }
        foreach (Use use in map.Uses)
        {
            int column = LabelWidth + Array.IndexOf(units, use.To) * Cell + Cell / 2;
            int row = TableTop + Array.IndexOf(units, use.From) * Cell + Cell / 2;
            string fill = Layers.Allows(use.From, use.To) ? "#1f3a5f" : "#cc0000";
            Line(svg, $"<circle cx=\"{column}\" cy=\"{row}\" r=\"5\" fill=\"{fill}\">"
                + $"<title>{use.From} uses {use.To}</title></circle>");
        }
    }

    static string Tint(string project) => project switch
    {
        "firmware" => "#fde9c9",
        "NasCore" => "#d9e8f6",
        "NasDevices" => "#dff0d8",
        _ => "#e8e2f0",
    };

    static void Text(
        StringBuilder svg, int x, int y, string text, int size, string weight = "normal", string anchor = "start") =>
        Line(svg, $"<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" font-weight=\"{weight}\" "
            + $"text-anchor=\"{anchor}\">{text}</text>");

    static void Line(StringBuilder svg, string line) => svg.Append(line).Append('\n');
}
