using System;

namespace NasDevices.Leds;

/// <summary>
/// What a light plays: a rhythm that holds only so long, and what follows when nobody has renewed it by then. That is
/// how a good light cannot outlive who vouches for it.
/// </summary>
/// <param name="Rhythm">Played first.</param>
/// <param name="Hold">For how long; null: without end.</param>
/// <param name="After">Played from then on, for as long as the device can.</param>
public sealed record LightShow(Rhythm Rhythm, TimeSpan? Hold, Rhythm After)
{
    /// <summary>Whether it is lit that long after its start, and how long that remains so; null: for ever.</summary>
    public (bool IsLit, TimeSpan? Remaining) At(TimeSpan sinceStart)
    {
        if (Hold is not { } hold) return Rhythm.At(sinceStart);
        if (sinceStart >= hold) return After.At(sinceStart - hold);
        (bool lit, TimeSpan? remaining) = Rhythm.At(sinceStart);
        TimeSpan rest = hold - sinceStart;
        return (lit, remaining < rest ? remaining : rest);
    }
}

/// <summary>
/// A light. Showing throws an <see cref="System.IO.IOException"/> when the device is not there or broken; it is simply
/// tried again later. One thread at a time.
/// </summary>
public interface ILight : IDisposable
{
    string Name { get; }

    /// <summary>The colours that it can show; <see cref="LightColour.None"/> if it has one that says nothing.
    /// </summary>
    LightColour Colours { get; }

    /// <summary>Plays this from its beginning.</summary>
    /// <param name="colour">Which of its colours, where it has several.</param>
    void Play(LightShow show, LightColour colour);
}
