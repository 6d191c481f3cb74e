using System;
using System.Threading;
using NasCore.Primitives;

namespace NasCore.Maintenance;

// The frame of maintenance (prune, reblock, rebalance; mirroring-and-operations 6)
//
// A maintenance operation walks a key range in pieces. A piece has two halves:
//   Look   finds what is to be done next. It takes the shared lock itself, for at most HoldTime, and may read data
//          outside of any lock. Nothing is changed.
//   Apply  does it, under the exclusive lock, with credits like every other change (architecture W7), again for at
//          most HoldTime. Whatever Look found may have changed meanwhile: Apply looks each thing up again by its key.
// Between pieces no lock is held and no place in the tree is kept but the resume key, so everybody else gets a turn,
// the operation can be stopped there, and another process can go on from the key. When the group has no room the
// operation waits, without the lock, until it is durable.
//
// Each change that Apply makes is whole by itself; NoteWhole after it says so. An exception between two of those marks
// came in the middle of a change: the mount is latched, and recovery takes the group back.

/// <summary>What a maintenance operation may use up before it returns; the default has no bounds.</summary>
public readonly record struct StepBudget()
{
    /// <summary>Records looked at.</summary>
    public long RecordsMax { get; init; } = long.MaxValue;
    /// <summary>Bytes of data removed or moved.</summary>
    public long BytesMax { get; init; } = long.MaxValue;
    /// <summary>Time by the monotonic clock.</summary>
    public TimeSpan TimeMax { get; init; } = TimeSpan.MaxValue;
}

/// <summary>Why a maintenance operation returned.</summary>
public enum StepEnd
{
    /// <summary>The whole range is done.</summary>
    Done,
    /// <summary>The budget is used up; call again to go on.</summary>
    Budget,
    /// <summary>Stopped from outside; call again to go on.</summary>
    Stopped,
    /// <summary>No space for the next change, also after closing groups.</summary>
    NoSpace,
    /// <summary>The mount is latched, or a wait for durability failed.</summary>
    Failed,
}

/// <summary>How a half of a piece ended.</summary>
public enum PieceEnd
{
    /// <summary>The range is done.</summary>
    Done,
    /// <summary>This half is over: Look and nothing to change, or Apply and all of it changed. On to the next
    /// piece.</summary>
    Again,
    /// <summary>Look: there is something for Apply. Apply: the hold was long enough, call it again.</summary>
    Change,
    /// <summary>Apply only: no credits, or no space, in the open group; nothing half done. Apply is called again when
    /// the group is durable.</summary>
    NeedFlush,
}

/// <summary>
/// An operation over a key range of the B-Tree, done in pieces with a budget; see the page above. Not for several
/// threads at a time.
/// </summary>
public abstract class MaintenanceStep(IMaintenanceHost host)
{
    /// <summary>A lock is held for about this long at most.</summary>
    protected static readonly TimeSpan HoldTime = TimeSpan.FromMilliseconds(4);
    /// <summary>Groups that are closed for one change before it is given up for lack of space.</summary>
    const int WaitsMax = 10;

    long _wholeAt;
    long _holdFrom;
    bool _applying;

    protected IMaintenanceHost Host => host;

    /// <summary>Records looked at so far.</summary>
    public long RecordsLooked { get; protected set; }
    /// <summary>Bytes of data removed or moved so far.</summary>
    public long BytesChanged { get; protected set; }
    /// <summary>True once the whole range is done.</summary>
    public bool IsDone { get; private set; }

    /// <summary>First half of a piece; takes and gives back its locks itself.</summary>
    protected abstract PieceEnd Look();

    /// <summary>
    /// Second half of a piece, under the exclusive lock. Asks for credits, calls <see cref="NoteWhole"/> after each
    /// change, and returns Again (or Done) when everything that Look found is done.
    /// </summary>
    protected abstract PieceEnd Apply();

    /// <summary>
    /// Works until the range is done, the budget is used up or it is stopped (within about 20 ms, but for a read of the
    /// disk under way). <see cref="HammerMediumException"/> if the metadata met are damaged.
    /// </summary>
    public StepEnd Step(in StepBudget budget, CancellationToken stop)
    {
        long from = host.Time.GetTimestamp();
        long records = RecordsLooked, bytes = BytesChanged;
        int waits = 0;
        while (!IsDone)
        {
            if (stop.IsCancellationRequested) return StepEnd.Stopped;
            if (RecordsLooked - records >= budget.RecordsMax || BytesChanged - bytes >= budget.BytesMax
                || host.Time.GetElapsedTime(from) >= budget.TimeMax) return StepEnd.Budget;
            PieceEnd end = _applying ? PieceEnd.Change : Look();
            if (end == PieceEnd.Change) end = StepApply();
            _applying = end is PieceEnd.NeedFlush or PieceEnd.Change;
            if (end == PieceEnd.Done) IsDone = true;
            if (end != PieceEnd.NeedFlush)
            {
                waits = 0;
                continue;
            }
            if (++waits > WaitsMax) return StepEnd.NoSpace;
            Errno durable = host.WaitDurable(stop);
            if (durable == Errno.Intr) return StepEnd.Stopped;
            if (durable.IsError) return StepEnd.Failed;
        }
        return StepEnd.Done;
    }

    PieceEnd StepApply()
    {
        host.EnterExclusive();
        try
        {
            BeginHold();
            NoteWhole();
            return Apply();
        }
        catch (Exception e) when (host.Core.Writer.Changes != _wholeAt)
        {
            host.LatchHalfDone(e);
            throw;
        }
        finally
        {
            host.ExitExclusive();
        }
    }

    /// <summary>The changes made so far in this hold are whole.</summary>
    protected void NoteWhole() => _wholeAt = host.Core.Writer.Changes;

    /// <summary>A lock has just been taken.</summary>
    protected void BeginHold() => _holdFrom = host.Time.GetTimestamp();

    /// <summary>True if the lock has been held for long enough: ask once for each leaf or change.</summary>
    protected bool IsHoldOver => host.Time.GetElapsedTime(_holdFrom) >= HoldTime;
}
