using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Tomlyn.Parsing;
using Tomlyn.Syntax;

namespace NasFirmware.Config;

/// <summary>A place in a file, from 1.</summary>
readonly record struct Place(int Line, int Column);

/// <summary>A mistake in a configuration.</summary>
readonly record struct Mistake(Place Place, string Message)
{
    internal string In(string file) =>
        string.Create(CultureInfo.InvariantCulture, $"{file}:{Place.Line}:{Place.Column}: {Message}");
}

/// <summary>A value with the place where it stands: string, long, double, bool, list or table; anything else as its
/// syntax's name.</summary>
sealed record TomlValue(Place Place, object Content)
{
    /// <summary>What it is, for messages.</summary>
    internal string Kind => Content switch
    {
        string => "a string", long => "a number", double => "a number with a point", bool => "true or false",
        List<TomlValue> => "a list", TomlTree => "a table", _ => "a date or time",
    };
}

/// <summary>
/// A table of a TOML file, with places. Built from the syntax, not through a serializer: every key knows where it
/// stands, a key given twice is found, and no reflection is needed.
/// </summary>
sealed class TomlTree(Place place)
{
    internal sealed record Entry(string Key, Place KeyPlace, TomlValue Value);

    readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    internal Place Place => place;
    internal IEnumerable<Entry> Entries => _entries.Values;
    internal Entry? Find(string key) => _entries.GetValueOrDefault(key);

    /// <summary>Reads a text; what is wrong with its syntax, and keys given twice, are added to the mistakes.</summary>
    internal static TomlTree Parse(string text, List<Mistake> mistakes)
    {
        DocumentSyntax document = ParseMended(text, mistakes);
        var root = new TomlTree(new Place(1, 1));
        foreach (KeyValueSyntax pair in document.KeyValues) root.Add(pair, mistakes);
        foreach (TableSyntaxBase table in document.Tables)
        {
            if (table.Name is null) continue;
            if (table is TableArraySyntax)
            {
                mistakes.Add(new Mistake(PlaceOf(table.Name.Span),
                    $"[[{Text(table.Name)}]]: lists of sections are not used here; one pair of brackets"));
                continue;
            }
            TomlTree? section = root.Descend([.. Keys(table.Name)], mistakes);
            foreach (KeyValueSyntax pair in table.Items) section?.Add(pair, mistakes);
        }
        root._entries.Remove(BrokenSection);
        return root;
    }

    /// <summary>Stands in place of the head of a section that is no TOML; what is in it belongs to nobody.</summary>
    const string BrokenSection = "broken section";
    const int BrokenLinesMax = 100;

    /// <summary>
    /// Parses; a line that is no TOML is reported, taken out, and the rest parsed again: otherwise an open quote would
    /// make mistakes of all lines behind it.
    /// </summary>
    static DocumentSyntax ParseMended(string text, List<Mistake> mistakes)
    {
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        for (int i = 0; ; i++)
        {
            DocumentSyntax document = SyntaxParser.Parse(string.Join('\n', lines), "", validate: false);
            DiagnosticMessage? first = document.Diagnostics.MinBy(m => (m.Span.Start.Line, m.Span.Start.Column));
            if (first is null || i == BrokenLinesMax) return document;
            Place place = PlaceOf(first.Span);
            mistakes.Add(new Mistake(place, "not TOML: " + Sentence(first.Message)));
            int line = Math.Clamp(place.Line - 1, 0, lines.Length - 1);
            // A line that was taken out already is not to blame: what is open began before it.
            while (line > 0 && lines[line].Length == 0) line--;
            bool isHead = lines[line].TrimStart().StartsWith('[');
            lines[line] = isHead && !lines[line].Contains(BrokenSection, StringComparison.Ordinal)
                ? $"[\"{BrokenSection}\"]" : "";
        }
    }

    void Add(KeyValueSyntax pair, List<Mistake> mistakes)
    {
        if (pair.Key is null || pair.Value is null) return;
        (string Key, Place Place)[] keys = [.. Keys(pair.Key)];
        if (keys.Length == 0) return;
        TomlTree? table = keys.Length == 1 ? this : Descend(keys[..^1], mistakes);
        if (table is null) return;
        (string key, Place at) = keys[^1];
        if (table._entries.TryGetValue(key, out Entry? former))
        {
            mistakes.Add(new Mistake(at, Twice(key, former.KeyPlace)));
            return;
        }
        table._entries[key] = new Entry(key, at, ValueOf(pair.Value, mistakes));
    }

    TomlTree? Descend((string Key, Place Place)[] keys, List<Mistake> mistakes)
    {
        TomlTree table = this;
        foreach ((string key, Place at) in keys)
        {
            if (!table._entries.TryGetValue(key, out Entry? entry))
            {
                entry = new Entry(key, at, new TomlValue(at, new TomlTree(at)));
                table._entries[key] = entry;
            }
            if (entry.Value.Content is not TomlTree next)
            {
                mistakes.Add(new Mistake(at, Twice(key, entry.KeyPlace)));
                return null;
            }
            table = next;
        }
        return table;
    }

    static string Twice(string key, Place former) =>
        string.Create(CultureInfo.InvariantCulture, $"{key} stands in line {former.Line} already");

    static TomlValue ValueOf(ValueSyntax value, List<Mistake> mistakes)
    {
        Place at = PlaceOf(value.Span);
        switch (value)
        {
            case StringValueSyntax text: return new TomlValue(at, text.Value ?? "");
            case IntegerValueSyntax number: return new TomlValue(at, number.Value);
            case FloatValueSyntax number: return new TomlValue(at, number.Value);
            case BooleanValueSyntax truth: return new TomlValue(at, truth.Value);
            case ArraySyntax array:
                List<TomlValue> list = [.. array.Items.Where(i => i.Value is not null)
                    .Select(i => ValueOf(i.Value!, mistakes))];
                return new TomlValue(at, list);
            case InlineTableSyntax inline:
                var table = new TomlTree(at);
                foreach (InlineTableItemSyntax item in inline.Items)
                {
                    if (item.KeyValue is { } pair) table.Add(pair, mistakes);
                }
                return new TomlValue(at, table);
            default: return new TomlValue(at, value.Kind);
        }
    }

    static IEnumerable<(string, Place)> Keys(KeySyntax key)
    {
        if (key.Key is { } first) yield return (Text(first), PlaceOf(first.Span));
        foreach (DottedKeyItemSyntax item in key.DotKeys)
        {
            if (item.Key is { } next) yield return (Text(next), PlaceOf(next.Span));
        }
    }

    static string Text(SyntaxNode key) => key switch
    {
        BareKeySyntax bare => bare.Key?.Text ?? "",
        StringValueSyntax quoted => quoted.Value ?? "",
        _ => key.ToString()?.Trim() ?? "",
    };

    static string Sentence(string message) => message.Trim().TrimEnd('.')
        .Replace("`\u2424` (token: `newline`)", "the end of the line", StringComparison.Ordinal);

    static Place PlaceOf(SourceSpan span) => new(span.Start.Line + 1, span.Start.Column + 1);
}
