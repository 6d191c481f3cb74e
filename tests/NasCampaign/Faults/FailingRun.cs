using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using NasCampaign.Kit;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.Faults;

// One run of a workload in which one transfer fails
//
// While nothing has failed every operation answers as the model does. An operation that meets the failure answers
// with an error that tells the cause and, unless the mount has latched, has changed nothing (a write of several pieces
// may have done some of them). A mount that has latched keeps the first cause, says so once, and never writes again;
// who waits for durability gets EIO. When the device is well again the next mount shows the state that was last
// acknowledged, or one whose group was being closed later: never an older one, never a mixture. An independent reader
// finds nothing wrong.

/// <summary>Runs a workload with a plan of what fails, and judges it.</summary>
sealed class FailingRun
{
    readonly FaultWork _work;
    readonly FaultPlan _plan;
    readonly string _context;
    readonly IBlockDevice[] _devices;
    readonly IBlockDevice[] _faulty;
    /// <summary>Trees that the next mount may show; the first is the last one acknowledged.</summary>
    readonly List<string> _allowed = [];
    readonly List<string> _latched = [];
    int _writesAtLatch;

    /// <param name="work">The workload.</param>
    /// <param name="plan">What fails.</param>
    /// <param name="only">Number of the volume that fails alone, or -1.</param>
    public FailingRun(FaultWork work, FaultPlan plan, int only = -1)
    {
        _work = work;
        _plan = plan;
        _context = $"seed {work.Seed} volumes {work.Devices.Count} nohistory {work.NoHistory} {plan} only {only}";
        _devices = work.Fresh();
        _faulty = [.. _devices.Select((d, i) => only >= 0 && i != only ? d : new FaultDevice(d, plan))];
    }

    public int OperationsDone { get; private set; }

    public void Run()
    {
        _allowed.Add(Quietly(() =>
        {
            using HammerFs fs = MountedTree.Mount(_work.Options() with { ReadOnly = true }, _devices);
            return MountedTree.Text(fs);
        }));
        _plan.IsArmed = true;
        if (Mount() is { } fs)
        {
            Operations(fs);
            Close(fs);
        }
        _plan.IsArmed = false;
        Judge();
    }

    T Quietly<T>(Func<T> work)
    {
        bool armed = _plan.IsArmed;
        _plan.IsArmed = false;
        try
        {
            return work();
        }
        finally
        {
            _plan.IsArmed = armed;
        }
    }

    HammerFs? Mount()
    {
        try
        {
            HammerFs fs = MountedTree.Mount(_work.Options(), _faulty);
            fs.Health.OnLatch = message =>
            {
                _latched.Add(message);
                _writesAtLatch = _plan.WritesAfter;
            };
            return fs;
        }
        catch (Exception e) when (IsTold(e))
        {
            Finding.Check(_plan.HasFired, _context, $"a mount fails without a cause: {e}");
            return null;
        }
    }

    /// <summary>An error in the words of the engine that carries its cause.</summary>
    static bool IsTold(Exception e) =>
        e is IOException or HammerMediumException or HammerFormatException or MountCriticalException;

    void Operations(HammerFs fs)
    {
        foreach ((ModelOp op, ModelErrno expected) in _work.Operations)
        {
            // What is in memory would hide the medium.
            fs.Cache.DropClean();
            if (op.Kind == OpKind.Sync) Sync(fs);
            else if (!op.IsMarker) Operation(fs, op, expected);
            OperationsDone++;
        }
    }

    void Operation(HammerFs fs, ModelOp op, ModelErrno expected)
    {
        bool wasCritical = fs.Health.IsCritical, hadFired = _plan.HasFired;
        string before = wasCritical || hadFired ? "" : Quietly(() => MountedTree.Text(fs));
        int groups = _allowed.Count;
        Errno found;
        try
        {
            found = new FacadeDriver(fs) { WhenFull = () => WhenFull(fs) }.Do(op);
        }
        catch (Exception e) when (IsTold(e) || e is FullFlushFailed)
        {
            Finding.Check(_plan.HasFired, _context, $"{op} fails without a cause: {e}");
            if (fs.Health.IsCritical || hadFired) return;
            string after = Quietly(() => MountedTree.Text(fs));
            CheckUnchanged(op, before, after, _allowed.Count > groups);
            return;
        }
        catch (Exception e) when (e is not CampaignFinding)
        {
            throw Finding.Of(_context, $"{op}: {e.GetType().Name} {e.Message}", e);
        }
        if (wasCritical)
        {
            Finding.Check(found.IsError || expected != ModelErrno.Ok, _context, $"{op} succeeds on a latched mount");
            return;
        }
        // After a failure the model does not know what was done.
        if (_plan.HasFired) return;
        Finding.Check(found.Value == (int)expected, _context, $"{op}: {found} although nothing has failed");
    }

    /// <summary>An operation that failed has changed nothing, or, being one of several pieces, only its own
    /// file.</summary>
    void CheckUnchanged(ModelOp op, string before, string after, bool closedGroups)
    {
        if (before == after) return;
        bool inPieces = op.Kind is OpKind.Write or OpKind.Wtext || closedGroups;
        string differences = MountedTree.Differences(before, after);
        Finding.Check(inPieces, _context, $"{op} failed and yet changed something:\n{differences}");
    }

    sealed class FullFlushFailed : Exception;

    void WhenFull(HammerFs fs)
    {
        if (!Sync(fs)) throw new FullFlushFailed();
    }

    /// <summary>Waits for durability; what is shown now may be there after a failure, and must be after
    /// success.</summary>
    bool Sync(HammerFs fs)
    {
        if (!fs.Health.IsCritical) _allowed.Add(Quietly(() => MountedTree.Text(fs)));
        bool wasCritical = fs.Health.IsCritical;
        Errno e;
        try
        {
            e = fs.SyncAndWait();
        }
        catch (Exception x) when (IsTold(x))
        {
            throw Finding.Of(_context, $"sync throws although the mount is not latched: {x.Message}", x);
        }
        if (e == Errno.None)
        {
            Finding.Check(!fs.Health.IsCritical, _context, "sync succeeds on a latched mount");
            string last = _allowed[^1];
            _allowed.Clear();
            _allowed.Add(last);
            return true;
        }
        Finding.Check(e == Errno.Io, _context, $"sync answers {e}");
        Finding.Check(wasCritical || _plan.HasFired, _context, "sync fails without a cause");
        Finding.Check(fs.Health.IsCritical, _context, "sync fails and the mount is not latched");
        return false;
    }

    void Close(HammerFs fs)
    {
        if (!fs.Health.IsCritical) _allowed.Add(Quietly(() => MountedTree.Text(fs)));
        string? message = fs.Health.Message;
        bool critical = fs.Health.IsCritical;
        fs.Dispose();
        if (!critical)
        {
            // Nobody was told of a failure: then the last state is there.
            if (!fs.Health.IsCritical) _allowed.RemoveRange(0, _allowed.Count - 1);
            return;
        }
        Finding.Check(_latched.Count == 1, _context, $"the latch was told {_latched.Count} times");
        Finding.Check(message == _latched[0] && fs.Health.Message == message, _context,
            $"the first cause was not kept: {message}; told: {_latched[0]}; now: {fs.Health.Message}");
        Finding.Check(message!.Contains(FaultDevice.Cause, StringComparison.Ordinal), _context,
            $"the message does not tell the cause: {message}");
        Finding.Check(_writesAtLatch == _plan.WritesAfter, _context, "a latched mount goes on writing");
    }

    void Judge()
    {
        string tree;
        try
        {
            using HammerFs fs = MountedTree.Mount(_work.Options(), _devices);
            tree = MountedTree.Text(fs);
        }
        catch (Exception e)
        {
            throw Finding.Of(_context, $"the next mount fails: {e.Message}", e);
        }
        if (!_allowed.Contains(tree))
        {
            throw Finding.Of(_context, $"the next mount shows none of {_allowed.Count} possible states; "
                + $"against the one acknowledged {MountedTree.Differences(_allowed[0], tree)}");
        }
        try
        {
            MountedTree.AssertSound(_context, _devices);
        }
        catch (InvalidOperationException e)
        {
            throw Finding.Of(_context, "not sound afterwards: " + e.Message, e);
        }
    }
}
