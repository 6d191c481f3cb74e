using System.Threading;
using NasCore.Maintenance;
using NasCore.Primitives;

namespace NasCore;

// Reblocking: Maintenance/Reblock.cs holds the algorithm.
public sealed partial class HammerFs
{
    /// <summary>
    /// Prepares a reblock (mirroring-and-operations 6.2); dispose it when it is no longer wanted. Slaves may be
    /// reblocked like masters. RoFs on a read-only mount, NoEnt if there is no such PFS, Inval for impossible values.
    /// </summary>
    public Errno OpenReblock(ReblockRequest request, out Reblock? reblock)
    {
        reblock = null;
        if (_core is null) return Errno.RoFs;
        bool possible = request.FillPercent is >= 0 and <= 100 && request.PfsId is >= 0 and <= HammerConst.PfsIdMax
            && (request.Classes & ReblockClasses.All) != 0;
        if (!possible) return Errno.Inval;
        if (!request.AllPfs && request.PfsId != 0 && !TryGetPfs(request.PfsId, out _)) return Errno.NoEnt;
        reblock = new Reblock(MaintenanceHost, request);
        return Errno.None;
    }

    /// <summary>
    /// Goes on with a reblock. When the whole range is done it waits for the last group: only then are the big-blocks
    /// that it emptied free.
    /// </summary>
    /// <param name="reblock">From <see cref="OpenReblock"/>.</param>
    /// <param name="budget">What this call may use up.</param>
    /// <param name="stop">Ends it within 100 ms.</param>
    /// <param name="settle">True if this is the last call: at the end of the budget the list under way is worked off;
    /// then only position and counts are of use.</param>
    public StepEnd RunReblock(Reblock reblock, in StepBudget budget, CancellationToken stop, bool settle = false)
    {
        StepEnd end = reblock.Step(in budget, stop);
        if (settle && end == StepEnd.Budget)
        {
            reblock.Settle();
            end = reblock.Step(new StepBudget(), stop);
            if (end == StepEnd.Done && !reblock.IsAtEnd) return StepEnd.Budget;
        }
        if (end != StepEnd.Done) return end;
        Errno durable = SyncAndWait(stop);
        return durable == Errno.Intr ? StepEnd.Stopped : durable.IsError ? StepEnd.Failed : StepEnd.Done;
    }
}
