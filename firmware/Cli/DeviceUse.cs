using System;
using System.IO;
using System.Linq;

namespace NasFirmware.Cli;

/// <summary>
/// Is a device or image in use? Asks the kernel's own tables: mounts (also as source of a mount of ours), swap, loop
/// devices. What they do not show, opening with O_EXCL refuses.
/// </summary>
static class DeviceUse
{
    /// <summary>What the path is used for, as a clause for a message; null if nothing is known.</summary>
    internal static string? Find(string path)
    {
        string real = Resolve(path);
        return FindMount(real) ?? FindSwap(real) ?? FindLoop(real);
    }

    static string? FindMount(string real)
    {
        string? number = DeviceNumber(real);
        foreach (string line in Lines("/proc/self/mountinfo"))
        {
            // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
            string[] fields = line.Split(' ');
            int dash = Array.IndexOf(fields, "-");
            if (dash < 5 || dash + 2 >= fields.Length) continue;
            string source = Unescape(fields[dash + 2]), place = Unescape(fields[4]);
            bool same = number is not null && fields[2] == number && fields[dash + 1] != "fuse"
                || source.Split(':').Any(s => s.StartsWith('/') && Resolve(s) == real);
            if (same) return $"mounted on {place} ({fields[dash + 1]})";
        }
        return null;
    }

    static string? FindSwap(string real) =>
        Lines("/proc/swaps").Skip(1).Any(l => Resolve(Unescape(l.Split(' ', '\t')[0])) == real)
            ? "in use as swap space" : null;

    static string? FindLoop(string real)
    {
        foreach (string loop in Directory.Exists("/sys/block") ? Directory.GetDirectories("/sys/block", "loop*") : [])
        {
            string backing = Path.Combine(loop, "loop", "backing_file");
            if (File.Exists(backing) && Lines(backing).FirstOrDefault() == real)
                return $"attached to /dev/{Path.GetFileName(loop)}";
        }
        return null;
    }

    // "8:1" of a block device, from sysfs.
    static string? DeviceNumber(string real) =>
        real.StartsWith("/dev/", StringComparison.Ordinal)
            ? Lines(Path.Combine("/sys/class/block", Path.GetFileName(real), "dev")).FirstOrDefault() : null;

    static string Resolve(string path)
    {
        string full = Path.GetFullPath(path);
        try
        {
            return File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
        }
        catch (IOException)
        {
            return full;
        }
    }

    static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A table that this kernel or container does not show: O_EXCL still protects.
            return [];
        }
    }

    static string Unescape(string text) => text
        .Replace(@"\040", " ", StringComparison.Ordinal).Replace(@"\011", "\t", StringComparison.Ordinal)
        .Replace(@"\012", "\n", StringComparison.Ordinal).Replace(@"\134", @"\", StringComparison.Ordinal);
}
