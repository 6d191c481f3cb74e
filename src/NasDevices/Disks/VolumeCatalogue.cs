using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;

namespace NasDevices.Disks;

/// <summary>What the header of a volume says of it.</summary>
/// <param name="Number">From 0 on; volume 0 is the root volume.</param>
/// <param name="Count">How many volumes the file system has.</param>
public sealed record VolumeHeader(Guid FsId, string Label, int Number, int Count);

/// <summary>Reads headers; NasDevices does not know file systems.</summary>
public interface IVolumeRecognizer
{
    /// <summary>
    /// Null if this is no volume. <see cref="IOException"/> if it cannot be read: it is tried again when the device
    /// changes.
    /// </summary>
    VolumeHeader? Recognize(string path);
}

/// <summary>A file system, of which all or some volumes are there.</summary>
public sealed record FoundFileSystem(Guid FsId, string Label, int Count)
{
    /// <summary>Paths by volume number.</summary>
    public required IReadOnlyDictionary<int, string> Paths { get; init; }
    /// <summary>Disks and media that these paths are on: changes when another medium took a path.</summary>
    public required string Media { get; init; }
    /// <summary>Why it must not be mounted, although its volumes are there; null if it may.</summary>
    public string? Problem { get; init; }

    public bool IsComplete => Problem is null && Paths.Count == Count;

    /// <summary>In the order of their numbers, as they are mounted.</summary>
    public string[] Devices => [.. Paths.OrderBy(p => p.Key).Select(p => p.Value)];

    /// <summary>What is missing, for the owner.</summary>
    public string Missing => "volume " + string.Join(", ", Enumerable.Range(0, Count)
        .Where(n => !Paths.ContainsKey(n)).Select(n => n.ToString(CultureInfo.InvariantCulture))) + " of "
        + Count.ToString(CultureInfo.InvariantCulture) + " is not there";
}

/// <summary>
/// Which file systems lie on the devices and image files of this machine, whatever their names are today. A header is
/// read once for each medium, so looking again costs no access to a disk. Not thread-safe.
/// </summary>
public sealed class VolumeCatalogue(IVolumeRecognizer recognizer, Action<string> log)
{
    readonly Dictionary<string, (string Medium, VolumeHeader? Header)> _known = new(StringComparer.Ordinal);

    /// <summary>Headers are read again at the next look: of this path, or of all.</summary>
    public void Forget(string? path = null)
    {
        if (path is null) _known.Clear();
        else _known.Remove(path);
    }

    /// <summary>What is there now.</summary>
    /// <param name="devices">From <see cref="BlockDevices.List"/>.</param>
    /// <param name="images">Files of the configuration; those that are missing are no error.</param>
    public List<FoundFileSystem> Look(IReadOnlyList<BlockDevice> devices, IEnumerable<string> images)
    {
        var places = new List<(string Path, string Medium, string? Backing)>();
        foreach (BlockDevice d in devices)
        {
            string medium = string.Create(CultureInfo.InvariantCulture, $"{d.Path} {d.Sequence} {d.Bytes}");
            places.Add((d.Path, medium, d.IsPartition ? null : d.BackingFile));
        }
        foreach (string image in images.Distinct(StringComparer.Ordinal))
        {
            // A loop device over a configured image is the same medium once more: the device is used.
            if (places.Exists(p => p.Backing == image)) continue;
            var file = new FileInfo(image);
            if (!file.Exists) continue;
            places.Add((image, string.Create(CultureInfo.InvariantCulture, $"{image} {file.Length}"), null));
        }
        foreach (string gone in _known.Keys.Except(places.Select(p => p.Path)).ToArray()) _known.Remove(gone);
        var found = new List<(string Path, string Medium, VolumeHeader Header)>();
        foreach ((string path, string medium, _) in places)
        {
            if (HeaderOf(path, medium) is { } header) found.Add((path, medium, header));
        }
        return [.. found.GroupBy(f => f.Header.FsId).OrderBy(g => g.Key).Select(Assemble)];
    }

    VolumeHeader? HeaderOf(string path, string medium)
    {
        if (_known.TryGetValue(path, out var known) && known.Medium == medium) return known.Header;
        VolumeHeader? header = null;
        try
        {
            header = recognizer.Recognize(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log($"{path}: the first bytes cannot be read: {e.Message}");
        }
        _known[path] = (medium, header);
        return header;
    }

    static FoundFileSystem Assemble(IGrouping<Guid, (string Path, string Medium, VolumeHeader Header)> volumes)
    {
        var paths = new Dictionary<int, string>();
        string? problem = null;
        // The root volume's word counts; without it, any.
        VolumeHeader first = volumes.OrderBy(v => v.Header.Number).First().Header;
        foreach ((string path, _, VolumeHeader header) in volumes.OrderBy(v => v.Path, StringComparer.Ordinal))
        {
            if (paths.TryGetValue(header.Number, out string? other))
            {
                problem ??= $"{other} and {path} both say that they are volume {header.Number} of "
                    + $"{volumes.Key:D}: one is a copy; take it out, nothing is mounted until then";
            }
            else if (header.Number >= first.Count)
            {
                problem ??= $"{path} says that it is volume {header.Number}, but {volumes.Key:D} has {first.Count}";
            }
            else
            {
                paths.Add(header.Number, path);
            }
        }
        return new FoundFileSystem(volumes.Key, first.Label, first.Count)
        {
            Paths = paths, Problem = problem,
            Media = string.Join('\n', volumes.Select(v => v.Medium).Order(StringComparer.Ordinal)),
        };
    }
}
