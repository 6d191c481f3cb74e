using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.BTree;

// Moving what the tree consists of, and what it refers to (on-disk-format 4.13): keys, TIDs and mirror_tids stay.
public sealed partial class BTreeIndex
{
    /// <summary>Nodes that moving a node may change: its old and new place, its parent, its children.</summary>
    /// <param name="count">Elements of the node, 0 for a leaf.</param>
    public static int MoveNodes(int count) => 8 + count;

    /// <summary>
    /// Moves the node at a depth of the cursor's path to new space. Returns false, with nothing changed, if there is
    /// none. The cursor is invalid afterwards. The old node is left as it is: whoever takes the group back needs it.
    /// </summary>
    public bool MoveNode(BTreeCursor cursor, int depth)
    {
        HammerOff old = cursor.Level(depth).Node;
        // Children get a new parent pointer: see SplitCheck.
        SplitCheck(old);
        if (depth > 0) _nodes.Get(cursor.Level(depth - 1).Node).Dispose();
        if (_freemap.Allocate(Zone.BTree, HammerConst.NodeBytes) is not { } place) return false;
        ref NodeOndisk moved = ref _writer.NewNode(place);
        using (NodeRef node = _nodes.Get(old)) moved = node.Node;
        if (moved.IsInternal) SplitAdopt(ref moved, place);
        if (depth == 0)
        {
            _writer.ModifyHeader(VolumeOndisk.BTreeRootAt, 8).BTreeRoot = place.Value;
        }
        else
        {
            ref CursorLevel up = ref cursor.Level(depth - 1);
            ref NodeOndisk parent = ref _writer.ModifyNode(up.Node);
            ref InternalElm elm = ref NodeOndisk.Internals(ref parent)[up.Index];
            Invariant.Check(elm.SubtreeOffset == old.Value, "a cursor is not used after a change");
            elm.SubtreeOffset = place.Value;
        }
        _freemap.Free(old, HammerConst.NodeBytes);
        return true;
    }

    /// <summary>
    /// Names another place for the data of the record that the cursor stands at. mirror_tid stays: the record is the
    /// same for every view and every mirror.
    /// </summary>
    public void SetData(BTreeCursor cursor, HammerOff data, uint crc)
    {
        ref LeafElm slot = ref Slot(cursor);
        slot.DataOffset = data.Value;
        slot.DataCrc = crc;
        cursor.Elm = slot;
    }
}
