using System;
using System.Device.Gpio;
using System.IO;

namespace NasDevices.Leds;

/// <summary>A light on a line of a GPIO chip, through System.Device.Gpio. The process itself blinks it.</summary>
/// <param name="open">Opens the controller; called again after a failure.</param>
/// <param name="activeLow">It shines when the line is low.</param>
public sealed class GpioLight(Func<GpioController> open, int line, bool activeLow, TimeProvider time) : ILight
{
    GpioController? _controller;
    SoftPlayer? _player;

    public string Name => $"light on GPIO line {line}";
    public LightColour Colours => LightColour.None;

    public void Play(LightShow show, LightColour colour)
    {
        try
        {
            if (_controller is null)
            {
                _controller = open();
                _controller.OpenPin(line, PinMode.Output, activeLow ? PinValue.High : PinValue.Low);
            }
            _player ??= new SoftPlayer(Name, time, Switch);
            _player.Play(show);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or NotSupportedException
            or ArgumentException or UnauthorizedAccessException)
        {
            Close();
            throw new IOException(e.Message, e);
        }
    }

    void Switch(bool lit)
    {
        try
        {
            _controller!.Write(line, lit != activeLow ? PinValue.High : PinValue.Low);
        }
        catch (Exception e) when (e is InvalidOperationException or ObjectDisposedException)
        {
            throw new IOException(e.Message, e);
        }
    }

    void Close()
    {
        _player?.Dispose();
        _player = null;
        _controller?.Dispose();
        _controller = null;
    }

    public void Dispose() => Close();
}
