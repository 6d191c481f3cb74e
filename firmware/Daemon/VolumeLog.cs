using System;
using Microsoft.Extensions.Logging;

namespace NasFirmware.Daemon;

/// <summary>What is logged of the box's volumes. Event ids 200 to 299.</summary>
static partial class VolumeLog
{
    [LoggerMessage(200, LogLevel.Information, "volume={Volume}: {Message}")]
    internal static partial void Engine(ILogger log, string volume, string message);

    [LoggerMessage(201, LogLevel.Information, "volume={Volume}: mounted on {Directory} from {Devices}")]
    internal static partial void Mounted(ILogger log, string volume, string directory, string devices);

    [LoggerMessage(202, LogLevel.Warning, "volume={Volume}: {Trouble}")]
    internal static partial void Trouble(ILogger log, string volume, string trouble);

    [LoggerMessage(203, LogLevel.Error, "volume={Volume}: cannot be mounted: {Trouble}")]
    internal static partial void NotMounted(ILogger log, string volume, string trouble, Exception? cause);

    [LoggerMessage(204, LogLevel.Critical, "volume={Volume}: {Message}")]
    internal static partial void Latched(ILogger log, string volume, string message);

    [LoggerMessage(205, LogLevel.Error, "volume={Volume}: its disk is gone ({Devices}); the mount ends")]
    internal static partial void Vanished(ILogger log, string volume, string devices);

    [LoggerMessage(206, LogLevel.Information, "volume={Volume}: closed")]
    internal static partial void Closed(ILogger log, string volume);

    [LoggerMessage(207, LogLevel.Error, "volume={Volume}: {Loss}")]
    internal static partial void Lost(ILogger log, string volume, string loss);

    [LoggerMessage(208, LogLevel.Warning, "volume={Volume}: files on {Directory} are open; it is detached, and cut off "
        + "from them after some seconds")]
    internal static partial void Detached(ILogger log, string volume, string directory);

    [LoggerMessage(209, LogLevel.Warning, "volume={Volume}: parts of the daemon still work on it; waiting for them")]
    internal static partial void StillUsed(ILogger log, string volume);

    [LoggerMessage(210, LogLevel.Information, "volume={Volume} pfs={Path}: made as PFS#{Id}")]
    internal static partial void PfsMade(ILogger log, string volume, string path, int id);

    [LoggerMessage(211, LogLevel.Warning, "disks: {Message}")]
    internal static partial void Disks(ILogger log, string message);

    [LoggerMessage(212, LogLevel.Warning, "volume={Volume}: the mount was ended from outside; it is mounted again when "
        + "the disk comes anew, or after a reload")]
    internal static partial void UnmountedByHand(ILogger log, string volume);
}
