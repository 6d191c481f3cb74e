using System;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>Which part of the tree to show, and how much of each record.</summary>
public sealed record ShowOptions
{
    /// <summary>Inclusive range of keys; everything by default.</summary>
    public BaseElm From { get; init; } = BaseElm.GlobalLow;
    public BaseElm To { get; init; } = BaseElm.GlobalHigh;
    /// <summary>1: no space figures, 2: no payload either.</summary>
    public int Quiet { get; init; }
    /// <summary>Decode configuration texts and data too.</summary>
    public int Verbose { get; init; }
}

/// <summary>
/// `show`: the volume header and the B-Tree, depth first, in the notation of HAMMER's own tool
/// (mirroring-and-operations 6.7). It judges as it goes: the flags in front of nodes and elements are B (bad: CRC, or
/// what the other letters say), L and R (left or right of the bounds), T (type), C (child and parent disagree),
/// M (mirror_tid), I (unreadable), U (unknown type). A tree that is damaged is shown as far as it can be read.
/// </summary>
public sealed class ShowTree(OfflineVolumes volumes, ShowText text, ShowOptions options, CancellationToken cancel)
{
    readonly byte[] _scratch = new byte[HammerConst.XBufferBytes];
    int _badNodes, _badElements, _badRecords;
    /// <summary>Nodes that may still be visited: more than the volumes can hold means a loop.</summary>
    long _nodesLeft;

    /// <summary>Writes everything; the result is the number of bad nodes, elements and records.</summary>
    public int Run()
    {
        ShowHeader.Write(volumes, text);
        foreach (var volume in volumes.Volumes.All) _nodesLeft += volume.UsableBytes / HammerConst.NodeBytes;
        Node(new HammerOff(volumes.Header.BTreeRoot), default, BaseElm.GlobalLow, BaseElm.GlobalHigh, ulong.MaxValue, 0,
            (byte)'?');
        int bad = _badNodes + _badElements + _badRecords;
        if (bad != 0)
        {
            text.Put($"{_badNodes} bad nodes, {_badElements} bad elements, {_badRecords} bad records").Line();
        }
        text.Flush();
        return bad;
    }

    void Node(HammerOff off, HammerOff parent, BaseElm left, BaseElm right, ulong parentMirror, int depth, byte type)
    {
        cancel.ThrowIfCancellationRequested();
        if (depth >= BTreeCursor.DepthMax || --_nodesLeft < 0)
        {
            _badNodes++;
            text.Put($"BU   NODE {off} not followed: the tree is deeper or larger than the volumes allow").Line();
            return;
        }
        NodeOndisk node;
        try
        {
            if (off.Zone != Zone.BTree || off.BufferOffset % HammerConst.NodeBytes != 0)
                throw new HammerMediumException(off, "no address of a B-Tree node");
            node = MemoryMarshal.Read<NodeOndisk>(volumes.Buffer(off));
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            _badNodes++;
            text.Put("BI   NODE ").Put(off.ToString()).Put(" ").Put(e.Message).Line();
            return;
        }
        NodeLine(in node, off, parentMirror, depth);
        int count = Math.Clamp(node.Count, 0, node.IsInternal ? HammerConst.InternalElmsMax : HammerConst.LeafElmsMax);
        if (node.IsLeaf || node.IsInternal) Elements(ref node, off, parent, left, right, count);
        text.Put("     }").Line();
        if (!node.IsInternal) return;
        Span<InternalElm> elms = NodeOndisk.Internals(ref node);
        for (int i = 0; i < count; i++)
        {
            ref InternalElm elm = ref elms[i];
            if (!Wanted(in elm.Base, in elms[i + 1].Base)) continue;
            Node(elm.Subtree, off, elm.Base, elms[i + 1].Base, elm.MirrorTid, depth + 1, elm.Base.BType);
        }
    }

    bool Wanted(in BaseElm left, in BaseElm right)
    {
        BaseElm from = options.From, to = options.To;
        return BaseElm.Compare(in right, in from) > 0 && BaseElm.Compare(in left, in to) <= 0;
    }

    void NodeLine(in NodeOndisk node, HammerOff off, ulong parentMirror, int depth)
    {
        bool crcBad = !HammerCrc.NodeMatches(volumes.Version, MemoryMarshal.AsBytes(
            new ReadOnlySpan<NodeOndisk>(in node)));
        char second = node.MirrorTid > parentMirror ? 'M' : ' ';
        if (!node.IsLeaf && !node.IsInternal) second = 'U';
        else if (node.Count < 0 || node.Count > (node.IsLeaf ? 63 : 62) || (node.IsInternal && node.Count == 0))
            second = 'C';
        bool bad = crcBad || second != ' ';
        if (bad) _badNodes++;
        text.Put($"{(bad ? 'B' : ' ')}{second}   NODE {off.Value:x16} cnt={node.Count:00} p={node.Parent:x16} ");
        text.Put($"type={Letter(node.Type)} depth={depth} mirror={node.MirrorTid:x16}");
        Fill(off);
        text.Put(" {").Line();
    }

    void Elements(ref NodeOndisk node, HammerOff off, HammerOff parent, BaseElm left, BaseElm right, int count)
    {
        BaseElm from = options.From, to = options.To;
        int shown = node.IsInternal ? count + 1 : count;
        for (int i = 0; i < shown; i++)
        {
            ref LeafElm leaf = ref NodeOndisk.Leaves(ref node)[i];
            if (node.IsLeaf && (BaseElm.Compare(in leaf.Base, in from) < 0 || BaseElm.Compare(in leaf.Base, in to) > 0))
                continue;
            bool boundary = i == count;
            string flags = Flags(ref node, off, parent, in left, in right, i, boundary);
            if (flags[0] == 'B') _badElements++;
            ElementLine(in leaf.Base, flags, i, boundary);
            if (node.IsInternal)
            {
                ref InternalElm elm = ref NodeOndisk.Internals(ref node)[i];
                text.Put($"suboff={elm.SubtreeOffset:x16} mirror={elm.MirrorTid:x16}").Line();
            }
            else
            {
                Record(in leaf);
            }
        }
    }

    void ElementLine(in BaseElm e, string flags, int index, bool boundary)
    {
        char type = boundary && e.BType == 0 ? '*' : Letter(e.BType);
        text.Put($"{flags} {(boundary ? "RBN" : "ELM")} {index,2} {type} lo={e.Localization:x8} ");
        text.Put($"objid={e.ObjId:x16} rt={e.RecTypeRaw:x2} key={e.Key:x16} tid={e.CreateTid:x16}").Line();
        BaseElm low = BaseElm.GlobalLow, high = BaseElm.GlobalHigh;
        char mark = BaseElm.Compare(in e, in low) == 0 ? '>'
            : BaseElm.Compare(in e, in high) == 0 ? '<' : e.DeleteTid != 0 ? 'd' : ' ';
        text.Put($"               {mark} del={e.DeleteTid:x16} ot={e.ObjTypeRaw:x2} ");
    }

    string Flags(ref NodeOndisk node, HammerOff off, HammerOff parent, in BaseElm left, in BaseElm right, int i,
        bool boundary)
    {
        Span<char> f = ['G', '-', '-', '-', '-', '-', '-'];
        ref BaseElm e = ref NodeOndisk.BaseAt(ref node, i);
        if (BaseElm.Compare(in e, in left) < 0) f[2] = 'L';
        int order = BaseElm.Compare(in e, in right);
        if (boundary ? order > 0 : order >= 0) f[3] = 'R';
        if (node.IsLeaf)
        {
            if (e.BType != BaseElm.BTypeRecord) f[4] = 'T';
            if (e.CreateTid > node.MirrorTid || e.DeleteTid > node.MirrorTid) f[6] = FlagsFresh(in node) ? '-' : 'M';
        }
        else if (!boundary)
        {
            if (e.BType is not (BaseElm.BTypeInternal or BaseElm.BTypeLeaf)) f[4] = 'T';
            ref InternalElm elm = ref NodeOndisk.Internals(ref node)[i];
            if (elm.MirrorTid > node.MirrorTid) f[6] = 'M';
            if (!FlagsChild(elm, off)) f[5] = 'C';
        }
        if (node.Parent != parent.Value) f[5] = 'C';
        foreach (char c in f[2..])
        {
            if (c != '-') f[0] = 'B';
        }
        return new string(f);
    }

    // The root leaf of a fresh volume keeps a mirror_tid of 0 (on-disk-format 4.7).
    static bool FlagsFresh(in NodeOndisk node) => node is { Parent: 0, MirrorTid: 0, Count: 2 };

    bool FlagsChild(in InternalElm elm, HammerOff off)
    {
        try
        {
            NodeOndisk child = MemoryMarshal.Read<NodeOndisk>(volumes.Buffer(elm.Subtree));
            return child.Parent == off.Value && child.Type == elm.Base.BType;
        }
        catch (Exception e) when (e is HammerMediumException or IOException or ArgumentOutOfRangeException)
        {
            return false;
        }
    }

    void Record(in LeafElm elm)
    {
        uint version = volumes.Version;
        string kind = version >= 7 ? "icrc" : "ocrc", error = "";
        ReadOnlySpan<byte> data = default;
        if (elm.DataOffset == 0 || elm.DataLen <= 0)
        {
            error = " error=no data";
        }
        else if (ShowPlace.Problem(in elm) is string problem)
        {
            error = " error=" + problem;
        }
        else
        {
            try
            {
                data = volumes.Data(elm.Data, elm.DataLen, _scratch);
                if (version >= 7 && HammerCrc.LeafData(7, elm.Base.RecType, data) != elm.DataCrc
                    && HammerCrc.LeafData(6, elm.Base.RecType, data) == elm.DataCrc) kind = "ocrc";
                else if (!HammerCrc.LeafDataMatches(version, elm.Base.RecType, data, elm.DataCrc)) error = " error=crc";
            }
            catch (Exception e) when (e is HammerMediumException or IOException)
            {
                error = " error=unreadable";
            }
        }
        if (error.Length != 0) _badRecords++;
        text.Put($"dataoff={elm.DataOffset:x16}/{elm.DataLen} {kind}={elm.DataCrc:x8}").Put(error);
        Fill(elm.Data);
        text.Line();
        if (options.Quiet < 2) ShowPayload.Write(text, in elm.Base, data, options.Verbose);
    }

    void Fill(HammerOff off)
    {
        if (options.Quiet >= 1) return;
        int percent = -1;
        try
        {
            if (off.Zone != Zone.None && volumes.TryLayer2(off, out Layer2Ondisk entry))
                percent = FillPercent(entry.BytesFree);
        }
        catch (Exception e) when (e is HammerMediumException or IOException)
        {
            // No freemap entry can be read for this address: shown as unknown.
        }
        long block = off.ShortOffset / HammerConst.BigBlockBytes;
        text.Put($" fill=z{(int)off.Zone}:v{off.VolNo}:");
        text.Put($"{(off.LongOffset >> 42) & 1023}:{block % HammerConst.Layer2Radix}:{off.BigBlockOffset}=");
        text.Put(percent < 0 ? "?" : percent.ToString(CultureInfo.InvariantCulture)).Put("%");
    }

    // Rounded up, so that a block in use never shows as empty; shared blocks may show more than 100.
    static int FillPercent(int bytesFree)
    {
        long used = HammerConst.BigBlockBytes - (long)bytesFree;
        return (int)((used * 100 + HammerConst.BigBlockBytes - 1) / HammerConst.BigBlockBytes);
    }

    static char Letter(byte type) => type is > 0x20 and < 0x7F ? (char)type : '?';
}
