using System;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>One thing that `check` met.</summary>
/// <param name="IsWarning">Odd but legal, or meaningless to HAMMER itself: does not make a volume bad.</param>
/// <param name="Rule">Short name of the rule, for scripts.</param>
/// <param name="Where">Address concerned; null offset if none.</param>
/// <param name="Text">What was found and what it means.</param>
public readonly record struct CheckFinding(bool IsWarning, string Rule, HammerOff Where, string Text)
{
    public override string ToString() =>
        (IsWarning ? "warning: " : "") + Rule + (Where.IsNull ? "" : " at " + Where) + ": " + Text;
}

/// <summary>How thoroughly to check.</summary>
public sealed record CheckOptions
{
    /// <summary>Read all file data and the whole FIFO, and verify their CRCs.</summary>
    public bool Data { get; init; }
    /// <summary>Stop after this many findings; null: never.</summary>
    public long? FindingsMax { get; init; }
}

/// <summary>How far a check is: for a line on a terminal.</summary>
public readonly record struct CheckProgress(string Phase, long Nodes, long Records, long Bytes);

/// <summary>Totals of a check.</summary>
public sealed class CheckResult
{
    public long Findings { get; set; }
    public long Warnings { get; set; }
    public long Nodes { get; set; }
    public long Records { get; set; }
    public long Inodes { get; set; }
    public long DataBytes { get; set; }
    public bool IsClean => Findings == 0;
}

/// <summary>Where findings go, and the counts.</summary>
sealed class CheckReport(Action<CheckFinding> sink, CheckResult result, CheckOptions options)
{
    internal CheckResult Result => result;

    /// <summary>Names the object of a record in a finding; null where there is nothing to look in.</summary>
    internal CheckPaths? Paths { get; set; }

    /// <summary>A finding about a record: says which object it belongs to, by its path if there is one.</summary>
    internal void Finding(string rule, HammerOff where, string text, in BaseElm of) =>
        Finding(rule, where, Paths is null ? text : $"{text}; {Paths.Of(in of)}");

    internal void Finding(string rule, HammerOff where, string text)
    {
        result.Findings++;
        sink(new CheckFinding(false, rule, where, text));
        if (result.Findings >= options.FindingsMax) throw new CheckStoppedException();
    }

    internal void Warning(string rule, HammerOff where, string text)
    {
        result.Warnings++;
        sink(new CheckFinding(true, rule, where, text));
    }
}

/// <summary>The limit of findings was reached.</summary>
sealed class CheckStoppedException : Exception
{
}
