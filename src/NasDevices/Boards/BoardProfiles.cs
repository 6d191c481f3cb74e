using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace NasDevices.Boards;

/// <summary>What a board usually has for a panel.</summary>
/// <param name="Name">As people call it.</param>
/// <param name="Model">Part of what its device tree says in <c>/proc/device-tree/model</c>.</param>
/// <param name="Light">Its light in the LED class.</param>
/// <param name="Chip">The GPIO chip of its 40-pin header.</param>
/// <param name="Line">A line of it that is free for a light.</param>
/// <param name="Bus">The I2C bus of the header's pins 3 and 5; -1: none.</param>
public sealed record BoardProfile(string Name, string Model, string Light, string Chip, int Line, int Bus)
{
    /// <summary>The keys of a configuration that fit this board.</summary>
    public string Usual => Bus < 0 ? "nothing is known of this board: see the lists below"
        : $"[led] device = \"{Light}\", or chip = \"{Chip}\" and line = {Line}; [display] bus = {Bus}";
}

/// <summary>
/// The boards as data. The first entry whose model is found counts, so longer names stand before shorter ones. The
/// line is GPIO 17, pin 11 of the header, with the ground beside it on pin 9; the bus is on pins 3 (data) and 5
/// (clock).
/// </summary>
public static class BoardProfiles
{
    public static IReadOnlyList<BoardProfile> All { get; } =
    [
        // It has several chips, and the header's is not always the first: the package's udev rule names it.
        new("Raspberry Pi 5", "Raspberry Pi 5", "ACT", "/dev/gpiochip-header", 17, 1),
        new("Raspberry Pi 4", "Raspberry Pi 4", "ACT", "/dev/gpiochip0", 17, 1),
        new("Raspberry Pi 3", "Raspberry Pi 3", "ACT", "/dev/gpiochip0", 17, 1),
        new("Raspberry Pi Zero 2 W", "Raspberry Pi Zero 2", "ACT", "/dev/gpiochip0", 17, 1),
        Unknown,
    ];

    /// <summary>Any other machine.</summary>
    public static BoardProfile Unknown => new("unknown", "", "", "", -1, -1);

    public static BoardProfile Of(string model) =>
        All.First(b => model.Contains(b.Model, StringComparison.OrdinalIgnoreCase));

    /// <summary>The board whose device tree lies there; a machine without one is unknown.</summary>
    public static BoardProfile Current(string modelFile)
    {
        try
        {
            return Of(File.ReadAllText(modelFile).Trim('\0', '\n', ' '));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unknown;
        }
    }
}
