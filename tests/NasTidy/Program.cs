using System;
using System.IO;

namespace NasTidy;

/// <summary>make structure: draws docs/structure.svg from the sources; says whether it was out of date.</summary>
static class Program
{
    static int Main(string[] args)
    {
        if (args.Length != 1 || !File.Exists(Path.Combine(args[0], "NasHammer.sln")))
        {
            Console.Error.WriteLine("usage: NasTidy ROOT     (the folder that holds NasHammer.sln)");
            return 2;
        }
        string path = Path.Combine(args[0], "docs", "structure.svg");
        string drawing = StructureDrawing.Draw(CodeMap.Read(SourceTree.Load(args[0])));
        bool current = File.Exists(path) && File.ReadAllText(path) == drawing;
        if (!current)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, drawing);
        }
        Console.WriteLine(current ? "docs/structure.svg is current" : "docs/structure.svg drawn anew: commit it");
        return 0;
    }
}
