using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using NasCore;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// Batches of a mirror stream on their way into a slave, and the promotion of a slave that holds half a batch, cut at
/// every write. After each cut the slave shows, at its sync_end_tid, exactly what the master showed there, and that is
/// not older than the last batch that was acknowledged; the rest of the streams can be sent and ends in equality.
/// A promotion that was cut off can be done again and ends with what the last whole batch held, and nothing of the
/// half one.
/// </summary>
public sealed class PowerMirror : ICampaign
{
    const int PfsId = 1;
    const int Batches = 3;
    static readonly Guid s_shared = new("5a5a5a5a-0000-1111-2222-333333333333");

    /// <summary>Streams of a master with the state that each of them leads to.</summary>
    sealed class Source
    {
        public List<byte[]> Streams { get; } = [];
        public List<ulong> Ends { get; } = [];
        public List<TreeState> Trees { get; } = [];
    }

    /// <summary>One way, from an array, or into a list.</summary>
    sealed class ArrayChannel(byte[] input) : IByteChannel
    {
        int _at;
        public MemoryStream Written { get; } = new();

        public int Read(Span<byte> destination)
        {
            int length = Math.Min(destination.Length, input.Length - _at);
            input.AsSpan(_at, length).CopyTo(destination);
            _at += length;
            return length;
        }

        public void Write(ReadOnlySpan<byte> source) => Written.Write(source);
    }

    public string Name => "power-mirror";

    public void RunRound(CampaignContext c)
    {
        var volume = new CrashVolume
        {
            Version = c.Random.Next(4) == 0 ? 6u : 7u, CacheBytes = c.Random.Next(2) == 0 ? 2L << 20 : 8L << 20,
        };
        Source source = Make(volume, c.Random);
        DiskImage empty = EmptySlave(volume);
        DiskImage first = Play(volume, empty, fs => Apply(fs, source.Streams[0])).Image;
        if (c.Seed % 2 == 0) CutBatches(c, volume, source, first);
        else CutPromotion(c, volume, source, first);
        c.Count("workloads");
    }

    // ------------------------------------------------------------------ master

    static Source Make(CrashVolume volume, Random random)
    {
        var source = new Source();
        var time = new CampaignTime();
        using HammerFs fs = volume.Mount(volume.Format(), time);
        Must(fs.CreatePfs(false, s_shared, new Guid("aaaaaaaa-0000-1111-2222-333333333333"), out _), "pfs-master");
        ulong begin = 1;
        for (int i = 0; i < Batches; i++)
        {
            Work(fs, random, i == 0 ? 50 : 30);
            Must(fs.SyncTid(out _), "synctid");
            var channel = new ArrayChannel([]);
            var options = new MirrorSourceOptions { ForcedBegin = begin };
            new MirrorSourceSession(channel, fs.MirrorSource(PfsId), options, time).Run(CancellationToken.None);
            source.Streams.Add(channel.Written.ToArray());
            Must(fs.MirrorSource(PfsId).ReadPfs(out PseudofsData pfs), "the source's PFS");
            source.Ends.Add(pfs.SyncEndTid);
            source.Trees.Add(TreeState.Capture(fs, pfs.SyncEndTid, PfsId));
            begin = pfs.SyncEndTid + 1;
        }
        return source;
    }

    static void Work(HammerFs fs, Random random, int steps)
    {
        var dir = new Vnode(PfsId, Tid.Max, HammerConst.RootObjId);
        for (int i = 0; i < steps; i++)
        {
            byte[] name = NewName(random), other = NewName(random);
            switch (random.Next(7))
            {
                case 0: Repeat(fs, () => fs.Unlink(dir, name)); break;
                case 1: Repeat(fs, () => fs.Rename(dir, name, dir, other, RenameKind.Replace)); break;
                case 2: Repeat(fs, () => fs.Symlink(dir, name, other, new Caller(0, 0, 0), out _, out _)); break;
                default: WriteFile(fs, dir, name, random); break;
            }
        }
    }

    static byte[] NewName(Random random) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"n{random.Next(25)}"));

    static void WriteFile(HammerFs fs, Vnode dir, byte[] name, Random random)
    {
        if (fs.Lookup(dir, name, out Vnode file, out _).IsError)
        {
            Repeat(fs, () => fs.Create(dir, name, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0), out file, out _));
        }
        byte[] content = OpsContent.Bytes(false, (ulong)random.Next(1 << 20), 0,
            random.Next(3) == 0 ? random.Next(60_000) : random.Next(3000));
        long offset = random.Next(40_000);
        int done = 0;
        Repeat(fs, () => ModelDriver.Write(fs, file, offset, content, ref done));
    }

    static void Repeat(HammerFs fs, Func<Errno> operation)
    {
        while (operation() == Errno.NeedFlush) fs.Core.FlushOnce();
    }

    static void Must(Errno e, string what)
    {
        if (e.IsError) throw new CampaignFinding("an operation fails", what, $"{e}");
    }

    // ------------------------------------------------------------------ slave

    static DiskImage EmptySlave(CrashVolume volume) => Play(volume, volume.Format(), fs =>
    {
        Must(fs.CreatePfs(true, s_shared, new Guid("bbbbbbbb-0000-1111-2222-333333333333"), out _), "pfs-slave");
        // Files of its own, which no batch may touch.
        int done = 0;
        Must(fs.Create(fs.Root, "own"u8, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0), out Vnode own, out _),
            "own");
        Must(ModelDriver.Write(fs, own, 0, OpsContent.Bytes(true, 1, 0, 30_000), ref done), "own");
        Must(fs.SyncAndWait(), "sync");
    }).Image;

    /// <summary>Mounts a copy, does something, unmounts; everything that was written is in the log.</summary>
    static (PowerLog Log, DiskImage Image) Play(CrashVolume volume, DiskImage start, Action<HammerFs> work)
    {
        DiskImage image = start.Flatten();
        var log = new PowerLog(image);
        using (HammerFs fs = volume.Mount(log, new CampaignTime())) work(fs);
        return (log, image);
    }

    /// <summary>Writes a one-way stream into the slave; true if its batch was whole and is acknowledged.</summary>
    static bool Apply(HammerFs fs, byte[] stream)
    {
        Must(fs.OpenMirrorTarget(PfsId, out HammerFs.MirrorTargetLease? lease), "open the slave");
        using (lease)
        {
            try
            {
                return new MirrorTargetSession(new ArrayChannel(stream), _ => lease!.Target, new MirrorOptions()).Run();
            }
            catch (MirrorStreamException)
            {
                return false;
            }
        }
    }

    static PseudofsData Pfs(HammerFs fs) =>
        fs.TryGetPfs(PfsId, out PseudofsData pfs) ? pfs : throw new CampaignFinding("the slave's PFS record is gone");

    static void CutBatches(CampaignContext c, CrashVolume volume, Source source, DiskImage start)
    {
        var begun = new List<int> { 0 };
        var acknowledged = new List<int> { 0 };
        var log = new PowerLog(start.Fork());
        using (HammerFs fs = volume.Mount(log, new CampaignTime()))
        {
            TreeState own = TreeState.Capture(fs);
            for (int i = 1; i < Batches; i++)
            {
                begun.Add(log.Count);
                if (!Apply(fs, source.Streams[i])) throw new CampaignFinding($"batch {i} was not taken whole");
                acknowledged.Add(log.Count);
            }
            ForEachCut(c, log, start, $"{volume}; mirror batches", (medium, at, deep, where) =>
            {
                int oldest = acknowledged.FindLastIndex(e => e <= at), newest = begun.FindLastIndex(e => e < at);
                CheckBatches(volume, source, medium, own, oldest, Math.Max(oldest, newest), deep, where);
            });
        }
    }

    static void CheckBatches(CrashVolume volume, Source source, DiskImage medium, TreeState own, int oldest, int newest,
        bool deep, string where)
    {
        using (HammerFs fs = volume.Mount(medium, new CampaignTime()))
        {
            int shown = CheckSlave(fs, source, own, oldest, newest, where);
            for (int i = shown + 1; deep && i < Batches; i++)
            {
                if (!Apply(fs, source.Streams[i]))
                    throw new CampaignFinding("a batch is refused after a crash", where, $"batch {i}");
            }
            if (deep) CheckSlave(fs, source, own, Batches - 1, Batches - 1, where + ", mirrored on");
        }
        CrashTrial.AssertSound(medium, volume, where, slaves: true);
    }

    static int CheckSlave(HammerFs fs, Source source, TreeState own, int oldest, int newest, string where)
    {
        ulong end = Pfs(fs).SyncEndTid;
        int shown = source.Ends.IndexOf(end);
        if (shown < oldest || shown > newest)
            throw new CampaignFinding("the slave's end is not that of a batch that may be there", where,
                $"{end:x16}; acknowledged {source.Ends[oldest]:x16}, begun {source.Ends[newest]:x16}");
        TreeState tree = TreeState.Capture(fs, end, PfsId);
        if (!tree.Equals(source.Trees[shown]))
            throw new CampaignFinding($"the slave differs from its master as of {end:x16}", where,
                TreeState.Differences(source.Trees[shown], tree));
        TreeState ownNow = TreeState.Capture(fs);
        if (!ownNow.Equals(own))
            throw new CampaignFinding("a batch changed files outside its PFS", where,
                TreeState.Differences(own, ownNow));
        return shown;
    }

    // ------------------------------------------------------------------ promotion

    static void CutPromotion(CampaignContext c, CrashVolume volume, Source source, DiskImage first)
    {
        byte[] half = source.Streams[1][..(source.Streams[1].Length * c.Random.Next(30, 95) / 100)];
        TreeState? own = null;
        DiskImage start = Play(volume, first, fs =>
        {
            if (Apply(fs, half)) throw new CampaignFinding("half a batch was taken for a whole one");
            own = TreeState.Capture(fs);
            CheckSlave(fs, source, own, 0, 0, "half a batch, not cut");
        }).Image;
        var log = new PowerLog(start.Fork());
        int acknowledged;
        using (HammerFs fs = volume.Mount(log, new CampaignTime()))
        {
            Must(fs.UpgradePfs(PfsId), "pfs-upgrade");
            acknowledged = log.Count;
        }
        ForEachCut(c, log, start, $"{volume}; promotion after half a batch", (medium, at, deep, where) =>
            CheckPromotion(volume, source, medium, own!, at >= acknowledged, deep, where));
    }

    static void CheckPromotion(CrashVolume volume, Source source, DiskImage medium, TreeState own, bool acknowledged,
        bool deep, string where)
    {
        using (HammerFs fs = volume.Mount(medium, new CampaignTime()))
        {
            bool slave = Pfs(fs).IsSlave;
            if (slave && acknowledged) throw new CampaignFinding("an acknowledged promotion is lost", where, "");
            if (slave)
            {
                CheckSlave(fs, source, own, 0, 0, where);
                Must(fs.UpgradePfs(PfsId), $"pfs-upgrade again; {where}");
            }
            TreeState tree = TreeState.Capture(fs, Tid.Max, PfsId);
            bool same = tree.Count == source.Trees[0].Count
                && tree.Entries.Values.Zip(source.Trees[0].Entries.Values).All(p => p.First.EqualsButTimes(p.Second));
            if (!same)
                throw new CampaignFinding("a promoted slave is not what its last whole batch was", where,
                    TreeState.Differences(source.Trees[0], tree));
            if (deep)
            {
                Work(fs, new Random(1), 10);
                Must(fs.SyncAndWait(), "work on the new master");
            }
        }
        CrashTrial.AssertSound(medium, volume, where);
    }

    static void ForEachCut(CampaignContext c, PowerLog log, DiskImage start, string what,
        Action<DiskImage, int, bool, string> check)
    {
        var cutter = new PowerCutter(log.Events, start);
        var seen = new HashSet<(ulong, int)>();
        CutKind[] kinds = Enum.GetValues<CutKind>();
        int step = c.IsSmoke ? 1 + log.Count / 25 : 1, number = 0;
        for (int at = c.Random.Next(step); at <= log.Count && !c.TimeIsUp; at += step)
        {
            cutter.AdvanceTo(at);
            int each = c.IsSmoke || cutter.Pending == 0 ? 1 : 3;
            for (int i = 0; i < each; i++)
            {
                CutKind kind = kinds[c.Random.Next(kinds.Length)];
                DiskImage medium = cutter.Cut(kind, c.Random);
                ulong digest = medium.Digest();
                c.Count("cuts");
                c.Image(BitConverter.GetBytes(digest));
                string where = string.Create(CultureInfo.InvariantCulture,
                    $"{what}; cut behind event {at} of {log.Count}, {kind}");
                try
                {
                    check(medium, at, number++ % 4 == 0, where);
                }
                catch (Exception e) when (e is not CampaignFinding)
                {
                    throw new CampaignFinding($"recovery fails\n  where: {where}", e);
                }
                c.Count("recoveries");
            }
        }
    }
}
