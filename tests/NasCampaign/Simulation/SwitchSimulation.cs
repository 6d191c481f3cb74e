using System;
using System.Linq;
using NasCore;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Mirroring;
using NasFirmware.Status;

namespace NasCampaign.Simulation;

/// <summary>
/// Roles that change, while everything else goes on: switch-overs asked for on either box, cut off at any step by
/// power, cable or a killed program; slaves promoted while the master is away, with work on them, and the return of the
/// master by the documented command. There is never a second master that was not promoted by hand; in the end there is
/// exactly one, the sides are equal, and no name that was acknowledged is missing, but for what an unplanned promotion
/// is told to lose. Nobody is needed but for that command.
/// </summary>
public sealed class SwitchSimulation(SimShape shape) : ICampaign
{
    const string Path = "family";
    bool _unplanned;
    int _done, _asked;

    public string Name => "sim-switch-" + shape.ToString().ToLowerInvariant();

    public void RunRound(CampaignContext c)
    {
        bool three = shape is SimShape.Chain or SimShape.Fan;
        var world = new SimWorld(c, three ? ["nas1", "nas2", "nas3"] : ["nas1", "nas2"]);
        var round = new SwitchSimulation(shape);
        try
        {
            world.Mirror("nas1", "nas2", Path);
            if (shape == SimShape.Chain) world.Mirror("nas2", "nas3", Path);
            if (shape == SimShape.Fan) world.Mirror("nas1", "nas3", Path);
            world.Scheduler.Run(() => round.Play(c, world));
            world.CheckSound();
            c.Count("steps", world.Scheduler.Steps);
            c.Count("switch-overs asked for", round._asked);
            c.Count("switch-overs done", round._done);
            c.Image(BitConverter.GetBytes(world.Scheduler.Digest));
        }
        finally
        {
            world.Release();
        }
    }

    void Play(CampaignContext c, SimWorld world)
    {
        int bytesMax = c.IsSmoke ? 20_000 : 100_000;
        world.Begin(10 + c.Random.Next(20), bytesMax);
        world.StartWriters(bytesMax, everywhere: true);
        bool mayPromote = c.Random.Next(3) == 0;
        int events = 2 + c.Random.Next(c.IsSmoke ? 3 : 10);
        for (int i = 0; i < events && !c.TimeIsUp; i++)
        {
            for (int look = 0; look < 3; look++)
            {
                world.Scheduler.Sleep(TimeSpan.FromMilliseconds(c.Random.Next(5000)), "fate");
                world.CheckLag();
            }
            if (mayPromote && c.Random.Next(3) == 0) PromoteAndReturn(c, world);
            else Switch(c, world);
            CheckMasters(world);
        }
        // However it was cut off, it is through by itself.
        world.Converge();
        world.CheckLag();
        CheckMasters(world, exactly: true);
        HammerFs master = world.Boxes.Select(b => b.Fs!).First(fs => SimWorld.IsMaster(fs, Path));
        foreach ((string path, string name) in world.Acknowledged)
        {
            if (!SimWorld.Shows(master, path, name))
                throw new CampaignFinding("what was acknowledged is lost", $"{name} in {path}", world.Show());
        }
        c.Count("acknowledged names", world.Acknowledged.Count);
    }

    void CheckMasters(SimWorld world, bool exactly = false)
    {
        int masters = world.Boxes.Count(b => b.Fs is { } fs && SimWorld.IsMaster(fs, Path));
        if (masters > 1 || (exactly && masters != 1))
            throw new CampaignFinding($"there are {masters} masters", _unplanned ? "after a promotion" : "planned only",
                world.Show());
    }

    /// <summary>Asks one of the two boxes, and lets fate strike meanwhile, or not.</summary>
    void Switch(CampaignContext c, SimWorld world)
    {
        SimMirror mirror = Pick(c, world);
        SimBox box = world.Box(c.Random.Next(2) == 0 ? mirror.From : mirror.To);
        SimBox other = world.Box(box.Name == mirror.From ? mirror.To : mirror.From);
        if (!box.IsUp || box.Fs is null) return;
        SwitchJob? job;
        try
        {
            job = box.Switches!.Begin(new SwitchRequest(mirror.Name, false, 20 + c.Random.Next(100), null));
            _asked++;
        }
        catch (System.IO.IOException e)
        {
            // One is under way already; what it needs has a time limit.
            world.Scheduler.Note($"not begun: {e.Message}");
            return;
        }
        SimProcess process = box.Process;
        int fate = c.Random.Next(8);
        if (fate < 6)
        {
            world.Scheduler.Sleep(TimeSpan.FromMilliseconds(c.Random.Next(6000)), "a switch-over");
            SimBox struck = c.Random.Next(2) == 0 ? box : other;
            if (fate < 3) MirrorSimulation.Crash(world, struck, c.Random);
            else MirrorSimulation.Strike(c, world, struck);
            c.Count("faults");
        }
        long latest = world.Scheduler.Now + TimeSpan.FromMinutes(5).Ticks;
        world.Scheduler.Block(() => job.View.Done || process.IsDead, latest, "the end of a switch-over");
        if (job.View.Ok) _done++;
        if (process.IsDead || !job.View.Done || job.View.Ok) return;
        world.Scheduler.Note($"not done: {job.View.Error}");
        c.Count("switch-overs that failed");
    }

    /// <summary>
    /// The master's box is away; the owner makes the slave the master (pfs-upgrade), works on it, and when the other
    /// one is back says pfs-rejoin there, as the status says.
    /// </summary>
    void PromoteAndReturn(CampaignContext c, SimWorld world)
    {
        SimMirror mirror = Pick(c, world);
        if (world.Way(mirror) is not var (from, to) || from.Fs is null || to.Fs is null) return;
        if (!to.IsUp || !from.IsUp) return;
        if (!SimWorld.IsMaster(from.Fs, Path) || SimWorld.IsMaster(to.Fs, Path)) return;
        int target = SimWorld.PfsIdOf(to.Fs, Path);
        if (target == 0 || !to.Fs.TryGetPfs(target, out PseudofsData pfs) || pfs.SyncEndTid <= 1
            || SlaveMark.FedBy(in pfs) == Guid.Empty) return;
        bool cable = c.Random.Next(2) == 0;
        world.IsParted = true;
        if (cable) world.Network.Pull(from.Name, to.Name);
        else from.Crash(power: true);
        // The stream that was at work must have been found dead, or the slave is still being written.
        long latest = world.Scheduler.Now + TimeSpan.FromMinutes(5).Ticks;
        bool promoted = false;
        while (!promoted && world.Scheduler.Now < latest)
        {
            world.Scheduler.Sleep(TimeSpan.FromSeconds(5), "an owner");
            promoted = !to.Fs.UpgradePfs(target).IsError;
        }
        if (!promoted) throw new CampaignFinding("a slave cannot be promoted", $"{mirror}", world.Show());
        _unplanned = true;
        c.Count("promotions");
        world.Acknowledged.RemoveWhere(a => !SimWorld.Shows(to.Fs, a.Path, a.Name));
        world.Scheduler.Sleep(TimeSpan.FromSeconds(c.Random.Next(60)), "a new master");
        if (cable) world.Network.Plug(from.Name, to.Name);
        else from.Boot();
        if (c.Random.Next(2) == 0) world.Scheduler.Sleep(TimeSpan.FromSeconds(c.Random.Next(120)), "two masters");
        Return(c, world, from, to);
        Gather(c, world);
        world.IsParted = false;
    }

    /// <summary>
    /// With three boxes the other slave may have followed the former master too far: its mirror says so, and with which
    /// command it comes back. Whoever does that, and only that, has equal sides in the end.
    /// </summary>
    static void Gather(CampaignContext c, SimWorld world)
    {
        string differences = "";
        SimMirror? last = null;
        for (int i = 0; i < 90; i++)
        {
            world.Scheduler.Sleep(TimeSpan.FromSeconds(10), "an owner");
            foreach (SimBox box in world.Boxes)
                if (!box.IsUp) box.Boot();
            foreach (SimBox box in world.Boxes) Obey(c, world, box);
            last = world.Mirrors.FirstOrDefault(m => !world.IsEqual(m, out differences));
            if (last is null) return;
        }
        throw new CampaignFinding("the sides stay parted", $"{last}", differences + "\n  " + world.Show());
    }

    /// <summary>Does what the status of a box says.</summary>
    static void Obey(CampaignContext c, SimWorld world, SimBox box)
    {
        const string Command = "pfs-rejoin PATH ";
        foreach (MirrorStatus status in box.Board.Snapshot(box.Name, "").Mirrors)
        {
            int at = status.Problem?.IndexOf(Command, StringComparison.Ordinal) ?? -1;
            if (status.Phase != MirrorPhase.Refused || at < 0) continue;
            string text = status.Problem![(at + Command.Length)..];
            if (!PromotionMark.TryParse(text.Split(' ', ';')[0], out PromotionMark mark))
                throw new CampaignFinding("the command cannot be read", box.Name, status.Problem);
            bool isHere = status.IsSource == text.Contains("on the source", StringComparison.Ordinal);
            SimBox there = isHere ? box : world.Box(status.Peer);
            if (there.Fs is not { } fs || SimWorld.IsMaster(fs, Path)) continue;
            Guid unique = new(c.Random.Next(), 8, 8, 8, 8, 8, 8, 8, 8, 8, 8);
            Errno result = fs.RejoinPfs(SimWorld.PfsIdOf(fs, Path), mark, unique, out string refusal);
            world.Scheduler.Note($"{there.Name} rejoins {mark}: {result} {refusal}");
            if (result == Errno.Inval)
                throw new CampaignFinding("the command of the status is refused", $"{there.Name}: {status.Problem}",
                    refusal);
            if (!result.IsError) c.Count("slaves brought back");
        }
    }

    SimMirror Pick(CampaignContext c, SimWorld world) =>
        shape == SimShape.Fan && c.Random.Next(3) == 0 ? world.Mirrors[1] : world.Mirrors[0];

    static void Return(CampaignContext c, SimWorld world, SimBox from, SimBox to)
    {
        Guid unique = new(c.Random.Next(), 7, 7, 7, 7, 7, 7, 7, 7, 7, 7);
        to.Fs!.TryGetPfs(SimWorld.PfsIdOf(to.Fs, Path), out PseudofsData pfs);
        if (!PromotionMark.TryGet(pfs, out PromotionMark mark))
            throw new CampaignFinding("a promoted master has no mark", to.Name, "");
        if (c.Random.Next(3) == 0)
        {
            // Power goes in the middle of the return: the command is given again.
            var process = from.Process;
            from.Process.StepsLeft = c.Random.Next(20);
            world.Scheduler.Block(() => process.IsDead, world.Scheduler.Now + TimeSpan.TicksPerSecond * 10, "a crash");
            from.Crash(power: true);
            from.Boot();
        }
        // What was being written is refused as long as it is open.
        int source = SimWorld.PfsIdOf(from.Fs!, Path);
        Errno result = from.Fs!.RejoinPfs(source, mark, unique, out string refusal);
        if (result.IsError)
            throw new CampaignFinding("the documented return is refused", $"{from.Name} to {to.Name}: {result}",
                refusal);
        // A name that both have given since stays, for it is looked for by name.
        world.Acknowledged.RemoveWhere(a => !SimWorld.Shows(to.Fs, a.Path, a.Name));
    }
}
