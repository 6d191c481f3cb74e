using System;
using NasFirmware.Status;

namespace NasCampaign.Simulation;

/// <summary>
/// A box is away for long and comes back: with its power, with its cable, or with its disk. The other one, whose
/// attempts are a minute apart by then, must begin to catch up within a second.
/// </summary>
public sealed class ReturnSimulation : ICampaign
{
    public string Name => "sim-return";

    public void RunRound(CampaignContext c)
    {
        var world = new SimWorld(c, ["nas1", "nas2"]);
        try
        {
            world.Mirror("nas1", "nas2", "family");
            world.Scheduler.Run(() => Play(c, world));
            world.CheckSound();
            c.Image(BitConverter.GetBytes(world.Scheduler.Digest));
        }
        finally
        {
            world.Release();
        }
    }

    static void Play(CampaignContext c, SimWorld world)
    {
        world.Begin(20, 20_000);
        world.Converge(heals: false);
        SimBox to = world.Box("nas2");
        for (int kind = 0; kind < 3; kind++)
        {
            if (kind == 0) to.Crash(power: true);
            else if (kind == 1) world.Network.Pull("nas1", "nas2");
            else to.Pull();
            world.Scheduler.Sleep(TimeSpan.FromSeconds(120 + c.Random.Next(1200)), "away");
            if (Phase(world) is MirrorPhase.Streaming or MirrorPhase.InStep)
                throw new CampaignFinding("an absent box is not missed", $"kind {kind}", world.Show());
            Return(world, to, kind);
            // An attempt that had just begun is let alone for a second; the line takes its own time.
            world.Scheduler.Sleep(TimeSpan.FromSeconds(1.1), "return");
            if (Phase(world) is not (MirrorPhase.Streaming or MirrorPhase.InStep))
                throw new CampaignFinding("catching up has not begun after a second", $"kind {kind}", world.Show());
            world.Converge(heals: false);
            c.Count("returns");
        }
    }

    static void Return(SimWorld world, SimBox to, int kind)
    {
        switch (kind)
        {
            case 0:
                to.Boot();
                break;
            case 1:
                // What the kernel says to both when a cable is plugged in again.
                world.Network.Plug("nas1", "nas2");
                world.Box("nas1").Service!.NetworkChanged();
                to.Service!.NetworkChanged();
                break;
            default:
                to.Plug();
                break;
        }
    }

    static MirrorPhase? Phase(SimWorld world) => world.Box("nas1").StatusOf("family-nas2", true)?.Phase;
}
