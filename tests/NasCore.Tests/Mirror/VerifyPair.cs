using System;
using System.Globalization;
using System.Text;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>A record of a stream on its way into the slave: pass it on, change it, or leave it out (null).</summary>
delegate (LeafElm Leaf, byte[] Data)? Forger(LeafElm leaf, byte[] data);

/// <summary>A master (PFS 1) and a slave of another number on another volume, and comparisons of the two.</summary>
sealed class VerifyPair : IDisposable
{
    internal const int SlavePfs = 3;
    static readonly Caller s_root = new(0, 0, 0);

    internal VerifyPair(long bytes = 256L << 20, bool noHistory = false)
    {
        Master = new MirrorVolume(7, bytes, noHistory);
        Slave = new MirrorVolume(7, bytes);
        Assert.Equal(Errno.None, Master.Fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
        Slave.MakeSlave(SlavePfs, Master.Pfs(1).SharedUuid);
    }

    internal MirrorVolume Master { get; }
    internal MirrorVolume Slave { get; }
    /// <summary>What the side that answered was told last.</summary>
    internal VerifyResult? Answered { get; private set; }
    static Vnode Root => new(1, Tid.Max, HammerConst.RootObjId);

    void Do(Func<Errno> operation)
    {
        Errno result;
        while ((result = operation()) == Errno.NeedFlush) Master.Fs.Core.FlushOnce();
        Assert.Equal(Errno.None, result);
    }

    internal Vnode Make(Vnode dir, string name, ObjType type)
    {
        Vnode made = default;
        Do(() => Master.Fs.Create(dir, Encoding.UTF8.GetBytes(name), type, 0x1ED, 0, 0, s_root, out made, out _));
        return made;
    }

    internal void Write(Vnode file, ulong offset, byte[] data)
    {
        for (int done = 0; done < data.Length;)
        {
            int written = 0, from = done;
            Do(() => Master.Fs.Write(file, offset + (ulong)from, data.AsSpan(from), false, false, out written));
            done += written;
        }
    }

    internal void Unlink(Vnode dir, string name) => Do(() => Master.Fs.Unlink(dir, Encoding.UTF8.GetBytes(name)));

    internal Vnode Lookup(Vnode dir, string name)
    {
        Assert.Equal(Errno.None, Master.Fs.Lookup(dir, Encoding.UTF8.GetBytes(name), out Vnode found, out _));
        return found;
    }

    internal static Vnode RootOfMaster => Root;

    /// <summary>Directories of files with data of different sizes; "d2/big" has 200000 bytes.</summary>
    internal void Fill(int directories, int files, int seed = 1)
    {
        var random = new Random(seed);
        for (int d = 0; d < directories; d++)
        {
            Vnode dir = Make(Root, "d" + d.ToString(CultureInfo.InvariantCulture), ObjType.Directory);
            for (int f = 0; f < files; f++)
            {
                Vnode file = Make(dir, "f" + f.ToString(CultureInfo.InvariantCulture), ObjType.RegFile);
                byte[] data = new byte[random.Next(4) == 0 ? 0 : random.Next(2000)];
                random.NextBytes(data);
                Write(file, 0, data);
            }
            if (d != 2) continue;
            byte[] big = new byte[200_000];
            random.NextBytes(big);
            Write(Make(dir, "big", ObjType.RegFile), 0, big);
        }
    }

    /// <summary>Brings the slave to the master's state, through a forger if there is one.</summary>
    internal void Mirror(Forger? forger = null)
    {
        Master.Fs.SyncAndWait();
        byte[] stream = Master.Read(1, Slave.Pfs(SlavePfs).SyncEndTid + 1);
        Slave.Apply(SlavePfs, forger is null ? stream : Forge(stream, forger));
    }

    static byte[] Forge(byte[] stream, Forger forger)
    {
        var reader = new MrecordReader(new ArrayChannel(stream));
        var channel = new ArrayChannel([]);
        var writer = new MrecordWriter(channel);
        while (reader.TryRead())
        {
            switch (reader.Kind)
            {
                case MrecordType.Rec:
                    if (forger(reader.Leaf, reader.Data.ToArray()) is not var (leaf, data)) break;
                    leaf.DataLen = data.Length;
                    leaf.DataCrc = HammerCrc.LeafData(7, leaf.Base.RecType, data);
                    writer.WriteRec(in leaf, data);
                    break;
                case MrecordType.Pass: writer.WritePass(in reader.Leaf); break;
                case MrecordType.Skip: writer.WriteSkip(in reader.Skip.SkipBeg, in reader.Skip.SkipEnd); break;
                case MrecordType.Pfsd: writer.WritePfsd(reader.Pfsd); break;
                default: writer.WriteMark(reader.Kind); break;
            }
        }
        writer.Flush();
        return channel.Written.ToArray();
    }

    /// <summary>Compares; the master leads unless told otherwise.</summary>
    internal VerifyResult Compare(bool full = false, bool slaveLeads = false, int recordsPerRange = 64,
        Action? between = null)
    {
        IVerifySide master = Master.Fs.VerifySide(1), slave = Slave.Fs.VerifySide(SlavePfs);
        (IVerifySide lead, IVerifySide answer) = slaveLeads ? (slave, master) : (master, slave);
        var pipe = new DuplexPipe();
        Exception? answerError = null;
        var responder = new VerifyResponder(answer, pipe.B, new VirtualTime());
        var thread = new Thread(() => answerError = Record.Exception(() => responder.Run(CancellationToken.None)));
        thread.Start();
        var options = new VerifyOptions
        {
            Full = full, RecordsPerRange = recordsPerRange, BytesPerRange = 1 << 20, OwnName = "one",
            PeerName = "two", Progress = (_, _) => between?.Invoke(),
        };
        try
        {
            VerifyResult result = new VerifySession(lead, pipe.A, options).Run(CancellationToken.None);
            pipe.A.Close();
            thread.Join();
            Assert.Null(answerError);
            return result;
        }
        finally
        {
            pipe.A.Close();
            thread.Join();
            Answered = responder.Result;
        }
    }

    public void Dispose()
    {
        Master.Dispose();
        Slave.Dispose();
    }
}
