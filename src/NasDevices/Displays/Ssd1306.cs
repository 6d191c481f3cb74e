using System;
using System.Device.I2c;

namespace NasDevices.Displays;

/// <summary>
/// The SSD1306 controller with a panel of 128x64 dots on an I2C bus. It takes its bus device in the constructor, as the
/// controllers of the .NET IoT libraries do, and owns it.
///
/// Each write on the bus begins with a control byte: 00h, commands follow, or 40h, data for the picture's memory
/// follow. A full picture is 1 KiB, 26 ms at 400 kHz and 100 ms at 100 kHz, so of each page only the stretch that
/// changed is sent: what the panel shows is remembered, and forgotten whenever a write fails.
/// </summary>
/// <param name="isRotated">Mounted upside down.</param>
public sealed class Ssd1306(I2cDevice device, bool isRotated = false) : IPixelPanel
{
    /// <summary>The address of nearly all such displays.</summary>
    public const int DefaultAddress = 0x3C;

    const byte CommandsFollow = 0x00, DataFollow = 0x40;
    const int PanelWidth = 128, PanelHeight = 64;
    const byte Contrast = 0x7F;

    readonly Canvas _shown = new(PanelWidth, PanelHeight);
    readonly byte[] _buffer = new byte[1 + PanelWidth];
    bool _isKnown;
    bool? _isOn;

    public string Name => $"display at {device.ConnectionSettings.DeviceAddress:x2}h of bus "
        + $"{device.ConnectionSettings.BusId}";

    public int Width => PanelWidth;
    public int Height => PanelHeight;

    public void Start()
    {
        _isKnown = false;
        _isOn = null;
        Send(new SetDisplayOn(false));
        Send(new SetClock(0x80));
        Send(new SetMultiplex(PanelHeight));
        Send(new SetDisplayOffset(0));
        Send(new SetStartLine(0));
        Send(new SetChargePump(true));
        Send(new SetMemoryMode(0));
        Send(new SetSegmentRemap(!isRotated));
        Send(new SetScanDirection(!isRotated));
        Send(new SetComPins(0x12));
        Send(new SetContrast(Contrast));
        Send(new SetPreCharge(0xF1));
        Send(new SetVcomhLevel(0x40));
        Send(new EntireDisplayOn(false));
        Send(new SetInverse(false));
        _isOn = false;
    }

    public void Show(Canvas picture)
    {
        bool all = !_isKnown;
        _isKnown = false;
        for (int page = 0; page < picture.PageCount; page++)
        {
            ReadOnlySpan<byte> now = picture.Page(page), before = _shown.Page(page);
            int first = all ? 0 : now.CommonPrefixLength(before);
            if (first == now.Length) continue;
            int last = now.Length - 1;
            while (!all && now[last] == before[last]) last--;
            SendPage(page, first, now[first..(last + 1)]);
        }
        _shown.CopyFrom(picture);
        _isKnown = true;
    }

    void SendPage(int page, int column, ReadOnlySpan<byte> dots)
    {
        Send(new SetPages((byte)page, (byte)page));
        Send(new SetColumns((byte)column, (byte)(column + dots.Length - 1)));
        _buffer[0] = DataFollow;
        dots.CopyTo(_buffer.AsSpan(1));
        device.Write(_buffer.AsSpan(0, 1 + dots.Length));
    }

    public void Turn(bool on)
    {
        if (_isOn == on) return;
        _isOn = null;
        Send(new SetDisplayOn(on));
        _isOn = on;
    }

    void Send<T>(T command) where T : struct, IPanelCommand
    {
        Span<byte> bytes = stackalloc byte[5];
        bytes[0] = CommandsFollow;
        int count = command.Encode(bytes[1..]);
        device.Write(bytes[..(1 + count)]);
    }

    public void Dispose() => device.Dispose();
}
