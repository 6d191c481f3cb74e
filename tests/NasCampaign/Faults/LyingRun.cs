using System;
using System.IO;
using System.Linq;
using System.Threading;
using NasCampaign.Kit;
using NasCore;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting.Model;

namespace NasCampaign.Faults;

// Disks that lie
//
// A write that is told to be done and is not (stale), one that lands elsewhere (misdirected), flushes that do nothing
// before the power goes. Nothing above can prevent the loss. What must hold: every byte that a read gives once stood
// there, in that object, at that offset (or nothing did); a volume that is neither whole nor a state of its past is
// told by the mount, by a read, or by `check`.

/// <summary>What became of a lie.</summary>
enum LieOutcome
{
    /// <summary>The state that must be there.</summary>
    Harmless,
    /// <summary>Exactly a state of the past, and sound: nothing can tell.</summary>
    Older,
    /// <summary>The mount, a read or `check` says so.</summary>
    Told,
    /// <summary>Neither whole nor a state of the past, and nobody noticed.</summary>
    Silent,
}

/// <summary>Judges a volume after its disk has lied.</summary>
static class LyingRun
{
    /// <summary>Does the work on a disk that fails as planned, ends at the first error, and judges.</summary>
    public static LieOutcome Run(FaultWork work, ContentHistory history, FaultPlan plan, out string how)
    {
        string context = $"seed {work.Seed} nohistory {work.NoHistory} {plan}";
        IBlockDevice[] devices = work.Fresh();
        IBlockDevice[] faulty = [.. devices.Select(d => (IBlockDevice)new FaultDevice(d, plan))];
        plan.IsArmed = true;
        string? told = Work(work, history, faulty, plan, context);
        plan.IsArmed = false;
        LieOutcome outcome = Judge(work, history, devices, context, out how);
        if (told is null) return outcome;
        how = "at work: " + told;
        return outcome == LieOutcome.Harmless ? outcome : LieOutcome.Told;
    }

    /// <summary>
    /// Ends at an error (which it tells), or when the tree is not the one that it should be: whoever goes on then
    /// writes to other objects than he means.
    /// </summary>
    static string? Work(FaultWork work, ContentHistory history, IBlockDevice[] devices, FaultPlan plan, string context)
    {
        try
        {
            using HammerFs fs = MountedTree.Mount(work.Options(), devices);
            var driver = new FacadeDriver(fs);
            int done = 0;
            foreach ((ModelOp op, ModelErrno expected) in work.Operations)
            {
                fs.Cache.DropClean();
                if (plan.HasFired && SurvivingTree.Read(fs).Text != history.States[done]) return null;
                done++;
                Errno e = op.Kind == OpKind.Sync ? fs.SyncAndWait() : op.IsMarker ? Errno.None : driver.Do(op);
                if (e.Value != (int)expected) return $"{op}: {e} {fs.Health.Message}";
            }
            fs.Dispose();
            return fs.Health.Message;
        }
        catch (Exception e) when (e is IOException or HammerMediumException or HammerFormatException
            or MountCriticalException or InvalidOperationException)
        {
            return e.Message;
        }
        catch (Exception e)
        {
            throw Finding.Of(context, $"at work: {e.GetType().Name}: {e.Message}", e);
        }
    }

    /// <summary>Mounts, reads everything, checks.</summary>
    public static LieOutcome Judge(FaultWork work, ContentHistory history, IBlockDevice[] devices, string context,
        out string how)
    {
        how = "";
        bool found = Findings(devices, out string finding);
        SurvivingTree tree;
        try
        {
            using HammerFs fs = MountedTree.Mount(work.Options(), devices);
            tree = SurvivingTree.Read(fs, (path, objId, at, bytes) =>
            {
                if (!history.Was(objId, at, bytes))
                    throw Finding.Of(context, $"{path} (object {objId:x}) at {at}: bytes that never stood there\n  "
                        + history.Tell(objId, at, bytes));
            });
        }
        catch (Exception e) when (e is IOException or HammerMediumException or HammerFormatException
            or MountCriticalException)
        {
            how = "mount: " + e.Message;
            return LieOutcome.Told;
        }
        catch (Exception e) when (e is not CampaignFinding)
        {
            throw Finding.Of(context, $"mount or read: {e.GetType().Name}: {e.Message}", e);
        }
        bool last = tree.Text == history.States[^1];
        if (last && !found) return LieOutcome.Harmless;
        if (tree.Errors.Count > 0) how = "read: " + tree.Errors[0].Error.Message;
        if (found) how += "check: " + finding;
        if (how.Length > 0) return LieOutcome.Told;
        if (history.States.Contains(tree.Text)) return LieOutcome.Older;
        how = MountedTree.Differences(history.States[^1], tree.Text);
        return LieOutcome.Silent;
    }

    /// <summary>What `check` says before anybody has mounted the volumes.</summary>
    static bool Findings(IBlockDevice[] devices, out string first)
    {
        string text = "";
        try
        {
            using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([.. devices.Select(d =>
                (IBlockDevice)new KeptDevice(d))]));
            CheckResult result = Check.Run(volumes, new CheckOptions { Data = true, FindingsMax = 3 }, f =>
            {
                if (!f.IsWarning && text.Length == 0) text = f.ToString();
            }, null, CancellationToken.None);
            first = text;
            return !result.IsClean;
        }
        catch (Exception e) when (e is IOException or HammerMediumException or HammerFormatException)
        {
            first = e.Message;
            return true;
        }
    }
}
