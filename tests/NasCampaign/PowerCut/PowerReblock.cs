using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using NasCore;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// Reblocking, cut at every write: of a volume with history, or with the holes of deleted files, in pieces between
/// which files are written, deleted and synced, with extents in the background or not. No piece changes anything that
/// can be seen, now or as of any name of the past; after each cut that is so, too, and the accounts of the freemap are
/// right to the byte.
/// </summary>
public sealed class PowerReblock : ICampaign
{
    static readonly Caller s_root = new(0, 0, 0);
    static readonly ReblockClasses[] s_classes =
        [ReblockClasses.All, ReblockClasses.All, ReblockClasses.BTree, ReblockClasses.Data, ReblockClasses.Inodes,
            ReblockClasses.Dirs];

    public string Name => "power-reblock";

    public void RunRound(CampaignContext c)
    {
        var volume = new CrashVolume
        {
            NoHistory = c.Seed % 2 == 0, Version = c.Random.Next(4) == 0 ? 6u : 7u, Direct = c.Random.Next(3) == 0,
            CacheBytes = c.Random.Next(2) == 0 ? 1L << 20 : 8L << 20,
        };
        DiskImage image = Fill(c, volume);
        using var run = new CrashRun(volume, image);
        run.Sync(keepPast: true);
        Work(c, run);
        run.Sync(keepPast: true);
        c.Count("operations", run.Operations);
        c.Count("workloads");
        new CrashTrial(c, run).CutEverywhere(c.IsSmoke ? 1 : 2, everyEvent: c.IsSmoke ? 1 + run.Log.Count / 12 : 1);
    }

    static byte[] FileName(int number) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"file-{number:x}"));

    /// <summary>Files of all sizes, of which most are deleted or written anew.</summary>
    static DiskImage Fill(CampaignContext c, CrashVolume volume)
    {
        DiskImage image = volume.Format();
        using HammerFs fs = volume.Mount(image, new CampaignTime());
        int files = c.IsSmoke ? 45 : 120;
        for (int i = 0; i < files; i++) Write(fs, c.Random, i);
        Must(fs.SyncAndWait(), "sync");
        for (int i = 0; i < files; i++)
        {
            int fate = c.Random.Next(4);
            if (fate == 0) Write(fs, c.Random, i);
            else if (fate < 3) Repeat(fs, () => fs.Unlink(fs.Root, FileName(i)));
        }
        Must(fs.SyncAndWait(), "sync");
        fs.Dispose();
        return image;
    }

    static void Write(HammerFs fs, Random random, int number)
    {
        byte[] name = FileName(number);
        Vnode file = default;
        Must(Repeat(fs, () => fs.Lookup(fs.Root, name, out file, out _).IsError
            ? fs.Create(fs.Root, name, ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _) : Errno.None), "create");
        int done = 0, bytes = random.Next(4) == 0 ? random.Next(1, 400_000) : random.Next(1, 20_000);
        byte[] content = OpsContent.Bytes(random.Next(2) == 0, (ulong)number, 0, bytes);
        Must(Repeat(fs, () => ModelDriver.Write(fs, file, 0, content, ref done)), "write");
        if (random.Next(6) == 0) Must(Repeat(fs, () => fs.SetXattr(file, "user.x"u8, name, XattrKind.Any)), "xattr");
    }

    static Errno Repeat(HammerFs fs, Func<Errno> operation)
    {
        Errno e;
        while ((e = operation()) == Errno.NeedFlush) fs.Core.FlushOnce();
        return e;
    }

    static void Must(Errno e, string what)
    {
        if (e.IsError) throw new CampaignFinding("an operation fails", what, $"{e}");
    }

    static void Work(CampaignContext c, CrashRun run)
    {
        var request = new ReblockRequest
        {
            Classes = s_classes[c.Random.Next(s_classes.Length)], FillPercent = c.Random.Next(6) == 0 ? 95 : 100,
        };
        Reblock? reblock = null;
        int steps = c.IsSmoke ? 14 : 40;
        for (int i = 0; i < steps && !c.TimeIsUp; i++)
        {
            if (c.Random.Next(3) > 0) reblock = Piece(c, run, reblock, request);
            else Step(run, c.Random);
            if (c.Random.Next(5) == 0) run.Sync(keepPast: c.Random.Next(4) == 0);
            if (c.Random.Next(20) != 0) continue;
            // A part of its list is not done: it begins again behind the rest.
            request = request with { From = reblock?.Position };
            reblock?.Dispose();
            reblock = null;
            run.Remount();
        }
        reblock?.Dispose();
    }

    static Reblock? Piece(CampaignContext c, CrashRun run, Reblock? reblock, ReblockRequest request)
    {
        if (reblock is null) Must(run.Fs.OpenReblock(request, out reblock), "reblock");
        // Sometimes a group may get as full as it can.
        var budget = new StepBudget
        {
            RecordsMax = c.Random.Next(3) == 0 ? long.MaxValue : 1, BytesMax = c.Random.Next(1, 600_000),
        };
        long moves = reblock!.Stats.DataMoves + reblock.Stats.BTreeMoves;
        int states = run.States.Count;
        StepEnd end = default;
        run.Must($"reblock {request.Classes} {request.FillPercent}", () =>
        {
            end = run.Fs.RunReblock(reblock, budget, default);
            return Errno.None;
        });
        if (run.States.Count != states)
            throw new CampaignFinding("reblock changes the tree", run.Volume.ToString(),
                TreeDifferences(run.States));
        if (reblock.TryTakeComplaint(out string complaint))
            throw new CampaignFinding("reblock complains of a good volume", run.Volume.ToString(), complaint);
        c.Count("moves", reblock.Stats.DataMoves + reblock.Stats.BTreeMoves - moves);
        if (end == StepEnd.Budget) return reblock;
        reblock.Dispose();
        return end == StepEnd.Done ? null
            : throw new CampaignFinding("reblock ends early", run.Volume.ToString(), $"{end}");
    }

    static string TreeDifferences(List<CrashState> states) => TreeState.Differences(states[^2].Tree, states[^1].Tree);

    static void Step(CrashRun run, Random random)
    {
        List<string> names = [.. run.States[^1].Tree.Entries.Keys.Where(p => p != "/")];
        string path = names[random.Next(names.Count)];
        byte[] name = Encoding.ASCII.GetBytes(path[1..]);
        Must(run.Fs.Lookup(run.Fs.Root, name, out Vnode file, out _), path);
        switch (random.Next(5))
        {
            case 0 when names.Count > 5:
                run.Must("unlink " + path, () => run.Fs.Unlink(run.Fs.Root, name));
                break;
            case 1:
                var request = new AttrRequest { Change = AttrChange.Size, Size = (ulong)random.Next(60_000) };
                run.Must($"truncate {path} {request.Size}", () => run.Fs.SetAttr(file, in request, s_root, out _));
                break;
            case 2:
                run.Fsync(path, file);
                break;
            default:
                int done = 0;
                byte[] content = OpsContent.Bytes(false, (ulong)random.Next(), 0, random.Next(1, 50_000));
                long offset = random.Next(100_000);
                run.Must($"write {path} {offset} {content.Length}", () =>
                    ModelDriver.Write(run.Fs, file, offset, content, ref done));
                break;
        }
    }
}
