using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;
using NasFirmware.Daemon;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>A box in memory: a file system, a status board, the mirror service, and whom it may dial.</summary>
sealed class LoopBox : IVolumes, IPeerDialer, IMirrorPfs, IDisposable
{
    static readonly Guid s_unique = new("aaaaaaaa-0000-1111-2222-333333333333");
    readonly Lock _lock = new();
    readonly Dictionary<string, int> _pfs = [];
    readonly MemoryBlockDevice _device;
    HammerFs _fs;
    CancellationTokenSource _gone = new();
    VolumeHandle? _volume;
    int _seed;

    internal LoopBox(string name, long bytes = 256L << 20)
    {
        Name = name;
        _device = new MemoryBlockDevice(bytes);
        NasCore.Volumes.Newfs.Format([_device], new NewfsOptions
        {
            Label = name.ToUpperInvariant(), Force = true, UndoBytes = 16L << 20, TimeUs = 1_262_304_000_000_000,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
        });
        _fs = Open(readOnly: false);
        Host = new MirrorHost
        {
            Box = name, Runtime = new SystemLoopRuntime(TimeProvider.System), Volumes = this, Dialer = this,
            Pfs = this, Board = Board, Log = line => Log(line), State = () => State, NewSeed = () => ++_seed,
        };
        Mount();
    }

    internal string Name { get; }
    internal HammerFs Fs => _fs;
    internal StatusBoard Board { get; } = new();
    internal MirrorHost Host { get; set; }
    internal MirrorService? Service { get; set; }
    internal LoopBox? Other { get; set; }
    internal string? State { get; set; }
    /// <summary>What comes of making a slave; null: it is made.</summary>
    internal Errno? NoSlave { get; set; }
    internal List<string> Lines { get; } = [];
    /// <summary>Every connection that was made from here.</summary>
    internal List<MemoryDuplex> Connections { get; } = [];

    /// <summary>Answers a connection in place of the other box; false: does not.</summary>
    internal Func<Stream, bool>? Answer { get; set; }

    public event Action<string>? Changed;

    void Log(string line)
    {
        lock (_lock) Lines.Add(line);
    }

    public VolumeHandle? Find(string name) => name == "data" ? _volume : null;

    HammerFs Open(bool readOnly) => HammerFs.Open(VolumeSet.Open([_device]), new HammerFsOptions
    {
        Time = TimeProvider.System, FlushInterval = TimeSpan.FromMilliseconds(20), CacheBytes = 8L << 20,
        ReadOnly = readOnly,
    });

    /// <summary>Takes the file system down and mounts it for reading.</summary>
    internal void RemountReadOnly()
    {
        Unmount();
        _fs.Dispose();
        _fs = Open(readOnly: true);
        Mount();
    }

    internal void Mount()
    {
        _gone = new CancellationTokenSource();
        _volume = new VolumeHandle("data", _fs, _gone.Token);
        Changed?.Invoke("data");
    }

    /// <summary>The disk is pulled; the file system stays as it is, for it comes back.</summary>
    internal void Unmount()
    {
        _volume = null;
        _gone.Cancel();
        Changed?.Invoke("data");
    }

    public int? Find(VolumeHandle volume, string path) => _pfs.TryGetValue(path, out int id) ? id : null;

    public int EnsureSlave(VolumeHandle volume, string path, Guid shared)
    {
        if (Find(volume, path) is { } known) return known;
        if (NoSlave is { } result)
            throw new MirrorPfsException($"no slave: {MirrorReceiver.Why(volume, result)}", result);
        return Make(path, slave: true, shared);
    }

    internal int Make(string path, bool slave, Guid shared)
    {
        Errno e = _fs.CreatePfs(slave, shared, s_unique, out int id);
        if (e.IsError) throw new IOException($"no PFS can be made: {e}");
        return _pfs[path] = id;
    }

    public PeerConnection Dial(string peer, CancellationToken stop)
    {
        LoopBox? other = Other;
        if (other is null || peer != other.Name) throw new IOException($"{peer} cannot be reached");
        var pair = new MemoryDuplex();
        lock (_lock) Connections.Add(pair);
        if (Answer?.Invoke(pair.B) != true) other.Take(Name, pair.B);
        return new PeerConnection(new PeerIdentity(peer, new string('2', 64)), pair.A);
    }

    void Take(string from, Stream stream)
    {
        var protocol = new PeerProtocol(Name, Service!.Purposes, TimeProvider.System, Log,
            Service.PeerCalled);
        var connection = new PeerConnection(new PeerIdentity(from, new string('1', 64)), stream);
        new Thread(() =>
        {
            using (connection) protocol.Serve(connection, CancellationToken.None);
        })
        {
            IsBackground = true,
        }.Start();
    }

    /// <summary>A connection that the other box takes; the end that a dialler has.</summary>
    internal Stream Answering()
    {
        var pair = new MemoryDuplex();
        Other!.Take(Name, pair.B);
        return pair.A;
    }

    /// <summary>Waits until the board shows what is wanted.</summary>
    internal MirrorStatus Until(bool isSource, Predicate<MirrorStatus> wanted)
    {
        using var changed = new ManualResetEventSlim();
        void Wake() => changed.Set();
        Board.Changed += Wake;
        try
        {
            for (int i = 0; i < 3000; i++)
            {
                MirrorStatus? status = Board.Snapshot(Name, "").Mirrors.FirstOrDefault(m => m.IsSource == isSource);
                if (status is not null && wanted(status)) return status;
                if (!changed.Wait(20_000, TestContext.Current.CancellationToken))
                    throw new TimeoutException($"{Name}: {status}\n{string.Join("\n", Lines)}");
                changed.Reset();
            }
            throw new TimeoutException($"{Name} never shows it\n{string.Join("\n", Lines)}");
        }
        finally
        {
            Board.Changed -= Wake;
        }
    }

    public void Dispose()
    {
        Service?.Dispose();
        _fs.Dispose();
    }
}

/// <summary>Two boxes, one of which sends its PFS "family" to the other.</summary>
sealed class LoopPair : IDisposable
{
    static readonly Caller s_root = new(0, 0, 0);
    internal static readonly Guid Shared = new("5a5a5a5a-0000-1111-2222-333333333333");

    internal static MirrorTimes Times { get; } = new()
    {
        Beat = TimeSpan.FromMilliseconds(50), Silence = TimeSpan.FromMilliseconds(600),
        BackoffMin = TimeSpan.FromMilliseconds(20), BackoffMax = TimeSpan.FromMilliseconds(200),
        RefusedRetry = TimeSpan.FromMilliseconds(300), StatusEvery = TimeSpan.FromMilliseconds(50),
    };

    internal LoopPair(long slaveBytes = 256L << 20)
    {
        A = new LoopBox("nas1");
        B = new LoopBox("nas2", slaveBytes);
        A.Other = B;
        A.Make("family", slave: false, Shared);
        A.Service = new MirrorService(A.Host, [], []);
        B.Service = new MirrorService(B.Host, [], []);
    }

    internal LoopBox A { get; }
    internal LoopBox B { get; }

    internal MirrorSendOptions Send { get; init; } = new()
    {
        Name = "family", Peer = "nas2", Volume = "data", Pfs = "family", Times = Times,
    };

    internal MirrorReceiveOptions Receive { get; init; } = new()
    {
        Name = "family", Peer = "nas1", Volume = "data", Pfs = "family", Times = Times,
    };

    internal void Start()
    {
        A.Service!.Apply([Send], []);
        if (B.Board.Snapshot("", "").Mirrors.Count == 0) B.Service!.Apply([], [Receive]);
        B.Service!.Start();
        A.Service!.Start();
    }

    /// <summary>Writes a file on the master and returns the TID at which it is durable.</summary>
    internal ulong Write(string name, int bytes, int pfs = 1)
    {
        var dir = new Vnode(pfs, Tid.Max, HammerConst.RootObjId);
        byte[] raw = System.Text.Encoding.ASCII.GetBytes(name);
        Do(() => A.Fs.Create(dir, raw, ObjType.RegFile, 0x1A4, 0, 0, s_root, out _, out _));
        Assert.Equal(Errno.None, A.Fs.Lookup(dir, raw, out Vnode file, out _));
        byte[] data = new byte[bytes];
        new Random(bytes).NextBytes(data);
        for (int done = 0; done < bytes;)
        {
            int n = 0, from = done;
            Do(() => A.Fs.Write(file, (ulong)from, data.AsSpan(from), false, false, out n));
            done += n;
        }
        Assert.Equal(Errno.None, A.Fs.SyncTid(out ulong tid));
        return tid;
    }

    void Do(Func<Errno> operation)
    {
        Errno e;
        while ((e = operation()) == Errno.NeedFlush) A.Fs.SyncAndWait();
        Assert.Equal(Errno.None, e);
    }

    /// <summary>Waits until the sender shows that the slave has everything up to a TID.</summary>
    internal MirrorStatus UntilInStep(ulong tid) => A.Until(true, s => s.Phase == MirrorPhase.InStep
        && s.SlaveTid is { } at && string.CompareOrdinal(at, Tid.Format(tid)) >= 0);

    internal long SlaveSize(string name)
    {
        Assert.True(B.Fs.TryGetPfs(1, out PseudofsData pfs));
        var dir = new Vnode(1, pfs.SyncEndTid, HammerConst.RootObjId);
        Errno e = B.Fs.Lookup(dir, System.Text.Encoding.ASCII.GetBytes(name), out _, out FileAttr attr);
        return e.IsError ? -1 : (long)attr.Size;
    }

    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
    }
}
