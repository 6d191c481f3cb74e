using System;
using System.CommandLine;
using System.IO;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading;
using NasCore.Maintenance;

namespace NasFirmware.Cli;

/// <summary>
/// `check`: every invariant of volumes that are not mounted. Exit codes: 0 clean, 1 findings, 2 could not run.
/// </summary>
static class CheckCommand
{
    const int CouldNotRun = 2;

    internal static Command Create()
    {
        var offline = new OfflineCommand();
        var data = new Option<bool>("--data") { Description = "Also read all file data and the whole UNDO FIFO." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line: findings, then a summary." };
        var command = new Command("check", "Check every invariant of volumes that are not mounted.")
        {
            data, json, offline.Devices, offline.Verbose, offline.Quiet, offline.Arguments,
        };
        command.SetAction(parsed =>
        {
            try
            {
                using OfflineVolumes volumes = offline.Open(parsed);
                bool quiet = CommonOptions.Count(parsed, offline.Quiet) > 0;
                return Run(volumes, new CheckOptions { Data = parsed.GetValue(data) }, parsed.GetValue(json), quiet);
            }
            catch (Exception e) when (CommandLine.IsExpected(e))
            {
                CommandLine.Complain(e.Message);
                return CouldNotRun;
            }
        });
        return command;
    }

    static int Run(OfflineVolumes volumes, CheckOptions options, bool json, bool quiet)
    {
        TextWriter to = Console.Out;
        bool progress = !Console.IsErrorRedirected && !quiet;
        CheckResult result = Check.Run(volumes, options, finding =>
        {
            if (json) to.WriteLine(JsonSerializer.Serialize(CheckLine.Of(finding), CheckJson.Default.CheckLine));
            else if (!(quiet && finding.IsWarning)) to.WriteLine(finding.ToString());
        }, progress ? Progress : null, CancellationToken.None);
        if (progress) Console.Error.Write("\r\u001b[K");
        if (json) to.WriteLine(JsonSerializer.Serialize(CheckSummary.Of(result), CheckJson.Default.CheckSummary));
        else if (!quiet) to.WriteLine(Summary(result));
        return result.IsClean ? 0 : 1;
    }

    static void Progress(CheckProgress p) => Console.Error.Write(
        $"\r\u001b[K{p.Phase}: {p.Nodes} nodes, {p.Records} records, {SizeText.Of(p.Bytes)} of data");

    static string Summary(CheckResult r) =>
        $"{(r.IsClean ? "clean" : $"{r.Findings} findings")}{(r.Warnings == 0 ? "" : $", {r.Warnings} warnings")}: "
        + $"{r.Nodes} nodes, {r.Records} records, {r.Inodes} live inodes, {SizeText.Of(r.DataBytes)} of data read";
}

/// <summary>A finding as JSON.</summary>
sealed record CheckLine(string Severity, string Rule, string? Where, string Text)
{
    internal static CheckLine Of(CheckFinding f) => new(f.IsWarning ? "warning" : "finding", f.Rule,
        f.Where.IsNull ? null : f.Where.ToString(), f.Text);
}

/// <summary>The last line of the JSON output.</summary>
sealed record CheckSummary(bool Clean, long Findings, long Warnings, long Nodes, long Records, long Inodes,
    long DataBytes)
{
    internal static CheckSummary Of(CheckResult r) =>
        new(r.IsClean, r.Findings, r.Warnings, r.Nodes, r.Records, r.Inodes, r.DataBytes);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CheckLine))]
[JsonSerializable(typeof(CheckSummary))]
sealed partial class CheckJson : JsonSerializerContext
{
}
