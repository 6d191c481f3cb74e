using System;
using System.Collections.Generic;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>A state of the tree that a crash may leave.</summary>
/// <param name="Tree">What the facade showed.</param>
/// <param name="Begun">Events in the log when the operation that led to it began.</param>
/// <param name="What">That operation.</param>
/// <param name="Model">What the model had then; of an operation in part, what it had behind it.</param>
public sealed record CrashState(TreeState Tree, int Begun, string What, ModelTree? Model);

/// <summary>Something that was promised durable.</summary>
/// <param name="Ino">Object of an fsync; 0: everything, by sync.</param>
/// <param name="State">The state that was promised.</param>
/// <param name="Begun">Events in the log when fsync or sync was called.</param>
/// <param name="Promised">Events in the log when it returned.</param>
/// <param name="Tid">Name of the durable state; 0 for an fsync.</param>
/// <param name="Past">What that name showed, null without history.</param>
public sealed record Acknowledgement(long Ino, int State, int Begun, int Promised, ulong Tid, TreeState? Past);

/// <summary>How a volume of the campaigns is made and mounted.</summary>
public sealed record CrashVolume
{
    public uint Version { get; init; } = 7;
    public bool NoHistory { get; init; }
    /// <summary>Pruned: only kept TIDs and the present show whole trees.</summary>
    public bool IsPruned { get; init; }
    public long Bytes { get; init; } = 192L << 20;
    public long UndoBytes { get; init; } = 8L << 20;
    public long CacheBytes { get; init; } = 8L << 20;
    /// <summary>What recovery holds before it writes back; little means many rounds.</summary>
    public long RecoveryBytes { get; init; } = 64L << 20;
    /// <summary>Extents go to the device in the background, in the order in which the threads come.</summary>
    public bool Direct { get; init; }

    public DiskImage Format()
    {
        var image = new DiskImage(Bytes);
        NasCore.Volumes.Newfs.Format([image], new NewfsOptions
        {
            Label = "TEST", Version = Version, Force = true, UndoBytes = UndoBytes,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"), TimeUs = 1_262_304_000_000_000,
        });
        return image;
    }

    public HammerFs Mount(IBlockDevice device, TimeProvider time) => HammerFs.Open(VolumeSet.Open([device]),
        new HammerFsOptions
        {
            Time = time, RunFlusher = false, NoHistory = NoHistory, CacheBytes = CacheBytes,
            RecoveryBytes = RecoveryBytes,
        });

    public override string ToString() =>
        $"version {Version}{(NoHistory ? ", no history" : "")}{(Direct ? ", direct" : "")}";
}

/// <summary>
/// A workload on a recording device. After every operation the tree is kept as the facade shows it, and compared with
/// the model; every fsync and sync leaves what it promised. So that after a cut behind any event it is known which
/// states the medium may show: every one whose operation had begun, and none that is older than a promise.
///
/// Nothing here knows when groups close. An fsync may be a group or REDO records behind one: then the file shows at
/// least what was promised, in a tree that is older than that.
/// </summary>
public sealed class CrashRun : IDisposable
{
    readonly CampaignTime _time = new();
    readonly List<Vnode> _open = [];

    public CrashRun(CrashVolume volume, DiskImage start, ModelTree? model = null)
    {
        Volume = volume;
        Start = start;
        Log = new PowerLog(start.Fork(), volume.Direct);
        Fs = volume.Mount(Log, _time);
        if (model is not null) Model = new ModelFs(model);
        TreeState tree = TreeState.Capture(Fs);
        States.Add(new CrashState(tree, 0, "mount", Model?.Tree));
        Acks.Add(new Acknowledgement(0, 0, 0, 0, 0, null));
        Compare("mount");
    }

    public CrashVolume Volume { get; }
    public DiskImage Start { get; }
    public PowerLog Log { get; }
    public HammerFs Fs { get; private set; }
    public ModelFs? Model { get; }
    public CampaignTime Time => _time;
    public List<CrashState> States { get; } = [];
    public List<Acknowledgement> Acks { get; } = [];
    /// <summary>What was done, for messages.</summary>
    public List<string> Script { get; } = [];
    /// <summary>Operations done.</summary>
    public int Operations { get; private set; }
    /// <summary>Times that fsync was served by REDO.</summary>
    public long RedoFlushes => _redoFlushes + Fs.Core.RedoFlushes;
    long _redoFlushes;

    void Keep(int begun, string what)
    {
        TreeState tree = TreeState.Capture(Fs);
        if (!tree.Equals(States[^1].Tree)) States.Add(new CrashState(tree, begun, what, Model?.Tree));
    }

    void Compare(string what)
    {
        if (Model is null) return;
        string differences = States[^1].Tree.DifferencesFrom(Model.Tree);
        if (differences.Length > 0) throw new CampaignFinding("the tree differs from the model", what, differences);
    }

    /// <summary>Repeats an operation that waits for groups to close; each state in between is kept.</summary>
    public Errno Do(string what, Func<Errno> operation)
    {
        Script.Add(what);
        Operations++;
        int begun = Log.Count;
        Errno e;
        for (int tries = 0; (e = operation()) == Errno.NeedFlush; tries++)
        {
            if (tries > 10_000) throw new CampaignFinding("no progress", what, $"{tries} closes did not help");
            Keep(begun, what + " (in part)");
            begun = Log.Count;
            Fs.Core.FlushOnce();
        }
        Keep(begun, what);
        return e;
    }

    /// <summary>An operation that must do what the model does.</summary>
    public void Do(ModelOp op)
    {
        ModelErrno expected = op.Apply(Model!);
        int done = 0;
        Errno found = Do(op.ToString(), () => ModelDriver.Apply(Fs, op, ref done));
        if (found.Value != (int)expected)
            throw new CampaignFinding("an operation answers wrongly", op.ToString(), $"{found}, the model {expected}");
        Compare(op.ToString());
    }

    /// <summary>An operation that the model does not know and that must succeed.</summary>
    public void Must(string what, Func<Errno> operation)
    {
        Errno e = Do(what, operation);
        if (e.IsError) throw new CampaignFinding("an operation fails", what, $"{e}");
    }

    public void Sync(bool keepPast = false)
    {
        Script.Add("sync");
        int begun = Log.Count;
        Errno e = Fs.SyncAndWait();
        if (e.IsError) throw new CampaignFinding("sync fails", Script[^1], $"{e}");
        ulong tid = Fs.DurableTid;
        TreeState? past = keepPast && !Volume.NoHistory ? TreeState.Capture(Fs, tid) : null;
        Acks.Add(new Acknowledgement(0, States.Count - 1, begun, Log.Count, tid, past));
    }

    public void Fsync(string path)
    {
        if (ModelDriver.Resolve(Fs, path, out Vnode vnode).IsError) return;
        Fsync(path, vnode);
    }

    public void Fsync(string what, Vnode vnode)
    {
        Script.Add("fsync " + what);
        int begun = Log.Count;
        Errno e = ModelDriver.Fsync(Fs, vnode);
        if (e.IsError) throw new CampaignFinding("fsync fails", what, $"{e}");
        Acks.Add(new Acknowledgement(vnode.ObjId, States.Count - 1, begun, Log.Count, 0, null));
    }

    public void Opened(Vnode vnode) => _open.Add(vnode);

    /// <summary>Opens every file that there is, as programs have theirs open.</summary>
    public void OpenAll()
    {
        Script.Add("open all");
        foreach (TreeEntry e in States[^1].Tree.Entries.Values)
        {
            var vnode = new Vnode(0, Tid.Max, e.Ino);
            if (e.Type != ObjType.RegFile || _open.Contains(vnode) || Fs.Open(vnode).IsError) continue;
            _open.Add(vnode);
        }
    }

    public void CloseFiles()
    {
        foreach (Vnode vnode in _open) Fs.Release(vnode);
        _open.Clear();
    }

    /// <summary>Unmounts and mounts again; both are in the log.</summary>
    public void Remount()
    {
        CloseFiles();
        Script.Add("remount");
        int begun = Log.Count;
        _redoFlushes += Fs.Core.RedoFlushes;
        Fs.Dispose();
        Acks.Add(new Acknowledgement(0, States.Count - 1, begun, Log.Count, 0, null));
        Fs = Volume.Mount(Log, _time);
        Keep(begun, "remount");
    }

    public void Dispose() => Fs.Dispose();
}
