using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using NasCampaign.PowerCut;
using NasCore;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using NasTesting.Model;

namespace NasCampaign.Simulation;

/// <summary>A mirror of the simulation: from whom to whom, by the path that both sides use.</summary>
sealed record SimMirror(string Name, string From, string To, string Path);

/// <summary>
/// Boxes, network and mirrors of one run, what is done on the masters, and what must hold at each recovery and in the
/// end: all sides converge by themselves, the trees at the slave's TID are equal, check finds nothing.
/// </summary>
sealed class SimWorld
{
    static readonly Caller s_root = new(0, 0, 0);

    readonly Dictionary<string, SimBox> _boxes = new(StringComparer.Ordinal);
    readonly List<SimMirror> _mirrors = [];
    readonly List<string> _masters = [];
    readonly CampaignContext _context;
    long _workAt;

    internal SimWorld(CampaignContext context, IEnumerable<string> boxes)
    {
        _context = context;
        Scheduler = new SimScheduler(context.Random);
        Network = new SimNetwork(Scheduler);
        foreach (string name in boxes)
            _boxes[name] = new SimBox(Scheduler, Network, name, _boxes)
            {
                Recovered = CheckRecovered, Compare = Compare,
            };
    }

    internal SimScheduler Scheduler { get; }
    internal SimNetwork Network { get; }
    internal Random Random => _context.Random;
    internal IReadOnlyCollection<SimBox> Boxes => _boxes.Values;
    internal IReadOnlyList<SimMirror> Mirrors => _mirrors;
    internal SimBox Box(string name) => _boxes[name];
    /// <summary>Writers rest: the faults are over.</summary>
    internal bool IsCalm { get; set; }
    /// <summary>
    /// A slave was promoted by hand: until everything has come back a third box may have what its source has not.
    /// </summary>
    internal bool IsParted { get; set; }
    /// <summary>Longest pause of the writers.</summary>
    internal TimeSpan WriterPause { get; set; } = TimeSpan.FromSeconds(4);

    internal MirrorTimes Times { get; init; } = new()
    {
        StatusEvery = TimeSpan.FromSeconds(5), RefusedRetry = TimeSpan.FromMinutes(1),
    };

    /// <summary>Adds a mirror; the first one of a path starts at its master.</summary>
    internal void Mirror(string from, string to, string path, long bandwidth = 0)
    {
        var mirror = new SimMirror(path + "-" + to, from, to, path);
        if (!_mirrors.Any(m => m.Path == path)) _masters.Add(from + ":" + path);
        _mirrors.Add(mirror);
        _boxes[from].Ends.Add(End(mirror.Name, to, path, true, bandwidth));
        _boxes[to].Ends.Add(End(mirror.Name, from, path, false, bandwidth));
    }

    MirrorEndOptions End(string name, string peer, string path, bool isFrom, long bandwidth) => new(
        new MirrorSendOptions
        {
            Name = name, Peer = peer, Volume = SimBox.Volume, Pfs = path, Times = Times, Bandwidth = bandwidth,
        }, isFrom);

    /// <summary>Boots all boxes, makes the masters, with some work on them.</summary>
    /// <param name="operations">On each master.</param>
    /// <param name="bytesMax">Of one write.</param>
    /// <param name="files">Files of about 75 KB on each master, beside.</param>
    internal void Begin(int operations, int bytesMax, int files = 0)
    {
        foreach (SimBox box in Boxes) box.Boot();
        foreach (string master in _masters)
        {
            string[] parts = master.Split(':');
            SimBox box = _boxes[parts[0]];
            box.MakePfs(box.Fs!, slave: false, SimBox.SharedOf(parts[1]));
            Work(box.Fs!, PfsId(box, parts[1]), operations, bytesMax);
            Fill(box.Fs!, PfsId(box, parts[1]), files);
            Must(box.Fs!.SyncAndWait(), "sync");
        }
    }

    int PfsId(SimBox box, string path) => box.Find(box.Find(SimBox.Volume)!, path) ?? throw new CampaignFinding(
        "a PFS is gone", $"{box.Name}:{path}", "");

    /// <summary>Lets owners work on the masters until it is calm.</summary>
    /// <param name="bytesMax">Of one write.</param>
    /// <param name="everywhere">On each box, whenever it has a master.</param>
    internal void StartWriters(int bytesMax, bool everywhere = false)
    {
        if (everywhere)
        {
            string[] all = [.. _masters.Select(m => m.Split(':')[1]).Distinct()];
            foreach (SimBox box in Boxes)
            {
                box.Writer = b => Write(b, all, bytesMax);
                Scheduler.Start("writer", box.Process, () => box.Writer(box));
            }
            return;
        }

        foreach (IGrouping<string, string> group in _masters.GroupBy(m => m.Split(':')[0]))
        {
            string[] paths = [.. group.Select(m => m.Split(':')[1])];
            SimBox box = _boxes[group.Key];
            box.Writer = b => Write(b, paths, bytesMax);
            Scheduler.Start("writer", box.Process, () => box.Writer(box));
        }
    }

    void Write(SimBox box, string[] paths, int bytesMax)
    {
        HammerFs fs = box.Fs!;
        while (!IsCalm)
        {
            Scheduler.Sleep(WriterPause * Random.NextDouble(), "the owner");
            if (IsCalm || box.Fs != fs) return;
            string path = paths[Random.Next(paths.Length)];
            if (!IsMaster(fs, path)) continue;
            int pfsId = PfsId(box, path);
            Work(fs, pfsId, 1 + Random.Next(6), bytesMax);
            if (Random.Next(4) != 0) continue;
            // A name of its own, which nobody takes away: once it is acknowledged it must be there in the end.
            byte[] name = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"ack{++_lastAck}"));
            Errno made = Repeat(fs, () => fs.Create(new Vnode(pfsId, Tid.Max, HammerConst.RootObjId), name,
                ObjType.RegFile, 0x1A4, 0, 0, s_root, out _, out _));
            Must(fs.SyncAndWait(), "sync");
            // A step may still be cut off in its middle; who has seen the answer has seen its end.
            Scheduler.Yield("acknowledged");
            if (!made.IsError) Acknowledged.Add((path, Encoding.ASCII.GetString(name)));
        }
    }

    int _lastAck;

    /// <summary>Names that were promised durable, by path.</summary>
    internal HashSet<(string Path, string Name)> Acknowledged { get; } = [];

    internal static bool IsMaster(HammerFs fs, string path) =>
        PfsIdOf(fs, path) is > 0 and var id && fs.TryGetPfs(id, out PseudofsData pfs) && !pfs.IsSlave;

    /// <summary>Which of them a file system shows in its present.</summary>
    internal static bool Shows(HammerFs fs, string path, string name) => !fs.Lookup(
        new Vnode(PfsIdOf(fs, path), Tid.Max, HammerConst.RootObjId), Encoding.ASCII.GetBytes(name), out _, out _)
        .IsError;

    void Work(HammerFs fs, int pfsId, int operations, int bytesMax)
    {
        var dir = new Vnode(pfsId, Tid.Max, HammerConst.RootObjId);
        for (int i = 0; i < operations; i++)
        {
            byte[] name = NewName(), other = NewName();
            switch (Random.Next(9))
            {
                case 0: Repeat(fs, () => fs.Unlink(dir, name)); break;
                case 1: Repeat(fs, () => fs.Rename(dir, name, dir, other, RenameKind.Replace)); break;
                case 2: Repeat(fs, () => fs.Symlink(dir, name, other, s_root, out _, out _)); break;
                default: WriteFile(fs, dir, name, bytesMax); break;
            }
            _context.Count("operations");
            _workAt = Scheduler.Now;
        }
    }

    void Fill(HammerFs fs, int pfsId, int files)
    {
        var dir = new Vnode(pfsId, Tid.Max, HammerConst.RootObjId);
        for (int i = 0; i < files; i++)
        {
            byte[] name = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"load{i}"));
            Vnode file = default;
            Repeat(fs, () => fs.Create(dir, name, ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _));
            int done = 0;
            byte[] content = OpsContent.Bytes(false, (ulong)i, 0, 1 + Random.Next(150_000));
            Repeat(fs, () => ModelDriver.Write(fs, file, 0, content, ref done));
        }
    }

    byte[] NewName() => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"n{Random.Next(40)}"));

    void WriteFile(HammerFs fs, Vnode dir, byte[] name, int bytesMax)
    {
        if (fs.Lookup(dir, name, out Vnode file, out FileAttr attr).IsError)
        {
            // A master that is changing its role takes nothing.
            if (Repeat(fs, () => fs.Create(dir, name, ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _)).IsError)
                return;
        }
        else if (attr.Type != ObjType.RegFile)
        {
            return;
        }
        int length = Random.Next(3) == 0 ? Random.Next(bytesMax) : Random.Next(3000);
        byte[] content = OpsContent.Bytes(false, (ulong)Random.Next(1 << 20), 0, length);
        long offset = Random.Next(20_000);
        int done = 0;
        Repeat(fs, () => ModelDriver.Write(fs, file, offset, content, ref done));
    }

    static Errno Repeat(HammerFs fs, Func<Errno> operation)
    {
        Errno result;
        while ((result = operation()) == Errno.NeedFlush) fs.Core.FlushOnce();
        return result;
    }

    internal static void Must(Errno e, string what)
    {
        if (e.IsError) throw new CampaignFinding("an operation fails", what, $"{e}");
    }

    // ------------------------------------------------------------------ what must hold

    /// <summary>After a crash: what a slave shows is what its source shows, or showed, at that TID.</summary>
    void CheckRecovered(SimBox box)
    {
        _context.Count("recoveries");
        if (IsParted) return;
        foreach (SimMirror mirror in _mirrors)
        {
            if (mirror.From != box.Name && mirror.To != box.Name) continue;
            if (Way(mirror) is var (from, to) && from.Fs is not null && to.Fs is not null)
                CheckEqual(mirror, from.Fs, to.Fs, $"recovery of {box.Name}");
        }
    }

    /// <summary>The box that sends and the one that takes, as the disks say; null while both have a master.</summary>
    internal (SimBox From, SimBox To)? Way(SimMirror mirror)
    {
        SimBox a = _boxes[mirror.From], b = _boxes[mirror.To];
        bool first = a.Fs is not null && IsMaster(a.Fs, mirror.Path), second = b.Fs is not null
            && IsMaster(b.Fs, mirror.Path);
        if (first && second) return null;
        bool turned = second || (!first && a.Fs is not null
            && a.Fs.Role(PfsIdOf(a.Fs, mirror.Path)).Parent == mirror.Name);
        return turned ? (b, a) : (a, b);
    }

    /// <summary>Stands for the comparison of the daemon.</summary>
    VerifyView Compare(SimBox box, string name)
    {
        SimMirror mirror = _mirrors.First(m => m.Name == name);
        SimBox other = _boxes[mirror.From == box.Name ? mirror.To : mirror.From];
        Scheduler.Sleep(TimeSpan.FromMilliseconds(Random.Next(3000)), "comparison");
        var view = new VerifyView { Id = 0, Mirror = name, Full = false, Done = true };
        if (box.Fs is null || other.Fs is null || Network.IsDown(box.Name, other.Name))
            return view with { Outcome = VerifyJob.NotComparable, What = "it is not there" };
        other.Fs.TryGetPfs(PfsIdOf(other.Fs, mirror.Path), out PseudofsData pfs);
        CheckEqual(mirror, box.Fs, other.Fs, "comparison");
        return view with { Outcome = VerifyJob.Equal, Tid = Tid.Format(pfs.SyncEndTid) };
    }

    /// <summary>Compares the two sides at the slave's TID; true if that is the newest of the source.</summary>
    internal bool CheckEqual(SimMirror mirror, HammerFs from, HammerFs to, string when)
    {
        int source = PfsIdOf(from, mirror.Path), target = PfsIdOf(to, mirror.Path);
        if (source == 0 || target == 0 || !to.TryGetPfs(target, out PseudofsData pfs)) return false;
        Must(from.MirrorSource(source).ReadPfs(out PseudofsData has), "the source");
        ulong end = pfs.SyncEndTid;
        if (end > has.SyncEndTid)
            throw new CampaignFinding("the slave has what its source could lose", $"{mirror}; {when}",
                $"slave {Tid.Format(end)}, source {Tid.Format(has.SyncEndTid)}");
        if (end <= 1) return false;
        TreeState wanted = TreeState.Capture(from, end, source), found = TreeState.Capture(to, end, target);
        if (!wanted.Equals(found))
            throw new CampaignFinding($"the sides differ at {Tid.Format(end)}", $"{mirror}; {when}",
                TreeState.Differences(wanted, found));
        _context.Count("comparisons");
        return true;
    }

    /// <summary>What a slave shows is what its source shows, or showed, at that TID.</summary>
    internal bool IsEqual(SimMirror mirror, out string differences)
    {
        differences = "one of them is not there, or both are masters";
        if (Way(mirror) is not ({ Fs: { } from }, { Fs: { } to })) return false;
        int source = PfsIdOf(from, mirror.Path), target = PfsIdOf(to, mirror.Path);
        if (source == 0 || target == 0 || !to.TryGetPfs(target, out PseudofsData pfs) || !pfs.IsSlave) return false;
        Must(from.MirrorSource(source).ReadPfs(out PseudofsData has), "the source");
        differences = $"the slave is at {Tid.Format(pfs.SyncEndTid)}, its source at {Tid.Format(has.SyncEndTid)}";
        if (pfs.SyncEndTid > has.SyncEndTid) return false;
        if (pfs.SyncEndTid <= 1) return true;
        TreeState wanted = TreeState.Capture(from, pfs.SyncEndTid, source);
        TreeState found = TreeState.Capture(to, pfs.SyncEndTid, target);
        if (wanted.Equals(found)) return true;
        differences = TreeState.Differences(wanted, found);
        return false;
    }

    /// <summary>
    /// A lag of zero says that nothing is missing: then the slave shows all that its master shows now.
    /// </summary>
    internal void CheckLag()
    {
        // What is just being written is no time old.
        if (Scheduler.Now - _workAt < TimeSpan.TicksPerSecond / 10) return;
        foreach (SimMirror mirror in _mirrors)
        {
            if (Way(mirror) is not var (from, to)) continue;
            if (from.Fs is null || to.Fs is null || !from.IsUp || !to.IsUp) continue;
            if (from.StatusOf(mirror.Name, true) is not { } status) continue;
            _context.Count("lags looked at");
            if (status.LagSeconds is not 0d) continue;
            int source = PfsIdOf(from.Fs, mirror.Path), target = PfsIdOf(to.Fs, mirror.Path);
            if (source == 0 || !from.Fs.TryGetPfs(source, out PseudofsData has)) continue;
            // A slave's change is the end of a batch, which may have come this very instant: masters only.
            if (has.IsSlave) continue;
            PseudofsData is_ = default;
            if (target != 0) to.Fs.TryGetPfs(target, out is_);
            TreeState wanted = TreeState.Capture(from.Fs, Tid.Max, source);
            TreeState? found = is_.SyncEndTid > 1 ? TreeState.Capture(to.Fs, is_.SyncEndTid, target) : null;
            bool same = found is not null && wanted.Count == found.Count
                && wanted.Entries.Values.Zip(found.Entries.Values).All(p => p.First.EqualsButTimes(p.Second));
            if (!same)
                throw new CampaignFinding("the lag is said to be zero while something is missing", status.ToString(),
                    found is null ? "the slave is empty" : TreeState.Differences(wanted, found));
            _context.Count("zero lags proven");
        }
    }

    internal static int PfsIdOf(HammerFs fs, string path)
    {
        for (int id = 1; id < 10; id++)
            if (fs.TryGetPfs(id, out PseudofsData pfs) && pfs.SharedUuid == SimBox.SharedOf(path)) return id;
        return 0;
    }

    /// <summary>All faults are over: everything is plugged in and runs.</summary>
    internal void Heal()
    {
        IsCalm = true;
        Network.CutNext = null;
        foreach (SimBox a in Boxes)
            foreach (SimBox b in Boxes) Network.Plug(a.Name, b.Name);
        foreach (SimBox box in Boxes)
        {
            box.Process.StepsLeft = -1;
            if (!box.IsUp) box.Boot();
            else if (!box.HasDisk) box.Plug();
        }
    }

    /// <summary>Everything is where it belongs, and both sides of each mirror say so.</summary>
    bool IsConverged()
    {
        foreach (SimMirror mirror in _mirrors)
        {
            if (Way(mirror) is not var (from, to)) return false;
            int source = PfsIdOf(from.Fs!, mirror.Path), target = PfsIdOf(to.Fs!, mirror.Path);
            if (source == 0 || target == 0) return false;
            if (from.StatusOf(mirror.Name, true)?.Phase != MirrorPhase.InStep) return false;
            from.Fs!.MirrorSource(source).ReadPfs(out PseudofsData has);
            to.Fs!.TryGetPfs(target, out PseudofsData is_);
            // The safe TID of a master may move without anything that a mirror would carry.
            TreeState wanted = TreeState.Capture(from.Fs, has.SyncEndTid, source);
            TreeState found = TreeState.Capture(to.Fs, is_.SyncEndTid, target);
            if (!wanted.Equals(found)) return false;
        }
        return true;
    }

    /// <param name="heals">Ends all faults first; false only to see that trouble is found.</param>
    internal void Converge(bool heals = true)
    {
        if (heals) Heal();
        long begun = Scheduler.Now;
        for (int i = 0; i < 60; i++)
        {
            Scheduler.Sleep(TimeSpan.FromSeconds(10), "convergence");
            if (IsConverged()) break;
            if (i == 59)
                throw new CampaignFinding("the sides do not converge by themselves", $"after {i * 10} seconds", Show());
        }
        _context.Count("seconds to converge", (long)TimeSpan.FromTicks(Scheduler.Now - begun).TotalSeconds);
        foreach (SimMirror mirror in _mirrors)
        {
            if (Way(mirror) is not var (from, to))
                throw new CampaignFinding("there are two masters", $"{mirror}; end", Show());
            CheckEqual(mirror, from.Fs!, to.Fs!, "end");
        }
    }

    internal string Show() => string.Join("\n  ", Boxes.SelectMany(b => b.Board.Snapshot(b.Name, "").Mirrors
        .Select(m => $"{b.Name} {m}")));

    /// <summary>After the run, outside of the scheduler.</summary>
    internal void CheckSound()
    {
        foreach (SimBox box in Boxes)
            CrashTrial.AssertSound(box.Unmount(), new CrashVolume(), box.Name, slaves: true);
    }

    internal void Release()
    {
        foreach (SimBox box in Boxes) box.Release();
    }
}
