using System;
using System.Collections.Generic;
using System.Text;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>One durable state: the tree, and the place in the log at which it was promised.</summary>
/// <param name="Tree">As <see cref="MountedTree.Text"/> gives it.</param>
/// <param name="Tid">The name of the state.</param>
/// <param name="Begun">Events in the log when its group began to be written.</param>
/// <param name="Promised">Events when fsync would have returned.</param>
/// <param name="Past">The tree as its TID showed it: without what has no history.</param>
sealed record DurableState(string Tree, ulong Tid, int Begun, int Promised, string Past);

/// <summary>
/// Random work on a small volume on a recording device: files, names, attributes, open files without names,
/// truncations of large files, remounts; several groups. Every group's state is kept, so that after a cut the volume
/// must show exactly one of them, and none older than the last one promised.
/// </summary>
sealed class CrashWorkload : IDisposable
{
    readonly EngineDriver _driver;
    readonly ModelFs _model = new();
    readonly ModelRandom _random;
    readonly OperationGenerator _generator;
    readonly List<Vnode> _open = [];
    readonly bool _noHistory;

    public CrashWorkload(ulong seed, bool noHistory = false, uint version = 7, bool nearEnd = false)
    {
        Seed = seed;
        _noHistory = noHistory;
        _random = new ModelRandom(seed * 7919 + 1);
        _generator = new OperationGenerator(seed, new OperationOptions
        {
            PathsMax = 30, FileBytesMax = 90_000, WriteBytesMax = 40_000, ErrorPercent = 0, SyncPerMille = 0,
            FsyncPerMille = 0, RemountPerMille = 0, CrashPerMille = 0,
        });
        _driver = new EngineDriver(version, bytes: 320L << 20, undoBytes: 8L << 20, noHistory: noHistory,
            cacheBytes: 8L << 20);
        Start = new MemoryBlockDevice(0);
        Log = new RecordingDevice(Start);
        // The log begins with the mount itself: it may be cut, too.
        string before = MountedTree.Text(_driver.Fs);
        _driver.Swap(device =>
        {
            if (nearEnd) FifoPoke.MoveTo(device, FifoPoke.BytesOf(device) - 96 * 1024);
            Start = device.Clone();
            return Log = new RecordingDevice(device);
        });
        ulong tid = _driver.Fs.DurableTid;
        States.Add(new DurableState(before, tid, 0, 0, noHistory ? "" : MountedTree.Text(_driver.Fs, tid)));
    }

    public ulong Seed { get; }
    public MemoryBlockDevice Start { get; private set; }
    public RecordingDevice Log { get; private set; }
    public List<DurableState> States { get; } = [];
    public HammerFsOptions Options => MountedTree.Options(_driver.Time, noHistory: _noHistory);

    int Promise()
    {
        Assert.Equal(Errno.None, _driver.Fs.SyncAndWait());
        return Log.Count;
    }

    void Note(int begun, int promised)
    {
        ulong tid = _driver.Fs.DurableTid;
        string tree = MountedTree.Text(_driver.Fs);
        States.Add(new DurableState(tree, tid, begun, promised, _noHistory ? "" : MountedTree.Text(_driver.Fs, tid)));
    }

    /// <summary>Closes a group and keeps its state.</summary>
    public void Close()
    {
        int begun = Log.Count;
        Note(begun, Promise());
    }

    public void Run(int steps)
    {
        for (int i = 0; i < steps; i++)
        {
            Step();
            if (_random.Percent(12)) Close();
            if (_random.Percent(2)) Remount();
        }
        Close();
    }

    void Remount()
    {
        CloseFiles();
        Close();
        _driver.Remount();
        Close();
    }

    void Step()
    {
        switch (_random.Below(20))
        {
            case 0: OpenAndUnlink(); break;
            case 1: TmpFile(); break;
            case 2: CloseFiles(); break;
            case 3: Truncations(); break;
            case 4: Attribute(); break;
            default: One(_generator.Next(_model)); break;
        }
    }

    void One(ModelOp op)
    {
        ModelErrno expected = op.Apply(_model);
        Errno found;
        int tries = 0;
        // As EngineDriver.Apply does, but a group that closes in the middle is a state of its own.
        while ((found = _driver.ApplyOnce(op)) == Errno.NeedFlush)
        {
            Assert.True(tries++ < 1000, $"seed {Seed}: no progress: {op}");
            Close();
        }
        Assert.True(found.Value == (int)expected, $"seed {Seed}: {op}: expected {expected}, found {found}");
    }

    /// <summary>Repeats an operation that waits for a group to close; it must succeed then.</summary>
    void Until(Func<Errno> operation)
    {
        Errno e;
        for (int tries = 0; (e = operation()) == Errno.NeedFlush && tries < 1000; tries++) Close();
        Assert.True(e == Errno.None, $"seed {Seed}: {e}");
    }

    void OpenAndUnlink()
    {
        foreach ((string path, ModelNode node) in _model.Tree.Walk())
        {
            if (node.Type != ModelType.File || _random.Percent(60)) continue;
            Assert.False(_driver.Resolve(path, out Vnode vnode).IsError);
            Assert.Equal(Errno.None, _driver.Fs.Open(vnode));
            _open.Add(vnode);
            if (_random.Percent(70)) One(new ModelOp(OpKind.Unlink) { Path = path });
            ulong at = (ulong)_random.Below(50_000);
            Until(() => _driver.Fs.Write(vnode, at, new byte[5000], false, false, out _));
            return;
        }
    }

    void TmpFile()
    {
        Vnode vnode = default;
        Until(() => _driver.Fs.TmpFile(_driver.Fs.Root, 0x1A4, new Caller(0, 0, 0), out vnode, out _));
        byte[] content = new byte[_random.Below(60_000) + 1];
        new Random((int)_random.Below(1 << 30)).NextBytes(content);
        Until(() => _driver.Fs.Write(vnode, 0, content, false, false, out _));
        Until(() => _driver.Fs.SetXattr(vnode, "user.tmp"u8, "x"u8, XattrKind.Any));
        if (_random.Percent(40)) Close();
        if (_random.Percent(50))
        {
            string name = $"tmp{_random.Below(1 << 30)}";
            Until(() => _driver.Fs.Link(vnode, _driver.Fs.Root, Encoding.ASCII.GetBytes(name), out _));
            _extra.Add(name);
        }
        _open.Add(vnode);
    }

    /// <summary>Names in the root that the model does not know.</summary>
    readonly List<string> _extra = [];

    void CloseFiles()
    {
        foreach (Vnode vnode in _open) _driver.Fs.Release(vnode);
        _open.Clear();
        if (_extra.Count == 0 || _random.Percent(50)) return;
        Until(() => _driver.Fs.Unlink(_driver.Fs.Root, Encoding.ASCII.GetBytes(_extra[0])));
        _extra.RemoveAt(0);
    }

    /// <summary>A large file grows and is cut, over the limit where blocks grow to 64 KiB.</summary>
    void Truncations()
    {
        if (_model.Tree.Find("/large") is null) One(new ModelOp(OpKind.Create) { Path = "/large", Mode = 0x1A4 });
        if (_random.Percent(50))
        {
            long at = _random.Below(3L << 20);
            One(new ModelOp(OpKind.Write) { Path = "/large", Offset = at, Length = 700_000, Seed = Seed });
        }
        else
        {
            One(new ModelOp(OpKind.Truncate) { Path = "/large", Length = _random.Below(2L << 20) });
        }
    }

    void Attribute()
    {
        foreach ((string path, ModelNode node) in _model.Tree.Walk())
        {
            if (node.Type != ModelType.File || _random.Percent(70)) continue;
            One(new ModelOp(OpKind.SetXattr)
            {
                Path = path, Other = "user.big", Length = _random.Below(30_000L), Seed = (ulong)_random.Below(1 << 20),
            });
            return;
        }
    }

    public void Dispose() => _driver.Dispose();
}
