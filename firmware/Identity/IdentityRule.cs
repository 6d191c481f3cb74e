using System;
using System.Collections.Generic;
using System.Linq;

namespace NasFirmware.Identity;

/// <summary>What is to be done about the key of the box.</summary>
enum IdentityStep
{
    /// <summary>Not all volumes were seen yet, and there is time left.</summary>
    Wait,
    /// <summary>The state folder's key is the box's.</summary>
    Keep,
    /// <summary>A copy's key is the box's.</summary>
    Adopt,
    /// <summary>There is none: a new one.</summary>
    Make,
}

/// <summary>A step, and the copy that it is about.</summary>
readonly record struct IdentityVerdict(IdentityStep Step, IdentityCopy? Copy = null);

/// <summary>What is known when the verdict is asked for.</summary>
sealed record IdentityFacts
{
    /// <summary>The name of this box.</summary>
    public required string Box { get; init; }
    /// <summary>The key in the state folder; null if there is none.</summary>
    public string? Key { get; init; }
    /// <summary>That key was made here, and no other box knows it.</summary>
    public bool IsNew { get; init; }
    /// <summary>The copies that are believed, of whichever box.</summary>
    public required IReadOnlyList<IdentityCopy> Copies { get; init; }
    /// <summary>Keys that the box gave up, by the state folder.</summary>
    public IReadOnlyList<string> Retired { get; init; } = [];
    /// <summary>Every volume of the configuration was looked at.</summary>
    public required bool IsAllSeen { get; init; }
    /// <summary>Since the start.</summary>
    public required TimeSpan Elapsed { get; init; }
}

/// <summary>
/// Which key a box has (docs/decisions/0016). The state folder's, if others know it: no disk changes that. Else that of
/// a copy with the box's own name. Else a new one, when all volumes were seen or the time is over; while nobody knows
/// that one, a former one that appears later takes its place.
/// </summary>
static class IdentityRule
{
    /// <summary>So long the first start waits for volumes when no copy was seen.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    /// <summary>And so long for the rest of them when one was.</summary>
    internal static readonly TimeSpan PatienceForOthers = TimeSpan.FromSeconds(20);

    internal static IdentityVerdict Of(IdentityFacts facts)
    {
        if (facts.Key is not null && !facts.IsNew) return new IdentityVerdict(IdentityStep.Keep);
        IdentityCopy? former = Former(facts);
        if (former is not null && (facts.IsAllSeen || facts.Elapsed >= PatienceForOthers))
            return new IdentityVerdict(IdentityStep.Adopt, former);
        if (facts.Key is not null) return new IdentityVerdict(IdentityStep.Keep);
        bool mayMake = facts.IsAllSeen || facts.Elapsed >= Patience;
        return new IdentityVerdict(former is null && mayMake ? IdentityStep.Make : IdentityStep.Wait);
    }

    // One that others know comes before one that nobody knew; then the one that has changed most often, the one that
    // lies on most volumes, and in the end any, but always the same.
    static IdentityCopy? Former(IdentityFacts facts)
    {
        IdentityCopy[] own = [.. facts.Copies.Where(c => c.Box == facts.Box && c.Key != facts.Key)];
        // A disk that was away does not bring back a key that was given up meanwhile.
        HashSet<string> retired = [.. facts.Retired, .. own.SelectMany(c => c.Choices?.Retired ?? [])];
        own = [.. own.Where(c => !retired.Contains(c.Key))];
        // The state folder's new key gives way to one that others know only.
        if (facts.Key is not null) own = [.. own.Where(c => !c.IsNew)];
        return own.OrderBy(c => c.IsNew).ThenByDescending(c => c.Peers.Generation)
            .ThenByDescending(c => own.Count(o => o.Key == c.Key))
            .ThenBy(c => c.Key, StringComparer.Ordinal).FirstOrDefault();
    }
}
