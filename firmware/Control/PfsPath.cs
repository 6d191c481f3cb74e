using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text.RegularExpressions;
using NasCore.Fuse.Session;
using NasLinux;

namespace NasFirmware.Control;

/// <summary>
/// What a path given to a PFS or mirror command designates (mirroring-and-operations 1.4): the mount that serves it,
/// and a PFS.
/// A PFS's softlink, its target, or any directory inside designates the whole PFS. The link of a slave that was never
/// synced leads
/// nowhere, so links are read, not followed.
/// </summary>
sealed partial class PfsPath : IDisposable
{
    const string OurType = "fuse.nashammer";

    PfsPath(string path, string mountPoint, string source, int pfsId)
    {
        Path = path;
        _source = source;
        MountPoint = mountPoint;
        PfsId = pfsId;
        Client = new ControlClient(MountSource.SocketPath(source));
    }

    readonly string _source;

    /// <summary>As it was given.</summary>
    internal string Path { get; }
    internal string MountPoint { get; }
    internal int PfsId { get; }
    internal ControlClient Client { get; }

    [GeneratedRegex("^@@(?:0x[0-9a-fA-F]{16}|-1):([0-9]{5})$")]
    private static partial Regex PfsName();

    [GeneratedRegex("^@@PFS([0-9]{5})$")]
    private static partial Regex StoredName();

    /// <summary>True if anything, also a link that leads nowhere, has this name.</summary>
    internal static bool Exists(string path)
    {
        var info = new FileInfo(Trim(path));
        return info.Exists || info.LinkTarget is not null || Directory.Exists(path);
    }

    /// <summary>Finds mount and PFS; an <see cref="IOException"/> that says what is wrong.</summary>
    internal static PfsPath Open(string path)
    {
        string trimmed = Trim(path);
        string last = new FileInfo(trimmed).LinkTarget is { } target ? System.IO.Path.GetFileName(Trim(target))
            : System.IO.Path.GetFileName(trimmed);
        if (PfsOf(last) is { } named and > 0)
        {
            string parent = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(trimmed)) ?? "/";
            return Find(path, parent, named);
        }
        if (!IsThere(trimmed)) throw new FileNotFoundException($"{path}: no such file or directory");
        return Find(path, trimmed, null);
    }

    /// <summary>The root PFS of each mount of ours.</summary>
    internal static List<PfsPath> OfMounts()
    {
        var list = new List<PfsPath>();
        foreach (MountEntry entry in MountTable.Read())
        {
            if (entry.Type == OurType) list.Add(new PfsPath(entry.Directory, entry.Directory, entry.Source, 0));
        }
        return list;
    }

    /// <summary>Another PFS of the same mount, by the path that names its root.</summary>
    internal PfsPath Sibling(int pfsId) => pfsId == 0 ? new PfsPath(MountPoint, MountPoint, _source, 0)
        : new PfsPath(MountPoint.TrimEnd('/') + string.Create(CultureInfo.InvariantCulture, $"/@@-1:{pfsId:d5}"),
            MountPoint, _source, pfsId);

    static bool IsThere(string path) => File.Exists(path) || Directory.Exists(path);

    static string Trim(string path) => path.Length > 1 ? path.TrimEnd('/') : path;

    static int? PfsOf(string name)
    {
        Match match = PfsName().Match(name);
        if (!match.Success) match = StoredName().Match(name);
        return match.Success && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture,
            out int id) && id <= 65535 ? id : null;
    }

    static PfsPath Find(string path, string directory, int? pfsId)
    {
        string real = LinuxMount.RealPath(directory);
        MountEntry? best = null;
        foreach (MountEntry entry in MountTable.Read())
        {
            bool inside = real == entry.Directory || entry.Directory == "/"
                || real.StartsWith(entry.Directory + "/", StringComparison.Ordinal);
            if (inside && entry.Directory.Length >= (best?.Directory.Length ?? 0)) best = entry;
        }
        if (best?.Type != OurType)
        {
            throw new IOException($"{path}: not on a mounted HAMMER file system (mount it with nashammer mount)");
        }
        // Inside a PFS the real path runs through the name of its root.
        int inherited = 0;
        foreach (string part in real[best.Directory.Length..].Split('/'))
        {
            if (PfsOf(part) is { } id) inherited = id;
        }
        return new PfsPath(path, best.Directory, best.Source, pfsId ?? inherited);
    }

    public void Dispose() => Client.Dispose();
}
