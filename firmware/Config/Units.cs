using System;
using System.Globalization;

namespace NasFirmware.Config;

/// <summary>Numbers with units, as the configuration writes them and as it is shown.</summary>
static class Units
{
    const int SizeShiftMax = 40;

    static readonly (string Suffix, long Ms)[] s_times =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

    /// <summary>Bytes: a number with the suffix K, M, G or T (powers of 1024), or 0.</summary>
    internal static bool TryBytes(string text, out long bytes)
    {
        bytes = 0;
        if (text == "0") return true;
        if (text.Length < 2) return false;
        int shift = text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => SizeShiftMax, _ => 0 };
        if (shift == 0 || !TryNumber(text[..^1], out double number) || number > long.MaxValue >> (shift + 1))
            return false;
        bytes = (long)(number * (1L << shift));
        return true;
    }

    /// <summary>A time: a number with the suffix ms, s, m, h or d, or 0.</summary>
    internal static bool TryTime(string text, out TimeSpan time)
    {
        time = TimeSpan.Zero;
        if (text == "0") return true;
        foreach ((string suffix, long ms) in s_times)
        {
            // "ms" ends with "s", too: its number would end with an m, which is none.
            if (!text.EndsWith(suffix, StringComparison.Ordinal)) continue;
            if (!TryNumber(text[..^suffix.Length], out double number)) continue;
            if (number * ms > TimeSpan.FromDays(36_500).TotalMilliseconds) return false;
            time = TimeSpan.FromMilliseconds(number * ms);
            return true;
        }
        return false;
    }

    /// <summary>A part of the whole: a number with %.</summary>
    internal static bool TryPercent(string text, out double part)
    {
        part = 0;
        if (!text.EndsWith('%') || !TryNumber(text[..^1], out double number)) return false;
        part = number / 100;
        return true;
    }

    static bool TryNumber(string text, out double number)
    {
        number = 0;
        return text.Length > 0 && char.IsAsciiDigit(text[0])
            && double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);
    }

    internal static string Bytes(long bytes)
    {
        if (bytes == 0) return "0";
        string suffixes = "KMGT";
        int unit = 0;
        while (unit < suffixes.Length - 1 && bytes >> (10 * (unit + 2)) > 0
            && (bytes >> (10 * (unit + 1))) % 1024 == 0) unit++;
        double number = bytes / (double)(1L << (10 * (unit + 1)));
        return number.ToString("0.##########", CultureInfo.InvariantCulture) + suffixes[unit];
    }

    internal static string Time(TimeSpan time)
    {
        long ms = (long)time.TotalMilliseconds;
        if (ms == 0) return "0";
        foreach ((string suffix, long unit) in s_times)
        {
            if (ms % unit == 0) return (ms / unit).ToString(CultureInfo.InvariantCulture) + suffix;
        }
        return ms.ToString(CultureInfo.InvariantCulture) + "ms";
    }

    internal static string Percent(double part) =>
        (part * 100).ToString("0.######", CultureInfo.InvariantCulture) + "%";
}
