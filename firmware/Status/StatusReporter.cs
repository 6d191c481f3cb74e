using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using System.Threading;

namespace NasFirmware.Status;

/// <summary>
/// The status of this box, judged: what the control socket answers to GET /status and what light and display show.
/// Thread-safe.
/// </summary>
sealed partial class StatusReporter(
    StatusBoard board, string name, string version, Func<StatusLimits> limits, TimeProvider time,
    Func<UpdateStatus?>? update = null, SystemProblems? system = null)
{
    static readonly TimeSpan s_addressAge = TimeSpan.FromSeconds(20);
    /// <summary>A known problem that was away for longer is news when it is back.</summary>
    static readonly TimeSpan s_returnsWithin = TimeSpan.FromMinutes(10);

    readonly long _start = time.GetTimestamp();
    sealed record KnownAddress(long At, string? Address);

    volatile KnownAddress? _address;
    readonly Lock _lock = new();
    /// <summary>What the owner knows of, each with when it was last so; null: nothing was acknowledged.</summary>
    Dictionary<string, long>? _known;

    /// <param name="configProblem">What is wrong with the configuration that was last read.</param>
    internal BoxStatus Now(string? configProblem = null)
    {
        BoxStatus box = Judgement.Of(board.Snapshot(name, version) with
        {
            Now = time.GetUtcNow(), UptimeSeconds = time.GetElapsedTime(_start).TotalSeconds, Address = Address(),
            ConfigProblem = configProblem, Update = update?.Invoke(),
            SystemProblems = system?.Now() ?? [],
        }, limits());
        return box.IsAcknowledged ? Known(box) : box;
    }

    // What the owner knows of ends with the failure, and another problem is news, however many others have gone.
    BoxStatus Known(BoxStatus box)
    {
        lock (_lock)
        {
            if (box.Severity == Severity.Failed && !HasNews(box.Problems)) return box;
            _known = null;
        }
        board.Acknowledge(false);
        return Judgement.Of(box with { IsAcknowledged = false }, limits());
    }

    bool HasNews(IReadOnlyList<string> problems)
    {
        long now = time.GetTimestamp();
        bool isFirst = _known is null;
        _known ??= [];
        foreach (string problem in problems)
        {
            string key = IdentityOf(problem);
            bool isKnown = _known.TryGetValue(key, out long seen) && time.GetElapsedTime(seen) < s_returnsWithin;
            if (!isKnown && !isFirst) return true;
            _known[key] = now;
        }
        return false;
    }

    /// <summary>
    /// The same problem says other numbers and reasons from moment to moment: its subject and what is wrong, without
    /// numbers that stand alone, are what it is.
    /// </summary>
    static string IdentityOf(string problem)
    {
        int subject = problem.IndexOf(": ", StringComparison.Ordinal);
        int reason = subject < 0 ? -1 : problem.IndexOf(": ", subject + 2, StringComparison.Ordinal);
        return Numbers().Replace(reason < 0 ? problem : problem[..reason], "#");
    }

    [GeneratedRegex(@"(?<= )\d+(\.\d+)?( (s|min|h|days?|years|%|[KMGTP]?B)(?= |$|:|,))?")]
    private static partial Regex Numbers();

    // Asking the kernel takes longer than everything else here, and addresses seldom change.
    string? Address()
    {
        if (_address is { } known && time.GetElapsedTime(known.At) < s_addressAge) return known.Address;
        string? address = FindAddress();
        _address = new KnownAddress(time.GetTimestamp(), address);
        return address;
    }

    static string? FindAddress()
    {
        try
        {
            return NetworkInterface.GetAllNetworkInterfaces()
                .Where(i => i.OperationalStatus == OperationalStatus.Up
                    && i.NetworkInterfaceType != NetworkInterfaceType.Loopback)
                .SelectMany(i => i.GetIPProperties().UnicastAddresses)
                .Where(a => a.Address.AddressFamily == AddressFamily.InterNetwork)
                .Select(a => a.Address.ToString())
                .FirstOrDefault();
        }
        catch (NetworkInformationException)
        {
            return null;
        }
    }
}
