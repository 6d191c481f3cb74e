using System;
using System.Collections.Generic;
using System.IO;
using NasCore.BTree;
using NasCore.Objects;
using NasCore.Primitives;

namespace NasCore;

/// <summary>Messages about damage say which file it is, by its path where one can be found.</summary>
public sealed partial class HammerFs
{
    /// <summary>Directory entries that are looked at for one path, under the shared lock.</summary>
    const int PathElementsMax = 20_000;
    const int PathsKeptMax = 256;

    /// <summary>Paths found before: programs read a bad file again and again. Guarded by itself.</summary>
    readonly Dictionary<Vnode, string> _namedPaths = [];

    /// <summary>The path of an object, or its number; for messages only: it may be that of before a rename.</summary>
    string NameForMessage(Vnode vnode)
    {
        lock (_namedPaths)
        {
            if (_namedPaths.TryGetValue(vnode, out string? known)) return known;
        }
        BTreeCursor cursor = RentCursor();
        string? path;
        _lock.EnterReadLock();
        try
        {
            path = new PathFinder(_inodes, PathElementsMax).Find(cursor, vnode.PfsId, vnode.ObjId, vnode.AsOf);
        }
        finally
        {
            _lock.ExitReadLock();
            ReturnCursor(cursor);
        }
        string name = path ?? $"object {vnode.ObjId:x16} of PFS {vnode.PfsId}";
        if (!vnode.IsLive) name += $" as of {Tid.Format(vnode.AsOf)}";
        lock (_namedPaths)
        {
            if (_namedPaths.Count >= PathsKeptMax) _namedPaths.Clear();
            _namedPaths[vnode] = name;
        }
        return name;
    }

    /// <summary>The same trouble, with the place in the file. Callers hold no lock.</summary>
    Exception NamedTrouble(Vnode vnode, ulong offset, int length, Exception trouble)
    {
        string what = $"reading {length} bytes at {offset} of {NameForMessage(vnode)}: ";
        return trouble is HammerMediumException medium
            ? new HammerMediumException(medium.Where, what + medium.What, medium)
            : new IOException(what + trouble.Message, trouble);
    }
}
