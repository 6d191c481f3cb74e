using System;
using System.Linq;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Threading;

namespace NasFirmware.Status;

/// <summary>
/// The status of this box, judged: what the control socket answers to GET /status and what light and display show.
/// Thread-safe.
/// </summary>
sealed class StatusReporter(
    StatusBoard board, string name, string version, Func<StatusLimits> limits, TimeProvider time)
{
    static readonly TimeSpan s_addressAge = TimeSpan.FromSeconds(20);

    readonly long _start = time.GetTimestamp();
    sealed record KnownAddress(long At, string? Address);

    volatile KnownAddress? _address;
    int _knownProblems = -1;

    /// <param name="configProblem">What is wrong with the configuration that was last read.</param>
    internal BoxStatus Now(string? configProblem = null)
    {
        BoxStatus box = Judgement.Of(board.Snapshot(name, version) with
        {
            Now = time.GetUtcNow(), UptimeSeconds = time.GetElapsedTime(_start).TotalSeconds, Address = Address(),
            ConfigProblem = configProblem,
        }, limits());
        return box.IsAcknowledged ? Known(box) : box;
    }

    // What the owner knows of ends with the failure, and one more problem is news.
    BoxStatus Known(BoxStatus box)
    {
        int known = Interlocked.CompareExchange(ref _knownProblems, box.Problems.Count, -1);
        if (box.Severity == Severity.Failed && (known < 0 || box.Problems.Count <= known)) return box;
        Interlocked.Exchange(ref _knownProblems, -1);
        board.Acknowledge(false);
        return Judgement.Of(box with { IsAcknowledged = false }, limits());
    }

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
