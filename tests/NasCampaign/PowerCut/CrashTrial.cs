using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using NasCore;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting.Oracle;

namespace NasCampaign.PowerCut;

/// <summary>
/// Cuts a run's log and looks at each medium: it is mounted, which recovers it; the tree is judged; after unmounting
/// the product's own check and the independent reader find nothing, which counts every byte that is charged or
/// referred to. Now and then: the past still shows what it showed, the volume takes new work, and the power goes a
/// second time during recovery. A medium that was seen before under the same promises is not tried again.
/// </summary>
public sealed class CrashTrial(CampaignContext context, CrashRun run)
{
    readonly HashSet<(ulong, int, int)> _seen = [];
    int _tried;

    /// <summary>After a deep look everything is deleted, which must be possible.</summary>
    public bool DeletesAll { get; init; }

    /// <summary>Every tree of the past that was promised is looked at after each cut, not only now and then.</summary>
    public bool JudgesEveryPast { get; init; }

    /// <summary>Cuts behind every event, or (in a smoke round) behind as many as there is room for.</summary>
    /// <param name="kindsEach">Kinds of cut tried at each event.</param>
    /// <param name="everyEvent">One in so many events.</param>
    public void CutEverywhere(int kindsEach, int everyEvent = 1)
    {
        var cutter = new PowerCutter(run.Log.Events, run.Start);
        CutKind[] kinds = Enum.GetValues<CutKind>();
        int from = everyEvent > 1 ? context.Random.Next(everyEvent) : 0;
        for (int at = from; at <= run.Log.Count && !context.TimeIsUp; at += everyEvent)
        {
            cutter.AdvanceTo(at);
            // With nothing pending all kinds are the same cut.
            int count = cutter.Pending == 0 ? 1 : kindsEach;
            int first = context.Random.Next(kinds.Length);
            for (int i = 0; i < count; i++)
            {
                CutKind kind = cutter.Pending == 0 ? CutKind.InOrder : kinds[(first + i) % kinds.Length];
                Try(cutter.Cut(kind, context.Random), at, kind);
            }
        }
    }

    string Where(int at, string kind) => string.Create(CultureInfo.InvariantCulture,
        $"{run.Volume}; {Tail(run.Script)}; cut behind event {at} of {run.Log.Count}, {kind}");

    static string Tail(List<string> script) =>
        (script.Count > 12 ? $"... ({script.Count - 12} before), " : "") + string.Join(", ", script.TakeLast(12));

    void Try(DiskImage medium, int at, CutKind kind)
    {
        var judge = new CrashJudge(run, at);
        context.Count("cuts");
        ulong digest = medium.Digest();
        context.Image(BitConverter.GetBytes(digest));
        if (!_seen.Add((digest, judge.Oldest, judge.Newest))) return;
        int number = _tried++;
        string where = Where(at, kind.ToString());
        try
        {
            bool second = number % 8 == 3;
            var log = new PowerLog(medium.Fork());
            TreeState found = Recover(log, judge, deep: number % 8 == 5, where);
            AssertSound(log, run.Volume, where, fifo: number % 16 == 7);
            context.Count("recoveries");
            if (second) CutAgain(medium, log, found, where);
        }
        catch (Exception e) when (e is not CampaignFinding)
        {
            throw new CampaignFinding($"recovery fails\n  where: {where}", e);
        }
    }

    TreeState Recover(PowerLog log, CrashJudge judge, bool deep, string where)
    {
        using HammerFs fs = run.Volume.Mount(log, new CampaignTime());
        TreeState found = TreeState.Capture(fs, keepsBytes: true);
        if (fs.RedoneObjects.Count > 0) context.Count("replays of REDO");
        if (fs.RecoveryOutcome!.Rounds > 0) context.Count("recoveries in rounds");
        if (judge.Judge(found) is { } wrong) throw new CampaignFinding("the tree after a crash is wrong", where, wrong);
        if (deep || JudgesEveryPast)
        {
            foreach (Acknowledgement ack in judge.Pasts) AssertPast(fs, ack, where);
        }
        if (deep)
        {
            if (DeletesAll) DeleteAll(fs, found, where);
            Probe(fs, DeletesAll ? TreeState.Capture(fs) : found, where);
        }
        return found;
    }

    static Errno Repeat(HammerFs fs, Func<Errno> operation)
    {
        Errno e;
        while ((e = operation()) == Errno.NeedFlush) fs.Core.FlushOnce();
        return e;
    }

    static void DeleteAll(HammerFs fs, TreeState found, string where)
    {
        foreach (string path in found.Entries.Keys.Where(p => p != "/"))
        {
            Errno e = Repeat(fs, () => fs.Unlink(fs.Root, OracleText.Encode(path[1..])));
            if (e.IsError)
                throw new CampaignFinding("a file on a full volume cannot be deleted", where, $"{path}: {e}");
        }
        Errno sync = fs.SyncAndWait();
        if (sync.IsError) throw new CampaignFinding("sync fails", where, $"{sync}");
    }

    static void AssertPast(HammerFs fs, Acknowledgement ack, string where)
    {
        TreeState past = TreeState.Capture(fs, ack.Tid);
        if (!past.Equals(ack.Past!))
            throw new CampaignFinding($"the past changed as of {ack.Tid:x16}", where,
                TreeState.Differences(ack.Past!, past));
    }

    /// <summary>The volume takes work again, and gives it back.</summary>
    static void Probe(HammerFs fs, TreeState found, string where)
    {
        Vnode file = default;
        Errno e = Repeat(fs, () =>
            fs.Create(fs.Root, ".probe"u8, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0), out file, out _));
        if (e == Errno.NoSpc) return;
        int done = 0;
        byte[] content = new byte[40_000];
        content.AsSpan().Fill(0x5A);
        if (!e.IsError) e = Repeat(fs, () => ModelDriver.Write(fs, file, 0, content, ref done));
        if (e == Errno.NoSpc) e = Errno.None;
        if (!e.IsError) e = fs.SyncAndWait();
        if (!e.IsError) e = Repeat(fs, () => fs.Unlink(fs.Root, ".probe"u8));
        if (!e.IsError) e = fs.SyncAndWait();
        if (e.IsError) throw new CampaignFinding("a recovered volume takes no work", where, $"{e}");
        TreeState after = TreeState.Capture(fs);
        if (after.Count != found.Count || after.Entries.Values.Skip(1).Except(found.Entries.Values).Any())
            throw new CampaignFinding("work on a recovered volume changes something else", where,
                TreeState.Differences(found, after));
    }

    /// <summary>The power goes again, while the mount recovers and its tree is being read.</summary>
    void CutAgain(DiskImage crashed, PowerLog recovery, TreeState expected, string where)
    {
        var cutter = new PowerCutter(recovery.Events, crashed);
        int step = Math.Max(1, recovery.Count / (context.IsSmoke ? 3 : 8));
        CutKind[] kinds = Enum.GetValues<CutKind>();
        for (int at = context.Random.Next(step); at <= recovery.Count; at += step)
        {
            cutter.AdvanceTo(at);
            CutKind kind = kinds[context.Random.Next(kinds.Length)];
            DiskImage medium = cutter.Cut(kind, context.Random);
            context.Count("cuts in recovery");
            context.Image(BitConverter.GetBytes(medium.Digest()));
            string again = $"{where}; recovery cut behind event {at} of {recovery.Count}, {kind}";
            try
            {
                var log = new PowerLog(medium);
                using (HammerFs fs = run.Volume.Mount(log, new CampaignTime())) AssertSame(fs, expected, again);
                AssertSound(log, run.Volume, again);
            }
            catch (Exception e) when (e is not CampaignFinding)
            {
                throw new CampaignFinding($"recovery of a recovery that was cut off fails\n  where: {again}", e);
            }
        }
    }

    static void AssertSame(HammerFs fs, TreeState expected, string where)
    {
        TreeState found = TreeState.Capture(fs);
        // Times of a replayed file are those of the last replay.
        bool same = found.Count == expected.Count && found.Entries.Values.Zip(expected.Entries.Values).All(p =>
            p.First.Type == ObjType.RegFile ? p.First.EqualsButTimes(p.Second) : p.First.Equals(p.Second));
        if (!same)
            throw new CampaignFinding("a second crash changes what the first recovery showed", where,
                TreeState.Differences(expected, found));
    }

    /// <summary>The product's check and the independent reader, who reads all data, too.</summary>
    /// <param name="device">A volume that was cleanly unmounted.</param>
    /// <param name="where">For the message.</param>
    /// <param name="volume">Without history a crash may leave a part of an object's past: an old version of an inode
    /// whose entry of then is physically gone already.</param>
    /// <param name="fifo">Check walks the whole FIFO and all data as well.</param>
    /// <param name="slaves">There may be slaves with half a batch, which shows nowhere.</param>
    public static void AssertSound(IBlockDevice device, CrashVolume volume, string where, bool fifo = false,
        bool slaves = false)
    {
        var findings = new List<string>();
        using (OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([device])))
        {
            Check.Run(volumes, new CheckOptions { Data = fifo, FindingsMax = 10 }, f =>
            {
                // What HAMMER itself leaves wrong is a warning; our own writer leaves nothing wrong.
                findings.Add(f.ToString());
            }, null, default);
        }
        if (findings.Count > 0)
            throw new CampaignFinding("check finds damage after recovery", where, string.Join("\n  ", findings));
        using OracleVolume oracle = OracleVolume.Open(new DelegateOracleDevice(device.Length, device.Read));
        List<OracleFinding> told = oracle.Verify();
        if (volume.NoHistory || volume.IsPruned)
            told.RemoveAll(f => f.Rule == "nlinks at create_tid" && !f.Where.Contains("del=0000000000000000"));
        // What nobody can reach any more must be gone: its bytes would stay charged for ever.
        IEnumerable<OracleRecord> orphans = slaves ? [] : oracle.Orphans();
        told.AddRange(orphans.Select(o => new OracleFinding("no object without a name", o.ToString(), "left over")));
        if (told.Count > 0)
            throw new CampaignFinding("the independent reader finds damage after recovery", where,
                string.Join("\n  ", told.Take(10)));
    }
}
