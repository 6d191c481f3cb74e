using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;

namespace NasDevices.Disks;

/// <summary>What sysfs knows of a whole disk. Only <see cref="Celsius"/> asks the disk itself.</summary>
public sealed class DiskSensors(string sys, string disk)
{
    readonly string _folder = Path.Combine(sys, "class/block", disk);

    /// <summary>False for what the kernel makes up: loop devices, memory, mappings.</summary>
    public bool IsHardware => Directory.Exists(Path.Combine(_folder, "device"));

    /// <summary>False for flash, which has nothing to spin down.</summary>
    public bool HasPlatters => Text("queue/rotational") != "0";

    /// <summary>Counters of transfers: the same text means that nobody has used the disk. Asks nothing of it.</summary>
    public string Use => Text("stat") ?? "";

    /// <summary>
    /// The temperature by the kernel's sensor of the drive (drivetemp for SATA, NVMe's own); null without one. This
    /// sends a command to the disk, may wait for it, and resets the spin-down timer of some disks.
    /// </summary>
    public int? Celsius
    {
        get
        {
            foreach (string folder in SensorFolders())
            {
                if (long.TryParse(TextAt(Path.Combine(folder, "temp1_input")), NumberStyles.AllowLeadingSign,
                    CultureInfo.InvariantCulture, out long milli) && milli is > -60_000 and < 200_000)
                    return (int)Math.Round(milli / 1000.0);
            }
            return null;
        }
    }

    /// <summary>What an eMMC says of its wear, for the owner; null if nothing, or if it is well.</summary>
    public string? Wear
    {
        get
        {
            // JEDEC eMMC 5.0: steps of 10 %, 0Bh is beyond; reserve blocks: 2 is 80 % used, 3 is 90 %.
            foreach (string part in (Text("device/life_time") ?? "").Split(' '))
            {
                if (Hex(part) is 0x0B) return "it has been written more than it is made for";
            }
            return Hex(Text("device/pre_eol_info")) switch
            {
                2 => "most of its spare blocks are used up", 3 => "its spare blocks are used up", _ => null,
            };
        }
    }

    /// <summary>True if <see cref="Wear"/> can be known.</summary>
    public bool HasWear => Text("device/life_time") is not null;

    IEnumerable<string> SensorFolders()
    {
        string device = Path.Combine(_folder, "device");
        // SCSI disks have a folder hwmon with hwmonN in it, NVMe controllers have hwmonN.
        foreach (string folder in new[] { Path.Combine(device, "hwmon"), device })
        {
            string[] found = [];
            try
            {
                if (Directory.Exists(folder)) found = Directory.GetDirectories(folder, "hwmon?*");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It went away.
            }
            Array.Sort(found, StringComparer.Ordinal);
            foreach (string sensor in found) yield return sensor;
        }
    }

    static int? Hex(string? text) => text is not null && text.StartsWith("0x", StringComparison.Ordinal)
        && int.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int n)
            ? n : null;

    string? Text(string name) => TextAt(Path.Combine(_folder, name));

    static string? TextAt(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path).Trim() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No such sensor, or it does not answer.
            return null;
        }
    }
}
