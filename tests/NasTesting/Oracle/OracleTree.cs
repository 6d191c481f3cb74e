using System;
using System.Collections.Generic;
using System.Linq;
using System.Buffers.Binary;

namespace NasTesting.Oracle;

/// <summary>Something that must not be on a medium.</summary>
/// <param name="Rule">The invariant, a few words.</param>
/// <param name="Where">Structure and address.</param>
/// <param name="What">What was found.</param>
public sealed record OracleFinding(string Rule, string Where, string What)
{
    public override string ToString() => $"{Rule}: {Where}: {What}";
}

/// <summary>Head of a B-Tree node that the walk met.</summary>
public sealed record OracleNode(ulong Address, char Type, int Count, ulong Parent, ulong MirrorTid, int Depth);

/// <summary>
/// The whole B-Tree in memory (on-disk-format 4): nodes and records in key order, and everything that was wrong with
/// nodes on the way. A node that cannot be read is reported and skipped, the walk goes on.
/// </summary>
public sealed class OracleTree
{
    const int DepthMax = 24;
    const int NodeSize = 4096;

    readonly OracleMedium _medium;
    readonly HashSet<ulong> _seen = [];
    readonly Stack<Visit> _todo = new();
    int _leafDepth = -1;

    sealed record Visit(
        ulong Address, ulong Parent, int Depth, OracleKey Lower, OracleKey Upper, byte Type, ulong MirrorTid);

    OracleTree(OracleMedium medium) => _medium = medium;

    public List<OracleNode> Nodes { get; } = [];

    /// <summary>All leaf elements, in key order if the tree is sound.</summary>
    public List<OracleRecord> Records { get; } = [];

    public List<OracleFinding> Findings { get; } = [];

    public static OracleTree Walk(OracleMedium medium)
    {
        var tree = new OracleTree(medium);
        tree._todo.Push(new Visit(
            medium.Root.BTreeRoot, 0, 0, OracleKey.GlobalLower, OracleKey.GlobalUpper, 0, ulong.MaxValue));
        while (tree._todo.TryPop(out Visit? visit)) { tree.VisitNode(visit); }
        tree.CheckOrderOfRecords();
        return tree;
    }

    void Report(string rule, ulong node, string what) =>
        Findings.Add(new OracleFinding(rule, $"node {node:x16}", what));

    void VisitNode(Visit visit)
    {
        ulong at = visit.Address;
        if (OracleMedium.ZoneOf(at) != 8 || at % NodeSize != 0 || !_medium.IsInside(at, NodeSize))
        {
            Report("node address", visit.Parent, $"child {at:x16}");
            return;
        }
        if (visit.Depth > DepthMax || !_seen.Add(at))
        {
            Report("node met once", at, $"again or too deep ({visit.Depth})");
            return;
        }
        byte[] bytes = _medium.ReadBytes(at, NodeSize);
        var node = new OracleNode(at, (char)bytes[20], BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(16)),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8)),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(56)), visit.Depth);
        Nodes.Add(node);
        if (!OracleCrc.Holds(_medium.Version, BinaryPrimitives.ReadUInt32LittleEndian(bytes), bytes.AsSpan(4)))
        {
            Report("node CRC", at, "does not match");
        }
        if (node.Parent != visit.Parent) { Report("node parent", at, $"{node.Parent:x16}, not {visit.Parent:x16}"); }
        if (visit.Type != 0 && node.Type != visit.Type)
        {
            Report("element btype is the child's type", at, $"type {node.Type}, element says {(char)visit.Type}");
        }
        if (node.MirrorTid > visit.MirrorTid)
        {
            Report("mirror_tid of the parent's element", at, $"{node.MirrorTid:x16} above {visit.MirrorTid:x16}");
        }
        switch (node.Type)
        {
            case 'L' when node.Count is >= 0 and <= 63:
                VisitLeaf(node, visit, bytes);
                break;
            case 'I' when node.Count is >= 1 and <= 62:
                VisitInternal(node, visit, bytes);
                break;
            default:
                Report("node type and count", at, $"type 0x{bytes[20]:x2} count {node.Count}");
                break;
        }
    }

    static ReadOnlySpan<byte> Element(byte[] node, int index) => node.AsSpan(64 + 64 * index, 64);

    void VisitLeaf(OracleNode node, Visit visit, byte[] bytes)
    {
        if (_leafDepth < 0) { _leafDepth = visit.Depth; }
        if (_leafDepth != visit.Depth) { Report("equal depth of leaves", node.Address, $"{visit.Depth}"); }
        // newfs leaves mirror_tid 0 in its root leaf of two elements.
        bool fresh = visit.Depth == 0 && node.MirrorTid == 0 && node.Count == 2;
        for (int i = 0; i < node.Count; i++)
        {
            var record = new OracleRecord(_medium, node.Address, i, Element(bytes, i));
            Records.Add(record);
            CheckBounds(node, visit, i, record.Base);
            if (record.Base.BType != (byte)'R') { Report("leaf btype", node.Address, $"elm {i}: {record.Base.BType}"); }
            ulong newest = Math.Max(record.CreateTid, record.DeleteTid);
            if (newest > node.MirrorTid && !fresh)
            {
                Report("mirror_tid of a leaf", node.Address, $"{node.MirrorTid:x16} below elm {i}: {newest:x16}");
            }
        }
    }

    void CheckBounds(OracleNode node, Visit visit, int index, OracleKey key)
    {
        if (OracleKey.Compare(key, visit.Lower) < 0 || OracleKey.Compare(key, visit.Upper) >= 0)
        {
            Report("bounds", node.Address, $"elm {index} {key} outside {visit.Lower} .. {visit.Upper}");
        }
    }

    void VisitInternal(OracleNode node, Visit visit, byte[] bytes)
    {
        OracleKey Key(int i) => OracleKey.Parse(Element(bytes, i));
        for (int i = 0; i < node.Count; i++)
        {
            CheckBounds(node, visit, i, Key(i));
            if (OracleKey.Compare(Key(i), Key(i + 1)) >= 0)
            {
                Report("strict order", node.Address, $"elm {i + 1} {Key(i + 1)} after {Key(i)}");
            }
            ulong mirror = BinaryPrimitives.ReadUInt64LittleEndian(Element(bytes, i)[40..]);
            if (mirror > node.MirrorTid)
            {
                Report("mirror_tid of a node", node.Address, $"{node.MirrorTid:x16} below elm {i}: {mirror:x16}");
            }
        }
        OracleKey right = Key(node.Count);
        if (OracleKey.Compare(right, visit.Upper) > 0)
        {
            Report("right boundary", node.Address, $"{right} beyond {visit.Upper}");
        }
        for (int i = node.Count - 1; i >= 0; i--)
        {
            ReadOnlySpan<byte> element = Element(bytes, i);
            OracleKey key = Key(i);
            if (key.BType is not ((byte)'I' or (byte)'L'))
            {
                Report("internal btype", node.Address, $"elm {i}: {key.BType}");
            }
            _todo.Push(new Visit(BinaryPrimitives.ReadUInt64LittleEndian(element[48..]), node.Address, visit.Depth + 1,
                key, Key(i + 1), key.BType, BinaryPrimitives.ReadUInt64LittleEndian(element[40..])));
        }
    }

    // Independent of all bounds: the records in the order of the walk, and the lifetimes of equal keys.
    void CheckOrderOfRecords()
    {
        foreach ((OracleRecord left, OracleRecord right) in Records.Zip(Records.Skip(1)))
        {
            if (OracleKey.Compare(left.Base, right.Base) >= 0)
            {
                Findings.Add(new OracleFinding("strict order", right.ToString(), $"after {left}"));
            }
            else if (OracleKey.CompareWithoutTid(left.Base, right.Base) == 0
                && (left.IsLive || left.DeleteTid > right.CreateTid))
            {
                Findings.Add(new OracleFinding("lifetimes of one key", right.ToString(), $"overlaps {left}"));
            }
        }
    }
}
