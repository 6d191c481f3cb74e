using System;
using NasDevices.Leds;
using NasFirmware.Config;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>The sections [led], [display] and [status] in the terms of panel and judgement.</summary>
static class PanelSettings
{
    /// <summary>Another folder in place of /sys/class/leds, for boxes without lights and for tests.</summary>
    internal const string LedRootVariable = "NASHAMMER_LEDS";

    internal static PanelOptions Panel(Settings settings) => new()
    {
        LedRoot = LedRoot(), Leds = settings.Led.Device, GpioChip = settings.Led.Chip, GpioLine = settings.Led.Line,
        GpioActiveLow = settings.Led.ActiveLow, I2cBus = settings.Display.Bus, I2cAddress = settings.Display.Address,
        IsRotated = settings.Display.Rotate, PageTime = settings.Display.Page, SleepAfter = settings.Display.Sleep,
    };

    internal static string LedRoot() =>
        Environment.GetEnvironmentVariable(LedRootVariable) is { Length: > 0 } root ? root : LedClassLight.DefaultRoot;

    internal static StatusLimits Limits(Settings settings) => new()
    {
        ProofAge = settings.Status.ProofAge, FreeMin = settings.Status.FreeWarning,
        FullInDaysMin = settings.Status.FullWarning.TotalDays, CelsiusMax = settings.Status.Warm,
    };
}
