using System;
using System.Globalization;
using System.Text;

namespace NasFirmware.Cli;

/// <summary>strftime(3) for snapshot names, in local time: the conversions that dates and times need.</summary>
static class StrFTime
{
    /// <summary>The name of a snapshot's softlink (mirroring-and-operations 5.3).</summary>
    internal const string SnapshotName = "snap-%Y%m%d-%H%M";

    internal static string Format(string format, DateTimeOffset time)
    {
        var text = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length) text.Append(format[i]);
            else text.Append(Conversion(format[++i], time));
        }
        return text.ToString();
    }

    static string Conversion(char letter, DateTimeOffset time) => letter switch
    {
        'Y' => Net(time, "yyyy"), 'y' => Net(time, "yy"), 'm' => Net(time, "MM"), 'd' => Net(time, "dd"),
        'H' => Net(time, "HH"), 'M' => Net(time, "mm"), 'S' => Net(time, "ss"), 'j' => $"{time.DayOfYear:000}",
        'F' => Net(time, "yyyy-MM-dd"), 'T' => Net(time, "HH:mm:ss"), 'R' => Net(time, "HH:mm"),
        'b' => Net(time, "MMM"), 'a' => Net(time, "ddd"), 'Z' => Zone(time), '%' => "%",
        's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        _ => throw new UsageException($"%{letter}: not a conversion of strftime that is known here"),
    };

    static string Net(DateTimeOffset time, string format) => time.ToString(format, CultureInfo.InvariantCulture);

    // The runtime knows long names only; where the short one is not certain, the offset is.
    static string Zone(DateTimeOffset time)
    {
        if (time.Offset == TimeSpan.Zero) return "UTC";
        return Net(time, "zzz").Replace(":", "", StringComparison.Ordinal);
    }
}
