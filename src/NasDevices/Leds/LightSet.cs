using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace NasDevices.Leds;

/// <summary>
/// All lights of a box as one: the state's rhythm is played by the lights that have its colour, by those that make it
/// together (red and green: amber), or else by the first one; the others are dark. A red light is where failure shows
/// when nobody renews what is shown; without one, the light in use.
///
/// Rhythms are renewed in step with themselves, so that a renewal is not seen; a state that changes shows at once.
/// </summary>
/// <param name="isQuiet">Dark unless something has failed: for bedrooms.</param>
public sealed class LightSet(IReadOnlyList<ILight> lights, TimeProvider time, bool isQuiet = false) : IDisposable
{
    /// <summary>A good light that is not renewed goes bad after this, or a little later: whole turns of the rhythm.
    /// </summary>
    public static readonly TimeSpan Hold = TimeSpan.FromSeconds(12);

    /// <summary>How often it is renewed, at the earliest.</summary>
    public static readonly TimeSpan Renewal = TimeSpan.FromSeconds(4);

    static readonly TimeSpan s_retry = TimeSpan.FromSeconds(10);

    readonly Dictionary<ILight, string> _problems = [];
    readonly Dictionary<ILight, long> _failedAt = [];
    LightState? _state;
    long _shownAt;

    /// <summary>Why a light shows nothing, by its name.</summary>
    public IEnumerable<(string Name, string? Problem)> Problems =>
        lights.Select(l => (l.Name, _problems.GetValueOrDefault(l)));

    /// <summary>
    /// Shows the state, if it is another one or must be renewed. What fails is tried again later and does not keep the
    /// others dark.
    /// </summary>
    /// <returns>When to come back at the latest: that is when a turn of the rhythm ends.</returns>
    public TimeSpan Update(LightState state)
    {
        bool due = state != _state;
        if (!due && !Endless(state)) due = time.GetElapsedTime(_shownAt) >= RenewAfter(RhythmOf(state));
        LightColour available = lights.Aggregate(LightColour.None, (all, l) => all | l.Colours);
        ILight[] chosen = Choose(LightTable.Of(state).Colour);
        foreach (ILight light in lights)
        {
            if (due || IsRetryDue(light)) Play(light, state, chosen, available);
        }
        if (due)
        {
            _state = state;
            _shownAt = time.GetTimestamp();
        }
        TimeSpan left = RenewAfter(RhythmOf(state)) - time.GetElapsedTime(_shownAt);
        return Endless(state) || left > s_retry ? s_retry : left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    bool IsRetryDue(ILight light) =>
        _failedAt.TryGetValue(light, out long at) && time.GetElapsedTime(at) >= s_retry;

    void Play(ILight light, LightState state, ILight[] chosen, LightColour available)
    {
        try
        {
            light.Play(Show(light, state, chosen, available), LightTable.Of(state).Colour);
            _problems.Remove(light);
            _failedAt.Remove(light);
        }
        catch (IOException e)
        {
            _problems[light] = e.Message;
            _failedAt[light] = time.GetTimestamp();
        }
    }

    LightShow Show(ILight light, LightState state, ILight[] chosen, LightColour available)
    {
        bool dark = !chosen.Contains(light) || isQuiet && state < LightState.Failed;
        Rhythm rhythm = dark ? Rhythm.Dark : LightTable.RhythmOf(state, available);
        if (Endless(state)) return new LightShow(rhythm, null, Rhythm.Dark);
        Rhythm failure = LightTable.Of(LightState.Failed).Rhythm;
        bool failsHere = available.HasFlag(LightColour.Red)
            ? Choose(LightColour.Red).Contains(light) : chosen.Contains(light);
        return new LightShow(rhythm, HoldOf(RhythmOf(state)), failsHere ? failure : Rhythm.Dark);
    }

    /// <summary>Bad news may stay for ever, and so may the news that all is closed: dark.</summary>
    static bool Endless(LightState state) =>
        state is LightState.Failed or LightState.FailedAcknowledged or LightState.SafeToUnplug;

    static Rhythm RhythmOf(LightState state) => LightTable.Of(state).Rhythm;

    /// <summary>The first whole number of turns that is not shorter.</summary>
    static TimeSpan Turns(Rhythm rhythm, TimeSpan atLeast) => TimeSpan.FromMilliseconds(
        Math.Ceiling(atLeast.TotalMilliseconds / rhythm.PeriodMs) * rhythm.PeriodMs);

    /// <summary>When a rhythm is renewed, and for how long it holds if it is not.</summary>
    public static TimeSpan RenewAfter(Rhythm rhythm) => Turns(rhythm, Renewal);

    /// <inheritdoc cref="RenewAfter"/>
    public static TimeSpan HoldOf(Rhythm rhythm) => Turns(rhythm, Hold);

    ILight[] Choose(LightColour colour)
    {
        ILight[] same = [.. lights.Where(l => l.Colours == colour)];
        if (same.Length > 0) return same;
        ILight? any = lights.FirstOrDefault(l => l.Colours == LightColour.White);
        if (any is not null) return [any];
        ILight[] parts = [.. lights.Where(l => l.Colours != LightColour.None && (l.Colours & ~colour) == 0)];
        if (parts.Aggregate(LightColour.None, (all, l) => all | l.Colours) == colour) return parts;
        return lights.Count == 0 ? [] : [lights[0]];
    }

    public void Dispose()
    {
        foreach (ILight light in lights) light.Dispose();
    }
}
