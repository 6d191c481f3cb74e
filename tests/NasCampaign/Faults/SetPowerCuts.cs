using System;
using System.Collections.Generic;
using System.Linq;
using NasCampaign.Kit;
using NasCore;
using NasCore.Io;
using NasTesting.Model;

namespace NasCampaign.Faults;

/// <summary>
/// The power goes in the middle of writing to the two disks of a set. Each disk loses, tears and reorders its own
/// writes since its own last flush. The next mount shows a durable state, none older than the last one promised.
/// </summary>
static class SetPowerCuts
{
    readonly record struct Event(int Device, long Offset, byte[]? Bytes);

    sealed class Recorder(IBlockDevice below, int index, List<Event> log) : IBlockDevice
    {
        public string Name => below.Name;
        public long Length => below.Length;
        public int LogicalBlockBytes => below.LogicalBlockBytes;
        public bool IsReadOnly => false;
        public void Read(long offset, Span<byte> destination) => below.Read(offset, destination);

        public void Write(long offset, ReadOnlySpan<byte> source)
        {
            lock (log) log.Add(new Event(index, offset, source.ToArray()));
            below.Write(offset, source);
        }

        public void Flush()
        {
            lock (log) log.Add(new Event(index, 0, null));
            below.Flush();
        }

        public void Discard(long offset, long length) => below.Discard(offset, length);
        public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

        public void Dispose()
        {
        }
    }

    sealed record State(string Tree, int Begun, int Promised);

    /// <summary>A round; the number of cuts tried.</summary>
    public static int Round(ulong seed, int cutsMax, Func<bool> timeIsUp)
    {
        var random = new ModelRandom(seed * 53 + 11);
        var work = new FaultWork(seed, 2, noHistory: seed % 2 == 0, steps: 24);
        List<Event> log = [];
        List<State> states = Work(work, log);
        if (log.Select(e => e.Device).Distinct().Count() != 2)
            throw new InvalidOperationException($"seed {seed}: only one of the disks was written");
        int cuts = 0;
        double step = Math.Max(1.0, (double)(log.Count + 1) / cutsMax);
        for (double at = random.Below(1000) / 1000.0 * step; at < log.Count + 1 && !timeIsUp(); at += step, cuts++)
        {
            int cut = (int)at, kind = random.Below(4);
            IBlockDevice[] devices = Cut(work, log, cut, kind, random);
            Judge(work, states, devices, cut, $"seed {seed} two disks, cut {cut} of {log.Count} kind {kind}");
        }
        return cuts;
    }

    static List<State> Work(FaultWork work, List<Event> log)
    {
        IBlockDevice[] devices = [.. work.Fresh().Select((d, i) => (IBlockDevice)new Recorder(d, i, log))];
        List<State> states = [];
        using HammerFs fs = MountedTree.Mount(work.Options(), devices);
        var driver = new FacadeDriver(fs) { WhenFull = () => Sync(fs, states, log) };
        states.Add(new State(MountedTree.Text(fs), 0, 0));
        foreach ((ModelOp op, ModelErrno _) in work.Operations)
        {
            if (op.Kind == OpKind.Sync) Sync(fs, states, log);
            else if (!op.IsMarker) driver.Do(op);
        }
        return states;
    }

    static void Sync(HammerFs fs, List<State> states, List<Event> log)
    {
        string tree = MountedTree.Text(fs);
        int begun = log.Count;
        if (fs.SyncAndWait().IsError) throw new InvalidOperationException("sync fails on a sound disk");
        states.Add(new State(tree, begun, log.Count));
    }

    static IBlockDevice[] Cut(FaultWork work, List<Event> log, int cut, int kind, ModelRandom random)
    {
        IBlockDevice[] devices = work.Fresh();
        int[] flushed = new int[devices.Length];
        for (int i = 0; i < cut; i++)
        {
            if (log[i].Bytes is null) flushed[log[i].Device] = i;
        }
        int percent = random.Pick([5, 30, 50, 70, 95]);
        for (int i = 0; i < cut; i++)
        {
            (int device, long at, byte[]? bytes) = log[i];
            if (bytes is null) continue;
            if (i < flushed[device] || kind == 0) devices[device].Write(at, bytes);
            else if (kind > 1) Tear(devices[device], at, bytes, kind == 2 ? 512 : 4096, percent, random);
        }
        return devices;
    }

    static void Tear(IBlockDevice device, long at, ReadOnlySpan<byte> bytes, int unit, int percent, ModelRandom random)
    {
        while (bytes.Length > 0)
        {
            int n = (int)Math.Min(bytes.Length, unit - at % unit);
            if (random.Percent(percent)) device.Write(at, bytes[..n]);
            at += n;
            bytes = bytes[n..];
        }
    }

    static void Judge(FaultWork work, List<State> states, IBlockDevice[] devices, int cut, string context)
    {
        int last = Math.Max(0, states.FindLastIndex(s => s.Promised <= cut));
        HashSet<string> allowed = [.. states.Where((s, i) => i == last || (i > last && s.Begun < cut))
            .Select(s => s.Tree)];
        string tree;
        try
        {
            using HammerFs fs = MountedTree.Mount(work.Options(), devices);
            tree = MountedTree.Text(fs);
        }
        catch (Exception e)
        {
            throw Finding.Of(context, $"the next mount fails: {e.Message}", e);
        }
        Finding.Check(allowed.Contains(tree), context,
            $"no durable state; against the last one {MountedTree.Differences(states[last].Tree, tree)}");
        try
        {
            MountedTree.AssertSound(context, devices);
        }
        catch (InvalidOperationException e)
        {
            throw Finding.Of(context, "not sound afterwards: " + e.Message, e);
        }
    }
}
