using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using NasCore;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// Long random work, cut at every write: files and names of all kinds, open files without names, O_TMPFILE, large
/// files that grow and are cut, large attributes, fsync of files and folders, sync, remounts; with and without
/// history, versions 6 and 7, small caches, and the FIFO's end in the middle of it. As power-direct the extents are
/// written in the background: the work is determined by the seed, the place of the extents among the other writes is
/// not.
/// </summary>
public sealed class PowerRandom(bool direct = false) : ICampaign
{
    public string Name => direct ? "power-direct" : "power-random";

    public void RunRound(CampaignContext c)
    {
        var volume = new CrashVolume
        {
            Version = c.Random.Next(4) == 0 ? 6u : 7u,
            NoHistory = c.Random.Next(3) == 0,
            CacheBytes = c.Random.Next(3) == 0 ? 2L << 20 : 8L << 20,
            Direct = direct,
            RecoveryBytes = c.Seed % 2 == 0 ? 32768 : 64L << 20,
        };
        DiskImage image = volume.Format();
        if (c.Random.Next(3) == 0) MoveFifo(volume, image, c.Random);
        int lives = c.IsSmoke ? 2 : 1 + c.Random.Next(4);
        ModelTree? model = ModelTree.New(0);
        for (int life = 0; life < lives && model is not null && !c.TimeIsUp; life++)
            (image, model) = Live(c, volume, image, model, life, lives);
        c.Count("workloads");
    }

    /// <summary>Mounts, works, is cut everywhere; gives back the medium of one cut, from which the next life goes on.
    /// </summary>
    static (DiskImage, ModelTree?) Live(CampaignContext c, CrashVolume volume, DiskImage image, ModelTree model,
        int life, int lives)
    {
        using var run = new CrashRun(volume, image, model);
        if (life > 0) run.Script.Add($"after crash {life}");
        var work = new Work(run, c.Seed + (ulong)life * 1_000_003, c.Random);
        int steps = (c.IsSmoke ? 40 : 60 + c.Random.Next(200)) / lives;
        for (int i = 0; i < steps && !c.TimeIsUp; i++) work.Step();
        run.CloseFiles();
        run.Sync(keepPast: true);
        c.Count("operations", run.Operations);
        c.Count("fsyncs by REDO", run.RedoFlushes);
        c.Count("lives");
        new CrashTrial(c, run).CutEverywhere(c.IsSmoke ? 1 : 3,
            everyEvent: c.IsSmoke ? 1 + run.Log.Count * lives / 40 : 1);
        return Crash(c, volume, run);
    }

    /// <summary>
    /// The power goes for good. The next life begins on the crashed medium, with the model of what its recovery will
    /// show; without one where that is a state between two operations.
    /// </summary>
    static (DiskImage, ModelTree?) Crash(CampaignContext c, CrashVolume volume, CrashRun run)
    {
        var cutter = new PowerCutter(run.Log.Events, run.Start);
        cutter.AdvanceTo(c.Random.Next(run.Log.Count * 2 / 3, run.Log.Count + 1));
        var kind = (CutKind)c.Random.Next(Enum.GetValues<CutKind>().Length);
        DiskImage medium = cutter.Cut(kind, c.Random).Flatten();
        using HammerFs fs = volume.Mount(medium.Fork(), new CampaignTime());
        TreeState found = TreeState.Capture(fs);
        CrashState? same = run.States.FindLast(s => found.DifferencesFrom(s.Model!).Length == 0);
        return (medium, same?.Model);
    }

    /// <summary>Work without changes for so long that the FIFO's end comes near.</summary>
    static void MoveFifo(CrashVolume volume, DiskImage image, Random random)
    {
        FifoPlace.MoveTo(image, volume.UndoBytes - 16384 * random.Next(1, 8));
    }

    sealed class Work(CrashRun run, ulong seed, Random random)
    {
        readonly OperationGenerator _generator = new(seed, new OperationOptions
        {
            PathsMax = 24, FileBytesMax = 90_000, WriteBytesMax = 40_000, ErrorPercent = 2, SyncPerMille = 0,
            FsyncPerMille = 0, RemountPerMille = 0, CrashPerMille = 0,
        });

        readonly Caller _root = new(0, 0, 0);
        int _names;

        public void Step()
        {
            switch (random.Next(24))
            {
                case 0: OpenAndUnlink(); break;
                case 1: TmpFile(); break;
                case 2: run.CloseFiles(); break;
                case 3: Truncations(); break;
                case 4: Attribute(); break;
                case 5 or 6: FsyncSomething(); break;
                case 10: run.OpenAll(); break;
                case 11 or 12: Append(); break;
                case 7: run.Sync(keepPast: random.Next(3) == 0); break;
                case 8 when random.Next(8) == 0: run.Remount(); break;
                case 9: Save(); break;
                default: run.Do(_generator.Next(run.Model!)); break;
            }
        }

        string? PickFile()
        {
            List<string> files = [.. run.Model!.Tree.Walk().Where(p => p.Node.Type == ModelType.File)
                .Select(p => p.Path)];
            return files.Count == 0 ? null : files[random.Next(files.Count)];
        }

        void FsyncSomething()
        {
            if (PickFile() is not { } path) return;
            if (random.Next(3) == 0) path = path.LastIndexOf('/') is > 0 and int slash ? path[..slash] : "/";
            run.Fsync(path);
        }

        /// <summary>A log that is fsynced after each line: what REDO is for.</summary>
        void Append()
        {
            if (PickFile() is not { } path || run.Model!.Tree.Find(path) is not { } node) return;
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                run.Do(new ModelOp(random.Next(5) > 0 ? OpKind.Write : OpKind.Truncate)
                {
                    Path = path, Offset = node.Content.Size, Seed = (ulong)random.Next(1 << 20),
                    Length = random.Next(1, 5000),
                });
                run.Fsync(path);
                node = run.Model.Tree.Find(path)!;
            }
        }

        /// <summary>How editors and databases save: create, write, fsync, rename over the old one.</summary>
        void Save()
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"/save{random.Next(4)}");
            if (run.Model!.Tree.Find(name + ".new") is null)
                run.Do(new ModelOp(OpKind.Create) { Path = name + ".new", Mode = 0x1A4 });
            run.Do(new ModelOp(OpKind.Write)
            {
                Path = name + ".new", Length = random.Next(1, 30_000), Seed = (ulong)random.Next(1 << 20),
            });
            run.Fsync(name + ".new");
            run.Do(new ModelOp(OpKind.Rename) { Path = name + ".new", Other = name });
        }

        void OpenAndUnlink()
        {
            if (PickFile() is not { } path) return;
            if (ModelDriver.Resolve(run.Fs, path, out Vnode vnode).IsError || run.Fs.Open(vnode).IsError) return;
            run.Opened(vnode);
            if (random.Next(3) > 0) run.Do(new ModelOp(OpKind.Unlink) { Path = path });
            if (run.Model!.Tree.Find(path) is not null || Other(vnode)) return;
            int done = 0;
            byte[] content = OpsContent.Bytes(false, seed, 0, 5000);
            run.Must("write the unlinked " + path, () => ModelDriver.Write(run.Fs, vnode, random.Next(50_000), content,
                ref done));
        }

        // The object has another name, of which the model would have to know.
        bool Other(Vnode vnode) => run.Fs.GetAttr(vnode, out FileAttr attr).IsError || attr.Nlinks > 0;

        void TmpFile()
        {
            Vnode vnode = default;
            run.Must("tmpfile", () => run.Fs.TmpFile(run.Fs.Root, 0x1A4, _root, out vnode, out _));
            run.Opened(vnode);
            byte[] content = OpsContent.Bytes(false, seed, 0, random.Next(60_000) + 1);
            int done = 0;
            run.Must("write it", () => ModelDriver.Write(run.Fs, vnode, 0, content, ref done));
            if (random.Next(3) == 0) run.Sync();
            if (random.Next(2) == 0) return;
            string path;
            do path = string.Create(CultureInfo.InvariantCulture, $"/tmp{_names++}");
            while (run.Model!.Tree.Find(path) is not null);
            run.Model.Create(path, 0x1A4);
            run.Model.Write(path, 0, content);
            byte[] name = Encoding.ASCII.GetBytes(path[1..]);
            run.Must("linkat " + path, () => run.Fs.Link(vnode, run.Fs.Root, name, out _));
            if (random.Next(2) == 0) run.Fsync(path, vnode);
        }

        /// <summary>A large file grows and is cut, over the limit where blocks grow to 64 KiB.</summary>
        void Truncations()
        {
            if (run.Model!.Tree.Find("/large") is null)
                run.Do(new ModelOp(OpKind.Create) { Path = "/large", Mode = 0x1A4 });
            bool grow = random.Next(2) == 0;
            run.Do(new ModelOp(grow ? OpKind.Write : OpKind.Truncate)
            {
                Path = "/large", Offset = grow ? random.Next(3 << 20) : 0,
                Length = grow ? 300_000 : random.Next(2 << 20), Seed = seed,
            });
        }

        void Attribute()
        {
            if (PickFile() is not { } path) return;
            run.Do(new ModelOp(OpKind.SetXattr)
            {
                Path = path, Other = "user.big", Length = random.Next(30_000), Seed = (ulong)random.Next(1 << 20),
            });
        }
    }
}
