using System;
using System.Buffers;
using System.Collections.Concurrent;
using System.Threading;
using Microsoft.AspNetCore.Connections;

namespace NasFirmware.Mirroring;

/// <summary>
/// The memory into which the endpoint receives. Kestrel's own pool has blocks of 4 KiB, each filled by two calls of the
/// kernel and handed from thread to thread: a quarter of what a stream over TLS cost the receiver. These hold four
/// records. A connection takes one when bytes have come; few are kept.
/// </summary>
sealed class WirePool : MemoryPool<byte>, IMemoryPoolFactory<byte>
{
    const int BlockBytes = 64 << 10, KeptMax = 8;

    readonly ConcurrentBag<Block> _kept = [];
    int _count;

    public override int MaxBufferSize => BlockBytes;

    public MemoryPool<byte> Create(MemoryPoolOptions? options) => this;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        if (!_kept.TryTake(out Block? block)) return new Block(this);
        Interlocked.Decrement(ref _count);
        block.IsTaken = true;
        return block;
    }

    void Give(Block block)
    {
        if (Interlocked.Increment(ref _count) <= KeptMax) _kept.Add(block);
        else Interlocked.Decrement(ref _count);
    }

    // Several transports may share it, and each disposes what it was given.
    protected override void Dispose(bool disposing)
    {
    }

    sealed class Block(WirePool pool) : IMemoryOwner<byte>
    {
        // Pinned: the kernel writes into it.
        readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true);

        internal bool IsTaken { get; set; } = true;
        public Memory<byte> Memory => _bytes;

        public void Dispose()
        {
            if (!IsTaken) return;
            IsTaken = false;
            pool.Give(this);
        }
    }
}
