using System;
using System.Text;

namespace NasDevices.Displays;

/// <summary>
/// A picture of one bit a dot, laid out as the controllers of small displays want it: pages of 8 rows, a byte is a
/// column of 8 dots, the lowest bit on top. Whatever is drawn outside of it is cut off.
/// </summary>
public sealed class Canvas(int width, int height)
{
    readonly byte[] _dots = new byte[width * ((height + 7) / 8)];

    public int Width => width;
    public int Height => height;
    public int PageCount => (height + 7) / 8;

    /// <summary>Where the drawing's upper left corner lies: an offset by a dot or two spares the dots of the panel.
    /// </summary>
    public int ShiftX { get; set; }
    public int ShiftY { get; set; }

    /// <summary>The bytes of a page, left to right.</summary>
    public ReadOnlySpan<byte> Page(int page) => _dots.AsSpan(page * width, width);

    /// <summary>The dot of the panel, without the shift.</summary>
    public bool this[int x, int y] => (_dots[(y >> 3) * width + x] >> (y & 7) & 1) != 0;

    public void Clear() => Array.Clear(_dots);

    public void CopyFrom(Canvas other) => other._dots.CopyTo(_dots, 0);

    public void Set(int x, int y, bool lit = true)
    {
        x += ShiftX;
        y += ShiftY;
        if ((uint)x >= (uint)width || (uint)y >= (uint)height) return;
        ref byte column = ref _dots[(y >> 3) * width + x];
        byte bit = (byte)(1 << (y & 7));
        column = (byte)(lit ? column | bit : column & ~bit);
    }

    public void Fill(int x, int y, int w, int h, bool lit = true)
    {
        for (int j = y; j < y + h; j++)
        {
            for (int i = x; i < x + w; i++) Set(i, j, lit);
        }
    }

    public void Frame(int x, int y, int w, int h)
    {
        Fill(x, y, w, 1);
        Fill(x, y + h - 1, w, 1);
        Fill(x, y, 1, h);
        Fill(x + w - 1, y, 1, h);
    }

    /// <summary>A frame, filled from the left by a part from 0 to 1.</summary>
    public void Bar(int x, int y, int w, int h, double part)
    {
        Frame(x, y, w, h);
        Fill(x + 2, y + 2, (int)Math.Round((w - 4) * Math.Clamp(double.IsNaN(part) ? 0 : part, 0, 1)), h - 4);
    }

    public void Text(int x, int y, string text, bool lit = true) =>
        Letters(x, y, text, lit, Font.Width, Font.Height, Font.Advance, Font.Dot);

    public void LargeText(int x, int y, string text) =>
        Letters(x, y, text, true, 2 * Font.Width, Font.LargeHeight, Font.LargeAdvance, Font.LargeDot);

    void Letters(int x, int y, string text, bool lit, int w, int h, int advance, Func<char, int, int, bool> dot)
    {
        foreach (char letter in text)
        {
            for (int j = 0; j < h; j++)
            {
                for (int i = 0; i < w; i++)
                {
                    if (dot(letter, i, j)) Set(x + i, y + j, lit);
                }
            }
            x += advance;
        }
    }

    /// <summary>The picture as text, a line a row: '#' lit, '.' dark.</summary>
    public override string ToString()
    {
        var text = new StringBuilder((width + 1) * height);
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++) text.Append(this[x, y] ? '#' : '.');
            text.Append('\n');
        }
        return text.ToString();
    }
}
