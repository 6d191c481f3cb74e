using System;

namespace NasDevices.Displays;

// The commands of the SSD1306 that are used, named and numbered as in its data sheet (Solomon Systech, rev 1.1,
// section 9). Each encodes itself behind the control byte.

/// <summary>A command of the controller.</summary>
interface IPanelCommand
{
    /// <summary>Bytes of the command; at most 4.</summary>
    int Encode(Span<byte> destination);
}

/// <summary>Display on or in sleep mode (AEh, AFh).</summary>
readonly record struct SetDisplayOn(bool IsOn) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, (byte)(IsOn ? 0xAF : 0xAE));
}

/// <summary>Brightness (81h).</summary>
readonly record struct SetContrast(byte Level) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0x81, Level);
}

/// <summary>The whole panel lit, or the memory's picture (A4h, A5h).</summary>
readonly record struct EntireDisplayOn(bool IsLit) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, (byte)(IsLit ? 0xA5 : 0xA4));
}

/// <summary>Lit for one, or lit for zero (A6h, A7h).</summary>
readonly record struct SetInverse(bool IsInverse) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, (byte)(IsInverse ? 0xA7 : 0xA6));
}

/// <summary>How the place moves on after each byte (20h): 0 across and to the next page, 1 down, 2 within the page.
/// </summary>
readonly record struct SetMemoryMode(byte Mode) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0x20, Mode);
}

/// <summary>The columns that are written (21h).</summary>
readonly record struct SetColumns(byte First, byte Last) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0x21, First, Last);
}

/// <summary>The pages that are written (22h).</summary>
readonly record struct SetPages(byte First, byte Last) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0x22, First, Last);
}

/// <summary>The memory's row that stands on top (40h to 7Fh).</summary>
readonly record struct SetStartLine(byte Line) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, (byte)(0x40 | Line & 0x3F));
}

/// <summary>Left and right exchanged (A0h, A1h).</summary>
readonly record struct SetSegmentRemap(bool IsRemapped) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, (byte)(IsRemapped ? 0xA1 : 0xA0));
}

/// <summary>Top and bottom exchanged (C0h, C8h).</summary>
readonly record struct SetScanDirection(bool IsRemapped) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, (byte)(IsRemapped ? 0xC8 : 0xC0));
}

/// <summary>Rows of the panel (A8h).</summary>
readonly record struct SetMultiplex(byte Rows) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0xA8, (byte)(Rows - 1));
}

/// <summary>Rows that the picture is moved up (D3h).</summary>
readonly record struct SetDisplayOffset(byte Rows) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0xD3, Rows);
}

/// <summary>How the panel's rows are wired (DAh).</summary>
readonly record struct SetComPins(byte Pins) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0xDA, Pins);
}

/// <summary>Divider and frequency of the clock (D5h).</summary>
readonly record struct SetClock(byte Ratio) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0xD5, Ratio);
}

/// <summary>The two phases of the pre-charge (D9h).</summary>
readonly record struct SetPreCharge(byte Phases) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0xD9, Phases);
}

/// <summary>Level at which a common line is deselected (DBh).</summary>
readonly record struct SetVcomhLevel(byte Level) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0xDB, Level);
}

/// <summary>The panel's voltage made on the chip (8Dh).</summary>
readonly record struct SetChargePump(bool IsOn) : IPanelCommand
{
    public int Encode(Span<byte> destination) => PanelBytes.Put(destination, 0x8D, (byte)(IsOn ? 0x14 : 0x10));
}

static class PanelBytes
{
    internal static int Put(Span<byte> destination, byte a)
    {
        destination[0] = a;
        return 1;
    }

    internal static int Put(Span<byte> destination, byte a, byte b)
    {
        destination[1] = b;
        return Put(destination, a) + 1;
    }

    internal static int Put(Span<byte> destination, byte a, byte b, byte c)
    {
        destination[2] = c;
        return Put(destination, a, b) + 1;
    }
}
