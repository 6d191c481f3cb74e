using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using NasCore;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// Work on a volume that is full up to ENOSPC: files grow into the last block, are cut, replaced and deleted, with
/// and without history, cut at every write. ENOSPC changes nothing; what was acknowledged stays; the accounts of the
/// freemap are right to the byte; deletion is possible after each crash.
/// </summary>
public sealed class PowerFull : ICampaign
{
    static readonly Caller s_root = new(0, 0, 0);

    public string Name => "power-full";

    public void RunRound(CampaignContext c)
    {
        var volume = new CrashVolume
        {
            Bytes = 104L << 20, NoHistory = c.Seed % 2 == 0, Version = c.Random.Next(4) == 0 ? 6u : 7u,
            RecoveryBytes = c.Seed % 4 < 2 ? 16384 : 64L << 20,
        };
        DiskImage image = Fill(volume, c.Random);
        using var run = new CrashRun(volume, image);
        int full = 0, steps = c.IsSmoke ? 12 : 40;
        for (int i = 0; i < steps && !c.TimeIsUp; i++)
        {
            if (Step(run, c.Random) == Errno.NoSpc) full++;
            if (c.Random.Next(4) == 0) run.Sync(keepPast: c.Random.Next(3) == 0);
        }
        run.Sync();
        c.Count("operations", run.Operations);
        c.Count("answers ENOSPC", full);
        c.Count("workloads");
        new CrashTrial(c, run) { DeletesAll = true }
            .CutEverywhere(c.IsSmoke ? 1 : 2, everyEvent: c.IsSmoke ? 1 + run.Log.Count / 20 : 1);
    }

    static byte[] FileName(int number) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"f{number}"));

    /// <summary>Files of some hundred KiB until there is no room for another byte of one.</summary>
    static DiskImage Fill(CrashVolume volume, Random random)
    {
        DiskImage image = volume.Format();
        using HammerFs fs = volume.Mount(image, new CampaignTime());
        for (int i = 0; i < 1000; i++)
        {
            Vnode file = default;
            Errno e = Repeat(fs, () => fs.Create(fs.Root, FileName(i), ObjType.RegFile, 0x1A4, 0, 0, s_root, out file,
                out _));
            int done = 0;
            byte[] content = OpsContent.Bytes(true, (ulong)i, 0, random.Next(200_000, 1_500_000));
            if (!e.IsError) e = Repeat(fs, () => ModelDriver.Write(fs, file, 0, content, ref done));
            if (e == Errno.NoSpc)
            {
                fs.SyncAndWait();
                fs.Dispose();
                return image;
            }
            if (e.IsError) throw new CampaignFinding("filling a volume fails", $"{volume}, file {i}", $"{e}");
        }
        throw new CampaignFinding("a volume is never full", $"{volume}", "1000 files were written");
    }

    static Errno Repeat(HammerFs fs, Func<Errno> operation)
    {
        Errno e;
        while ((e = operation()) == Errno.NeedFlush) fs.Core.FlushOnce();
        return e;
    }

    static Errno Step(CrashRun run, Random random)
    {
        List<string> names = [.. run.States[^1].Tree.Entries.Keys];
        string path = names[random.Next(names.Count)];
        byte[] name = Encoding.ASCII.GetBytes(path[1..]), fresh = FileName(random.Next(1000, 2000));
        bool isFile = !run.Fs.Lookup(run.Fs.Root, name, out Vnode file, out _).IsError && path != "/";
        if (!isFile || random.Next(4) == 0)
        {
            Vnode created = default;
            Errno e = run.Do("create " + Encoding.ASCII.GetString(fresh), () => run.Fs.Create(run.Fs.Root, fresh,
                ObjType.RegFile, 0x1A4, 0, 0, s_root, out created, out _));
            return e.IsError ? Allowed(e) : Write(run, created, 0, random.Next(1, 200_000));
        }
        switch (random.Next(5))
        {
            case 0: return Allowed(run.Do("unlink " + path, () => run.Fs.Unlink(run.Fs.Root, name)), deletes: true);
            case 1:
                var request = new AttrRequest { Change = AttrChange.Size, Size = (ulong)random.Next(200_000) };
                return Allowed(run.Do($"truncate {path} {request.Size}", () =>
                    run.Fs.SetAttr(file, in request, s_root, out _)));
            case 2:
                return Allowed(run.Do("rename " + path, () =>
                    run.Fs.Rename(run.Fs.Root, name, run.Fs.Root, fresh, RenameKind.Replace)));
            default: return Write(run, file, random.Next(800_000), random.Next(1, 300_000));
        }
    }

    static Errno Write(CrashRun run, Vnode file, long offset, int bytes)
    {
        int done = 0;
        byte[] content = OpsContent.Bytes(false, (ulong)offset, 0, bytes);
        return Allowed(run.Do($"write {file.ObjId:x} {offset} {bytes}", () =>
            ModelDriver.Write(run.Fs, file, offset, content, ref done)));
    }

    static Errno Allowed(Errno e, bool deletes = false)
    {
        bool expected = e == Errno.None || e == Errno.Exist || (e == Errno.NoSpc && !deletes);
        return expected ? e : throw new CampaignFinding("an operation on a full volume fails", "", $"{e}");
    }
}
