using System;
using System.Collections.Generic;
using System.Text;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>A file's content that a crash must not take back, from a place in the log on.</summary>
/// <param name="Begun">Events in the log when what makes it durable began to be written.</param>
/// <param name="Promised">Events when fsync returned.</param>
/// <param name="Content">Null once the file is gone.</param>
sealed record SyncedContent(int Begun, int Promised, byte[]? Content);

/// <summary>
/// Random writes, appends, truncations, renames and removals of some files on a small volume, with fsync by REDO
/// wherever it can be, groups that close in between, and other work that fills the FIFO with UNDO.
/// </summary>
sealed class RedoWorkload : IDisposable
{
    static readonly Caller s_root = new(0, 0, 0);

    /// <summary>An open file: its content as the model has it, and what was promised of it.</summary>
    public sealed class Subject(Vnode vnode, string name)
    {
        public Vnode Vnode { get; } = vnode;
        /// <summary>Null once it has none: the mount after a crash destroys it.</summary>
        public string? Name { get; set; } = name;
        public byte[] Content { get; set; } = [];
        public List<SyncedContent> Synced { get; } = [];
    }

    readonly EngineDriver _driver;
    readonly ModelRandom _random;
    readonly List<Subject> _open = [];
    int _names;

    public RedoWorkload(ulong seed, bool noHistory, uint version, bool nearEnd)
    {
        Seed = seed;
        _random = new ModelRandom(seed * 104729 + 7);
        _driver = new EngineDriver(version, bytes: 320L << 20, undoBytes: 8L << 20, noHistory: noHistory,
            cacheBytes: 8L << 20);
        Options = MountedTree.Options(_driver.Time, noHistory: noHistory);
        Start = new MemoryBlockDevice(0);
        Log = new RecordingDevice(Start);
        _driver.Swap(device =>
        {
            if (nearEnd) FifoPoke.MoveTo(device, FifoPoke.BytesOf(device) - 48 * 1024);
            Start = device.Clone();
            return Log = new RecordingDevice(device);
        });
    }

    public ulong Seed { get; }
    public HammerFsOptions Options { get; }
    public MemoryBlockDevice Start { get; private set; }
    public RecordingDevice Log { get; private set; }
    public List<Subject> Files { get; } = [];
    /// <summary>Fsyncs served by REDO, and by groups.</summary>
    public int Redone { get; private set; }
    public int Grouped { get; private set; }
    HammerFs Fs => _driver.Fs;

    public void Run(int steps)
    {
        for (int i = 0; i < 4; i++) Make();
        Close();
        for (int i = 0; i < steps; i++)
        {
            Step();
            if (_random.Percent(6)) Close();
        }
    }

    void Must(Func<Errno> operation)
    {
        Errno e;
        for (int tries = 0; (e = operation()) == Errno.NeedFlush && tries < 1000; tries++) Close();
        Assert.True(e == Errno.None, $"seed {Seed}: {e}");
    }

    static byte[] Bytes(string name) => Encoding.ASCII.GetBytes(name);

    void Make()
    {
        string name = $"f{_names++}";
        Vnode vnode = default;
        Must(() => Fs.Create(Fs.Root, Bytes(name), ObjType.RegFile, 0x1A4, 0, 0, s_root, out vnode, out _));
        Must(() => Fs.Open(vnode));
        var subject = new Subject(vnode, name);
        Files.Add(subject);
        _open.Add(subject);
    }

    void Step()
    {
        Subject subject = _open[_random.Below(_open.Count)];
        switch (_random.Below(24))
        {
            case 0: Rename(subject); break;
            case 1: Remove(subject); break;
            case 2 or 3: Resize(subject); break;
            case 4: Attribute(subject); break;
            case 5: Clutter(); break;
            case 6 when _open.Count < 8: Make(); break;
            case < 15: Write(subject); break;
            default: Fsync(subject); break;
        }
    }

    void Attribute(Subject subject)
    {
        byte[] value = new byte[_random.Below(200)];
        Must(() => Fs.SetXattr(subject.Vnode, "user.a"u8, value, XattrKind.Any));
    }

    void Write(Subject subject)
    {
        long size = subject.Content.Length;
        int length = 1 + (int)(_random.Percent(85) ? _random.Below(6000) : _random.Below(90_000));
        long at = _random.Percent(50) ? size : _random.Below((int)Math.Min(size + 5000, 400_000) + 1);
        if (at + length > 1_300_000) at = 0;
        byte[] bytes = new byte[length];
        new Random((int)_random.Below(1 << 30)).NextBytes(bytes);
        Must(() => Fs.Write(subject.Vnode, (ulong)at, bytes, false, false, out _));
        byte[] content = new byte[Math.Max(size, at + length)];
        subject.Content.CopyTo(content, 0);
        bytes.CopyTo(content, at);
        subject.Content = content;
    }

    void Resize(Subject subject)
    {
        int size = (int)_random.Below(subject.Content.Length + 20_000);
        Must(() => Fs.SetAttr(subject.Vnode, new AttrRequest { Change = AttrChange.Size, Size = (ulong)size }, s_root,
            out _));
        byte[] content = new byte[size];
        subject.Content.AsSpan(0, Math.Min(size, subject.Content.Length)).CopyTo(content);
        subject.Content = content;
    }

    void Rename(Subject subject)
    {
        if (subject.Name is null) return;
        string name = $"g{_names++}";
        Must(() => Fs.Rename(Fs.Root, Bytes(subject.Name), Fs.Root, Bytes(name), RenameKind.Replace));
        subject.Name = name;
    }

    void Remove(Subject subject)
    {
        if (subject.Name is null || _open.Count < 3) return;
        Must(() => Fs.Unlink(Fs.Root, Bytes(subject.Name)));
        subject.Name = null;
        if (_random.Percent(50)) Fsync(subject);
        Fs.Release(subject.Vnode);
        _open.Remove(subject);
    }

    /// <summary>Names that come and go: UNDO in front of the next REDO.</summary>
    void Clutter()
    {
        for (int i = 0; i < 20; i++)
        {
            byte[] name = Bytes($"c{_random.Below(60)}");
            if (Fs.Lookup(Fs.Root, name, out _, out _) == Errno.None) Must(() => Fs.Unlink(Fs.Root, name));
            else Must(() => Fs.Create(Fs.Root, name, ObjType.RegFile, 0x1A4, 0, 0, s_root, out _, out _));
        }
    }

    void Fsync(Subject subject)
    {
        // Several together at times.
        var waiting = new List<Subject> { subject };
        if (_random.Percent(25)) waiting.Add(_open[_random.Below(_open.Count)]);
        int begun = Log.Count, answered = 0;
        var left = new List<Subject>(waiting);
        foreach (Subject one in waiting)
        {
            Fs.WhenSynced(one.Vnode, (_, e) =>
            {
                Assert.Equal(Errno.None, e);
                answered++;
                left.Remove(one);
            }, null);
        }
        if (left.Count > 0) Fs.Core.RedoOnce();
        Redone += answered;
        foreach (Subject one in waiting)
        {
            if (!left.Contains(one)) one.Synced.Add(new SyncedContent(begun, Log.Count, one.Content));
        }
        if (left.Count == 0) return;
        Grouped += left.Count;
        Close();
        Assert.Empty(left);
    }

    /// <summary>Closes a group: everything is promised then.</summary>
    void Close()
    {
        int begun = Log.Count;
        Fs.Core.FlushOnce();
        foreach (Subject one in Files)
        {
            if (one.Synced is [.., { Content: null }]) continue;
            one.Synced.Add(new SyncedContent(begun, Log.Count, one.Name is null ? null : one.Content));
        }
    }

    public void Dispose() => _driver.Dispose();
}
