using System;
using System.IO;
using System.Text;
using Microsoft.Extensions.Logging;
using NasFirmware.Config;

namespace NasFirmware.Daemon;

/*
 * Which light the box has, for the time when its configuration cannot be read any more. An owner may leave a mistake
 * in config.toml while the daemon runs on with the former settings; when it ends later, and cannot start, `nashammer
 * panel --failed` must still find the light. So the daemon writes its [led] section down, as a small configuration of
 * its own, beside its socket and in the state folder, and only when it changed.
 */

/// <summary>The last [led] section that was in force.</summary>
static class LightMemory
{
    const string Name = "lights.toml", UsualState = "/var/lib/nashammer";

    /// <summary>Writes the section down where <see cref="Recall"/> looks.</summary>
    internal static void Keep(Settings settings, ILogger log)
    {
        string text = Text(settings.Led);
        foreach (string folder in (string[])[settings.Box.Run, settings.Box.State])
        {
            string path = Path.Combine(folder, Name);
            try
            {
                if (File.Exists(path) && File.ReadAllText(path) == text) continue;
                Directory.CreateDirectory(folder);
                NasLinux.DurableFile.Replace(path, Encoding.UTF8.GetBytes(text),
                    UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                DaemonLog.LightNotKept(log, path, e.Message);
            }
        }
    }

    /// <summary>Settings whose [led] is what the daemon had last; null: none is written down.</summary>
    /// <param name="socket">The daemon's socket, beside which one copy lies.</param>
    internal static Settings? Recall(string socket)
    {
        foreach (string folder in (string[])[Path.GetDirectoryName(socket) ?? "/", UsualState])
        {
            string path = Path.Combine(folder, Name);
            try
            {
                if (File.Exists(path) && ConfigReader.ReadFile(path, box: null).Settings is { } settings)
                    return settings;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Cli.CommandLine.Complain($"{path}: {e.Message}");
            }
        }
        return null;
    }

    static string Text(LedSettings led) =>
        "# Written by the daemon: the light that it had last, for when config.toml cannot be read.\n[led]\n"
        + (led.Device.Length > 0 ? $"device = {Quoted(led.Device)}\n" : "")
        + (led.Chip.Length > 0
            ? $"chip = {Quoted(led.Chip)}\nline = {led.Line}\nactive-low = {(led.ActiveLow ? "true" : "false")}\n"
            : "");

    static string Quoted(string value) => "\"" + value.Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";
}
