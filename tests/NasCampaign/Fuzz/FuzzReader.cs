using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCampaign.Fuzz;

/// <summary>What a reader does with a volume: open, check, and walk the tree reading everything.</summary>
static class FuzzReader
{
    const int ObjectsMax = 20_000, FileBytesMax = 1 << 20;

    internal static void Check(FuzzOverlay device)
    {
        using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([device]));
        NasCore.Maintenance.Check.Run(volumes, new CheckOptions { FindingsMax = 1000 }, _ => { }, null,
            CancellationToken.None);
    }

    internal static void Walk(FuzzOverlay device)
    {
        using HammerFs fs = HammerFs.Open(VolumeSet.Open([device]), new HammerFsOptions
        {
            ReadOnly = true, RunFlusher = false, Time = TimeProvider.System, CacheBytes = 4 << 20,
        });
        var seen = new HashSet<(int, long)>();
        var open = new Stack<Vnode>();
        open.Push(fs.Root);
        open.Push(new Vnode(1, Tid.Max, HammerConst.RootObjId));
        while (open.TryPop(out Vnode at) && seen.Count < ObjectsMax)
        {
            if (seen.Add((at.PfsId, at.ObjId))) Partial(() => Visit(fs, at, open));
        }
    }

    // One damaged object does not end the walk.
    static void Partial(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
        }
    }

    struct Sink : IDirSink
    {
        internal Stack<Vnode> Open;

        public readonly bool Add(ReadOnlySpan<byte> name, Vnode child, ObjType type, long nextCookie)
        {
            Open.Push(child);
            return Open.Count < ObjectsMax * 2;
        }
    }

    static void Visit(HammerFs fs, Vnode at, Stack<Vnode> open)
    {
        if (fs.GetAttr(at, out FileAttr attr).IsError) return;
        switch (attr.Type)
        {
            case ObjType.Directory:
                var sink = new Sink { Open = open };
                _ = fs.ReadDir(at, 0, ref sink);
                _ = fs.Lookup(at, "no such name"u8, out _, out _);
                break;
            case ObjType.SoftLink:
                _ = fs.ReadLink(at, new byte[1024], out _);
                break;
            case ObjType.RegFile:
                byte[] buffer = new byte[16384];
                ulong end = Math.Min(attr.Size, FileBytesMax);
                for (ulong offset = 0; offset < end; offset += (ulong)buffer.Length)
                {
                    ulong from = offset;
                    Partial(() => fs.Read(at, from, buffer, out _));
                }
                if (attr.Size > end) Partial(() => fs.Read(at, attr.Size - 1, buffer, out _));
                break;
        }
    }
}
