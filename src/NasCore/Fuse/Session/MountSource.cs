using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace NasCore.Fuse.Session;

/// <summary>
/// The source name of a mount, as mountinfo shows it: "nashammer:" and the volumes. From it the run-time files of
/// the mounting process are found: its control socket and its process id.
/// </summary>
public static class MountSource
{
    public const string Prefix = "nashammer:";
    public const string RunDirectory = "/run/nashammer";

    public static string Of(IReadOnlyList<string> volumes) => Prefix + string.Join(':', volumes);

    /// <summary>Volumes of a source name or of a command line argument, which may have the prefix too.</summary>
    public static string[] Volumes(string source)
    {
        string list = source.StartsWith(Prefix, StringComparison.Ordinal) ? source[Prefix.Length..] : source;
        return list.Split(':', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Path of the control socket of the process that serves this mount.</summary>
    public static string SocketPath(string source) => RunPath(source, ".sock");

    /// <summary>Path of the file with the process id; it exists while the mount is served.</summary>
    public static string PidPath(string source) => RunPath(source, ".pid");

    /// <summary>
    /// Path of the file that a mount leaves when its last changes could not be made durable: what went wrong.
    /// </summary>
    public static string LossPath(string source) => RunPath(source, ".loss");

    /// <summary>FNV-1a over the name keeps the file name short whatever the volumes are called.</summary>
    static string RunPath(string source, string extension)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in Encoding.UTF8.GetBytes(source)) hash = (hash ^ b) * 1099511628211;
        return $"{RunDirectory}/{hash.ToString("x16", CultureInfo.InvariantCulture)}{extension}";
    }
}
