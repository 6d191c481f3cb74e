using System;
using System.Collections.Generic;
using NasCore;
using NasCore.Fuse.Dispatch;
using NasCore.Primitives;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>Rule R3: what the kernel merely remembers costs nothing or at most 32 bytes.</summary>
public sealed class NodeTableTests
{
    static readonly Vnode s_live = new(0, Tid.Max, 1);
    static readonly Vnode s_past = new(0, 0x100000500, 1);

    readonly NodeTable _nodes = new(s_live);

    ulong Enter(ulong parent, string name, Vnode child, bool directory)
    {
        Errno error = _nodes.Enter(parent, System.Text.Encoding.UTF8.GetBytes(name), child, directory, false,
            out ulong node);
        Assert.Equal(Errno.None, error);
        return node;
    }

    [Fact]
    public void Live_root_pfs_costs_nothing()
    {
        Assert.Equal(0x100000001ul, Enter(1, "f", s_live with { ObjId = 0x100000001 }, false));
        Assert.Equal(0, _nodes.Rows);
        Assert.Equal(Errno.None, _nodes.Resolve(0x100000001, out Vnode vnode, out _));
        Assert.Equal(s_live with { ObjId = 0x100000001 }, vnode);
    }

    [Fact]
    public void Row_costs_at_most_32_bytes() => Assert.True(NodeTable.BytesPerRow <= 32);

    [Fact]
    public void Object_of_the_past_has_one_node_until_forgotten()
    {
        Vnode file = s_past with { ObjId = 77 };
        ulong a = Enter(1, "f@@0x0000000100000500", file, false), b = Enter(1, "other", file, false);
        Assert.Equal(a, b);
        Assert.Equal(1, _nodes.Rows);
        _nodes.Forget(a, 1);
        Assert.Equal(Errno.None, _nodes.Resolve(a, out _, out _));
        _nodes.Forget(a, 1);
        Assert.Equal(0, _nodes.Rows);
        Assert.Equal(Errno.Stale, _nodes.Resolve(a, out _, out _));
        Assert.NotEqual(a, Enter(1, "f", file, false));
    }

    [Fact]
    public void Directory_of_the_past_has_a_node_for_each_place()
    {
        Vnode sub = s_past with { ObjId = 9 };
        ulong viaRoot = Enter(1, "@@0x0000000100000500", s_past, true);
        ulong a = Enter(viaRoot, "sub", sub, true);
        ulong b = Enter(1, "sub@@0x0000000100000500", sub, true);
        ulong c = Enter(9, "@@0x0000000100000500", sub, true);
        Assert.Equal(4, new HashSet<ulong> { viaRoot, a, b, c }.Count);
        Assert.Equal(a, Enter(viaRoot, "sub", sub, true));
        Assert.Equal(viaRoot, _nodes.ParentOf(a));
        Assert.Equal(1ul, _nodes.ParentOf(viaRoot));
        Assert.Equal(9ul, _nodes.ParentOf(c));

        // The parent's row stays as long as a row below it does.
        _nodes.Forget(viaRoot, 1);
        Assert.Equal(viaRoot, _nodes.ParentOf(a));
        _nodes.Forget(a, 2);
        _nodes.Forget(b, 1);
        _nodes.Forget(c, 1);
        Assert.Equal(0, _nodes.Rows);
    }

    [Fact]
    public void Mount_of_the_past_keeps_its_root_and_hides_live_ids()
    {
        var nodes = new NodeTable(s_past);
        Assert.Equal(Errno.None, nodes.Resolve(1, out Vnode root, out _));
        Assert.Equal(s_past, root);
        Assert.Equal(Errno.Stale, nodes.Resolve(0x100000001, out _, out _));
        nodes.Enter(1, "@@-1:00000"u8, s_live, true, false, out ulong live);
        Assert.NotEqual(1ul, live);
        Assert.Equal(Errno.None, nodes.Resolve(live, out Vnode vnode, out _));
        Assert.Equal(s_live, vnode);
    }

    [Fact]
    public void Many_rows_come_and_go_in_any_order()
    {
        const int seed = 4711;
        var random = new Random(seed);
        var held = new Dictionary<ulong, (Vnode Vnode, int Count)>();
        for (int i = 0; i < 50_000; i++)
        {
            var vnode = new Vnode(random.Next(3), 0x100000000 + (ulong)random.Next(40), random.Next(2, 5000));
            ulong node = Enter(1, "x", vnode, false);
            held[node] = (vnode, held.GetValueOrDefault(node).Count + 1);
            if (random.Next(3) == 0)
            {
                _nodes.Forget(node, (ulong)held[node].Count);
                held.Remove(node);
            }
        }
        Assert.Equal(held.Count, _nodes.Rows);
        foreach ((ulong node, (Vnode vnode, int count)) in held)
        {
            Assert.Equal(Errno.None, _nodes.Resolve(node, out Vnode found, out _));
            Assert.Equal(vnode, found);
            _nodes.Forget(node, (ulong)count);
        }
        Assert.Equal(0, _nodes.Rows);
    }
}
