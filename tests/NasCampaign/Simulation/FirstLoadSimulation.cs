using System;
using NasFirmware.Status;

namespace NasCampaign.Simulation;

/// <summary>
/// The first load of a slave, cut at a thousand places (in make test at a dozen a round): the link, loudly or
/// silently, now and then the power of either side. It gets through by itself, loses nothing, and sends again at most
/// what the promise says: 1 MiB after a cut of the link, and what had arrived since the last durable group after a
/// crash of the target.
/// </summary>
public sealed class FirstLoadSimulation : ICampaign
{
    public string Name => "sim-load";

    public void RunRound(CampaignContext c)
    {
        int cuts = c.IsSmoke ? 12 : 1000;
        int files = c.IsSmoke ? 60 : 1400;
        var world = new SimWorld(c, ["nas1", "nas2"]);
        try
        {
            world.Mirror("nas1", "nas2", "family");
            SimResent.Watch(world);
            world.Scheduler.Run(() => Play(c, world, cuts, files));
            world.CheckSound();
            if (world.Network.Cuts < cuts && !c.IsSmoke && !c.TimeIsUp)
            {
                throw new CampaignFinding("the load was through before it was cut often enough", "the whole load",
                    $"{world.Network.Cuts} cuts of {cuts}: more files are needed");
            }
            c.Count("steps", world.Scheduler.Steps);
            c.Count("cuts", world.Network.Cuts);
            c.Image(BitConverter.GetBytes(world.Scheduler.Digest));
        }
        finally
        {
            world.Release();
        }
    }

    static void Play(CampaignContext c, SimWorld world, int cuts, int files)
    {
        Random random = c.Random;
        SimNetwork network = world.Network;
        SimBox from = world.Box("nas1"), to = world.Box("nas2");
        // So that each connection gets some of it through, whatever was sent before.
        int piece = c.IsSmoke ? files * 100_000 / cuts : 50_000;
        network.CutNext = () =>
        {
            if (network.Cuts >= cuts) return long.MaxValue;
            network.CutAs = random.Next(6) == 0 ? CutKindOfLink.Silent : CutKindOfLink.Reset;
            return random.Next(4) == 0 ? random.Next(3000) : random.Next(piece);
        };
        world.Begin(10, 100_000, files);
        while (network.Cuts < cuts && !c.TimeIsUp)
        {
            world.Scheduler.Sleep(TimeSpan.FromSeconds(5 + random.Next(60)), "fate");
            if (from.StatusOf(world.Mirrors[0].Name, true)?.Phase == MirrorPhase.InStep) break;
            int which = random.Next(c.IsSmoke ? 12 : 40);
            if (which > 2) continue;
            SimBox box = which == 0 ? from : to;
            if (!box.IsUp) continue;
            box.Process.StepsLeft = random.Next(200);
            SimProcess process = box.Process;
            long latest = world.Scheduler.Now + TimeSpan.FromSeconds(20).Ticks;
            world.Scheduler.Block(() => process.IsDead, latest, "a crash");
            box.Crash(power: true);
            c.Count("crashes");
            box.Boot();
        }
        world.Converge();
        if (from.StatusOf(world.Mirrors[0].Name, true) is { } status)
        {
            c.Count("bytes sent", status.BytesSent);
            c.Count("bytes sent again", status.BytesResent);
            c.Count("resumes", status.Resumes);
        }
    }
}
