using System;
using System.Globalization;
using System.IO;
using System.Threading;
using NasCampaign;

namespace NasSoak;

/// <summary>make soak, make fuzz: campaigns without end, or for so many seconds or rounds.</summary>
static class Program
{
    const string Usage = """
        usage: NasSoak [--seconds N] [--seed S] [--only GLOB] [--rounds N] [--resume FILE] [--commit TEXT] [--smoke]
                       [--first] [--list]
          --seconds N    ends after so long (default: endless, unless --rounds is given)
          --seed S       seed of each campaign's first round (default 1); round r has S + r
          --only GLOB    campaigns by name, with * and ?
          --rounds N     rounds of each campaign
          --resume FILE  goes on where FILE says, and keeps the state there
          --commit TEXT  for the summary
          --first        the first finding ends the run
          --smoke        rounds as short as in make test
          --list         the names
        It ends with 1 if something was found, and with 2 if it was called wrongly.
        """;

    static int Main(string[] args)
    {
        string? resume = null;
        string commit = "unknown";
        var options = new CampaignOptions { Time = TimeProvider.System, Print = Console.WriteLine };
        try
        {
            for (int i = 0; i < args.Length; i++)
            {
                string Value() => ++i < args.Length ? args[i] : throw new FormatException($"{args[^1]} needs a value");
                double Seconds() => double.Parse(Value(), CultureInfo.InvariantCulture);
                ulong Number() => ulong.Parse(Value(), CultureInfo.InvariantCulture);
                switch (args[i])
                {
                    case "--seconds": options = options with { Seconds = Seconds() }; break;
                    case "--seed": options = options with { Seed = Number() }; break;
                    case "--only": options = options with { Only = Value() }; break;
                    case "--rounds": options = options with { Rounds = checked((long)Number()) }; break;
                    case "--resume": resume = Value(); break;
                    case "--commit": commit = Value(); break;
                    case "--first": options = options with { StopAtFinding = true }; break;
                    case "--smoke": options = options with { IsSmoke = true }; break;
                    case "--list":
                        foreach (ICampaign campaign in Campaigns.All) Console.WriteLine(campaign.Name);
                        return 0;
                    default: throw new FormatException($"{args[i]}: no such option");
                }
            }
            if (resume is not null && File.Exists(resume))
                options = options with { State = CampaignState.Parse(File.ReadAllText(resume)) };
        }
        catch (Exception e) when (e is FormatException or OverflowException or InvalidDataException or IOException)
        {
            Console.Error.WriteLine($"NasSoak: {e.Message}\n{Usage}");
            return 2;
        }
        return Run(options, resume, commit);
    }

    static int Run(CampaignOptions options, string? resume, string commit)
    {
        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            stop.Cancel();
        };
        long reported = 0, begun = options.Time.GetTimestamp();
        CampaignRunner? runner = null;
        runner = new CampaignRunner(Campaigns.All, options with
        {
            RoundDone = state =>
            {
                long minute = (long)options.Time.GetElapsedTime(begun).TotalMinutes;
                if (minute == reported) return;
                reported = minute;
                foreach (string line in runner!.Summary(commit)) Console.WriteLine(line);
                if (resume is not null) Keep(resume, state);
            },
            Stop = () => stop.IsCancellationRequested,
        });
        if (runner.Campaigns.Count == 0)
        {
            Console.Error.WriteLine($"NasSoak: no campaign is named {options.Only}");
            return 2;
        }
        int findings = runner.Run();
        foreach (string line in runner.Summary(commit)) Console.WriteLine(line);
        if (resume is not null) Keep(resume, runner.Closed());
        return findings == 0 ? 0 : 1;
    }

    // Beside, then over: a run that is killed in between leaves the state of before.
    static void Keep(string path, CampaignState state)
    {
        File.WriteAllText(path + ".new", state.Text());
        File.Move(path + ".new", path, overwrite: true);
    }
}
