using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Xml.Linq;

namespace NasTidy;

/// <summary>
/// Who may use whom. Projects: firmware uses NasCore and NasDevices, both use NasLinux, and these two never see each
/// other. Inside NasCore a folder uses only folders before it in <see cref="CoreFolders"/>; the files at the root of
/// NasCore (the facade) stand between Maintenance and Fuse.
/// </summary>
public static class Layers
{
    public static readonly string[] CoreFolders =
    [
        "Primitives", "Ondisk", "Io", "Volumes", "Blockmap", "Undo", "BTree", "Transactions", "Objects", "Flush",
        "Recovery", "Pfs", "Mirror", "Maintenance", "", "Fuse",
    ];

    static readonly Dictionary<string, string[]> s_mayUse = new()
    {
        ["firmware"] = ["NasCore", "NasDevices", "NasLinux"],
        ["NasCore"] = ["NasLinux"],
        ["NasDevices"] = ["NasLinux"],
        ["NasLinux"] = [],
    };

    static readonly string[] s_projectOrder = ["NasLinux", "NasCore", "NasDevices", "firmware"];

    /// <summary>Position in the drawing: what is used stands before its users.</summary>
    public static int Rank(Unit unit) =>
        Array.IndexOf(s_projectOrder, unit.Project) * 100
        + (unit.Project == "NasCore" ? Array.IndexOf(CoreFolders, unit.Folder) : unit.Folder.Length == 0 ? 99 : 0);

    public static bool Allows(Unit from, Unit to)
    {
        if (from.Project != to.Project)
        {
            return s_mayUse.TryGetValue(from.Project, out string[]? may) && may.Contains(to.Project);
        }
        return from.Project != "NasCore"
            || Array.IndexOf(CoreFolders, to.Folder) <= Array.IndexOf(CoreFolders, from.Folder);
    }

    public static IEnumerable<Finding> Check(CodeMap map)
    {
        foreach (Unit unit in map.Units)
        {
            bool misplaced = unit.Project == "NasCore" && !CoreFolders.Contains(unit.Folder);
            if (misplaced || !s_mayUse.ContainsKey(unit.Project))
            {
                yield return new Finding(unit.ToString(), "has no place in the layers",
                    "Put the code into a folder that the architecture names, "
                    + "or give the folder its place in Layers.cs and ARCHITECTURE.md");
            }
        }
        foreach (Use use in map.Uses.Where(u => !Allows(u.From, u.To)))
        {
            yield return new Finding(use.Place, $"{use.From} must not use {use.To} (here: {use.Symbol})",
                "Let the lower folder own a small interface that the upper one implements, "
                    + "and list the knot in ARCHITECTURE.md");
        }
    }

    /// <summary>The same for references between projects, which may be there without a use in the code.</summary>
    public static IEnumerable<Finding> CheckProjects(SourceTree tree)
    {
        foreach (SourceFile file in tree.Files.Where(f => f.Name.EndsWith(".csproj", StringComparison.Ordinal)))
        {
            if (CodeMap.UnitOf(file.Path) is not { } user) { continue; }
            foreach (XElement reference in XDocument.Parse(file.Text).Descendants("ProjectReference"))
            {
                string project = Path.GetFileNameWithoutExtension((string?)reference.Attribute("Include") ?? "");
                var to = new Unit(project == "NasFirmware" ? "firmware" : project, "");
                if (user.Project == to.Project || !Allows(user with { Folder = "" }, to))
                {
                    yield return new Finding(file.Path, $"{user.Project} must not refer to {project}",
                        "Remove the reference; the only ones are firmware to all, NasCore and NasDevices to NasLinux");
                }
            }
        }
    }
}
