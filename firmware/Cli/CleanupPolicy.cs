using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace NasFirmware.Cli;

/// <summary>One line of cleanup's configuration (mirroring-and-operations 5.5).</summary>
/// <param name="Name">The directive.</param>
/// <param name="Period">First value, seconds; 0 disables.</param>
/// <param name="Second">Seconds: retention of snapshots, maximal time of the others (0: unlimited).</param>
/// <param name="IsAny">The third word of snapshots: every softlink may expire.</param>
readonly record struct CleanupDirective(string Name, long Period, long Second, bool IsAny);

/// <summary>Cleanup's configuration text.</summary>
static class CleanupPolicy
{
    static readonly string[] s_scratch = ["tmp", "var/tmp", "usr/obj"];

    /// <summary>What a PFS gets at its first cleanup; scratch directories keep no snapshots.</summary>
    internal static string Defaults(string mountPoint)
    {
        string snapshots = s_scratch.Contains(mountPoint.Trim('/')) ? "0d 0d" : "1d 60d";
        return $"snapshots {snapshots}\nprune     1d 5m\nrebalance 1d 5m\n#dedup    1d 5m\nreblock   1d 5m\n"
            + "recopy    30d 10m\n";
    }

    internal static string CommentedDefaults(string mountPoint) => "# No configuration yet; these are the defaults.\n"
        + string.Concat(Defaults(mountPoint).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => "# " + line.TrimStart('#') + "\n"));

    /// <summary>
    /// Directives in order. An unterminated last line is ignored; a bad duration is a <see cref="UsageException"/>.
    /// </summary>
    internal static List<CleanupDirective> Parse(string text)
    {
        var list = new List<CleanupDirective>();
        int end = text.LastIndexOf('\n');
        foreach (string line in end < 0 ? [] : text[..end].Split('\n'))
        {
            string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0].StartsWith('#')) continue;
            list.Add(new CleanupDirective(words[0], words.Length > 1 ? Seconds(words[1]) : 0,
                words.Length > 2 ? Seconds(words[2]) : 0, words.Length > 3 && words[3] == "any"));
        }
        return list;
    }

    /// <summary>An integer with d, h, m or s.</summary>
    internal static long Seconds(string word)
    {
        long unit = word.Length < 2 ? 0 : word[^1] switch { 'd' => 86400, 'h' => 3600, 'm' => 60, 's' => 1, _ => 0 };
        ReadOnlySpan<char> digits = unit == 0 ? default : word.AsSpan(0, word.Length - 1);
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long n) && n < int.MaxValue
            ? n * unit : throw new UsageException($"{word}: a duration is a number with d, h, m or s");
    }

    /// <summary>
    /// Due test (5.6): both times, in local time, lose what is below the period's own unit; so 1d is due once the
    /// date has changed.
    /// </summary>
    internal static bool IsDue(long period, DateTime last, DateTime now) =>
        (Truncate(now, period) - Truncate(last, period)).TotalSeconds >= period;

    static DateTime Truncate(DateTime time, long period)
    {
        DateTime cut = period % 60 == 0 ? time.AddSeconds(-time.Second) : time;
        if (period % 3600 == 0) cut = cut.AddMinutes(-cut.Minute);
        if (period % 86400 == 0) cut = cut.AddHours(-cut.Hour);
        return cut.AddTicks(-(cut.Ticks % TimeSpan.TicksPerSecond));
    }
}
