using System;
using System.Collections.Generic;
using NasCampaign.Kit;
using NasCore;
using NasCore.Primitives;
using NasTesting;
using NasTesting.Model;

namespace NasCampaign.Faults;

/// <summary>The n-th read, write or flush of a workload fails, for every n, in every way that a disk knows.</summary>
static class FailNth
{
    static readonly (FaultOp Op, FaultKind Kind)[] s_ways =
    [
        (FaultOp.Read, FaultKind.Error), (FaultOp.Write, FaultKind.Error), (FaultOp.Flush, FaultKind.Error),
        (FaultOp.Write, FaultKind.Short), (FaultOp.Write, FaultKind.NoSpace), (FaultOp.Read, FaultKind.Short),
        (FaultOp.Write, FaultKind.Vanish), (FaultOp.Flush, FaultKind.Vanish), (FaultOp.Read, FaultKind.Vanish),
    ];

    /// <summary>A round; the number of faults tried.</summary>
    /// <param name="seed">Everything comes from it.</param>
    /// <param name="faultsMax">End after so many; they are spread over the workload then.</param>
    /// <param name="timeIsUp">Asked between faults.</param>
    public static int Round(ulong seed, int faultsMax, Func<bool> timeIsUp, int volumes = 1)
    {
        var random = new Random(unchecked((int)seed * 31 + 7));
        var work = new FaultWork(seed, volumes, noHistory: seed % 2 == 1, steps: 16);
        int[] counts = Sound(work);
        int all = 0;
        foreach ((FaultOp op, FaultKind _) in s_ways) all += counts[(int)op] + 1;
        int faults = 0;
        double step = Math.Max(1.0, (double)all / faultsMax);
        double at = random.NextDouble() * step;
        int way = 0, before = 0;
        while (at < all && !timeIsUp())
        {
            while ((int)at - before > counts[(int)s_ways[way].Op]) before += counts[(int)s_ways[way++].Op] + 1;
            (FaultOp op, FaultKind kind) = s_ways[way];
            int only = volumes > 1 && random.Next(2) == 0 ? random.Next(volumes) : -1;
            var plan = new FaultPlan(op, (int)at - before, kind, forGood: random.Next(2) == 0, seed: random.Next());
            new FailingRun(work, plan, only).Run();
            faults++;
            at += step;
        }
        return faults;
    }

    /// <summary>The workload without a fault gives what the model says; how many transfers it takes.</summary>
    static int[] Sound(FaultWork work)
    {
        FaultPlan plan = FaultPlan.None();
        NasCore.Io.IBlockDevice[] devices = work.Fresh();
        NasCore.Io.IBlockDevice[] counted = Array.ConvertAll(devices, d => (NasCore.Io.IBlockDevice)new FaultDevice(d,
            plan));
        plan.IsArmed = true;
        using (HammerFs fs = MountedTree.Mount(work.Options(), counted))
        {
            var driver = new FacadeDriver(fs);
            foreach ((ModelOp op, ModelErrno expected) in work.Operations)
            {
                fs.Cache.DropClean();
                Errno e = op.Kind == OpKind.Sync ? fs.SyncAndWait() : op.IsMarker ? Errno.None : driver.Do(op);
                Finding.Check(e.Value == (int)expected, $"seed {work.Seed}", $"{op}: {e} without any fault");
            }
            plan.IsArmed = false;
            List<ManifestEntry> found = FsWalker.Walk(fs, fs.Root);
            string differences = GoldenManifest.Differences(work.After.Tree.Manifest(), found,
                ManifestIgnore.Ino | ManifestIgnore.Times);
            Finding.Check(differences.Length == 0, $"seed {work.Seed}", differences);
            plan.IsArmed = true;
        }
        MountedTree.AssertSound($"seed {work.Seed}", devices);
        return plan.Counts;
    }
}
