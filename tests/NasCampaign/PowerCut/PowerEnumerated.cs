using System;
using System.Linq;
using NasCore;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// The enumeration of CrashMonkey's kind: all sequences of one and two operations out of a list, on a small tree,
/// each operation followed by fsync of the file, fsync of the folder, sync, or nothing; then a last sync. The power
/// goes at every write. Round by round the seed takes the next sequences; after all of them it begins again.
/// </summary>
public sealed class PowerEnumerated : ICampaign
{
    enum Follow
    {
        Nothing,
        FsyncFile,
        FsyncFolder,
        Sync,
    }

    /// <summary>An operation, with the paths that an fsync behind it names.</summary>
    sealed record Step(string File, ModelOp? Op, Action<CrashRun, Step>? Special = null)
    {
        public string Folder => File.LastIndexOf('/') is > 0 and int slash ? File[..slash] : "/";
        public override string ToString() => Op?.ToString() ?? File;
    }

    static readonly CrashVolume[] s_volumes =
        [new(), new() { NoHistory = true }, new() { Version = 6 }, new() { CacheBytes = 2L << 20 }];

    static readonly Lazy<(DiskImage Image, ModelTree Model)[]> s_starts = new(() => [.. s_volumes.Select(Prepare)]);

    public string Name => "power-enumerated";

    public void RunRound(CampaignContext c)
    {
        Step[] steps = Steps();
        long follows = Enum.GetValues<Follow>().Length;
        long ones = steps.Length * follows, all = ones * ones + ones;
        int each = c.IsSmoke ? 2 : 8;
        for (int i = 0; i < each && !c.TimeIsUp; i++)
        {
            // A stride without a common divisor meets every sequence, and neighbours in time differ much.
            long at = (long)((c.Seed * (ulong)each + (ulong)i) * 1_000_003 % (ulong)all);
            (long first, long second) = at < ones ? (at, -1) : ((at - ones) / ones, (at - ones) % ones);
            int which = (int)(OpsContent.Mix((ulong)at) % (ulong)s_volumes.Length);
            (DiskImage image, ModelTree model) = s_starts.Value[which];
            using var run = new CrashRun(s_volumes[which], image, model);
            // What is open may be fsynced by REDO; what is not needs a group.
            if (c.Random.Next(3) > 0) run.OpenAll();
            Do(run, steps[first / follows], (Follow)(first % follows));
            if (second >= 0) Do(run, steps[second / follows], (Follow)(second % follows));
            run.CloseFiles();
            run.Sync(keepPast: true);
            c.Count("sequences");
            c.Count("operations", run.Operations);
            c.Count("fsyncs by REDO", run.RedoFlushes);
            new CrashTrial(c, run).CutEverywhere(kindsEach: c.IsSmoke ? 1 : 5);
        }
    }

    static void Do(CrashRun run, Step step, Follow follow)
    {
        // The first operation may have taken away what the second wants: then both must fail in the same way.
        if (step.Op is not null) run.Do(step.Op);
        else step.Special!(run, step);
        switch (follow)
        {
            case Follow.FsyncFile: run.Fsync(step.File); break;
            case Follow.FsyncFolder: run.Fsync(step.Folder); break;
            case Follow.Sync: run.Sync(); break;
        }
    }

    static (DiskImage, ModelTree) Prepare(CrashVolume volume)
    {
        DiskImage image = volume.Format();
        using (var run = new CrashRun(volume, image, ModelTree.New(0)))
        {
            foreach (ModelOp op in ModelOp.ParseList(Start)) run.Do(op);
            run.Sync();
            ModelTree model = run.Model!.Tree;
            run.Dispose();
            var cutter = new PowerCutter(run.Log.Events, image);
            cutter.AdvanceTo(run.Log.Count);
            return (cutter.Cut(CutKind.InOrder, new Random(1)).Flatten(), model);
        }
    }

    const string Start = """
        mkdir /A 0755
        mkdir /B 0755
        mkdir /B/empty 0755
        create /A/foo 0644
        write /A/foo 0 20000 1
        setxattr /A/foo user.a 40 2
        create /A/bar 0644
        wtext /A/bar 0 100 3
        create /B/baz 0644
        write /B/baz 0 5000 4
        create /A/hard 0644
        write /A/hard 0 300 5
        link /A/hard /B/hard2
        symlink target /A/sym
        create /big 0644
        write /big 1020000 60000 6
        """;

    static Step Op(string line)
    {
        ModelOp op = ModelOp.Parse(line);
        bool two = op.Kind is OpKind.Link or OpKind.Rename or OpKind.RenameNew or OpKind.Exchange;
        return new Step(two ? op.Other : op.Path, op);
    }

    static Step[] Steps() =>
    [
        Op("create /A/new 0644"), Op("create /B/new2 0600"),
        Op("link /A/foo /B/l1"), Op("link /A/bar /A/l2"), Op("link /A/hard /A/l3"),
        Op("rename /A/foo /A/new"), Op("rename /A/foo /B/moved"), Op("rename /A/foo /A/bar"),
        Op("rename /A/foo /B/baz"), Op("rename /A/bar /B/hard2"), Op("rename /A /B/sub"),
        Op("rename /A/hard /A/foo"), Op("renamenew /B/baz /A/new"),
        Op("exchange /A/foo /B/baz"), Op("exchange /A /B"), Op("exchange /A/bar /B/empty"),
        Op("unlink /A/bar"), Op("unlink /A/foo"), Op("unlink /A/hard"), Op("unlink /B/hard2"), Op("unlink /big"),
        Op("truncate /A/foo 0"), Op("truncate /A/foo 100"), Op("truncate /A/foo 16384"), Op("truncate /A/foo 50000"),
        Op("truncate /big 1040000"), Op("truncate /big 5"), Op("truncate /A/bar 90"), Op("truncate /A/bar 20000"),
        Op("write /A/foo 0 5000 11"), Op("write /A/foo 10000 9000 12"), Op("write /A/foo 0 20000 13"),
        Op("write /A/foo 20000 100 14"), Op("write /A/foo 20000 70000 15"), Op("write /A/bar 100 3000 16"),
        Op("write /big 1080000 100000 17"), Op("write /big 1030000 10 18"), Op("write /A/hard 290 20000 19"),
        Op("punch /A/foo 4000 13000"), Op("punch /A/foo 0 20000"), Op("punch /big 1030000 30000"),
        Op("setxattr /A/foo user.a 50 21"), Op("setxattr /A/foo user.b 9000 22"), Op("setxattr /A user.dir 20 23"),
        Op("removexattr /A/foo user.a"),
        Op("mkdir /A/d 0755"), Op("mkdir /B/empty/d 0700"), Op("rmdir /B/empty"),
        Op("symlink somewhere /A/s2"), Op($"symlink {new string('t', 100)} /B/s3"), Op("unlink /A/sym"),
        Op("chmod /A/foo 0600"), Op("chmod /A 0700"), Op("chown /A/bar 7 8"), Op("utimes /A/foo 1000000 2000000"),
        Op("chflags /A/bar 0x1"), Op("mknod /A/fifo p 0 0"),
        new Step("/A/tmp", null, TmpFileAndLink), new Step("/B/baz", null, WriteUnlinked),
        new Step("/A", null, TmpFileAlone),
    ];

    static readonly Caller s_root = new(0, 0, 0);

    static void TmpFileAndLink(CrashRun run, Step step)
    {
        Vnode? file = MakeTmpFile(run, step.Folder, 21_000);
        // The folder may be gone, and the name be taken by the same step done before.
        if (file is not { } vnode) return;
        ModelFs model = run.Model!;
        ModelErrno expected = model.Create(step.File, 0x1A4);
        if (expected == ModelErrno.Ok) model.Write(step.File, 0, OpsContent.Bytes(false, 31, 0, 21_000));
        Errno found = run.Do("linkat " + step.File, () =>
        {
            Errno e = ModelDriver.ResolveParent(run.Fs, step.File, out Vnode dir, out byte[] name);
            return e.IsError ? e : run.Fs.Link(vnode, dir, name, out _);
        });
        if (found.Value != (int)expected)
            throw new CampaignFinding("linkat answers wrongly", step.File, $"{found}, the model {expected}");
    }

    static void TmpFileAlone(CrashRun run, Step step) => MakeTmpFile(run, step.File, 3000);

    static Vnode? MakeTmpFile(CrashRun run, string folder, int bytes)
    {
        Vnode vnode = default;
        Errno e = run.Do("tmpfile " + folder, () =>
        {
            Errno found = ModelDriver.Resolve(run.Fs, folder, out Vnode dir);
            return found.IsError ? found : run.Fs.TmpFile(dir, 0x1A4, s_root, out vnode, out _);
        });
        if (e.IsError) return null;
        run.Opened(vnode);
        byte[] content = OpsContent.Bytes(false, 31, 0, bytes);
        int done = 0;
        run.Must("write the nameless file", () => ModelDriver.Write(run.Fs, vnode, 0, content, ref done));
        return vnode;
    }

    static void WriteUnlinked(CrashRun run, Step step)
    {
        Vnode vnode = default;
        if (run.Do("open " + step.File, () =>
        {
            Errno e = ModelDriver.Resolve(run.Fs, step.File, out vnode);
            return e.IsError ? e : run.Fs.Open(vnode);
        }).IsError) return;
        run.Opened(vnode);
        run.Do(new ModelOp(OpKind.Unlink) { Path = step.File });
        int done = 0;
        byte[] content = OpsContent.Bytes(false, 32, 0, 30_000);
        run.Must("write the unlinked file", () => ModelDriver.Write(run.Fs, vnode, 1000, content, ref done));
    }
}
