using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore;
using NasCore.Maintenance;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// Prunes of a random history, in small steps, with other work and new snapshots in between, cut at every write. After
/// each cut every tree that the prune has to keep is what it was, the live tree is as promised, the volume is sound,
/// and the prune can be begun anew. One kind of round thins by time marks, one prunes everything.
/// </summary>
public sealed class PowerPrune : ICampaign
{
    public string Name => "power-prune";

    public void RunRound(CampaignContext c)
    {
        var volume = new CrashVolume
        {
            Version = c.Random.Next(4) == 0 ? 6u : 7u, CacheBytes = c.Random.Next(2) == 0 ? 2L << 20 : 8L << 20,
            IsPruned = true,
        };
        DiskImage image = volume.Format();
        var model = new ModelFs();
        var past = new RandomPast(c.Seed, c.Random);
        using (HammerFs fs = volume.Mount(image, past.Time)) past.Make(fs, model, c.IsSmoke ? 60 : 400);
        using var run = new CrashRun(volume, image, model.Tree);
        run.Time.Now = past.Time.Now;
        PruneRule rule = Rule(past, run.Fs, c.Seed);
        foreach ((ulong tid, TreeState tree) in past.Trees)
        {
            if (rule.Kept.Contains(tid) || (!rule.IsEverything && tid >= rule.Limit))
                run.Acks.Add(new Acknowledgement(0, 0, 0, 0, tid, tree));
        }
        Prune(c, run, rule, past.Generator);
        run.Sync();
        c.Count("operations", run.Operations);
        c.Count("workloads");
        var trial = new CrashTrial(c, run) { JudgesEveryPast = true };
        trial.CutEverywhere(c.IsSmoke ? 1 : 3, everyEvent: c.IsSmoke ? 1 + run.Log.Count / 12 : 1);
    }

    static PruneRule Rule(RandomPast past, HammerFs fs, ulong seed)
    {
        if (seed % 4 == 3) return PruneRule.Everything();
        List<ulong> tids = seed % 4 == 2 ? [.. fs.Marks(0).Select(m => m.Tid)]
            : [.. fs.Snapshots(0).Select(s => s.Tid)];
        List<ulong> kept = [.. tids.Where((_, i) => seed % 4 != 2 || i % 2 == 0)];
        return PruneRule.Keep(kept, kept.Count == 0 ? 0 : kept[^1]);
    }

    static void Prune(CampaignContext c, CrashRun run, PruneRule rule, OperationGenerator generator)
    {
        BaseElm? resume = null;
        for (bool done = false; !done && !c.TimeIsUp;)
        {
            Errno opened = run.Fs.OpenPrune(0, rule, resume, out Prune? prune);
            if (opened.IsError) throw new CampaignFinding("a prune cannot begin", $"{run.Volume}", $"{opened}");
            // Now and then another process goes on from the key.
            for (int i = c.Random.Next(1, 6); !done && i > 0; i--)
            {
                run.Script.Add("prune");
                var budget = new StepBudget { RecordsMax = c.Random.Next(5, 120) };
                StepEnd end = prune!.Step(in budget, CancellationToken.None);
                if (end is StepEnd.Failed or StepEnd.NoSpace)
                    throw new CampaignFinding("a prune fails", $"{run.Volume}", $"{end}");
                done = end == StepEnd.Done;
                if (c.Random.Next(3) != 0) run.Do(generator.Next(run.Model!));
                if (c.Random.Next(8) == 0) Snapshot(run, rule);
            }
            resume = prune!.Next;
            rule = rule.Capped(prune.Rule.Limit);
            c.Count("records pruned", prune.RecordsRemoved + prune.EntriesRemoved);
            c.Count("records looked at", prune.RecordsLooked);
        }
    }

    /// <summary>A snapshot while the prune goes on: it is above the limit and stays, unless everything goes.</summary>
    static void Snapshot(CrashRun run, PruneRule rule)
    {
        run.Sync(keepPast: !rule.IsEverything);
        Errno e = run.Fs.AddSnapshot(0, run.Fs.DurableTid, "meanwhile");
        if (e.IsError && e != Errno.Exist) throw new CampaignFinding("a snapshot fails", "while pruning", $"{e}");
    }
}

/// <summary>A random history: states by TID, some of them snapshots, some of them marked by time.</summary>
public sealed class RandomPast(ulong seed, Random random)
{
    /// <summary>A clock that is set.</summary>
    public CampaignTime Time { get; } = new() { Now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000) };
    public OperationGenerator Generator { get; } = new(seed, new OperationOptions
    {
        PathsMax = 24, FileBytesMax = 90_000, WriteBytesMax = 40_000, ErrorPercent = 2, SyncPerMille = 0,
        FsyncPerMille = 0, RemountPerMille = 0, CrashPerMille = 0,
    });
    /// <summary>What each durable state showed, by its name.</summary>
    public Dictionary<ulong, TreeState> Trees { get; } = [];

    /// <summary>Works; closes a group every few operations and keeps what it was.</summary>
    public void Make(HammerFs fs, ModelFs model, int operations)
    {
        for (int i = 1; i <= operations; i++)
        {
            (ModelOp op, ModelErrno expected) = Generator.Step(model);
            Errno e;
            int done = 0;
            while ((e = ModelDriver.Apply(fs, op, ref done)) == Errno.NeedFlush) fs.Core.FlushOnce();
            if (e.Value != (int)expected)
                throw new CampaignFinding("an operation answers wrongly", $"{op}", $"{e}, the model {expected}");
            if (random.Next(4) == 0 || i == operations) Close(fs);
        }
    }

    void Close(HammerFs fs)
    {
        Must(fs.SnapshotTid(0, out ulong tid), "sync");
        if (random.Next(2) == 0) Trees.TryAdd(tid, TreeState.Capture(fs, tid));
        if (!Trees.TryGetValue(tid, out TreeState? tree)) return;
        Time.Now += TimeSpan.FromMinutes(random.Next(10, 300));
        Errno e = random.Next(3) == 0 ? fs.AddSnapshot(0, tid, "") : Errno.None;
        if (e != Errno.Exist) Must(e, "snapshot");
        if (random.Next(3) != 0) return;
        Must(fs.AddMark(0, true, out ulong marked), "mark");
        // The snapshot's record has moved the safe TID on; what is visible is the same.
        Trees.TryAdd(marked, tree);
    }

    static void Must(Errno e, string what)
    {
        if (e.IsError) throw new CampaignFinding("an operation fails", what, $"{e}");
    }
}
