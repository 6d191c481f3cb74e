using System;
using System.Collections.Generic;
using System.Linq;
using NasCampaign.Kit;
using NasTesting.Model;

namespace NasCampaign.Faults;

/// <summary>Rounds of disks that lie: see <see cref="LyingRun"/>.</summary>
static class Lies
{
    /// <summary>Each n-th write, or a sample, is dropped silently or lands elsewhere.</summary>
    public static Dictionary<LieOutcome, int> Writes(ulong seed, FaultKind kind, int faultsMax, Func<bool> timeIsUp,
        Action<string>? silent = null)
    {
        var random = new Random(unchecked((int)seed * 37 + (int)kind));
        var work = new FaultWork(seed, 1, noHistory: seed % 2 == 1, steps: 16);
        ContentHistory history = ContentHistory.Of(work, record: true);
        int writes = history.Log!.Events.Count(e => !e.IsFlush);
        var outcomes = new Dictionary<LieOutcome, int>();
        double step = Math.Max(1.0, (double)writes / faultsMax);
        for (double at = random.NextDouble() * step; at < writes && !timeIsUp(); at += step)
        {
            var plan = new FaultPlan(FaultOp.Write, (int)at, kind, false, random.Next());
            LieOutcome outcome = LyingRun.Run(work, history, plan, out string how);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
            if (outcome == LieOutcome.Silent) silent?.Invoke($"{plan} seed {seed} at {plan.Place}: {how}");
        }
        return outcomes;
    }

    /// <summary>
    /// Flushes do nothing from some moment on; then the power goes, and of everything written since that moment any
    /// sectors, in any order, are on the medium.
    /// </summary>
    public static Dictionary<LieOutcome, int> Flushes(ulong seed, int cuts, Func<bool> timeIsUp,
        Action<string>? silent = null)
    {
        var random = new Random(unchecked((int)seed * 41 + 5));
        var work = new FaultWork(seed, 1, noHistory: seed % 2 == 1, steps: 16);
        ContentHistory history = ContentHistory.Of(work, record: true);
        List<RecordingDevice.Event> log = [.. history.Log!.Events];
        var outcomes = new Dictionary<LieOutcome, int>();
        for (int i = 0; i < cuts && !timeIsUp(); i++)
        {
            int cut = random.Next(log.Count + 1), lost = Math.Max(0, cut - random.Next(log.Count));
            List<RecordingDevice.Event> lied = [.. log.Take(lost), new RecordingDevice.Event(0, null),
                .. log.Take(cut).Skip(lost).Where(e => !e.IsFlush)];
            var device = new OverlayBlockDevice(work.Devices[0]);
            var kind = random.Next(8) == 0 ? CutKind.Dropped : (CutKind)(2 + random.Next(2));
            var modelRandom = new ModelRandom(unchecked(seed + (ulong)i));
            PowerCutter.Replay(lied, lied.Count, kind, modelRandom, device);
            string context = $"seed {seed} flushes lie from {lost}, cut {i} at {cut} of {log.Count} {kind}";
            LieOutcome outcome = LyingRun.Judge(work, history, [device], context, out string how);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
            if (outcome == LieOutcome.Silent) silent?.Invoke($"{context}: {how}");
        }
        return outcomes;
    }
}
