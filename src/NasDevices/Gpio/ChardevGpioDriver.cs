using System;
using System.Collections.Generic;
using System.Device.Gpio;
using System.Threading;
using NasLinux;

namespace NasDevices.Gpio;

/// <summary>
/// The driver of a GPIO chip under System.Device.Gpio's <see cref="GpioController"/>, over the kernel's character
/// device without libgpiod. Levels only: lights need no events, so waiting for edges is refused. Pins are the numbers
/// of the chip's lines. Thread-safe.
/// </summary>
public sealed class ChardevGpioDriver : GpioDriver
{
    const string Consumer = "nashammer";

    readonly Lock _lock = new();
    readonly Dictionary<int, GpioLine> _lines = [];
    readonly Dictionary<int, PinMode> _modes = [];
    readonly GpioChip _chip;

    /// <exception cref="System.IO.IOException">The chip is not there, or is none.</exception>
    public ChardevGpioDriver(string path) => _chip = GpioChip.Open(path);

    protected override int PinCount => _chip.Lines;

    /// <summary>The line is an input until its mode is set: nothing is switched by opening it.</summary>
    protected override void OpenPin(int pinNumber)
    {
        lock (_lock)
        {
            _lines.Add(pinNumber, _chip.Request(pinNumber, output: false, high: false, Consumer));
            _modes[pinNumber] = PinMode.Input;
        }
    }

    protected override void ClosePin(int pinNumber)
    {
        lock (_lock)
        {
            if (_lines.Remove(pinNumber, out GpioLine? line)) line.Dispose();
            _modes.Remove(pinNumber);
        }
    }

    protected override void SetPinMode(int pinNumber, PinMode mode) => SetPinMode(pinNumber, mode, PinValue.Low);

    protected override void SetPinMode(int pinNumber, PinMode mode, PinValue initialValue)
    {
        if (!IsPinModeSupported(pinNumber, mode)) throw new NotSupportedException($"pin mode {mode}");
        lock (_lock)
        {
            _lines[pinNumber].Configure(mode == PinMode.Output, initialValue == PinValue.High);
            _modes[pinNumber] = mode;
        }
    }

    protected override PinMode GetPinMode(int pinNumber)
    {
        lock (_lock) return _modes[pinNumber];
    }

    protected override bool IsPinModeSupported(int pinNumber, PinMode mode) =>
        mode is PinMode.Input or PinMode.Output;

    protected override PinValue Read(int pinNumber)
    {
        lock (_lock) return _lines[pinNumber].Read() ? PinValue.High : PinValue.Low;
    }

    protected override void Write(int pinNumber, PinValue value)
    {
        lock (_lock) _lines[pinNumber].Write(value == PinValue.High);
    }

    protected override WaitForEventResult WaitForEvent(int pinNumber, PinEventTypes eventTypes,
        CancellationToken cancellationToken) => throw NoEvents();

    protected override void AddCallbackForPinValueChangedEvent(int pinNumber, PinEventTypes eventTypes,
        PinChangeEventHandler callback) => throw NoEvents();

    protected override void RemoveCallbackForPinValueChangedEvent(int pinNumber, PinChangeEventHandler callback) =>
        throw NoEvents();

    static NotSupportedException NoEvents() => new("this driver has no events");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            lock (_lock)
            {
                foreach (GpioLine line in _lines.Values) line.Dispose();
                _lines.Clear();
                _chip.Dispose();
            }
        }
        base.Dispose(disposing);
    }
}
