using Microsoft.Extensions.Logging;

namespace NasFirmware.Identity;

/// <summary>What is logged of the box's identity. Event ids 4200 to 4299.</summary>
static partial class IdentityLog
{
    [LoggerMessage(4200, LogLevel.Information, "this box is {Box} again: key {Key} taken from its disks")]
    internal static partial void Adopted(ILogger log, string box, string key);

    [LoggerMessage(4201, LogLevel.Warning, "no former key was found: this box has a new one, {Key}. Boxes that knew it "
        + "have to be paired anew")]
    internal static partial void Made(ILogger log, string key);

    [LoggerMessage(4202, LogLevel.Information, "volume={Volume}: keeps a copy of the box's key and peers")]
    internal static partial void Kept(ILogger log, string volume);

    [LoggerMessage(4203, LogLevel.Warning, "volume={Volume}: the copy of the box's key: {Trouble}")]
    internal static partial void NotKept(ILogger log, string volume, string trouble);

    [LoggerMessage(4204, LogLevel.Information, "volume={Volume}: the copy of the box's key was taken away: its root "
        + "is mirrored, or the owner wants none there")]
    internal static partial void Removed(ILogger log, string volume);

    [LoggerMessage(4205, LogLevel.Information, "{Count} peers taken over from the copy on a disk, which is newer")]
    internal static partial void PeersTaken(ILogger log, int count);

    [LoggerMessage(4206, LogLevel.Warning, "the owner has given up the box's key: the new one is {Key}. Other "
        + "boxes have to be paired anew")]
    internal static partial void Renewed(ILogger log, string key);
}
