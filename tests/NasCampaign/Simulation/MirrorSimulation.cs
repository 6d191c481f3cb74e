using System;
using System.Linq;

namespace NasCampaign.Simulation;

/// <summary>Which boxes mirror to which.</summary>
public enum SimShape
{
    /// <summary>One sends to another.</summary>
    Pair,
    /// <summary>Each sends one PFS to the other.</summary>
    Both,
    /// <summary>A slave is the source of the next.</summary>
    Chain,
    /// <summary>One master, two slaves.</summary>
    Fan,
}

/// <summary>
/// Two or three boxes with all that a home does to them: cables, power, killed programs, disks pulled, clocks that
/// jump, while their owners write. The daemon's own loops, sessions and file systems run; only threads, links, disks
/// and time are the simulation's. In the end nobody must be needed.
/// </summary>
public sealed class MirrorSimulation(SimShape shape) : ICampaign
{
    public string Name => "sim-" + shape.ToString().ToLowerInvariant();

    public void RunRound(CampaignContext c) => Run(c);

    /// <summary>The round, with the digest of everything that happened.</summary>
    public ulong Run(CampaignContext c)
    {
        bool three = shape is SimShape.Chain or SimShape.Fan;
        var world = new SimWorld(c, three ? ["nas1", "nas2", "nas3"] : ["nas1", "nas2"]);
        try
        {
            world.Mirror("nas1", "nas2", "family", c.Random.Next(4) == 0 ? 200_000 : 0);
            if (shape == SimShape.Both) world.Mirror("nas2", "nas1", "music");
            if (shape == SimShape.Chain) world.Mirror("nas2", "nas3", "family");
            if (shape == SimShape.Fan) world.Mirror("nas1", "nas3", "family");
            SimResent.Watch(world);
            world.Scheduler.Run(() => Play(c, world));
            world.CheckSound();
            c.Count("steps", world.Scheduler.Steps);
            c.Count("virtual seconds", (long)TimeSpan.FromTicks(world.Scheduler.Now).TotalSeconds);
            c.Count("connections", world.Network.Connections);
            c.Image(BitConverter.GetBytes(world.Scheduler.Digest));
            return world.Scheduler.Digest;
        }
        finally
        {
            world.Release();
        }
    }

    static void Play(CampaignContext c, SimWorld world)
    {
        int bytesMax = c.IsSmoke ? 40_000 : 150_000;
        world.Begin(20 + c.Random.Next(40), bytesMax);
        world.StartWriters(bytesMax);
        int events = 3 + c.Random.Next(c.IsSmoke ? 6 : 20);
        for (int i = 0; i < events; i++)
        {
            for (int look = 0; look < 4; look++)
            {
                world.Scheduler.Sleep(TimeSpan.FromMilliseconds(c.Random.Next(2500)), "fate");
                world.CheckLag();
            }
            SimBox box = world.Boxes.ElementAt(c.Random.Next(world.Boxes.Count));
            Strike(c, world, box);
            c.Count("faults");
        }
        world.Converge();
        world.CheckLag();
    }

    internal static void Strike(CampaignContext c, SimWorld world, SimBox box)
    {
        Random random = c.Random;
        SimMirror mirror = world.Mirrors[random.Next(world.Mirrors.Count)];
        switch (random.Next(10))
        {
            case 0: world.Network.CutAll(CutKindOfLink.Reset); break;
            case 1: world.Network.CutAll(CutKindOfLink.Silent); break;
            case 2:
                // The next connections are cut, each at some byte.
                world.Network.CutAs = (CutKindOfLink)random.Next(2);
                int left = 1 + random.Next(4);
                world.Network.CutNext = () => left-- > 0 ? random.Next(200_000) : long.MaxValue;
                world.Network.CutAll(CutKindOfLink.Reset);
                break;
            case 3: Away(world, mirror, TimeSpan.FromSeconds(random.Next(200))); break;
            case 4 when random.Next(c.IsSmoke ? 40 : 8) == 0: Away(world, mirror, TimeSpan.FromDays(30)); break;
            case 5 or 6: Crash(world, box, random); break;
            case 7:
                if (!box.IsUp || !box.HasDisk) break;
                box.Pull();
                world.Scheduler.Sleep(TimeSpan.FromSeconds(random.Next(60)), "a disk is out");
                if (box.IsUp && !box.HasDisk) box.Plug();
                break;
            case 8: box.ShiftWall(TimeSpan.FromDays(random.Next(20_000) - 19_000)); break;
            default: Stop(world, box, random); break;
        }
    }

    static void Away(SimWorld world, SimMirror mirror, TimeSpan span)
    {
        world.Network.Pull(mirror.From, mirror.To);
        TimeSpan pause = world.WriterPause;
        // In a long absence an owner writes now and then.
        bool isLong = span > TimeSpan.FromHours(1);
        if (isLong) world.WriterPause = span / 20;
        // Heartbeats of a month on the other links would be all that happens.
        foreach (SimMirror other in world.Mirrors)
            if (isLong) world.Network.Pull(other.From, other.To);
        world.Scheduler.Sleep(span, "a cable is out");
        world.WriterPause = pause;
        foreach (SimMirror other in world.Mirrors)
            if (isLong || other == mirror) world.Network.Plug(other.From, other.To);
    }

    /// <summary>The power goes in the middle of one of the next steps, and comes back.</summary>
    internal static void Crash(SimWorld world, SimBox box, Random random)
    {
        if (!box.IsUp) return;
        box.Process.StepsLeft = random.Next(300);
        SimProcess process = box.Process;
        world.Scheduler.Block(() => process.IsDead, world.Scheduler.Now + TimeSpan.FromSeconds(20).Ticks, "a crash");
        box.Crash(power: true);
        world.Scheduler.Sleep(TimeSpan.FromSeconds(random.Next(90)), "a box is dead");
        if (!box.IsUp) box.Boot();
    }

    /// <summary>The program is killed and started again.</summary>
    static void Stop(SimWorld world, SimBox box, Random random)
    {
        if (!box.IsUp) return;
        box.Crash(power: false);
        world.Scheduler.Sleep(TimeSpan.FromSeconds(random.Next(5)), "a program is dead");
        if (!box.IsUp) box.Boot();
    }
}
