using System;
using Microsoft.Extensions.Logging;

namespace NasFirmware.Daemon;

/// <summary>What the daemon's own parts write to the log. Event ids 100 to 199.</summary>
static partial class DaemonLog
{
    [LoggerMessage(100, LogLevel.Information, "nashammer {Version} as box={Box}, configuration {File}")]
    internal static partial void Started(ILogger log, string version, string box, string file);

    [LoggerMessage(101, LogLevel.Information, "stopping, within {Seconds} s")]
    internal static partial void Stopping(ILogger log, double seconds);

    [LoggerMessage(102, LogLevel.Information, "stopped")]
    internal static partial void Stopped(ILogger log);

    [LoggerMessage(103, LogLevel.Information, "configuration read again")]
    internal static partial void Reloaded(ILogger log);

    [LoggerMessage(104, LogLevel.Error, "{Mistake}")]
    internal static partial void Mistake(ILogger log, string mistake);

    [LoggerMessage(105, LogLevel.Error, "the configuration has mistakes: the former settings stay in force")]
    internal static partial void NotReloaded(ILogger log);

    [LoggerMessage(106, LogLevel.Warning, "{Key} has changed: that takes effect when the daemon starts anew")]
    internal static partial void NeedsRestart(ILogger log, string key);

    [LoggerMessage(107, LogLevel.Error, "part={Part}: {Trouble}")]
    internal static partial void PartFailed(ILogger log, string part, string trouble, Exception? cause);

    [LoggerMessage(108, LogLevel.Error, "part={Part} did not stop in time and is left behind")]
    internal static partial void PartLeft(ILogger log, string part);

    [LoggerMessage(110, LogLevel.Warning, "{Sentence}")]
    internal static partial void Updated(ILogger log, string sentence);

    [LoggerMessage(109, LogLevel.Critical, "probe={Probe} has not turned for {Seconds} s: systemd is not told that all "
        + "is well")]
    internal static partial void ProbeDead(ILogger log, string probe, double seconds);

    [LoggerMessage(111, LogLevel.Warning, "{File}: the light cannot be written down for a later failure: {Trouble}")]
    internal static partial void LightNotKept(ILogger log, string file, string trouble);
}
