using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace NasTidy;

/// <summary>A project, or a folder directly inside it; the folder is empty for files at the project's root.</summary>
public readonly record struct Unit(string Project, string Folder)
{
    public override string ToString() => Folder.Length == 0 ? Project : $"{Project}/{Folder}";
}

/// <summary>That one unit names something declared in another, with the first place that does so.</summary>
public sealed record Use(Unit From, Unit To, string Place, string Symbol);

/// <summary>
/// Which project and folder of the product uses which, read from the code itself: all product sources are bound by the
/// compiler as one program, and every name is followed to the file that declares it. So a use counts however it is
/// written: through a using, a qualified name, a type of an enclosing namespace or an inferred type.
/// </summary>
public sealed class CodeMap(IReadOnlyList<Unit> units, IReadOnlyList<Use> uses)
{
    public IReadOnlyList<Unit> Units => units;
    public IReadOnlyList<Use> Uses => uses;

    /// <summary>The unit a product file belongs to, or null for a file outside the product.</summary>
    public static Unit? UnitOf(string path)
    {
        string[] parts = path.Split('/');
        if (parts[0] == "firmware" && parts.Length > 1)
        {
            return new Unit("firmware", parts.Length > 2 ? parts[1] : "");
        }
        if (parts[0] != "src" || parts.Length < 3) { return null; }
        return new Unit(parts[1], parts.Length > 3 && parts[1] != "NasLinux" ? parts[2] : "");
    }

    public static CodeMap Read(SourceTree tree)
    {
        SourceFile[] product = [.. tree.CSharp.Where(f => UnitOf(f.Path) is not null)];
        var compilation = CSharpCompilation.Create(
            "product",
            product.Select(f => f.Syntax),
            PlatformReferences(),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));
        var uses = new Dictionary<(Unit, Unit), Use>();
        foreach (SourceFile file in product)
        {
            SemanticModel model = compilation.GetSemanticModel(file.Syntax);
            Unit from = UnitOf(file.Path)!.Value;
            foreach (SimpleNameSyntax name in file.Syntax.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
            {
                if (DeclaringUnit(model.GetSymbolInfo(name)) is { } to && to != from)
                {
                    uses.TryAdd((from, to), new Use(from, to, file.PlaceOf(name), name.Identifier.Text));
                }
            }
        }
        return new CodeMap(
            [.. product.Select(f => UnitOf(f.Path)!.Value).Distinct().OrderBy(Layers.Rank).ThenBy(u => u.ToString())],
            [.. uses.Values.OrderBy(u => u.From.ToString()).ThenBy(u => u.To.ToString())]);
    }

    static Unit? DeclaringUnit(SymbolInfo info)
    {
        ISymbol? symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
        if (symbol is null or INamespaceSymbol) { return null; }
        INamedTypeSymbol? type = symbol as INamedTypeSymbol ?? symbol.ContainingType;
        string? path = type?.OriginalDefinition.DeclaringSyntaxReferences.FirstOrDefault()?.SyntaxTree.FilePath;
        return path is null ? null : UnitOf(path);
    }

    static IEnumerable<MetadataReference> PlatformReferences() =>
        ((string?)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Where(p => !Path.GetFileName(p).StartsWith("nas", StringComparison.OrdinalIgnoreCase))
            .Select(p => MetadataReference.CreateFromFile(p));
}
