using System;
using System.Collections.Generic;
using NasDevices.Displays;

namespace NasDevices.Simulation;

/// <summary>
/// An SSD1306 with its panel, as its data sheet describes it: takes the bytes of the bus, keeps picture memory and
/// registers, and shows what a person would see, mounted upright. What the controller would not understand is listed in
/// <see cref="Faults"/>.
/// </summary>
public sealed class SimulatedSsd1306 : ISimulatedTarget
{
    const int Columns = 128, Pages = 8;

    // Bytes that follow a command byte.
    static readonly Dictionary<byte, int> s_arguments = new()
    {
        [0x20] = 1, [0x21] = 2, [0x22] = 2, [0x81] = 1, [0x8D] = 1, [0xA8] = 1, [0xD3] = 1, [0xD5] = 1, [0xD9] = 1,
        [0xDA] = 1, [0xDB] = 1,
    };

    readonly byte[] _memory = new byte[Columns * Pages];
    readonly List<string> _faults = [];
    int _firstColumn, _lastColumn = Columns - 1, _column;
    int _firstPage, _lastPage = Pages - 1, _page;
    byte _mode = 2;
    bool _pump, _inverse, _entire, _remapped, _scanRemapped;
    int _startLine, _offset, _rows = 64;

    public SimulatedSsd1306() => new Random(1).NextBytes(_memory); // Its memory is anything after power-on.

    /// <summary>On, and with the voltage to shine.</summary>
    public bool IsOn { get; private set; }
    public byte Contrast { get; private set; } = 0x7F;
    /// <summary>Bytes of picture that arrived.</summary>
    public long DataBytes { get; private set; }
    public IReadOnlyList<string> Faults => _faults;

    public void Receive(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length == 0) return;
        switch (bytes[0])
        {
            case 0x00:
                for (ReadOnlySpan<byte> rest = bytes[1..]; rest.Length > 0;) rest = rest[Command(rest)..];
                break;
            case 0x40:
                DataBytes += bytes.Length - 1;
                foreach (byte b in bytes[1..]) Data(b);
                break;
            default:
                _faults.Add($"control byte {bytes[0]:x2}h");
                break;
        }
    }

    int Command(ReadOnlySpan<byte> c)
    {
        int length = 1 + s_arguments.GetValueOrDefault(c[0]);
        if (c.Length < length)
        {
            _faults.Add($"command {c[0]:x2}h lacks its arguments");
            return c.Length;
        }
        switch (c[0])
        {
            case 0x20: _mode = c[1]; break;
            case 0x21: (_firstColumn, _lastColumn, _column) = (c[1] & 127, c[2] & 127, c[1] & 127); break;
            case 0x22: (_firstPage, _lastPage, _page) = (c[1] & 7, c[2] & 7, c[1] & 7); break;
            case >= 0x40 and <= 0x7F: _startLine = c[0] & 0x3F; break;
            case 0x81: Contrast = c[1]; break;
            case 0x8D: _pump = (c[1] & 4) != 0; break;
            case 0xA0 or 0xA1: _remapped = c[0] == 0xA1; break;
            case 0xA4 or 0xA5: _entire = c[0] == 0xA5; break;
            case 0xA6 or 0xA7: _inverse = c[0] == 0xA7; break;
            case 0xA8: _rows = (c[1] & 63) + 1; break;
            case 0xAE or 0xAF: IsOn = c[0] == 0xAF; break;
            case 0xC0 or 0xC8: _scanRemapped = c[0] == 0xC8; break;
            case 0xD3: _offset = c[1] & 63; break;
            case 0xD5 or 0xD9 or 0xDA or 0xDB: break; // Timing, voltages and wiring: not to be seen here.
            default: _faults.Add($"command {c[0]:x2}h"); break;
        }
        return length;
    }

    void Data(byte dots)
    {
        if (_mode != 0)
        {
            _faults.Add($"memory mode {_mode} is not simulated");
            return;
        }
        _memory[_page * Columns + _column] = dots;
        if (_column != _lastColumn)
        {
            _column = (_column + 1) % Columns;
            return;
        }
        _column = _firstColumn;
        _page = _page == _lastPage ? _firstPage : (_page + 1) % Pages;
    }

    /// <summary>What is to be seen, upright if the program set it up for a panel mounted like that.</summary>
    public Canvas Picture()
    {
        var picture = new Canvas(Columns, 64);
        if (!IsOn || !_pump) return picture;
        for (int y = 0; y < _rows; y++)
        {
            for (int x = 0; x < Columns; x++)
            {
                // The panel hangs with its cable on top: both directions are turned unless remapped.
                int row = (_scanRemapped ? y : _rows - 1 - y) + _startLine + _offset & 63;
                int column = _remapped ? x : Columns - 1 - x;
                bool lit = _entire || ((_memory[(row >> 3) * Columns + column] >> (row & 7) & 1) != 0) != _inverse;
                picture.Set(x, y, lit);
            }
        }
        return picture;
    }
}
