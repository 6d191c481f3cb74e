using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using NasCore.Mirror;
using NasCore.Primitives;

namespace NasCampaign.Fuzz;

/// <summary>
/// A target of fuzzing: each input is made from its seed alone, out of a corpus of golden data that is unpacked once,
/// and must end within a second and without much memory, in a result or in an error that is meant for a user.
/// </summary>
abstract class FuzzCampaign : ICampaign
{
    static readonly TimeSpan s_timeMax = TimeSpan.FromSeconds(1);

    public abstract string Name { get; }

    /// <summary>Inputs of a round in make test, and in a soak.</summary>
    protected virtual (int Smoke, int Long) Inputs => (60, 600);

    /// <summary>Bytes that one input may allocate: the configured cache and 64 MiB.</summary>
    protected virtual long AllocatedBytesMax => (64 + 32) << 20;

    /// <summary>Takes one input. An error that a user is meant to see may come out.</summary>
    protected abstract void Input(Random random);

    /// <summary>Inputs, or parts of them, that were taken as good: what is refused at once tries little.</summary>
    protected long Accepted { get; set; }

    public void RunRound(CampaignContext c)
    {
        Accepted = 0;
        int count = c.IsSmoke ? Inputs.Smoke : Inputs.Long;
        Prepare();
        for (int i = 0; i < count && !c.TimeIsUp; i++)
        {
            int seed = unchecked((int)(c.Seed * 1_000_003) + i);
            string where = string.Create(CultureInfo.InvariantCulture, $"seed {c.Seed}, input {i} ({seed})");
            (TimeSpan took, long allocated) = Measured(seed, where);
            // Whoever else computes in this process counts too: only what is slow twice is slow.
            if (took > s_timeMax) (took, allocated) = Measured(seed, where);
            if (took > s_timeMax) throw new CampaignFinding("an input takes too long", where, took.ToString());
            if (allocated > AllocatedBytesMax)
                throw new CampaignFinding("an input takes too much memory", where, $"{allocated} bytes");
            c.Count("inputs");
        }
        c.Count("accepted", Accepted);
    }

    /// <summary>Loads the corpus, which is no input's doing.</summary>
    protected virtual void Prepare()
    {
    }

    (TimeSpan Took, long Allocated) Measured(int seed, string where)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        try
        {
            Input(new Random(seed));
        }
        catch (Exception e) when (IsForUsers(e))
        {
            if (e.Message.Length == 0) throw new CampaignFinding("an error without a message", where, e.ToString());
        }
        catch (Exception e)
        {
            throw new CampaignFinding("an input ends in a fault of the program", where, e.ToString());
        }
        // On a busy machine an input waits for its turn: what it has not computed it has not hung in.
        cpu = Environment.CpuUsage.TotalTime - cpu;
        return (cpu < watch.Elapsed ? cpu : watch.Elapsed, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    protected virtual bool IsForUsers(Exception e) => e is HammerFormatException or HammerMediumException
        or MirrorStreamException or MirrorRefusedException or IOException;
}
