using System;
using System.Collections.Generic;
using System.Device.Gpio;
using System.IO;
using System.Threading;

namespace NasDevices.Simulation;

/// <summary>A GPIO chip in memory under a <see cref="GpioController"/>; tests look at the levels and make it fail.
/// </summary>
public sealed class SimulatedGpioDriver(int lines) : GpioDriver
{
    readonly Dictionary<int, PinMode> _modes = [];
    readonly PinValue[] _levels = new PinValue[lines];

    /// <summary>Every call fails, as after the chip was unplugged.</summary>
    public bool IsBroken { get; set; }

    /// <summary>Levels written since the beginning.</summary>
    public int Writes { get; private set; }

    public bool IsHigh(int line) => _levels[line] == PinValue.High;

    public bool IsOutput(int line) => _modes.TryGetValue(line, out PinMode mode) && mode == PinMode.Output;

    protected override int PinCount => lines;

    void Check()
    {
        if (IsBroken) throw new IOException("no such device");
    }

    protected override void OpenPin(int pinNumber)
    {
        Check();
        if ((uint)pinNumber >= (uint)lines) throw new IOException($"there is no line {pinNumber}");
        _modes[pinNumber] = PinMode.Input;
    }

    protected override void ClosePin(int pinNumber) => _modes.Remove(pinNumber);

    protected override void SetPinMode(int pinNumber, PinMode mode)
    {
        Check();
        _modes[pinNumber] = mode;
    }

    protected override PinMode GetPinMode(int pinNumber) => _modes[pinNumber];

    protected override bool IsPinModeSupported(int pinNumber, PinMode mode) =>
        mode is PinMode.Input or PinMode.Output;

    protected override PinValue Read(int pinNumber) => _levels[pinNumber];

    protected override void Write(int pinNumber, PinValue value)
    {
        Check();
        Writes++;
        _levels[pinNumber] = value;
    }

    protected override WaitForEventResult WaitForEvent(int pinNumber, PinEventTypes eventTypes,
        CancellationToken cancellationToken) => throw new NotSupportedException();

    protected override void AddCallbackForPinValueChangedEvent(int pinNumber, PinEventTypes eventTypes,
        PinChangeEventHandler callback) => throw new NotSupportedException();

    protected override void RemoveCallbackForPinValueChangedEvent(int pinNumber, PinChangeEventHandler callback) =>
        throw new NotSupportedException();
}
