using System;
using System.IO;
using System.Linq;
using System.Net.NetworkInformation;
using System.Threading;
using NasLinux;

namespace NasFirmware.Daemon;

/// <summary>What the watch of the network stands on.</summary>
sealed record NetworkWatchOptions
{
    /// <summary>Where words of the kernel come from; disposed at the end.</summary>
    internal Func<INetworkWords> Open { get; init; } = () => new KernelWords();
    /// <summary>Links and addresses as they are now, as text to be compared.</summary>
    internal Func<string> Picture { get; init; } = NetworkWatch.PictureNow;
    /// <summary>After a word: it is quiet for so long, or so much time has passed, before it looks.</summary>
    internal int QuietMs { get; init; } = 150;
    internal int LoudMaxMs { get; init; } = 600;
}

/// <summary>Words of the kernel on the network.</summary>
interface INetworkWords : IDisposable
{
    /// <summary>At most so long; true if one came.</summary>
    bool Wait(int milliseconds);
}

sealed class KernelWords : INetworkWords
{
    readonly NetworkSocket _socket = NetworkSocket.Open();

    public bool Wait(int milliseconds) => _socket.Wait(milliseconds);
    public void Dispose() => _socket.Dispose();
}

/// <summary>
/// Tells when the network of the box has changed: a cable plugged in, an address got. The kernel says many words at
/// once, and some that mean nothing (lifetimes of addresses); so it waits for a short quiet and looks at what is there.
/// Without such a socket nothing is told, and everybody waits for his own time, as before.
/// </summary>
sealed class NetworkWatch(Action changed, Action<string> log, NetworkWatchOptions? options = null) : IDisposable
{
    /// <summary>How often it looks whether it is to end.</summary>
    const int SliceMs = 1000;

    readonly NetworkWatchOptions _options = options ?? new NetworkWatchOptions();
    volatile bool _stop;
    Thread? _thread;

    internal void Start()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "network-watch" };
        _thread.Start();
    }

    void Run()
    {
        try
        {
            using INetworkWords words = _options.Open();
            string picture = _options.Picture();
            while (!_stop)
            {
                if (!words.Wait(SliceMs)) continue;
                long latest = Environment.TickCount64 + _options.LoudMaxMs;
                while (Environment.TickCount64 < latest && !_stop && words.Wait(_options.QuietMs))
                {
                    // Another word of the same change.
                }
                string now = _options.Picture();
                if (now == picture || _stop) continue;
                picture = now;
                changed();
            }
        }
        catch (IOException e)
        {
            log($"changes of the network are not seen: {e.Message}");
        }
    }

    internal static string PictureNow()
    {
        try
        {
            return string.Join('\n', NetworkInterface.GetAllNetworkInterfaces().Select(i =>
                $"{i.Name} {i.OperationalStatus} "
                + string.Join(' ', i.GetIPProperties().UnicastAddresses.Select(a => a.Address.ToString()))));
        }
        catch (NetworkInformationException)
        {
            // An interface went while it was looked at: another word comes, or has come.
            return "";
        }
    }

    public void Dispose()
    {
        _stop = true;
        _thread?.Join();
    }
}
