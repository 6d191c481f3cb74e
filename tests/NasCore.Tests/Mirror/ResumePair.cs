using System;
using System.Globalization;
using System.Text;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>Random work on a master PFS, everything by the seed.</summary>
sealed class RandomMaster : IDisposable
{
    static readonly Caller s_root = new(0, 0, 0);
    readonly Random _random;
    readonly Vnode _dir = new(1, Tid.Max, HammerConst.RootObjId);

    internal RandomMaster(int seed)
    {
        _random = new Random(seed);
        Volume = new MirrorVolume(7, 128L << 20);
        Assert.Equal(Errno.None, Volume.Fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
    }

    internal MirrorVolume Volume { get; }
    internal HammerFs Fs => Volume.Fs;
    internal Guid Shared => Volume.Pfs(1).SharedUuid;

    internal void Work(int operations, int names = 60)
    {
        for (int i = 0; i < operations; i++)
        {
            byte[] name = NewName(names), other = NewName(names);
            switch (_random.Next(6))
            {
                case 0: Do(() => Fs.Unlink(_dir, name)); break;
                case 1: Do(() => Fs.Rename(_dir, name, _dir, other, RenameKind.Replace)); break;
                default: WriteFile(name); break;
            }
        }
        Fs.SyncAndWait();
    }

    byte[] NewName(int names) =>
        Encoding.ASCII.GetBytes("n" + _random.Next(names).ToString(CultureInfo.InvariantCulture));

    void WriteFile(byte[] name)
    {
        if (Fs.Lookup(_dir, name, out Vnode file, out _).IsError)
        {
            Do(() => Fs.Create(_dir, name, ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _));
        }
        byte[] data = new byte[_random.Next(8) == 0 ? _random.Next(40_000) : _random.Next(900)];
        _random.NextBytes(data);
        ulong offset = (ulong)_random.Next(20_000);
        for (int done = 0; done < data.Length;)
        {
            int written = 0, from = done;
            Do(() => Fs.Write(file, offset + (ulong)from, data.AsSpan(from), false, false, out written));
            if (written == 0) break;
            done += written;
        }
    }

    void Do(Func<Errno> operation)
    {
        while (operation() == Errno.NeedFlush) Fs.Core.FlushOnce();
    }

    /// <summary>Records that a batch from a TID on consists of, without skips.</summary>
    internal int Items(ulong begin)
    {
        Assert.Equal(Errno.None, Fs.MirrorSource(1).ReadPfs(out PseudofsData pfs));
        using IMirrorScan scan = Fs.MirrorSource(1).Scan(new MirrorRange(begin, pfs.SyncEndTid));
        int items = 0;
        while (scan.MoveNext()) items += scan.Kind == MirrorItemKind.Skip ? 0 : 1;
        return items;
    }

    public void Dispose() => Volume.Dispose();
}

/// <summary>One session between a source and slave PFS 1 of a file system.</summary>
sealed class ResumeSession
{
    internal Exception? SourceError { get; private set; }
    internal Exception? TargetError { get; private set; }
    /// <summary>Where the source went on, if it did.</summary>
    internal BaseElm? ResumedAt { get; private set; }
    internal MirrorRange ResumedRange { get; private set; }
    internal string? Refused { get; private set; }
    /// <summary>Records that the target has taken.</summary>
    internal int Items { get; private set; }
    internal int Batches { get; private set; }
    internal long Sent { get; private set; }
    internal bool IsWhole => SourceError is null && TargetError is null;

    sealed class SourceWatch(ResumeSession session) : MirrorWatcher
    {
        public override void Resumed(MirrorRange range, BaseElm key) =>
            (session.ResumedRange, session.ResumedAt) = (range, key);
        public override void ResumeRefused(string reason) => session.Refused = reason;
    }

    sealed class TargetWatch(ResumeSession session, Action<int>? item) : MirrorWatcher
    {
        public override void Progress(long objId, long bytes) => item?.Invoke(++session.Items);
        public override void BatchEnded(in MirrorBatch batch) => session.Batches++;
    }

    /// <param name="source">What is mirrored.</param>
    /// <param name="slave">Its PFS 1 is written.</param>
    /// <param name="breakAfter">Bytes after which the link breaks.</param>
    /// <param name="item">Called on the target's thread for every record that was taken, with their number.</param>
    /// <param name="dialect">Who speaks first.</param>
    internal static ResumeSession Run(IMirrorSource source, HammerFs slave, long breakAfter = long.MaxValue,
        Action<int>? item = null, MirrorDialect dialect = MirrorDialect.B)
    {
        var session = new ResumeSession();
        var pipe = new DuplexPipe(breakAfter);
        var thread = new Thread(() =>
        {
            var options = new MirrorSourceOptions { TwoWay = true, Dialect = dialect };
            session.SourceError = Record.Exception(() => new MirrorSourceSession(pipe.A, source, options,
                new VirtualTime(), new SourceWatch(session)).Run(CancellationToken.None));
            pipe.A.Close();
        });
        thread.Start();
        session.TargetError = Record.Exception(() =>
        {
            Assert.Equal(Errno.None, slave.OpenMirrorTarget(1, out HammerFs.MirrorTargetLease? lease));
            using (lease)
            {
                new MirrorTargetSession(pipe.B, _ => lease!.Target,
                    new MirrorOptions { TwoWay = true, Dialect = dialect },
                    new TargetWatch(session, item ?? (_ => { }))).Run();
            }
        });
        pipe.B.Close();
        thread.Join();
        session.Sent = pipe.A.Sent;
        return session;
    }

    internal static PseudofsData Pfs(HammerFs fs)
    {
        Assert.True(fs.TryGetPfs(1, out PseudofsData pfs));
        return pfs;
    }

    internal static bool HasHint(HammerFs fs) => ResumeHint.TryGet(Pfs(fs), out _);
}
