using System;
using System.Collections.Generic;
using System.IO.Hashing;
using System.Threading;
using NasTesting.Model;

namespace NasCampaign;

/// <summary>
/// What a round is given and where it leaves its counts. The counts and images may come from any thread.
/// </summary>
public sealed class CampaignContext
{
    readonly Func<bool> _timeIsUp;
    readonly CampaignCounts _counts;
    readonly Lock _lock = new();

    /// <param name="seed">Determines the round.</param>
    /// <param name="isSmoke">See <see cref="IsSmoke"/>.</param>
    /// <param name="timeIsUp">Asked by <see cref="TimeIsUp"/>.</param>
    /// <param name="counts">Takes the counts.</param>
    public CampaignContext(ulong seed, bool isSmoke, Func<bool> timeIsUp, CampaignCounts counts)
    {
        Seed = seed;
        IsSmoke = isSmoke;
        Random = new Random(unchecked((int)OpsContent.Mix(seed)));
        _timeIsUp = timeIsUp;
        _counts = counts;
    }

    public ulong Seed { get; }

    /// <summary>Derived from <see cref="Seed"/> alone.</summary>
    public Random Random { get; }

    /// <summary>In make test: a round takes at most about 2 seconds.</summary>
    public bool IsSmoke { get; }

    /// <summary>Long rounds may stop early; what was tried so far counts.</summary>
    public bool TimeIsUp => _timeIsUp();

    /// <summary>Counts what was tried: "cuts", "faults", "inputs", "operations", ...</summary>
    public void Count(string what, long n = 1)
    {
        lock (_lock) _counts.Add(what, n);
    }

    /// <summary>An image of a medium was tried. Digests tell distinct ones apart; any length.</summary>
    public void Image(ReadOnlySpan<byte> digest)
    {
        ulong hash = XxHash64.HashToUInt64(digest);
        lock (_lock) _counts.AddImage(hash);
    }
}

/// <summary>Counts by kind, and the distinct images seen, of one campaign over all its rounds.</summary>
public sealed class CampaignCounts
{
    /// <summary>Beyond this many distinct images they are counted no more: memory stays bounded.</summary>
    const int ImagesMax = 4_000_000;

    readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);
    readonly HashSet<ulong> _images = [];

    public IReadOnlyDictionary<string, long> Counts => _counts;
    public IReadOnlyCollection<ulong> Images => _images;

    /// <summary>Distinct images of an earlier run that this one goes on from.</summary>
    public long ImagesBefore { get; set; }

    public void Add(string what, long n) => _counts[what] = _counts.GetValueOrDefault(what) + n;

    public void AddImage(ulong hash)
    {
        if (_images.Count < ImagesMax) _images.Add(hash);
    }
}
