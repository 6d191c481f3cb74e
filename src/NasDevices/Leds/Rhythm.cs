using System;
using System.Collections.Generic;
using System.Linq;

namespace NasDevices.Leds;

/// <summary>A stretch of a rhythm.</summary>
/// <param name="IsLit">Lit or dark.</param>
/// <param name="Milliseconds">How long, at least 1.</param>
public readonly record struct RhythmStep(bool IsLit, int Milliseconds);

/// <summary>The colours of <c>/sys/class/leds</c> that carry meaning here; the rhythm alone says it too.</summary>
[Flags]
public enum LightColour
{
    None = 0,
    Red = 1,
    Green = 2,
    Blue = 4,
    Amber = Red | Green,
    Cyan = Green | Blue,
    White = Red | Green | Blue,
}

/// <summary>Lit and dark stretches that repeat, or are played once.</summary>
/// <param name="Steps">At least one.</param>
/// <param name="IsOnce">Played once; dark from then on.</param>
public sealed record Rhythm(IReadOnlyList<RhythmStep> Steps, bool IsOnce = false)
{
    /// <summary>Lit without an end.</summary>
    public static Rhythm Solid { get; } = new([new RhythmStep(true, 1000)]);

    /// <summary>From lit and dark milliseconds in turn, lit first.</summary>
    public static Rhythm Of(params int[] milliseconds) =>
        new([.. milliseconds.Select((ms, i) => new RhythmStep(i % 2 == 0, ms))]);

    /// <summary>Played once, then dark.</summary>
    public static Rhythm OnceOf(params int[] milliseconds) => Of(milliseconds) with { IsOnce = true };

    /// <summary>Milliseconds of one turn.</summary>
    public int PeriodMs => Steps.Sum(s => s.Milliseconds);

    /// <summary>Dark without an end.</summary>
    public static Rhythm Dark { get; } = new([new RhythmStep(false, 1000)]);

    public bool IsDark => Steps.All(s => !s.IsLit);

    public bool IsSteady => !IsOnce && Steps.All(s => s.IsLit);

    /// <summary>Whether it is lit that long after its start, and how long that remains so; null: for ever.</summary>
    public (bool IsLit, TimeSpan? Remaining) At(TimeSpan sinceStart)
    {
        if (IsSteady || IsDark) return (IsSteady, null);
        double at = Math.Max(0, sinceStart.TotalMilliseconds);
        if (IsOnce && at >= PeriodMs) return (false, null);
        at %= PeriodMs;
        foreach (RhythmStep step in Steps)
        {
            if (at < step.Milliseconds) return (step.IsLit, TimeSpan.FromMilliseconds(step.Milliseconds - at));
            at -= step.Milliseconds;
        }
        return (Steps[^1].IsLit, TimeSpan.FromMilliseconds(1));
    }
}
