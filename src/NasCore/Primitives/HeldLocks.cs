using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading;

namespace NasCore.Primitives;

/// <summary>Ranks of the engine's locks, as ARCHITECTURE.md numbers them: outermost first.</summary>
public enum LockRank : byte
{
    /// <summary>One group is written at a time.</summary>
    Flush = 1,
    /// <summary>All metadata of a file system.</summary>
    FileSystem = 2,
    /// <summary>Waiters, buffer cache: none is held across another.</summary>
    Leaf = 3,
    /// <summary>The memory that buffers take while the cache is locked.</summary>
    Memory = 4,
}

/// <summary>
/// Who holds which ranked lock, and who waits for one. In debug builds every acquisition is checked: its rank is above
/// all ranks that the thread holds, so no two threads can wait for each other. Release builds pay nothing.
/// </summary>
public static class HeldLocks
{
    const int DepthMax = 8;

    /// <summary>What one thread holds; written by that thread only.</summary>
    sealed class Holder
    {
        public readonly LockRank[] Ranks = new LockRank[DepthMax];
        public readonly string[] Names = new string[DepthMax];
        public volatile int Count;
        public volatile string? WaitsFor;
    }

    static readonly ConditionalWeakTable<Thread, Holder> s_holders = [];

    [System.ThreadStatic]
    static Holder? t_holder;

    static Holder Mine => t_holder ??= s_holders.GetOrCreateValue(Thread.CurrentThread);

    /// <summary>Before a lock is waited for.</summary>
    /// <exception cref="InvariantException">The thread holds a lock of this rank or a higher one.</exception>
    [Conditional("DEBUG")]
    internal static void Entering(LockRank rank, string name, bool again = false)
    {
        Holder holder = Mine;
        // Whoever holds the very lock does not wait for it.
        for (int i = 0; i < holder.Count && !again; i++)
        {
            if (holder.Ranks[i] < rank) continue;
            throw new InvariantException($"broken invariant: lock {name} of rank {(int)rank} is taken under "
                + $"{holder.Names[i]} of rank {(int)holder.Ranks[i]}");
        }
        holder.WaitsFor = name;
    }

    /// <summary>The lock is held.</summary>
    [Conditional("DEBUG")]
    internal static void Entered(LockRank rank, string name)
    {
        Holder holder = Mine;
        holder.WaitsFor = null;
        holder.Ranks[holder.Count] = rank;
        holder.Names[holder.Count] = name;
        holder.Count++;
    }

    /// <summary>The lock is given back; order does not matter.</summary>
    [Conditional("DEBUG")]
    internal static void Left(LockRank rank)
    {
        Holder holder = Mine;
        int at = holder.Count - 1;
        while (at > 0 && holder.Ranks[at] != rank) at--;
        for (; at < holder.Count - 1; at++)
        {
            holder.Ranks[at] = holder.Ranks[at + 1];
            holder.Names[at] = holder.Names[at + 1];
        }
        holder.Count--;
    }

    /// <summary>A line for each thread that holds or waits for a ranked lock, for whoever looks for a deadlock; empty
    /// in release builds. Safe at any time, exact when everybody stands still.</summary>
    public static string Describe()
    {
        var text = new StringBuilder();
        foreach ((Thread thread, Holder holder) in s_holders)
        {
            int count = holder.Count;
            string? waits = holder.WaitsFor;
            if (count == 0 && waits is null) continue;
            text.Append(CultureInfo.InvariantCulture, $"thread {thread.ManagedThreadId} {thread.Name} holds");
            for (int i = 0; i < count; i++) text.Append(' ').Append(holder.Names[i]);
            if (waits is not null) text.Append(" and waits for ").Append(waits);
            text.Append('\n');
        }
        return text.ToString();
    }
}

/// <summary>A lock with a rank; held by <c>using (theLock.Hold())</c>.</summary>
public sealed class RankedLock(LockRank rank, string name)
{
    readonly Lock _lock = new();

    public Scope Hold()
    {
        HeldLocks.Entering(rank, name, _lock.IsHeldByCurrentThread);
        Lock.Scope scope = _lock.EnterScope();
        HeldLocks.Entered(rank, name);
        return new Scope(scope, rank);
    }

    /// <summary>Gives the lock back at the end of its block.</summary>
    public ref struct Scope
    {
        Lock.Scope _scope;
        readonly LockRank _rank;

        internal Scope(Lock.Scope scope, LockRank rank)
        {
            _scope = scope;
            _rank = rank;
        }

        public void Dispose()
        {
            HeldLocks.Left(_rank);
            _scope.Dispose();
        }
    }
}

/// <summary>The reader-writer lock of a file system, with its rank.</summary>
public sealed class RankedReaderWriterLock(LockRank rank, string name) : System.IDisposable
{
    readonly ReaderWriterLockSlim _lock = new(LockRecursionPolicy.NoRecursion);

    public bool IsReadLockHeld => _lock.IsReadLockHeld;
    public bool IsWriteLockHeld => _lock.IsWriteLockHeld;

    public void EnterReadLock()
    {
        HeldLocks.Entering(rank, name);
        _lock.EnterReadLock();
        HeldLocks.Entered(rank, name);
    }

    public void ExitReadLock()
    {
        HeldLocks.Left(rank);
        _lock.ExitReadLock();
    }

    public void EnterWriteLock()
    {
        HeldLocks.Entering(rank, name);
        _lock.EnterWriteLock();
        HeldLocks.Entered(rank, name);
    }

    public void ExitWriteLock()
    {
        HeldLocks.Left(rank);
        _lock.ExitWriteLock();
    }

    public void Dispose() => _lock.Dispose();
}
