using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace NasLinux;

/// <summary>One line of /proc/self/mountinfo.</summary>
/// <param name="Device">major:minor of the file system, as in /sys/class/bdi.</param>
public sealed record MountEntry(string Device, string Directory, string Type, string Source);

/// <summary>The mounts of this process's namespace.</summary>
public static class MountTable
{
    public static IReadOnlyList<MountEntry> Read() => Parse(File.ReadAllText("/proc/self/mountinfo"));

    /// <summary>The topmost mount on a directory (an absolute path without links) if it is of this type.</summary>
    public static MountEntry? Find(string directory, string type)
    {
        MountEntry? found = null;
        foreach (MountEntry entry in Read())
            if (entry.Directory == directory) found = entry;
        return found?.Type == type ? found : null;
    }

    /// <summary>Lines of mountinfo: optional fields end with a lone hyphen (proc(5)); odd lines are skipped.</summary>
    public static IReadOnlyList<MountEntry> Parse(string text)
    {
        var entries = new List<MountEntry>();
        foreach (string line in text.Split('\n'))
        {
            string[] fields = line.Split(' ');
            int hyphen = Array.IndexOf(fields, "-");
            if (hyphen < 6 || fields.Length < hyphen + 3) continue;
            entries.Add(new MountEntry(fields[2], Unescape(fields[4]), Unescape(fields[hyphen + 1]),
                Unescape(fields[hyphen + 2])));
        }
        return entries;
    }

    /// <summary>Spaces and the like are written as a backslash and three octal digits.</summary>
    static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal)) return field;
        byte[] bytes = Encoding.UTF8.GetBytes(field);
        int length = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            bool escaped = bytes[i] == '\\' && i + 3 < bytes.Length && IsOctal(bytes[i + 1]) &&
                IsOctal(bytes[i + 2]) && IsOctal(bytes[i + 3]);
            bytes[length++] = escaped
                ? (byte)(((bytes[i + 1] - '0') << 6) | ((bytes[i + 2] - '0') << 3) | (bytes[i + 3] - '0'))
                : bytes[i];
            if (escaped) i += 3;
        }
        return Encoding.UTF8.GetString(bytes, 0, length);
    }

    static bool IsOctal(byte b) => b is >= (byte)'0' and <= (byte)'7';
}
