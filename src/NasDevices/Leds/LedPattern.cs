using System;
using System.Globalization;
using System.Text;

namespace NasDevices.Leds;

/// <summary>
/// A show in the words of the kernel's pattern trigger: pairs of brightness and milliseconds, and how often all of it
/// is played. The kernel fades from one brightness to the next, unless the next pair has the same one; so each stretch
/// is a pair with its length, followed by a pair with the same brightness and no length.
/// </summary>
public static class LedPattern
{
    /// <summary>A file of sysfs takes a page, whatever its size; the smallest one is taken.</summary>
    const int TextMax = 4000;

    /// <summary>Pairs that the kernel takes.</summary>
    const int PairsMax = 1000;

    /// <summary>The text for the file <c>pattern</c>, and the number for <c>repeat</c>: -1 is without end.</summary>
    /// <param name="bright">The brightness when lit.</param>
    public static (string Pattern, int Repeat) Of(LightShow show, int bright)
    {
        var writer = new Writer(bright);
        if (show.Hold is not { } hold)
        {
            writer.AddTurn(show.Rhythm);
            if (show.Rhythm.IsOnce) writer.Add(lit: false, 1);
            return (writer.ToString(), show.Rhythm.IsOnce ? 1 : -1);
        }
        writer.AddFor(show.Rhythm, (int)hold.TotalMilliseconds);
        // As long as it fits; the last stretch is dark, since the kernel leaves the light as the last pair says.
        while (writer.Fits(show.After)) writer.AddTurn(show.After);
        writer.Add(lit: false, 1);
        return (writer.ToString(), 1);
    }

    sealed class Writer(int bright)
    {
        readonly StringBuilder _text = new();
        int _pairs;

        internal bool Fits(Rhythm rhythm) =>
            _text.Length + 30 * (rhythm.Steps.Count + 1) <= TextMax && _pairs + 2 * rhythm.Steps.Count + 2 <= PairsMax;

        internal void Add(bool lit, int milliseconds)
        {
            int level = lit ? bright : 0;
            _text.Append(CultureInfo.InvariantCulture, $"{level} {milliseconds} {level} 0 ");
            _pairs += 2;
        }

        internal void AddTurn(Rhythm rhythm)
        {
            foreach (RhythmStep step in rhythm.Steps) Add(step.IsLit, step.Milliseconds);
        }

        internal void AddFor(Rhythm rhythm, int milliseconds)
        {
            if (rhythm.IsSteady || rhythm.IsDark)
            {
                Add(rhythm.IsSteady, milliseconds);
                return;
            }
            for (int turns = Math.Max(1, milliseconds / rhythm.PeriodMs); turns > 0 && Fits(rhythm); turns--)
                AddTurn(rhythm);
        }

        public override string ToString() => _text.ToString().TrimEnd();
    }
}
