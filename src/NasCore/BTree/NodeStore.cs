using System;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.BTree;

/// <summary>A pinned, verified B-Tree node; Dispose unpins. Bytes are the medium's own.</summary>
public readonly ref struct NodeRef
{
    readonly BufferRef _ref;
    readonly ref readonly NodeOndisk _node;

    internal NodeRef(BufferRef bufferRef, HammerOff off)
    {
        _ref = bufferRef;
        Off = off;
        _node = ref MemoryMarshal.AsRef<NodeOndisk>(bufferRef.Bytes(HammerConst.NodeBytes));
    }

    /// <summary>Zone-8 address.</summary>
    public HammerOff Off { get; }
    public ref readonly NodeOndisk Node => ref _node;
    public int Count => _node.Count;
    public bool IsLeaf => _node.IsLeaf;
    internal HammerBuffer Buffer => _ref.Buffer;

    /// <summary>Base of element i; for an internal node i may equal Count (right boundary).</summary>
    public ref readonly BaseElm Base(int i) => ref Leaves[i].Base;

    /// <summary>All 63 slots as records.</summary>
    public ReadOnlySpan<LeafElm> Leaves => MemoryMarshal.Cast<byte, LeafElm>(_ref.Bytes(HammerConst.NodeBytes)[64..]);

    /// <summary>All 63 slots as internal elements.</summary>
    public ReadOnlySpan<InternalElm> Internals =>
        MemoryMarshal.Cast<byte, InternalElm>(_ref.Bytes(HammerConst.NodeBytes)[64..]);

    public void Dispose() => _ref.Dispose();
}

/// <summary>
/// Hands out verified nodes. A node is checked once per load of its buffer: CRC (both kinds on version 7), type and
/// count (on-disk-format 4.1); what depends on its place in the tree is checked by the descent.
/// </summary>
public sealed class NodeStore(BufferCache cache, uint version)
{
    public BufferCache Cache => cache;
    /// <summary>Nodes handed out so far: the work of a scan is measured with this.</summary>
    public long Visits { get; private set; }

    public NodeRef Get(HammerOff off)
    {
        if (off.Zone != Zone.BTree || (off.Value & (HammerConst.NodeBytes - 1)) != 0)
            throw new HammerMediumException(off, "address of a B-Tree node is not in zone 8 or not aligned to 4096");
        Visits++;
        BufferRef buffer = cache.Get(off);
        byte bit = (byte)(1 << (off.BufferOffset / HammerConst.NodeBytes));
        if ((buffer.Buffer.NodesVerified & bit) == 0) GetVerify(buffer, off, bit);
        return new NodeRef(buffer, off);
    }

    void GetVerify(BufferRef buffer, HammerOff off, byte bit)
    {
        ReadOnlySpan<byte> bytes = buffer.Bytes(HammerConst.NodeBytes);
        string? problem = Problem(bytes);
        if (problem is not null)
        {
            buffer.Dispose();
            throw new HammerMediumException(off, problem);
        }
        // Readers share the lock: setting a bit twice is harmless, losing one costs a second check.
        buffer.Buffer.NodesVerified |= bit;
    }

    string? Problem(ReadOnlySpan<byte> bytes)
    {
        ref readonly NodeOndisk node = ref MemoryMarshal.AsRef<NodeOndisk>(bytes);
        if (!HammerCrc.NodeMatches(version, bytes))
            return $"B-Tree node with a wrong CRC (stored {node.Crc:x8}, "
                + $"computed {HammerCrc.Node(version, bytes):x8})";
        return node.Type switch
        {
            BaseElm.BTypeLeaf when node.Count is >= 0 and <= HammerConst.LeafElmsMax => null,
            BaseElm.BTypeInternal when node.Count is >= 1 and <= HammerConst.InternalElmsMax => null,
            BaseElm.BTypeLeaf or BaseElm.BTypeInternal =>
                $"B-Tree node of type {(char)node.Type} with count {node.Count}",
            _ => $"B-Tree node of unknown type {node.Type:x2}",
        };
    }
}
