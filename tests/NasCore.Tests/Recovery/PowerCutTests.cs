using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// The power goes at every write of a workload, with the writes since the last flush on the medium, lost, or torn in
/// sectors and physical blocks. Each time the volume is mounted: it comes up by itself, shows exactly one of the
/// durable states, none older than the last one promised, and an independent reader finds nothing wrong.
/// </summary>
public sealed class PowerCutTests
{
    /// <summary>Seed, without history, version, near the FIFO's end.</summary>
    public static TheoryData<ulong, bool, uint, bool> Workloads => new()
    {
        { 1, false, 7, false }, { 2, false, 7, true }, { 3, true, 7, false }, { 4, false, 6, true },
        { 5, true, 6, true }, { 6, false, 7, false },
    };

    [Theory]
    [MemberData(nameof(Workloads))]
    public void Power_cut_at_any_write_leaves_a_durable_state(ulong seed, bool noHistory, uint version, bool nearEnd)
    {
        using var work = new CrashWorkload(seed, noHistory, version, nearEnd);
        work.Run(40);
        var random = new ModelRandom(seed);
        var cutter = new PowerCutter(work.Log.Events, work.Start.Clone());
        int cuts = 0;
        for (int at = 0; at <= work.Log.Count; at++)
        {
            cutter.AdvanceTo(at);
            // With nothing pending all kinds are the same cut.
            CutKind kind = cutter.Pending == 0 ? CutKind.InOrder : (CutKind)random.Below(4);
            string context = $"replay: seed {seed} nohistory {noHistory} version {version} near end {nearEnd} "
                + $"cut {at} of {work.Log.Count} {kind}";
            Check(work, cutter.Cut(kind, random), at, context, deep: cuts % 16 == 0);
            cuts++;
        }
        TestContext.Current.SendDiagnosticMessage($"seed {seed}: {cuts} cuts, {work.States.Count} states");
    }

    [Theory]
    [MemberData(nameof(Workloads))]
    public void Second_power_cut_during_recovery_leaves_the_same_state(ulong seed, bool noHistory, uint version,
        bool nearEnd)
    {
        using var work = new CrashWorkload(seed + 100, noHistory, version, nearEnd);
        work.Run(20);
        var random = new ModelRandom(seed);
        var cutter = new PowerCutter(work.Log.Events, work.Start.Clone());
        for (int at = random.Below(12); at <= work.Log.Count; at += 1 + random.Below(25))
        {
            cutter.AdvanceTo(at);
            CutKind kind = (CutKind)random.Below(4);
            MemoryBlockDevice crashed = Copy(cutter.Cut(kind, random));
            string context = $"replay: seed {seed} nohistory {noHistory} version {version} near end {nearEnd} "
                + $"cut {at} of {work.Log.Count} {kind}";
            CheckRecovery(work, crashed, at, random, context, work.Options);
        }
    }

    /// <summary>
    /// The same where recovery writes back every restored buffer at once: it is cut between its rounds, and the
    /// mount after it may go on in rounds of another size.
    /// </summary>
    [Theory]
    [MemberData(nameof(Workloads))]
    public void Power_cut_between_the_rounds_of_a_recovery_leaves_the_same_state(ulong seed, bool noHistory,
        uint version, bool nearEnd)
    {
        using var work = new CrashWorkload(seed + 200, noHistory, version, nearEnd);
        work.Run(16);
        var random = new ModelRandom(seed);
        var cutter = new PowerCutter(work.Log.Events, work.Start.Clone());
        int rounds = 0;
        for (int at = random.Below(12); at <= work.Log.Count; at += 1 + random.Below(10))
        {
            cutter.AdvanceTo(at);
            CutKind kind = (CutKind)random.Below(4);
            MemoryBlockDevice crashed = Copy(cutter.Cut(kind, random));
            string context = $"replay: seed {seed} nohistory {noHistory} version {version} near end {nearEnd} "
                + $"cut {at} of {work.Log.Count} {kind}, rounds";
            rounds += CheckRecovery(work, crashed, at, random, context, work.Options with { RecoveryBytes = 16384 });
        }
        Assert.True(rounds > 0, $"seed {seed}: no recovery took more than one round");
    }

    /// <summary>Cuts the mount that recovers a volume at a sample of its own writes; rounds that it took.</summary>
    static int CheckRecovery(CrashWorkload work, MemoryBlockDevice crashed, int at, ModelRandom random, string context,
        HammerFsOptions options)
    {
        int rounds;
        var log = new RecordingDevice(new OverlayBlockDevice(crashed));
        string tree;
        try
        {
            using HammerFs fs = MountedTree.Mount(options, log);
            tree = MountedTree.Text(fs);
            rounds = fs.RecoveryOutcome!.Rounds;
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException(context, e);
        }
        Assert.True(Allowed(work, at).Contains(tree), $"{context}: no durable state");
        var cutter = new PowerCutter(log.Events, crashed);
        for (int second = random.Below(3); second <= log.Count; second += 1 + random.Below(6))
        {
            cutter.AdvanceTo(second);
            CutKind kind = (CutKind)random.Below(4);
            Check(work, cutter.Cut(kind, random), at, $"{context}, then cut {second} of {log.Count} {kind}", false,
                tree);
        }
        return rounds;
    }

    static MemoryBlockDevice Copy(OverlayBlockDevice device)
    {
        var copy = new MemoryBlockDevice(device.Length);
        CopyTo(device, copy);
        return copy;
    }

    internal static void CopyTo(OverlayBlockDevice device, MemoryBlockDevice copy)
    {
        byte[] chunk = new byte[65536];
        for (long at = 0; at < device.Length; at += chunk.Length)
        {
            int n = (int)Math.Min(chunk.Length, device.Length - at);
            device.Read(at, chunk.AsSpan(0, n));
            if (chunk.AsSpan(0, n).ContainsAnyExcept((byte)0)) copy.Write(at, chunk.AsSpan(0, n));
        }
    }

    /// <summary>The trees that may be there: the last one promised, or one whose group was being written.</summary>
    static List<string> Allowed(CrashWorkload work, int at)
    {
        int last = work.States.FindLastIndex(s => s.Promised <= at);
        return [.. work.States.Where((s, i) => i >= Math.Max(last, 0) && (i == 0 || i == last || s.Begun < at))
            .Select(s => s.Tree)];
    }

    static void Check(CrashWorkload work, OverlayBlockDevice device, int at, string context, bool deep,
        string? exactly = null)
    {
        try
        {
            using (HammerFs fs = MountedTree.Mount(work.Options, device))
            {
                string tree = MountedTree.Text(fs);
                List<string> allowed = exactly is null ? Allowed(work, at) : [exactly];
                Assert.True(allowed.Contains(tree),
                    $"{context}: no durable state; against the last promised one:\n"
                    + MountedTree.Differences(allowed[0], tree));
                if (deep) CheckPast(work, fs, at, context);
            }
            MountedTree.AssertSound(context, device);
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException(context, e);
        }
    }

    static void CheckPast(CrashWorkload work, HammerFs fs, int at, string context)
    {
        foreach (DurableState state in work.States.Where(s => s.Promised <= at && s.Past.Length > 0))
            Assert.True(MountedTree.Text(fs, state.Tid) == state.Past, $"{context}: as of {state.Tid:x16}");
    }
}
