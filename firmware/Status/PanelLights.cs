using System;
using System.Linq;
using NasDevices.Leds;

namespace NasFirmware.Status;

/// <summary>Keeps the lights as the status says: the loop around <see cref="Step"/> is the panel's.</summary>
sealed class PanelLights(PanelOptions options, Func<BoxStatus> status, StatusBoard board, TimeProvider time)
    : IPanelPart
{
    static readonly TimeSpan s_longest = TimeSpan.FromSeconds(2);

    readonly LightSet _lights = new(options.Lights(time), time, options.IsQuiet);

    public string Name => "panel light";

    public TimeSpan Step()
    {
        TimeSpan due = _lights.Update(status().Light);
        Report();
        return due < s_longest ? due : s_longest;
    }

    void Report()
    {
        foreach ((string name, string? problem) in _lights.Problems.ToArray()) board.Report(name, problem);
    }

    /// <summary>The last word of a daemon that ends: all is closed, or something is not.</summary>
    public void End()
    {
        BoxStatus box = status();
        bool closed = box.Volumes.All(v => v.State == VolumeState.Missing);
        _lights.Update(closed ? LightState.SafeToUnplug : LightState.Failed);
    }

    public void Dispose() => _lights.Dispose();
}
