using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace NasFirmware.Config;

/// <summary>
/// What reading a configuration brings to light beside the settings: mistakes, the keys that exist, and every value as
/// it is in force.
/// </summary>
sealed class ConfigReading
{
    internal List<Mistake> Mistakes { get; } = [];
    /// <summary>Sections and keys asked for, a section's own name as "*": "volumes.*.mount".</summary>
    internal HashSet<string> Known { get; } = new(StringComparer.Ordinal);
    /// <summary>Section, key and the value in TOML, in the order of reading; a section's head has no key.</summary>
    internal List<(string Section, string Key, string Value)> Effective { get; } = [];

    internal void Report(Place place, string message) => Mistakes.Add(new Mistake(place, message));

    /// <summary>" (did you mean 'x'?)" if one of the words is near, else nothing.</summary>
    internal static string Nearest(string word, IEnumerable<string> known)
    {
        string? best = null;
        int least = Math.Max(2, word.Length / 3) + 1;
        foreach (string candidate in known.Order(StringComparer.Ordinal))
        {
            int distance = Distance(word, candidate);
            if (distance >= least) continue;
            least = distance;
            best = candidate;
        }
        return best is null ? "" : $"; did you mean '{best}'?";
    }

    /// <summary>Edits of one letter that make one word the other.</summary>
    static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int corner = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1));
                corner = above;
            }
        }
        return row[b.Length];
    }
}

/// <summary>
/// A section being read. Each question for a key says its type, default and range; the answer is the default when the
/// key is missing or wrong, so that one pass finds every mistake. <see cref="End"/> finds the keys nobody asked for.
/// </summary>
sealed class ConfigSection(ConfigReading reading, string path, string kind, TomlTree? tree, Place place)
{
    readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    /// <summary>As the file writes it: volumes.photos.</summary>
    internal string Path => path;
    /// <summary>Where the section begins.</summary>
    internal Place Place => place;

    /// <summary>A section that may be missing.</summary>
    internal static ConfigSection Of(ConfigReading reading, ConfigSection root, string name)
    {
        TomlTree.Entry? entry = root.Ask(name);
        return new ConfigSection(reading, name, name, root.TableOf(entry), entry?.KeyPlace ?? root.Place);
    }

    /// <summary>The named sections [kind.NAME].</summary>
    internal IEnumerable<(string Name, ConfigSection Section)> Named(string kind)
    {
        reading.Known.Add(kind + ".*");
        TomlTree? table = TableOf(Ask(kind));
        if (table is null) yield break;
        foreach (TomlTree.Entry entry in table.Entries)
        {
            if (!IsName(entry.Key))
                reading.Report(entry.KeyPlace, $"'{entry.Key}' is no name: letters, digits, - and _, at most 32");
            reading.Effective.Add(($"{kind}.{entry.Key}", "", ""));
            yield return (entry.Key, new ConfigSection(reading, kind + "." + entry.Key, kind + ".*", TableOf(entry),
                entry.KeyPlace));
        }
    }

    /// <summary>Letters, digits, - and _; the first a letter or digit; at most 32.</summary>
    internal static bool IsName(string text) => text.Length is > 0 and <= 32 && char.IsAsciiLetterOrDigit(text[0])
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    TomlTree? TableOf(TomlTree.Entry? entry)
    {
        if (entry is null) return null;
        if (entry.Value.Content is TomlTree table) return table;
        reading.Report(entry.Value.Place, $"{entry.Key}: a section is expected, not {entry.Value.Kind}");
        return null;
    }

    TomlTree.Entry? Ask(string key)
    {
        _asked.Add(key);
        reading.Known.Add(kind.Length == 0 ? key : $"{kind}.{key}");
        return tree?.Find(key);
    }

    /// <summary>Where a key stands, or else the section.</summary>
    internal Place PlaceOf(string key) => tree?.Find(key)?.Value.Place ?? place;

    internal bool Has(string key) => tree?.Find(key) is not null;

    internal bool IsTruth(string key) => tree?.Find(key)?.Value.Content is bool;

    internal bool IsEmptyList(string key) => tree?.Find(key)?.Value.Content is List<TomlValue> { Count: 0 };

    /// <summary>A key has a text of this sort; it is not read by this.</summary>
    internal bool IsText(string key, Func<string, bool> sort) => tree?.Find(key)?.Value.Content is string s && sort(s);

    internal void Report(string key, string message) => reading.Report(PlaceOf(key), $"{key}: {message}");

    // ------------------------------------------------------------------ values

    /// <summary>A value of one type; the default when it is missing or a mistake was reported.</summary>
    T Value<T>(string key, T fallback, string expected, Func<object, (bool Ok, T Value)> convert,
        Func<T, string?> check, Func<T, string?> show)
    {
        TomlTree.Entry? entry = Ask(key);
        T value = fallback;
        if (entry is not null)
        {
            (bool ok, T given) = convert(entry.Value.Content);
            string? wrong = ok ? check(given) : $"{expected} is expected, not {Shown(entry.Value)}";
            if (wrong is null) value = given;
            else Report(key, wrong);
        }
        if (show(value) is { } text) reading.Effective.Add((path, key, text));
        return value;
    }

    static string Shown(TomlValue value) => value.Content is string text ? Quote(text) : value.Kind;

    internal string Text(string key, string fallback, Func<string, string?>? check = null) => Value(key, fallback,
        "a text in quotes", c => (c is string, c as string ?? ""), text => check?.Invoke(text), Quote);

    internal string? OptionalText(string key, Func<string, string?>? check = null) => Value<string?>(key, null,
        "a text in quotes", c => (c is string, c as string), text => check?.Invoke(text!),
        text => text is null ? null : Quote(text));

    internal bool Truth(string key, bool fallback) => Value(key, fallback, "true or false",
        c => (c is bool, c is true), _ => null, v => v ? "true" : "false");

    internal int Number(string key, int fallback, int min, int max) => Value(key, fallback, "a number",
        c => (c is long and >= int.MinValue and <= int.MaxValue, c is long n ? (int)n : 0),
        n => n < min || n > max ? $"{n} is not in {min} to {max}" : null,
        n => n.ToString(CultureInfo.InvariantCulture));

    internal long Bytes(string key, long fallback, long min, long max, bool zero = false) => Value(key, fallback,
        "a size such as \"64M\"", c => (Units.TryBytes(c as string ?? "", out long n), n),
        n => Range(n, min, max, zero && n == 0, Units.Bytes), n => Quote(Units.Bytes(n)));

    internal long? OptionalBytes(string key, long min, long max) => Value<long?>(key, null,
        "a size such as \"64M\"", c => (Units.TryBytes(c as string ?? "", out long n), n),
        n => Range(n!.Value, min, max, false, Units.Bytes), n => n is { } bytes ? Quote(Units.Bytes(bytes)) : null);

    internal TimeSpan Time(string key, TimeSpan fallback, TimeSpan min, TimeSpan max, bool zero = false) => Value(key,
        fallback, "a time such as \"5s\"", c => (Units.TryTime(c as string ?? "", out TimeSpan t), t),
        t => Range(t, min, max, zero && t == TimeSpan.Zero, Units.Time), t => Quote(Units.Time(t)));

    internal double Percent(string key, double fallback, double min, double max) => Value(key, fallback,
        "a part such as \"10%\"", c => (Units.TryPercent(c as string ?? "", out double p), p),
        p => Range(p, min, max, false, Units.Percent), p => Quote(Units.Percent(p)));

    static string? Range<T>(T value, T min, T max, bool isFine, Func<T, string> show) where T : IComparable<T> =>
        isFine || (value.CompareTo(min) >= 0 && value.CompareTo(max) <= 0) ? null
            : $"{show(value)} is not in {show(min)} to {show(max)}";

    internal ValueList<string> Texts(string key, Func<string, string?> check) => Value<ValueList<string>>(key, [],
        "a list of texts in quotes",
        c => c is List<TomlValue> list && list.All(i => i.Content is string)
            ? (true, [.. list.Select(i => (string)i.Content)]) : (false, []),
        list => list.Select(check).FirstOrDefault(wrong => wrong is not null),
        list => "[" + string.Join(", ", list.Select(Quote)) + "]");

    /// <summary>An inline table or sub-section: its keys are read by the caller, who ends it, too.</summary>
    internal ConfigSection Table(string key)
    {
        TomlTree.Entry? entry = Ask(key);
        TomlTree? table = null;
        if (entry is not null && (table = entry.Value.Content as TomlTree) is null)
            Report(key, $"a table in braces is expected, not {Shown(entry.Value)}");
        return new ConfigSection(reading, $"{path}.{key}", $"{kind}.{key}", table, entry?.KeyPlace ?? place);
    }

    /// <summary>Reports the keys that nobody asked for.</summary>
    internal void End()
    {
        if (tree is null) return;
        foreach (TomlTree.Entry entry in tree.Entries.Where(e => !_asked.Contains(e.Key)))
        {
            string where = path.Length > 0 ? $"unknown key '{entry.Key}' in [{path}]"
                : entry.Value.Content is TomlTree ? $"unknown section [{entry.Key}]" : $"unknown key '{entry.Key}'";
            reading.Report(entry.KeyPlace, where + ConfigReading.Nearest(entry.Key, _asked));
        }
    }

    /// <summary>A TOML string.</summary>
    internal static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text)
        {
            if (c is '"' or '\\') quoted.Append('\\').Append(c);
            else if (char.IsControl(c)) quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else quoted.Append(c);
        }
        return quoted.Append('"').ToString();
    }
}
