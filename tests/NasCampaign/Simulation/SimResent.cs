using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCampaign.Simulation;

/// <summary>
/// Looks at what each connection of one mirror sends again: at most 1 MiB after a cut of the link, and what had arrived
/// since the last durable group after a crash of the target. What a target has lost comes in the sessions after the
/// one that the crash ended, in as many as the link's cuts make of it. It remembers each record of the batch under way
/// that was handed over, also those of a source that has crashed since. The mirror's own number would not do: it goes
/// by the highest key, and takes what the owner has written below it meanwhile for sent before.
/// </summary>
sealed class SimResent
{
    const long ResentMax = 1 << 20;

    readonly SimWorld _world;
    readonly SimMirror _mirror;
    readonly HashSet<(uint, long, ushort, long, ulong)> _handedOver = [];
    /// <summary>Where the batch under way begins: who begins behind it was told that all before is durable.</summary>
    ulong _begin;
    /// <summary>What the target has lost so far, and what of it was not sent again yet.</summary>
    long _lost, _open;
    /// <summary>What this connection, and all of them, have sent again.</summary>
    long _again, _total;

    SimResent(SimWorld world, SimMirror mirror)
    {
        _world = world;
        _mirror = mirror;
    }

    /// <summary>Looks at all mirrors of a world that has not begun yet, in all lives of their boxes.</summary>
    internal static void Watch(SimWorld world)
    {
        foreach (SimMirror mirror in world.Mirrors)
            world.Box(mirror.From).Resent["mirror-" + mirror.Name] = new SimResent(world, mirror);
    }

    /// <summary>A connection begins; what is sent in it comes from here.</summary>
    internal IMirrorSource Session(IMirrorSource source)
    {
        _open = Math.Max(0, _open - _again);
        _again = 0;
        return new Source(this, source);
    }

    void Begin(ulong begin)
    {
        if (begin <= _begin) return;
        _begin = begin;
        _handedOver.Clear();
    }

    void Look(IMirrorScan scan)
    {
        if (scan.Kind == MirrorItemKind.Skip) return;
        ref readonly BaseElm key = ref scan.Leaf.Base;
        if (_handedOver.Add((key.Localization, key.ObjId, key.RecTypeRaw, key.Key, key.CreateTid))) return;
        int data = scan.Kind == MirrorItemKind.Rec ? scan.Leaf.DataLen : 0, bytes = MrecordRec.Bytes + data;
        _again += bytes;
        _total += bytes;
        long lost = _world.Box(_mirror.To).LostBytes;
        _open += lost - _lost;
        _lost = lost;
        if (_again > ResentMax + _open)
            _world.Scheduler.Fail(new CampaignFinding("too much was sent again", $"{_mirror.Name} at {key}",
                $"{_again} bytes in one connection, {ResentMax + _open} allowed, {_total} in all"));
    }

    sealed class Source(SimResent judge, IMirrorSource inner) : IMirrorSource
    {
        public Errno ReadPfs(out PseudofsData pfs) => inner.ReadPfs(out pfs);
        public Errno ReadPfs(out PseudofsData pfs, out Lineage? lineage) => inner.ReadPfs(out pfs, out lineage);
        public long BytesMax => inner.BytesMax;
        public bool IsWhole(ulong tid) => inner.IsWhole(tid);

        public bool WaitBeyond(ulong tid, TimeSpan timeout, CancellationToken stop) =>
            inner.WaitBeyond(tid, timeout, stop);

        public IMirrorScan Scan(MirrorRange range)
        {
            judge.Begin(range.Begin);
            return new Scanned(judge, inner.Scan(range));
        }

        public IMirrorScan Scan(MirrorRange range, in BaseElm from)
        {
            judge.Begin(range.Begin);
            return new Scanned(judge, inner.Scan(range, in from));
        }
    }

    sealed class Scanned(SimResent judge, IMirrorScan inner) : IMirrorScan
    {
        public MirrorItemKind Kind => inner.Kind;
        public ref readonly LeafElm Leaf => ref inner.Leaf;
        public ref readonly BaseElm SkipBeg => ref inner.SkipBeg;
        public ref readonly BaseElm SkipEnd => ref inner.SkipEnd;
        public bool ReadData(Span<byte> destination) => inner.ReadData(destination);
        public long NodesVisited => inner.NodesVisited;
        public void Dispose() => inner.Dispose();

        public bool MoveNext()
        {
            if (!inner.MoveNext()) return false;
            judge.Look(inner);
            return true;
        }
    }
}
