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
    /// Null if this is no volume. <see cref="IOException"/> if it cannot be read: it is tried again later,
    /// and when the device changes.
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
/// read once for each medium, so looking again costs no access to a disk; one that could not be read is read again
/// later and later. Each medium is read on a thread of its own, so that a disk that hangs keeps nobody from the others:
/// what is not read within a moment is there at a later look. Not thread-safe.
/// </summary>
/// <param name="recognizer">Reads headers; called on threads of its own.</param>
/// <param name="log">Sentences for the log.</param>
/// <param name="time">The clock of the pauses.</param>
/// <param name="answered">A medium has been read: worth another look. On any thread, must be quick.</param>
public sealed class VolumeCatalogue(IVolumeRecognizer recognizer, Action<string> log, TimeProvider? time = null,
    Action? answered = null)
{
    /// <summary>A look waits so long for disks that are just being read: most answer at once.</summary>
    static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan s_retryMin = TimeSpan.FromSeconds(3), s_retryMax = TimeSpan.FromMinutes(10);
    /// <summary>A file that was written so lately may be in the middle of it.</summary>
    static readonly TimeSpan s_fresh = TimeSpan.FromSeconds(10);

    readonly Dictionary<string, Medium> _known = new(StringComparer.Ordinal);
    readonly Dictionary<string, ImageFile> _images = new(StringComparer.Ordinal);
    readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>What lies under a path.</summary>
    sealed class Medium(string id)
    {
        internal readonly string Id = id;
        internal VolumeHeader? Header;
        internal DiskJob<VolumeHeader?>? Reading;
        internal bool IsStale = true, IsUnused;
        /// <summary>When to read it again, after a failure; zero after a success.</summary>
        internal TimeSpan Pause;
        internal long FailedAt;
        /// <summary>When an image file was last written, at the last reading.</summary>
        internal DateTime Written, WrittenWhenRead;
    }

    /// <summary>What the folder says of an image file; its disk may hang, too.</summary>
    sealed class ImageFile
    {
        internal DiskJob<(long Length, DateTime Written)?>? Asking;
        internal (long Length, DateTime Written)? Last;
    }

    /// <summary>Headers are read again at the next look: of this path, or of all.</summary>
    public void Forget(string? path = null)
    {
        foreach ((string known, Medium medium) in _known) medium.IsStale |= path is null || known == path;
    }

    /// <summary>
    /// An image file that nobody has mounted: at the next look it is read again if it was written since.
    /// </summary>
    public void Recheck(string path)
    {
        if (_known.TryGetValue(path, out Medium? medium)) medium.IsUnused = true;
    }

    /// <summary>No medium is being read.</summary>
    public bool IsSettled => _known.Values.All(m => m.Reading is null) && _images.Values.All(i => i.Asking is null);

    /// <summary>An image file is there, as far as its disk tells.</summary>
    public bool HasImage(string path) => _images.TryGetValue(path, out ImageFile? image) && image.Last is not null;

    /// <summary>What is there now.</summary>
    /// <param name="devices">From <see cref="BlockDevices.List"/>.</param>
    /// <param name="images">Files of the configuration; those that are missing are no error.</param>
    public List<FoundFileSystem> Look(IReadOnlyList<BlockDevice> devices, IEnumerable<string> images)
    {
        long from = _time.GetTimestamp();
        var places = new List<(string Path, string Medium, string? Backing, DateTime Written)>();
        foreach (BlockDevice d in devices)
        {
            string medium = string.Create(CultureInfo.InvariantCulture, $"{d.Path} {d.Sequence} {d.Bytes}");
            places.Add((d.Path, medium, d.IsPartition ? null : d.BackingFile, default));
        }
        // A loop device over a configured image is the same medium once more: the device is used.
        string[] files = [.. images.Distinct(StringComparer.Ordinal).Where(i => !places.Exists(p => p.Backing == i))];
        foreach ((string image, (long length, DateTime written)) in LookAtFiles(files))
            places.Add((image, string.Create(CultureInfo.InvariantCulture, $"{image} {length}"), null, written));
        foreach (string gone in _known.Keys.Except(places.Select(p => p.Path)).ToArray()) _known.Remove(gone);
        foreach ((string path, string id, _, DateTime written) in places)
        {
            if (!_known.TryGetValue(path, out Medium? medium) || medium.Id != id)
                medium = _known[path] = new Medium(id);
            medium.Written = written;
            Take(path, medium);
            Begin(path, medium);
        }
        foreach ((string path, Medium medium) in _known) Await(path, medium, from);
        return [.. places.Where(p => _known[p.Path].Header is not null)
            .Select(p => (p.Path, p.Medium, Header: _known[p.Path].Header!))
            .GroupBy(f => f.Header.FsId).OrderBy(g => g.Key).Select(Assemble)];
    }

    List<(string Path, (long Length, DateTime Written))> LookAtFiles(string[] files)
    {
        foreach (string gone in _images.Keys.Except(files).ToArray()) _images.Remove(gone);
        foreach (string path in files)
        {
            if (!_images.TryGetValue(path, out ImageFile? image)) image = _images[path] = new ImageFile();
            image.Asking ??= new DiskJob<(long, DateTime)?>("look-" + Path.GetFileName(path), () =>
            {
                var file = new FileInfo(path);
                return file.Exists ? (file.Length, file.LastWriteTimeUtc) : null;
            }, () => { });
        }
        long from = _time.GetTimestamp();
        var found = new List<(string, (long, DateTime))>();
        foreach (string path in files)
        {
            ImageFile image = _images[path];
            // A folder whose disk hangs says what it said last.
            if (image.Asking!.Wait(s_patience - _time.GetElapsedTime(from)))
            {
                image.Last = image.Asking.Result;
                image.Asking = null;
            }
            if (image.Last is { } last) found.Add((path, last));
        }
        return found;
    }

    void Begin(string path, Medium medium)
    {
        if (medium.Reading is not null) return;
        bool again = medium.Pause > TimeSpan.Zero && _time.GetElapsedTime(medium.FailedAt) >= medium.Pause;
        // Nothing tells when an image file gets a file system, but its time does.
        bool rewritten = medium.IsUnused && medium.Written != default && (medium.Written != medium.WrittenWhenRead
            || (_time.GetUtcNow() - medium.Written).Duration() < s_fresh);
        medium.IsUnused = false;
        if (!medium.IsStale && !again && !rewritten) return;
        medium.IsStale = false;
        medium.WrittenWhenRead = medium.Written;
        medium.Reading = new DiskJob<VolumeHeader?>("read-" + Path.GetFileName(path), () => recognizer.Recognize(path),
            answered ?? (() => { }));
    }

    void Await(string path, Medium medium, long from)
    {
        if (medium.Reading is null) return;
        medium.Reading.Wait(s_patience - _time.GetElapsedTime(from));
        Take(path, medium);
    }

    void Take(string path, Medium medium)
    {
        if (medium.Reading is not { IsDone: true } reading) return;
        medium.Reading = null;
        if (reading.Failure is not { } failure)
        {
            medium.Header = reading.Result;
            medium.Pause = TimeSpan.Zero;
            return;
        }
        log($"{path}: the first bytes cannot be read: {failure.Message}");
        medium.Header = null;
        medium.FailedAt = _time.GetTimestamp();
        medium.Pause = medium.Pause == TimeSpan.Zero ? s_retryMin
            : medium.Pause * 2 < s_retryMax ? medium.Pause * 2 : s_retryMax;
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
