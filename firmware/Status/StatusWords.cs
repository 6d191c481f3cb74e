using System;
using System.Globalization;

namespace NasFirmware.Status;

/// <summary>Numbers as people read them, the same on the display and on the command line.</summary>
static class StatusWords
{
    /// <summary>A span in at most 8 characters: 0.4 s, 12 s, 3 min, 5.2 h, 9 days.</summary>
    internal static string Seconds(double seconds) => seconds switch
    {
        < 0.05 => "0 s",
        < 10 => Number(seconds, "0.#") + " s",
        < 100 => Number(seconds, "0") + " s",
        < 100 * 60 => Number(seconds / 60, "0") + " min",
        < 48 * 3600 => Number(seconds / 3600, "0.#") + " h",
        _ => Days(seconds / 86400),
    };

    internal static string Days(double days) => days switch
    {
        < 1 => Number(days * 24, "0") + " h",
        < 1.5 => "1 day",
        < 1000 => Number(days, "0") + " days",
        _ => Number(Math.Min(days / 365, 999), "0") + " years",
    };

    /// <summary>Bytes in at most 7 characters: 512 B, 1.5 KB, 20 MB, powers of 1024.</summary>
    internal static string Bytes(double bytes)
    {
        string[] units = ["B", "KB", "MB", "GB", "TB", "PB"];
        int unit = 0;
        while (bytes >= 999.5 && unit < units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }
        return Number(bytes, bytes < 9.95 && unit > 0 ? "0.#" : "0") + " " + units[unit];
    }

    /// <summary>A point in time for the eye, UTC, to the minute.</summary>
    internal static string Moment(DateTimeOffset moment) =>
        moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    /// <summary>How long ago; a clock that is behind says when it was.</summary>
    internal static string Ago(DateTimeOffset moment, DateTimeOffset now) =>
        moment > now ? Moment(moment) : Seconds((now - moment).TotalSeconds) + " ago";

    static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
