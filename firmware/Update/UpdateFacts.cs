using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;
using NasFirmware.Config;
using NasFirmware.Daemon;

namespace NasFirmware.Update;

[JsonSerializable(typeof(JsonElement))]
sealed partial class UpdateJson : JsonSerializerContext;

/// <summary>
/// What was good about a box before an update, and whether it is so again: the measure by which a new version stays
/// (docs/decisions/0017). The program that judges is the former one, and the status comes from the new one, so it reads
/// the JSON by names and takes what it does not know for nothing.
///
/// As lines: "severity WORD", "key HASH", "config-problem", "volume NAME" for each that was mounted, "mirror s:NAME" or
/// "mirror t:NAME" for each that had its peer.
/// </summary>
sealed class UpdateFacts
{
    const int LinesMax = 10_000;
    static readonly string[] s_connected = ["FirstLoad", "Streaming", "InStep"];

    readonly SortedSet<string> _facts = new(StringComparer.Ordinal);

    internal static UpdateFacts Of(JsonElement status)
    {
        var facts = new UpdateFacts();
        facts._facts.Add("severity " + (Text(status, "severity") ?? "Failed"));
        if (Text(status, "configProblem") is not null) facts._facts.Add("config-problem");
        if (status.ValueKind != JsonValueKind.Object) return facts;
        if (status.TryGetProperty("identity", out JsonElement identity) && Text(identity, "key") is { } key)
            facts._facts.Add("key " + key);
        foreach (JsonElement volume in Items(status, "volumes"))
        {
            if (Text(volume, "state") == "Mounted") facts._facts.Add("volume " + Text(volume, "name"));
        }
        foreach (JsonElement mirror in Items(status, "mirrors").Where(m => m.ValueKind == JsonValueKind.Object))
        {
            bool isSource = mirror.TryGetProperty("isSource", out JsonElement source)
                && source.ValueKind == JsonValueKind.True;
            if (s_connected.Contains(Text(mirror, "phase")))
                facts._facts.Add((isSource ? "mirror s:" : "mirror t:") + Text(mirror, "name"));
        }
        return facts;
    }

    static string? Text(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    static List<JsonElement> Items(JsonElement of, string name) =>
        of.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray()] : [];

    internal static UpdateFacts Parse(IEnumerable<string> lines)
    {
        var facts = new UpdateFacts();
        foreach (string line in lines.Take(LinesMax)) facts._facts.Add(line);
        return facts;
    }

    internal IEnumerable<string> Lines => _facts;

    /// <summary>Why a box that was like this is worse now; null if it is as good.</summary>
    internal string? WhyWorse(UpdateFacts now)
    {
        foreach (string fact in _facts.Where(f => !now._facts.Contains(f)))
        {
            string name = fact[(fact.IndexOf(' ', StringComparison.Ordinal) + 1)..];
            if (fact.StartsWith("volume ", StringComparison.Ordinal)) return $"file system {name} is not mounted";
            if (fact.StartsWith("mirror ", StringComparison.Ordinal)) return $"mirror {name[2..]} has no connection";
            if (fact.StartsWith("key ", StringComparison.Ordinal)) return "the box has another key";
        }
        // Of a box that did not answer nothing is known.
        if (!_facts.Any(f => f.StartsWith("severity ", StringComparison.Ordinal))) return null;
        if (now._facts.Contains("config-problem") && !_facts.Contains("config-problem"))
            return "the configuration is not accepted";
        bool isWorse = now._facts.Contains("severity Failed") && !_facts.Contains("severity Failed");
        return isWorse ? "the state is failed" : null;
    }

    /// <summary>The facts of now, and what a trial has to know of the configuration.</summary>
    internal static IEnumerable<string> Note(string configPath)
    {
        string socket = DaemonClient.DefaultPath;
        var lines = new List<string>();
        if (ConfigReader.ReadFile(configPath, null).Settings is { } settings)
        {
            socket = settings.Box.SocketPath;
            lines.Add(Number("trial", settings.Update.Trial));
            lines.Add(Number("steady", settings.Update.Steady));
        }
        lines.Add("socket=" + socket);
        return [.. lines, .. Of(Status(socket)).Lines];
    }

    static string Number(string name, TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}={(long)time.TotalSeconds}");

    /// <summary>The facts of a status that a note was made of, and where the daemon answers.</summary>
    internal static UpdateFacts ReadNote(string path, out string socket)
    {
        string[] lines = [.. File.ReadLines(path).Take(LinesMax)];
        socket = lines.FirstOrDefault(l => l.StartsWith("socket=", StringComparison.Ordinal))?[7..]
            ?? DaemonClient.DefaultPath;
        return Parse(lines.Where(l => l.Contains(' ', StringComparison.Ordinal) || l == "config-problem"));
    }

    internal static JsonElement Status(string socket)
    {
        using var client = new DaemonClient(socket);
        return client.Get("/status", UpdateJson.Default.JsonElement);
    }
}
