using System;
using System.Globalization;
using System.IO;
using System.Text;

namespace NasCore.Maintenance;

/// <summary>
/// Text of the dumps as bytes: numbers and words are ASCII, names go through as they are on the medium, unless the
/// reader is a terminal; then control characters become \ooo.
/// </summary>
public sealed class ShowText(Stream to, bool forTerminal) : IDisposable
{
    readonly MemoryStream _buffer = new();

    /// <summary>ASCII text.</summary>
    public ShowText Put(string text)
    {
        _buffer.Write(Encoding.ASCII.GetBytes(text));
        return this;
    }

    /// <summary>Bytes of a name or label.</summary>
    public ShowText Name(ReadOnlySpan<byte> name)
    {
        if (!forTerminal)
        {
            _buffer.Write(name);
            return this;
        }
        foreach (byte b in name)
        {
            if (b is < 0x20 or 0x7F) Put("\\" + Convert.ToString(b, 8).PadLeft(3, '0'));
            else _buffer.WriteByte(b);
        }
        return this;
    }

    /// <summary>Bytes up to the first NUL.</summary>
    public ShowText CString(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return Name(end < 0 ? field : field[..end]);
    }

    public void Line()
    {
        _buffer.WriteByte((byte)'\n');
        if (_buffer.Length >= 65536) Flush();
    }

    public void Flush()
    {
        to.Write(_buffer.GetBuffer(), 0, (int)_buffer.Length);
        _buffer.SetLength(0);
    }

    /// <summary>
    /// A size as the original's tools print it: two decimals, six columns, in the unit of which it is at least half.
    /// </summary>
    public static string Size(long bytes)
    {
        string[] units = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
        double value = bytes;
        int unit = 0;
        while (unit < units.Length - 1 && value >= 512)
        {
            value /= 1024;
            unit++;
        }
        return value.ToString("0.00", CultureInfo.InvariantCulture).PadLeft(6) + units[unit];
    }

    public void Dispose()
    {
        Flush();
        _buffer.Dispose();
    }
}
