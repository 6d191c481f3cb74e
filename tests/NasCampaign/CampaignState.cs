using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace NasCampaign;

/// <summary>How far one campaign has come.</summary>
public sealed class CampaignProgress
{
    public long NextRound { get; set; }
    public double Seconds { get; set; }
    public CampaignCounts Counts { get; } = new();
    public List<ulong> FindingSeeds { get; } = [];
}

/// <summary>
/// Where a run is, as lines of text, so that a later one can go on: seed, rounds, counts, seeds of findings. The
/// images themselves are not kept, only their number: one that comes again in a later run counts again.
/// </summary>
public sealed class CampaignState
{
    const string Title = "nashammer soak 1";

    public ulong Seed { get; set; }
    /// <summary>Seconds of the runs before this one.</summary>
    public double SecondsBefore { get; set; }
    public SortedDictionary<string, CampaignProgress> Campaigns { get; } = new(StringComparer.Ordinal);

    public CampaignProgress Of(string name)
    {
        if (!Campaigns.TryGetValue(name, out CampaignProgress? progress))
            Campaigns[name] = progress = new CampaignProgress();
        return progress;
    }

    public string Text()
    {
        var text = new StringBuilder();
        text.AppendLine(Title);
        text.AppendLine(CultureInfo.InvariantCulture, $"seed {Seed}");
        text.AppendLine(CultureInfo.InvariantCulture, $"seconds {SecondsBefore:0.0}");
        foreach ((string name, CampaignProgress p) in Campaigns)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"campaign {name} {p.NextRound} {p.Seconds:0.0}");
            text.AppendLine(CultureInfo.InvariantCulture, $"images {p.Counts.ImagesBefore + p.Counts.Images.Count}");
            foreach ((string what, long n) in p.Counts.Counts)
                text.AppendLine(CultureInfo.InvariantCulture, $"count {n} {what}");
            foreach (ulong seed in p.FindingSeeds) text.AppendLine(CultureInfo.InvariantCulture, $"finding {seed}");
        }
        return text.ToString();
    }

    /// <summary>Reads what <see cref="Text"/> wrote.</summary>
    /// <exception cref="InvalidDataException">Something else.</exception>
    public static CampaignState Parse(string text)
    {
        string[] lines = [.. text.Split('\n').Select(l => l.TrimEnd('\r')).Where(l => l.Length > 0)];
        if (lines.Length == 0 || lines[0] != Title)
            throw new InvalidDataException($"not a state of a soak: no \"{Title}\"");
        var state = new CampaignState();
        var progress = new CampaignProgress();
        foreach (string line in lines[1..])
        {
            string[] w = line.Split(' ', 3);
            try
            {
                switch (w[0])
                {
                    case "seed": state.Seed = ulong.Parse(w[1], CultureInfo.InvariantCulture); break;
                    case "seconds": state.SecondsBefore = double.Parse(w[1], CultureInfo.InvariantCulture); break;
                    case "campaign":
                        string[] numbers = w[2].Split(' ');
                        progress = state.Of(w[1]);
                        progress.NextRound = long.Parse(numbers[0], CultureInfo.InvariantCulture);
                        progress.Seconds = double.Parse(numbers[1], CultureInfo.InvariantCulture);
                        break;
                    case "images": progress.Counts.ImagesBefore = long.Parse(w[1], CultureInfo.InvariantCulture); break;
                    case "count": progress.Counts.Add(w[2], long.Parse(w[1], CultureInfo.InvariantCulture)); break;
                    case "finding": progress.FindingSeeds.Add(ulong.Parse(w[1], CultureInfo.InvariantCulture)); break;
                    default: throw new FormatException("no such word");
                }
            }
            catch (Exception e) when (e is FormatException or IndexOutOfRangeException or OverflowException)
            {
                throw new InvalidDataException($"a state of a soak with the line \"{line}\": {e.Message}", e);
            }
        }
        return state;
    }
}
