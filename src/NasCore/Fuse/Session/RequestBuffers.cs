using System;
using System.Collections.Generic;
using System.Threading;
using NasLinux;

namespace NasCore.Fuse.Session;

/// <summary>
/// The buffers that requests are received into: native memory, made on demand up to a bound, then waited for.
/// </summary>
sealed class RequestBuffers(int bytes, int countMax) : IDisposable
{
    readonly Lock _gate = new();
    readonly SemaphoreSlim _free = new(countMax, countMax);
    readonly Stack<NativeSlab> _idle = new();
    readonly List<NativeSlab> _all = [];

    public int Bytes => bytes;

    /// <summary>Waits while all buffers are in use.</summary>
    public NativeSlab Rent()
    {
        _free.Wait();
        lock (_gate)
        {
            if (_idle.TryPop(out NativeSlab? slab)) return slab;
            slab = new NativeSlab(bytes);
            _all.Add(slab);
            return slab;
        }
    }

    public void Return(NativeSlab slab)
    {
        lock (_gate) _idle.Push(slab);
        _free.Release();
    }

    /// <summary>Only after all threads that use buffers have ended.</summary>
    public void Dispose()
    {
        foreach (NativeSlab slab in _all) slab.Dispose();
        _free.Dispose();
    }
}
