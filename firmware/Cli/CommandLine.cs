using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Linq;
using NasCore.Mirror;
using NasCore.Primitives;

namespace NasFirmware.Cli;

/// <summary>
/// Runs a verb: parsing, help, exit codes, and the one place where exceptions become sentences. Exit codes are
/// those of hammer(8): 0 done, 1 usage and errors; verbs that tell more say so in their help.
///
/// Options of hammer(8) may also stand before the verb (`hammer -yv mirror-stream ...`): they are moved behind it.
/// As there, an option that the verb does not know is accepted before it and has no effect.
/// </summary>
static class CommandLine
{
    /// <summary>The failure exit code of everything that has no better one.</summary>
    internal const int Failed = 1;

    // hammer(8)'s option letters; those with an argument.
    const string GlobalFlags = "2ABdFhqrvXy", GlobalWithValue = "bCcefimpRSTt";

    internal static int Run(string[] args, Command[] verbs)
    {
        RootCommand root = CreateRoot(verbs);
        ParseResult parsed = root.Parse(MoveGlobalOptions(args, verbs), new ParserConfiguration
        {
            // A path may begin with @@: nothing is ever read from a response file.
            ResponseFileTokenReplacer = null,
        });
        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception e) when (IsExpected(e))
        {
            Complain(e.Message);
            return Failed;
        }
    }

    /// <summary>Errors that a user may meet: their messages say all, they are no fault of this program.</summary>
    internal static bool IsExpected(Exception e) =>
        e is IOException or UnauthorizedAccessException or HammerFormatException or HammerMediumException
            or MountCriticalException or UsageException or MirrorStreamException or MirrorRefusedException;

    /// <summary>One line on stderr, as hammer(8) writes them.</summary>
    internal static void Complain(string message) => Console.Error.WriteLine("nashammer: " + message);

    internal static RootCommand CreateRoot(Command[] verbs)
    {
        var root = new RootCommand("HAMMER volumes of DragonFly BSD on Linux: made, checked, mounted and mirrored.");
        foreach (Command verb in verbs.OrderBy(v => v.Name, StringComparer.Ordinal)) root.Add(verb);
        root.Add(CompletionCommand.Create(root));
        root.Add(ManCommand.Create(root));
        return root;
    }

    /// <summary>Moves options that stand before the verb behind it; without a verb nothing is changed.</summary>
    internal static List<string> MoveGlobalOptions(string[] args, Command[] verbs)
    {
        var moved = new List<string>();
        int at = 0;
        while (at < args.Length && args[at].Length > 1 && args[at][0] == '-' && args[at][1] != '-')
        {
            string cluster = args[at++];
            for (int i = 1; i < cluster.Length; i++)
            {
                string option = "-" + cluster[i];
                if (GlobalFlags.Contains(cluster[i], StringComparison.Ordinal))
                {
                    moved.Add(option);
                    continue;
                }
                if (!GlobalWithValue.Contains(cluster[i], StringComparison.Ordinal)) return [.. args];
                string value = cluster[(i + 1)..];
                if (value.Length == 0)
                {
                    if (at == args.Length) return [.. args];
                    value = args[at++];
                }
                moved.Add(option);
                moved.Add(value);
                break;
            }
        }
        if (at == 0 || at == args.Length || moved.Contains("-h")) return [.. args];
        Command? verb = verbs.FirstOrDefault(v => v.Name == args[at]);
        return verb is null ? [.. args[at..]] : [args[at], .. KnownTo(verb, moved), .. args[(at + 1)..]];
    }

    static IEnumerable<string> KnownTo(Command verb, List<string> options)
    {
        for (int i = 0; i < options.Count; i++)
        {
            bool hasValue = GlobalWithValue.Contains(options[i][1], StringComparison.Ordinal);
            // newfs has an -f of its own, which is no list of devices.
            bool known = verb.Options.Any(o => (o.Name == options[i] || o.Aliases.Contains(options[i]))
                && hasValue == (o.ValueType != typeof(bool)));
            if (known) yield return options[i];
            if (hasValue && known) yield return options[i + 1];
            if (hasValue) i++;
        }
    }
}

/// <summary>Wrong arguments that the parser cannot see; the message says what is right.</summary>
sealed class UsageException(string message) : Exception(message);
