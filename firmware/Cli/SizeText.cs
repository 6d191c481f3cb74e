using System.Globalization;

namespace NasFirmware.Cli;

/// <summary>Sizes as people read them.</summary>
static class SizeText
{
    static readonly string[] s_units = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];

    /// <summary>Two decimals and the unit in which the number is at least one; powers of 1024.</summary>
    internal static string Of(long bytes)
    {
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < s_units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return value.ToString("0.00", CultureInfo.InvariantCulture) + s_units[unit];
    }
}
