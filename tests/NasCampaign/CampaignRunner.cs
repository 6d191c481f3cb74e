using System;
using System.Collections.Generic;
using System.IO.Enumeration;
using System.Linq;

namespace NasCampaign;

/// <summary>What a run does; see NasSoak's usage.</summary>
public sealed record CampaignOptions
{
    public double? Seconds { get; init; }
    /// <summary>Seed of each campaign's first round; round r has this plus r.</summary>
    public ulong Seed { get; init; } = 1;
    /// <summary>Names to run, with * and ?.</summary>
    public string Only { get; init; } = "*";
    /// <summary>Rounds of each campaign; null: until the time is up.</summary>
    public long? Rounds { get; init; }
    public bool IsSmoke { get; init; }
    /// <summary>A run that this one continues.</summary>
    public CampaignState? State { get; init; }
    /// <summary>Findings of one campaign after which it is left alone.</summary>
    public int FindingsMax { get; init; } = 5;
    /// <summary>The first finding ends the run.</summary>
    public bool StopAtFinding { get; init; }
    public required TimeProvider Time { get; init; }
    /// <summary>Lines for the one who watches.</summary>
    public required Action<string> Print { get; init; }
    /// <summary>Asked often: the run is to end early.</summary>
    public Func<bool>? Stop { get; init; }
    /// <summary>Called after each round with the state to be kept.</summary>
    public Action<CampaignState>? RoundDone { get; init; }
}

/// <summary>
/// Runs campaigns in turn, a round each, until the time or the rounds are used up. A finding does not end the run:
/// it is printed with the line that replays it, and the next round goes on.
/// </summary>
public sealed class CampaignRunner
{
    readonly CampaignOptions _options;
    readonly List<ICampaign> _campaigns;
    readonly long _started;

    public CampaignRunner(IEnumerable<ICampaign> campaigns, CampaignOptions options)
    {
        _options = options;
        _campaigns = [.. campaigns.Where(c => FileSystemName.MatchesSimpleExpression(options.Only, c.Name, false))];
        State = options.State ?? new CampaignState { Seed = options.Seed };
        _started = options.Time.GetTimestamp();
    }

    public CampaignState State { get; }
    public IReadOnlyList<ICampaign> Campaigns => _campaigns;

    bool TimeIsUp => _options.Stop?.Invoke() == true
        || (_options.Seconds is { } seconds && _options.Time.GetElapsedTime(_started).TotalSeconds >= seconds);

    /// <summary>Runs; returns the number of findings of this run.</summary>
    public int Run()
    {
        int findings = 0;
        var failed = new Dictionary<string, int>();
        bool more = true;
        for (long round = 0; more && !TimeIsUp && !(round >= _options.Rounds); round++)
        {
            more = false;
            foreach (ICampaign campaign in _campaigns)
            {
                if (TimeIsUp || failed.GetValueOrDefault(campaign.Name) >= _options.FindingsMax) continue;
                more = true;
                if (RunRound(campaign)) continue;
                findings++;
                if (_options.StopAtFinding) return findings;
                failed[campaign.Name] = failed.GetValueOrDefault(campaign.Name) + 1;
            }
        }
        return findings;
    }

    bool RunRound(ICampaign campaign)
    {
        CampaignProgress progress = State.Of(campaign.Name);
        ulong seed = unchecked(State.Seed + (ulong)progress.NextRound);
        var context = new CampaignContext(seed, _options.IsSmoke, () => TimeIsUp, progress.Counts);
        long begun = _options.Time.GetTimestamp();
        string? finding = null;
        try
        {
            campaign.RunRound(context);
        }
        catch (CampaignFinding e)
        {
            finding = e.InnerException is null ? e.Message : $"{e.Message}\n{e.InnerException}";
        }
        // Whatever a round throws is a finding: the run goes on and tells it.
        catch (Exception e)
        {
            finding = e.ToString();
        }
        progress.Seconds += _options.Time.GetElapsedTime(begun).TotalSeconds;
        progress.NextRound++;
        if (finding is not null)
        {
            progress.FindingSeeds.Add(seed);
            _options.Print($"FINDING {campaign.Name}: {finding}\n  replay: {ReplayLine(campaign.Name, seed)}");
        }
        _options.RoundDone?.Invoke(State);
        return finding is null;
    }

    string ReplayLine(string name, ulong seed)
    {
        string smoke = _options.IsSmoke ? " --smoke" : "";
        return FormattableString.Invariant($"NasSoak --only {name} --seed {seed} --rounds 1{smoke}");
    }

    /// <summary>The summary, a line a campaign.</summary>
    public IEnumerable<string> Summary(string commit)
    {
        double seconds = State.SecondsBefore + _options.Time.GetElapsedTime(_started).TotalSeconds;
        yield return FormattableString.Invariant($"soak: commit {commit}, seed {State.Seed}, {seconds:0} seconds");
        foreach ((string name, CampaignProgress p) in State.Campaigns)
        {
            string counts = string.Join("",
                p.Counts.Counts.Select(c => FormattableString.Invariant($", {c.Value} {c.Key}")));
            long images = p.Counts.ImagesBefore + p.Counts.Images.Count;
            string distinct = images > 0 ? FormattableString.Invariant($", {images} distinct images") : "";
            string seeds = FormattableString.Invariant($"seeds {State.Seed} to {State.Seed + (ulong)p.NextRound - 1}");
            yield return FormattableString.Invariant($"  {name}: {p.NextRound} rounds in {p.Seconds:0} s ({seeds})")
                + $"{counts}{distinct}, {p.FindingSeeds.Count} findings";
        }
        yield return FormattableString.Invariant($"{State.Campaigns.Values.Sum(p => p.NextRound)} rounds, ")
            + FormattableString.Invariant($"{State.Campaigns.Values.Sum(p => p.FindingSeeds.Count)} findings");
    }

    /// <summary>Puts this run's seconds into the state, before it is kept.</summary>
    public CampaignState Closed()
    {
        State.SecondsBefore += _options.Time.GetElapsedTime(_started).TotalSeconds;
        return State;
    }
}
