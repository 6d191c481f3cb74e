using System.Collections.Generic;
using System.Linq;

namespace NasDevices.Leds;

/// <summary>A row of the vocabulary of the light.</summary>
/// <param name="State">What is said.</param>
/// <param name="Word">In one or two words, at most 10 characters: the head of the display.</param>
/// <param name="Rhythm">How one light says it.</param>
/// <param name="RhythmText">The same for a reader.</param>
/// <param name="Colour">Where there are colours.</param>
/// <param name="Meaning">What it means, and what to do: the row of <c>docs/OPERATING.md</c>.</param>
public sealed record LightRow(
    LightState State, string Word, Rhythm Rhythm, string RhythmText, LightColour Colour, string Meaning);

/// <summary>
/// The rhythms as data. Rhythm carries the meaning and colour only repeats it, so no two states share a rhythm: one
/// light, or an eye that sees no colours, is enough. The exception is a failure that was acknowledged: solid red where
/// the light can be red, and the failure rhythm as before where it cannot, since solid alone would say that all is
/// well.
/// </summary>
public static class LightTable
{
    public static IReadOnlyList<LightRow> Rows { get; } =
    [
        new(LightState.InStepProven, "In step", Rhythm.Solid, "solid", LightColour.Green,
            "Every change is on the other box, and both were lately found equal. Nothing to do."),
        new(LightState.Asleep, "Asleep", Rhythm.Of(50, 3950), "a blip every 4 s", LightColour.Blue,
            "The same, and the disks sleep. Nothing to do."),
        new(LightState.InStepUnproven, "Unproven", Rhythm.Of(1900, 100), "lit, a wink every 2 s", LightColour.Green,
            "In step as far as the stream tells, but the comparison of both boxes is still to come or too old; or this "
            + "box has no mirror. Nothing to do."),
        new(LightState.Streaming, "Streaming", Rhythm.Of(500, 500), "on and off every second", LightColour.Green,
            "Changes are on their way to the other box, within the limit. Nothing to do."),
        new(LightState.FirstLoad, "First load", Rhythm.Of(400, 100), "mostly lit, twice a second", LightColour.Cyan,
            "The other box has no whole copy yet. Let it run; it may be interrupted."),
        new(LightState.Starting, "Starting", Rhythm.Of(2000, 2000), "2 s lit, 2 s dark", LightColour.Cyan,
            "File systems are being mounted, or the boxes are connecting. Wait a minute."),
        new(LightState.Lagging, "Behind", Rhythm.Of(150, 200, 150, 1500), "two flashes, pause", LightColour.Amber,
            "The other box is further behind than the limit. See `nashammer status`: usually the link is slow."),
        new(LightState.PeerUnreachable, "No peer", Rhythm.Of(150, 200, 150, 200, 150, 1500), "three flashes, pause",
            LightColour.Amber,
            "The other box does not answer. Is it on, and its cable in? Nothing is lost: it catches up by itself."),
        new(LightState.Attention, "Attention", Rhythm.Of(200, 800), "a flash every second", LightColour.Amber,
            "Something will fail if nobody looks: a disk that is failing, too warm or nearly full. See "
            + "`nashammer status`."),
        new(LightState.Failed, "FAILED", Rhythm.Of(150, 150), "flickers", LightColour.Red,
            "A disk has failed or is missing, a mirror differs, a volume cannot be mounted, or the daemon is dead. See "
            + "`nashammer status`."),
        new(LightState.FailedAcknowledged, "Failed", Rhythm.Solid, "solid red; flickers where there is no red",
            LightColour.Red, "The same, and the owner knows."),
        new(LightState.Pairing, "Pairing", Rhythm.Of(250, 250), "on and off twice a second", LightColour.Blue,
            "Compare the six digits on both boxes and confirm them."),
        new(LightState.Locating, "I am here", Rhythm.Of(125, 125), "flickers fast", LightColour.White,
            "Somebody asked which of the boxes this is."),
        new(LightState.SafeToUnplug, "Unplug now", Rhythm.OnceOf(1000, 500, 1000, 500, 1000, 500),
            "three long flashes, then dark", LightColour.White,
            "All is written and closed: the disks and the power may be unplugged."),
    ];

    static readonly Dictionary<LightState, LightRow> s_byState = Rows.ToDictionary(r => r.State);

    public static LightRow Of(LightState state) => s_byState[state];

    /// <summary>How lights that can show these colours say it.</summary>
    public static Rhythm RhythmOf(LightState state, LightColour available) =>
        state == LightState.FailedAcknowledged && !available.HasFlag(LightColour.Red)
            ? Of(LightState.Failed).Rhythm
            : Of(state).Rhythm;
}
