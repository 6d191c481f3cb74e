using System;
using System.Collections.Generic;
using System.Device.Gpio;
using System.Device.I2c;
using System.IO;
using NasDevices.Displays;
using NasDevices.Gpio;
using NasDevices.Leds;

namespace NasFirmware.Status;

/// <summary>Which lights and which display a box has.</summary>
sealed record PanelOptions
{
    /// <summary>Folder of the LED class.</summary>
    internal string LedRoot { get; init; } = LedClassLight.DefaultRoot;
    /// <summary>Names in it, or paths of such folders, separated by blanks or commas.</summary>
    internal string Leds { get; init; } = "";
    /// <summary>Device file of a GPIO chip; empty: none.</summary>
    internal string GpioChip { get; init; } = "";
    internal int GpioLine { get; init; }
    internal bool GpioActiveLow { get; init; }
    /// <summary>Lights are dark unless something has failed.</summary>
    internal bool IsQuiet { get; init; }
    /// <summary>Number of the I2C bus of the display; negative: none.</summary>
    internal int I2cBus { get; init; } = -1;
    internal int I2cAddress { get; init; } = Ssd1306.DefaultAddress;
    internal bool IsRotated { get; init; }
    internal TimeSpan PageTime { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>The display is dark after so long without news; zero: never.</summary>
    internal TimeSpan SleepAfter { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>How buses and chips are opened; tests have simulated ones.</summary>
    internal Func<int, I2cBus> OpenBus { get; init; } = System.Device.I2c.I2cBus.Create;
    internal Func<string, GpioController> OpenChip { get; init; } = OpenChardev;

    static GpioController OpenChardev(string path) => new(new ChardevGpioDriver(path));

    /// <summary>All lights; none of them is opened yet.</summary>
    internal List<ILight> Lights(TimeProvider time)
    {
        var lights = new List<ILight>();
        foreach (string name in Leds.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            string path = Path.Combine(LedRoot, name);
            lights.Add(new LedClassLight(Path.GetDirectoryName(path)!, Path.GetFileName(path), time));
        }
        string chip = GpioChip;
        if (chip.Length > 0) lights.Add(new GpioLight(() => OpenChip(chip), GpioLine, GpioActiveLow, time));
        return lights;
    }

    internal bool HasLight => Leds.Length > 0 || GpioChip.Length > 0;
    internal bool HasDisplay => I2cBus >= 0;

    /// <summary>The display; its bus is opened by this call, and closed with it.</summary>
    /// <exception cref="IOException">The bus is not there.</exception>
    internal IPixelPanel OpenDisplay()
    {
        try
        {
            I2cBus bus = OpenBus(I2cBus);
            return new Ssd1306(bus.CreateDevice(I2cAddress), IsRotated);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or NotSupportedException
            or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            throw new IOException(e.Message, e);
        }
    }
}
