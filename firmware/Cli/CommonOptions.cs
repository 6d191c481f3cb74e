using System;
using System.Collections.Generic;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Linq;

namespace NasFirmware.Cli;

/// <summary>Options and arguments that several verbs share, with hammer(8)'s letters.</summary>
static class CommonOptions
{
    /// <summary>-f: devices or images, colon-separated or repeated.</summary>
    internal static Option<string[]> Devices() => new("-f", "--devices")
    {
        Description = "Devices or image files of the volume set, separated by colons; may be repeated.",
        HelpName = "dev[:dev...]",
        Arity = ArgumentArity.OneOrMore,
    };

    /// <summary>Devices as arguments, in addition to -f.</summary>
    internal static Argument<string[]> DeviceArguments() => new("volumes")
    {
        Description = "Devices or image files of the volume set, separated by colons or spaces.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    internal static Option<bool> Verbose() => Counted("-v", "--verbose", "Tell more; may be repeated.");

    internal static Option<bool> Quiet() => Counted("-q", "--quiet", "Tell less; may be repeated.");

    static Option<bool> Counted(string name, string alias, string description) =>
        new(name, alias) { Description = description, Arity = ArgumentArity.Zero };

    /// <summary>How often a flag was given.</summary>
    internal static int Count(ParseResult parsed, Option<bool> option) =>
        parsed.GetResult(option) is OptionResult { Implicit: false } result ? result.IdentifierTokenCount : 0;

    /// <summary>All paths of a volume set from -f and the arguments; at least one.</summary>
    internal static List<string> Paths(ParseResult parsed, Option<string[]> option, Argument<string[]> argument)
    {
        IEnumerable<string> given = (parsed.GetValue(option) ?? []).Concat(parsed.GetValue(argument) ?? []);
        List<string> paths = [.. given.SelectMany(SplitDevices)];
        if (paths.Count == 0) throw new UsageException("no volume given: name its devices or image files, or use -f");
        return paths;
    }

    /// <summary>Splits a colon-separated list; a path that exists with its colons is taken as it is.</summary>
    internal static IEnumerable<string> SplitDevices(string list) =>
        System.IO.File.Exists(list) ? [list] : list.Split(':', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>
    /// A size with a suffix k, m, g or t (powers of 1024). Without a suffix the number is refused as the original
    /// does, unless it is 0.
    /// </summary>
    internal static long ParseSize(string option, string text)
    {
        int shift = text.Length == 0 ? -1 : char.ToLowerInvariant(text[^1]) switch
        {
            'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, _ => -1,
        };
        if (text == "0") return 0;
        ReadOnlySpan<char> digits = shift < 0 ? default : text.AsSpan(0, text.Length - 1);
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            || number > long.MaxValue >> shift)
        {
            throw new UsageException($"{option} {text}: a size is a number with the suffix k, m, g or t");
        }
        return number << shift;
    }

    /// <summary>A TID: 0x and hex digits, decimal, or hex digits alone if 16 of them.</summary>
    internal static ulong ParseTid(string text)
    {
        bool hex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        ReadOnlySpan<char> digits = hex ? text.AsSpan(2) : text;
        NumberStyles style = hex || text.Length == 16 ? NumberStyles.AllowHexSpecifier : NumberStyles.None;
        if (!ulong.TryParse(digits, style, CultureInfo.InvariantCulture, out ulong tid))
            throw new UsageException($"{text}: not a transaction id (0x and up to 16 hex digits)");
        return tid;
    }
}
