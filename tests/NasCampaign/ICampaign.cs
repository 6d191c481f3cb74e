using System;
using System.Collections.Generic;
using NasCampaign.Faults;
using NasCampaign.PowerCut;

namespace NasCampaign;

/// <summary>
/// One kind of trial of the engine, to destruction. Campaigns run in rounds: some with fixed seeds in <c>make
/// test</c>, as many as there is time for in <c>make soak</c>. A round is wholly determined by its seed, so that the
/// line that a finding prints replays it. Seeds count up from round to round: a campaign that enumerates takes its
/// place in the enumeration from the seed itself.
/// </summary>
public interface ICampaign
{
    /// <summary>Lower case, words joined by hyphens; fuzzing campaigns begin with "fuzz-".</summary>
    string Name { get; }

    /// <summary>One round. Any exception is a finding; <see cref="CampaignFinding"/> is the one with facts.</summary>
    void RunRound(CampaignContext c);
}

/// <summary>Something is wrong with the engine: what, where, and the facts that lead to the cause.</summary>
public sealed class CampaignFinding : Exception
{
    public CampaignFinding(string message) : base(message)
    {
    }

    public CampaignFinding(string message, Exception cause) : base(message, cause)
    {
    }

    /// <param name="what">The promise that was broken.</param>
    /// <param name="where">The situation, so that a person can find it again.</param>
    /// <param name="facts">What was found.</param>
    public CampaignFinding(string what, string where, string facts) : this($"{what}\n  where: {where}\n  {facts}")
    {
    }
}

/// <summary>The campaigns, in the order in which a soak takes turns.</summary>
public static class Campaigns
{
    public static IReadOnlyList<ICampaign> All { get; } =
    [
        new PowerEnumerated(),
        new PowerRandom(),
        new PowerRandom(direct: true),
        new PowerMirror(),
        new PowerPrune(),
        new PowerFull(),
        new PowerReblock(),
        new FailNthCampaign(), new DiskSetCampaign(), new LyingDiskCampaign(), new BitRotCampaign(),
        new Exerciser.FileExerciser(),
        new Exerciser.MountExerciser(),
        new Exerciser.MetadataStorm(),
        new Simulation.FirstLoadSimulation(),
        new Simulation.ReturnSimulation(),
        new Simulation.MirrorSimulation(Simulation.SimShape.Pair),
        new Simulation.MirrorSimulation(Simulation.SimShape.Both),
        new Simulation.MirrorSimulation(Simulation.SimShape.Chain),
        new Simulation.MirrorSimulation(Simulation.SimShape.Fan),
        new Simulation.SwitchSimulation(Simulation.SimShape.Pair),
        new Simulation.SwitchSimulation(Simulation.SimShape.Chain),
        new Simulation.SwitchSimulation(Simulation.SimShape.Fan),
        new Fuzz.FuzzVolumes(), new Fuzz.FuzzFifo(), new Fuzz.FuzzMirror(), new Fuzz.FuzzRequests(),
        new Fuzz.FuzzMtree(), new Fuzz.FuzzControl(),
    ];
}
