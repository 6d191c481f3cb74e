using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Undo;

/// <summary>
/// Changes of metadata, each logged before it is made (on-disk-format 6.4). What the open group has logged, or has
/// made itself, is not logged again; the set is emptied when the group closes (architecture W1). A buffer that is
/// being written for the closed group is copied before it changes.
/// </summary>
public sealed class MetaWriter(VolumeSet volumes, BufferCache cache, UndoLog log) : IMetaWriter
{
    const int ParentRangeBytes = 16;

    readonly HashSet<ulong> _logged = [];
    List<HammerBuffer> _dirtyMeta = [];
    List<HammerBuffer> _dirtyData = [];

    public long Group { get; private set; } = 1;
    public UndoLog Log => log;
    /// <summary>Buffers that the open group has changed.</summary>
    public int DirtyCount => _dirtyMeta.Count + _dirtyData.Count;
    public bool HeaderDirty { get; private set; }
    /// <summary>Counts up with every change: tells whether an operation that failed had begun to change
    /// anything.</summary>
    public long Changes { get; private set; }
    public bool IsClean => DirtyCount == 0 && !HeaderDirty && !log.HasRecords;

    public Span<byte> Modify(HammerOff off, int bytes)
    {
        using BufferRef buffer = cache.Get(off);
        HammerOff zone2 = off.ToZone2();
        if (_logged.Add(zone2.Value)) log.AppendUndo(zone2, buffer.Bytes(bytes));
        return MakeDirty(buffer.Buffer).Slice(buffer.Offset, bytes);
    }

    public ref NodeOndisk ModifyNode(HammerOff node)
    {
        using BufferRef buffer = cache.Get(node);
        byte bit = NodeBit(node);
        EnterGroup(buffer.Buffer);
        if ((buffer.Buffer.NodesLogged & bit) == 0)
        {
            log.AppendUndo(node.ToZone2(), buffer.Bytes(HammerConst.NodeBytes));
            buffer.Buffer.NodesLogged |= bit;
        }
        return ref NodeSpan(buffer, bit);
    }

    public void SetNodeParent(HammerOff node, HammerOff parent)
    {
        using BufferRef buffer = cache.Get(node);
        byte bit = NodeBit(node);
        EnterGroup(buffer.Buffer);
        // CRC and parent only. A whole log of the same node may follow: undone newest first, this one wins.
        if ((buffer.Buffer.NodesLogged & bit) == 0)
            log.AppendUndo(node.ToZone2(), buffer.Bytes(ParentRangeBytes));
        NodeSpan(buffer, bit).Parent = parent.Value;
    }

    public ref NodeOndisk NewNode(HammerOff node)
    {
        using BufferRef buffer = node.BufferOffset == 0 ? GetFresh(node, fileData: false) : cache.Get(node);
        // The big-block may have been one of small file data in an earlier life.
        if (!buffer.Buffer.IsDirty) buffer.Buffer.IsFileData = false;
        byte bit = NodeBit(node);
        EnterGroup(buffer.Buffer);
        buffer.Buffer.NodesLogged |= bit;
        buffer.Buffer.NodesVerified |= bit;
        Span<byte> bytes = MakeDirty(buffer.Buffer).Slice(buffer.Offset, HammerConst.NodeBytes);
        bytes.Clear();
        buffer.Buffer.NodesNeedCrc |= bit;
        return ref MemoryMarshal.AsRef<NodeOndisk>(bytes);
    }

    public Span<byte> NewData(HammerOff off, int bytes, bool isStart)
    {
        bool fileData = off.Zone == Zone.SmallData;
        using BufferRef buffer = off.BufferOffset == 0 && isStart ? GetFresh(off, fileData) : cache.Get(off);
        // What is dirty stays in its list; anything else takes the kind of its big-block's present life.
        if (!buffer.Buffer.IsDirty) buffer.Buffer.IsFileData = fileData;
        return MakeDirty(buffer.Buffer).Slice(buffer.Offset, bytes);
    }

    public ref VolumeOndisk ModifyHeader(int at, int bytes)
    {
        HammerOff target = HammerOff.Encode(Zone.RawVolume, 0, at);
        Volume root = volumes.Root;
        if (_logged.Add(target.Value)) log.AppendUndo(target, root.HeaderBytes.Slice(at, bytes));
        HeaderDirty = true;
        Changes++;
        return ref root.Header;
    }

    /// <summary>What the finaliser takes over at the close of a group.</summary>
    public (List<HammerBuffer> Meta, List<HammerBuffer> Data) CloseGroup()
    {
        foreach (HammerBuffer buffer in _dirtyMeta) Freeze(buffer);
        foreach (HammerBuffer buffer in _dirtyData) Freeze(buffer);
        var closed = (_dirtyMeta, _dirtyData);
        _dirtyMeta = [];
        _dirtyData = [];
        _logged.Clear();
        HeaderDirty = false;
        Group++;
        return closed;
    }

    /// <summary>An empty group is passed over.</summary>
    public void SkipGroup()
    {
        Invariant.Check(IsClean, "only an empty group is passed over");
        _logged.Clear();
        Group++;
    }

    /// <summary>A frozen buffer has been written: it is clean unless the next group has changed it meanwhile.</summary>
    public void Thaw(List<HammerBuffer> buffers)
    {
        foreach (HammerBuffer buffer in buffers)
        {
            BufferMemory frozen = buffer.Frozen!;
            buffer.Frozen = null;
            if (frozen != buffer.Memory) cache.Pool.Give(frozen);
        }
    }

    void Freeze(HammerBuffer buffer)
    {
        Invariant.Check(buffer.Frozen is null, "one group is written at a time");
        for (int i = 0; i < HammerConst.BufferBytes / HammerConst.NodeBytes; i++)
        {
            if ((buffer.NodesNeedCrc & (1 << i)) == 0) continue;
            Span<byte> node = buffer.Memory.Span.Slice(i * HammerConst.NodeBytes, HammerConst.NodeBytes);
            BitConverter.TryWriteBytes(node, HammerCrc.Node(volumes.Version, node));
        }
        buffer.NodesNeedCrc = 0;
        buffer.Frozen = buffer.Memory;
        buffer.IsDirty = false;
    }

    /// <summary>The buffer's old contents are dead; one that is still being written gets new memory.</summary>
    BufferRef GetFresh(HammerOff off, bool fileData)
    {
        BufferRef buffer = cache.GetNewUnread(off);
        buffer.Buffer.IsFileData = fileData;
        MakeDirty(buffer.Buffer).Clear();
        return buffer;
    }

    ref NodeOndisk NodeSpan(BufferRef buffer, byte bit)
    {
        Span<byte> bytes = MakeDirty(buffer.Buffer).Slice(buffer.Offset, HammerConst.NodeBytes);
        buffer.Buffer.NodesNeedCrc |= bit;
        return ref MemoryMarshal.AsRef<NodeOndisk>(bytes);
    }

    Span<byte> MakeDirty(HammerBuffer buffer)
    {
        Changes++;
        if (buffer.Frozen == buffer.Memory && buffer.Frozen is not null)
        {
            BufferMemory copy = cache.Pool.Take();
            buffer.Memory.Span.CopyTo(copy.Span);
            buffer.Memory = copy;
        }
        if (!buffer.IsDirty)
        {
            buffer.IsDirty = true;
            (buffer.IsFileData ? _dirtyData : _dirtyMeta).Add(buffer);
        }
        return buffer.Memory.Span;
    }

    /// <summary>Marks of the last group do not count for the open one.</summary>
    void EnterGroup(HammerBuffer buffer)
    {
        if (buffer.LoggedGroup == Group) return;
        buffer.LoggedGroup = Group;
        buffer.NodesLogged = 0;
    }

    static byte NodeBit(HammerOff node) => (byte)(1 << (node.BufferOffset / HammerConst.NodeBytes));
}
