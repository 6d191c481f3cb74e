using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;

namespace NasDevices.Disks;

/// <summary>
/// What a disk says of its own health: the part of smartctl's JSON (its schema 1.x) that an owner can act on. What the
/// disk does not tell is null.
/// </summary>
public sealed record SmartReport
{
    /// <summary>So many sectors replaced are wear that somebody should know of; a few are usual.</summary>
    public const int ReallocatedMany = 10;

    /// <summary>The disk's own verdict: false means that it expects to fail.</summary>
    public bool? Passed { get; init; }
    public int? Celsius { get; init; }
    /// <summary>Sectors replaced by spare ones (attribute 5, or a SCSI disk's grown list).</summary>
    public long? Reallocated { get; init; }
    /// <summary>Sectors that could not be read and wait to be written (attribute 197).</summary>
    public long? Pending { get; init; }
    /// <summary>Sectors that a surface scan could not read (attribute 198).</summary>
    public long? Uncorrectable { get; init; }
    /// <summary>NVMe: the bits of Critical Warning.</summary>
    public long? CriticalWarning { get; init; }
    /// <summary>Part of the endurance that is used up, in percent; above 100 it is beyond its rating.</summary>
    public long? UsedPercent { get; init; }

    /// <summary>True if nothing at all was told.</summary>
    public bool IsEmpty => this == new SmartReport();

    /// <summary>True if the health is known: a verdict or a count.</summary>
    public bool HasHealth => this with { Celsius = null } != new SmartReport();

    /// <summary>What is wrong, for the owner; null if nothing is.</summary>
    public string? Trouble
    {
        get
        {
            var troubles = new List<string>();
            if (Passed == false) troubles.Add("it expects to fail soon by its own account (SMART): replace it");
            if (CriticalWarning is { } bits && bits != 0) troubles.AddRange(OfWarning(bits));
            if (Pending > 0) troubles.Add($"{Count(Pending.Value, "sector")} cannot be read");
            else if (Uncorrectable > 0) troubles.Add($"{Count(Uncorrectable.Value, "sector")} could not be read");
            if (Reallocated >= ReallocatedMany)
                troubles.Add($"{Count(Reallocated.Value, "sector")} have been replaced by spare ones");
            if (UsedPercent >= 100) troubles.Add("it has been written more than it is made for");
            return troubles.Count == 0 ? null : string.Join("; ", troubles);
        }
    }

    // NVM Express, SMART / Health Information, byte 0. Heat is judged by the temperature.
    static IEnumerable<string> OfWarning(long bits)
    {
        if ((bits & 1) != 0) yield return "its spare blocks are used up";
        if ((bits & 4) != 0) yield return "its reliability is degraded by errors";
        if ((bits & 8) != 0) yield return "it has become read-only";
        if ((bits & 16) != 0) yield return "its backup of volatile memory has failed";
    }

    static string Count(long count, string what) =>
        count.ToString(CultureInfo.InvariantCulture) + " " + what + (count == 1 ? "" : "s");

    /// <summary>
    /// Reads smartctl's output; null if it is no JSON of its kind, or tells nothing (as of a disk that sleeps).
    /// </summary>
    public static SmartReport? Parse(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 32 });
            SmartReport report = Parse(document.RootElement);
            return report.IsEmpty ? null : report;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static SmartReport Parse(JsonElement root)
    {
        JsonElement? nvme = Member(root, "nvme_smart_health_information_log");
        return new SmartReport
        {
            Passed = Member(Member(root, "smart_status"), "passed")?.ValueKind switch
            {
                JsonValueKind.True => true, JsonValueKind.False => false, _ => null,
            },
            Celsius = Number(Member(Member(root, "temperature"), "current")) is { } c and > -60 and < 200
                ? (int)c : null,
            Reallocated = Attribute(root, 5) ?? Number(Member(root, "scsi_grown_defect_list")),
            Pending = Attribute(root, 197), Uncorrectable = Attribute(root, 198),
            CriticalWarning = Number(Member(nvme, "critical_warning")),
            UsedPercent = Number(Member(nvme, "percentage_used")),
        };
    }

    // Raw values are numbers of 48 bits, of which the lower 32 are the count of these three attributes.
    static long? Attribute(JsonElement root, int id)
    {
        if (Member(Member(root, "ata_smart_attributes"), "table") is not { ValueKind: JsonValueKind.Array } table)
            return null;
        foreach (JsonElement row in table.EnumerateArray())
        {
            if (Number(Member(row, "id")) == id)
                return Number(Member(Member(row, "raw"), "value")) is { } raw ? raw & 0xFFFF_FFFF : null;
        }
        return null;
    }

    static JsonElement? Member(JsonElement? of, string name) =>
        of is { ValueKind: JsonValueKind.Object } o && o.TryGetProperty(name, out JsonElement member) ? member : null;

    static long? Number(JsonElement? of) =>
        of is { ValueKind: JsonValueKind.Number } n && n.TryGetInt64(out long number) ? number : null;
}
