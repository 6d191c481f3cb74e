using System.Collections.Generic;
using System.Linq;
using NasDevices.Disks;
using NasFirmware.Config;

namespace NasFirmware.Daemon;

/// <summary>
/// Which of the file systems that are there a section of the configuration means: a pure function of both. Without a
/// file system there is a sentence that says why.
/// </summary>
sealed record VolumeMatch(FoundFileSystem? Found, string? Problem)
{
    internal static VolumeMatch Of(VolumeSettings volume, IReadOnlyList<FoundFileSystem> found,
        IReadOnlyList<BlockDevice> devices)
    {
        FoundFileSystem[] candidates = [.. found.Where(f => IsMeant(volume, f, devices))];
        if (candidates.Length == 0) return new VolumeMatch(null, Absent(volume));
        if (candidates.Length > 1)
        {
            return new VolumeMatch(null, "several file systems would do: "
                + string.Join("; ", candidates.Select(c => $"{c.FsId:D} on {string.Join(", ", c.Devices)}"))
                + ": name one of them by fsid");
        }
        FoundFileSystem only = candidates[0];
        if (only.Problem is not null) return new VolumeMatch(null, only.Problem);
        return only.IsComplete ? new VolumeMatch(only, null)
            : new VolumeMatch(null, $"{only.Missing} ({string.Join(", ", only.Devices)} is)");
    }

    /// <summary>True if a section of the configuration means this file system.</summary>
    internal static bool IsMeant(VolumeSettings volume, FoundFileSystem found, IReadOnlyList<BlockDevice> devices)
    {
        if (volume.FsId is { } id && found.FsId != id) return false;
        if (volume.FsId is null && volume.Label is { } label && found.Label != label) return false;
        if (volume.Images.Count == 0) return true;
        // A loop device over a configured image stands for it.
        return found.Paths.Values.Any(p => volume.Images.Contains(p)
            || devices.Any(d => d.Path == p && d.BackingFile is { } file && volume.Images.Contains(file)));
    }

    static string Absent(VolumeSettings volume)
    {
        if (volume.Images.Count > 0) return $"{string.Join(", ", volume.Images)}: not there, or no HAMMER volume";
        string wanted = volume.FsId is { } id ? $"fsid {id:D}" : $"label {volume.Label}";
        return $"no disk with {wanted} is there";
    }
}
