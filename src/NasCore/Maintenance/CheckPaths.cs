using System;
using System.Collections.Generic;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>
/// Paths of the objects that findings are about, read from the same volumes while the check goes on. Work is bounded
/// for the whole run: a volume with a million findings is checked in about the time of one without.
/// </summary>
sealed class CheckPaths : IDisposable
{
    const long ElementsMax = 400_000;
    const int KeptMax = 4096;
    const int CacheBuffers = 512;

    readonly BufferMemoryPool _pool = new();
    readonly BufferCache _cache;
    readonly PathFinder _finder;
    readonly BTreeCursor _cursor;
    readonly Dictionary<(int, long), string> _known = [];

    internal CheckPaths(OfflineVolumes volumes)
    {
        _cache = new BufferCache(volumes, _pool, CacheBuffers);
        var inodes = new InodeReader(new NodeStore(_cache, volumes.Version),
            () => new HammerOff(volumes.Header.BTreeRoot), new RecordReader(volumes.Volumes, _cache));
        _finder = new PathFinder(inodes, ElementsMax) { SearchesEverywhere = true };
        _cursor = inodes.NewCursor();
    }

    /// <summary>"of /dir/file", with the offset for file data; else "of object N of PFS M".</summary>
    internal string Of(in BaseElm e)
    {
        string text = Of(new Localization(e.Localization).PfsId, e.ObjId);
        return e.RecType is RecType.Data ? $"{text}, file data up to byte {e.Key}" : text;
    }

    internal string Of(int pfsId, long objId)
    {
        if (_known.TryGetValue((pfsId, objId), out string? known)) return known;
        string? path = _finder.Find(_cursor, pfsId, objId, Tid.Max);
        string text = path is null ? $"of object {objId:x16} of PFS {pfsId}" : $"of {path}";
        if (_known.Count >= KeptMax) _known.Clear();
        return _known[(pfsId, objId)] = text;
    }

    public void Dispose()
    {
        _cache.Dispose();
        _pool.Dispose();
    }
}
