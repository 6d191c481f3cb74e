using System;
using System.IO;

namespace NasLinux;

/// <summary>What the kernel lets one set from outside of a FUSE mount, named by its device number
/// (major:minor).</summary>
public static class FuseConnection
{
    const string Control = "/sys/fs/fuse/connections";

    /// <summary>Raises or lowers the read-ahead of a mount; returns what is in the way, null if nothing.</summary>
    public static string? SetReadAhead(string device, int kibibytes) =>
        Try(() => File.WriteAllText($"/sys/class/bdi/{device}/read_ahead_kb", $"{kibibytes}"));

    /// <summary>
    /// Cuts the connection between kernel and server: every request fails from now on, the server sees the end.
    /// Returns what is in the way, null if nothing.
    /// </summary>
    public static string? Abort(string device)
    {
        string minor = device[(device.IndexOf(':', StringComparison.Ordinal) + 1)..];
        return Try(() =>
        {
            if (!Directory.Exists($"{Control}/{minor}"))
                LinuxMount.Mount("none", Control, "fusectl", MountFlags.None, "");
            File.WriteAllText($"{Control}/{minor}/abort", "1");
        });
    }

    static string? Try(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return exception.Message;
        }
    }
}
