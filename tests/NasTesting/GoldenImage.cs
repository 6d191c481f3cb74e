using System.Collections.Generic;

namespace NasTesting;

/// <summary>One tree that a golden volume must show.</summary>
/// <param name="Pfs">The pseudo-filesystem.</param>
/// <param name="AsOf">The TID of the view; null is the live tree. For a slave this is its sync_end_tid.</param>
/// <param name="ManifestPath">Absolute path of the compressed manifest.</param>
/// <param name="Section">Empty when the file is the list itself; otherwise "live" or "0xTID", a member of random/.
/// </param>
/// <param name="TimesAreCtime">The view is read-only, so it reports mtime = ctime (observed.md 4).</param>
public sealed record GoldenManifestRef(int Pfs, ulong? AsOf, string ManifestPath, string Section, bool TimesAreCtime)
{
    public override string ToString() =>
        $"pfs {Pfs} {(AsOf is ulong tid ? $"as of 0x{tid:x16}" : "live")} ({System.IO.Path.GetFileName(ManifestPath)})";
}

/// <summary>One golden volume (of one or more images) and what must be found in it.</summary>
public sealed record GoldenImage
{
    /// <summary>Folder below made/ or the top folder, then the set: "v7/basic", "fresh/v6-2g-u8m",
    /// "random/8001", "random-crashed/9001", "v6/crash.undo-pre-n25.recovered".</summary>
    public required string Name { get; init; }

    /// <summary>vol_version of the volume now.</summary>
    public required int Version { get; init; }

    /// <summary>The compressed images, in volume order.</summary>
    public required IReadOnlyList<string> Archives { get; init; }

    /// <summary>What a reader must show. For a crashed volume: what a read-only mount shows.</summary>
    public required IReadOnlyList<GoldenManifestRef> Manifests { get; init; }

    /// <summary>HAMMER's own dump of the B-Tree (show.txt or *.show.txt.zst), if there is one.</summary>
    public string? ShowPath { get; init; }

    /// <summary>The tree after a read-write mount (UNDO, then REDO), if the volume was crashed.</summary>
    public GoldenManifestRef? Recovered { get; init; }

    /// <summary>The active UNDO range is not empty: recovery has to run first.</summary>
    public bool Crashed { get; init; }

    /// <summary>A volume as newfs left it, never mounted.</summary>
    public bool Fresh { get; init; }

    public override string ToString() => Name;
}
