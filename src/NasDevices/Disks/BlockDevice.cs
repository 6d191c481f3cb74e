using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;

namespace NasDevices.Disks;

/// <summary>
/// A block device as the kernel lists it; reading this touches no disk. Two values are equal as long as it is the same
/// medium in the same place.
/// </summary>
/// <param name="Path">/dev/NAME.</param>
/// <param name="Sequence">
/// The kernel's number of the medium: another one under the same name is another medium. 0 where it gives none.
/// </param>
/// <param name="Bytes">Its length.</param>
/// <param name="Disk">The whole disk that a partition lies on, else its own name.</param>
public sealed record BlockDevice(string Path, long Sequence, long Bytes, string Disk)
{
    public string? Model { get; init; }
    public string? Serial { get; init; }
    /// <summary>The file behind a loop device.</summary>
    public string? BackingFile { get; init; }
    public bool IsPartition => System.IO.Path.GetFileName(Path) != Disk;
}

/// <summary>The block devices of this machine, from sysfs.</summary>
public static class BlockDevices
{
    const int SectorBytes = 512;
    // Memory, and what is no place for a volume.
    static readonly string[] s_never = ["ram", "zram", "fd", "sr"];

    /// <summary>
    /// All that have a medium, in the order of their names. What cannot be read is left out: it is going away, or
    /// coming.
    /// </summary>
    /// <param name="sys">/sys, or a folder made like it.</param>
    /// <param name="udev">Udev's data base, for serial numbers that sysfs does not have.</param>
    public static List<BlockDevice> List(string sys = "/sys", string udev = "/run/udev/data")
    {
        var devices = new List<BlockDevice>();
        string folder = Path.Combine(sys, "class/block");
        if (!Directory.Exists(folder)) return devices;
        string[] names = [.. Names(folder)];
        Array.Sort(names, StringComparer.Ordinal);
        foreach (string name in names)
        {
            if (Array.Exists(s_never, n => name.StartsWith(n, StringComparison.Ordinal)
                && name.Length > n.Length && char.IsAsciiDigit(name[n.Length]))) continue;
            try
            {
                if (TryRead(folder, name, udev) is { } device) devices.Add(device);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It went away between two looks at it.
            }
        }
        return devices;
    }

    static IEnumerable<string> Names(string folder)
    {
        foreach (string entry in Directory.EnumerateFileSystemEntries(folder)) yield return Path.GetFileName(entry);
    }

    static BlockDevice? TryRead(string folder, string name, string udev)
    {
        string own = Path.Combine(folder, name);
        if (!long.TryParse(Text(own, "size"), NumberStyles.None, CultureInfo.InvariantCulture, out long sectors)
            || sectors is <= 0 or > long.MaxValue / SectorBytes) return null;
        string disk = File.Exists(Path.Combine(own, "partition")) ? DiskOf(own) : name;
        string whole = disk == name ? own : Path.Combine(folder, disk);
        long.TryParse(Text(whole, "diskseq"), NumberStyles.None, CultureInfo.InvariantCulture, out long sequence);
        return new BlockDevice("/dev/" + name.Replace('!', '/'), sequence, sectors * SectorBytes, disk)
        {
            Model = Text(whole, "device/model"),
            Serial = Text(whole, "device/serial") ?? Text(whole, "serial") ?? UdevSerial(udev, Text(whole, "dev"))
                ?? Text(whole, "device/wwid"),
            BackingFile = Text(whole, "loop/backing_file"),
        };
    }

    // A partition's folder lies in its disk's.
    static string DiskOf(string partition)
    {
        string real = Path.GetFullPath(Directory.ResolveLinkTarget(partition, returnFinalTarget: true)?.FullName
            ?? partition);
        return Path.GetFileName(Path.GetDirectoryName(real)!);
    }

    static string? UdevSerial(string udev, string? number)
    {
        if (number is null) return null;
        string? data = Text(udev, "b" + number);
        foreach (string line in (data ?? "").Split('\n'))
        {
            if (line.StartsWith("E:ID_SERIAL_SHORT=", StringComparison.Ordinal)) return line[18..];
        }
        return null;
    }

    static string? Text(string folder, string name)
    {
        try
        {
            string path = Path.Combine(folder, name);
            if (!File.Exists(path)) return null;
            string text = File.ReadAllText(path).Trim();
            return text.Length is > 0 and < 64 * 1024 ? text : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It went away while we looked.
            return null;
        }
    }
}
