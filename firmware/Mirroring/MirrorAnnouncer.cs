using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;

namespace NasFirmware.Mirroring;

/// <summary>
/// "I am here": a short connection to a box that mirrors to this one, when this one has begun to take mirrors, when its
/// network has changed, and when a file system is back. That box may be waiting for up to a minute before it would try
/// again. Who cannot be told is tried a few times; then it is left to the other side's attempts, as ever. The word
/// grants nothing, and says nothing but who it is, which TLS has proven.
/// </summary>
/// <param name="host">Dials, threads, clock.</param>
/// <param name="heard">Called when a peer has said it to this box.</param>
sealed class MirrorAnnouncer(MirrorHost host, Action<string> heard) : IPeerPurpose, IDisposable
{
    const int AttemptsMax = 4;

    /// <summary>A peer that is being told.</summary>
    sealed class Call
    {
        internal LoopThread? Thread { get; set; }
        /// <summary>Something has happened since the attempt at hand began.</summary>
        internal bool Again { get; set; }
    }

    readonly LoopMonitor _monitor = host.Runtime.NewMonitor();
    readonly Dictionary<string, Call> _calls = new(StringComparer.Ordinal);
    readonly CancellationTokenSource _stop = new();

    string IPeerPurpose.Purpose => PeerPurpose.Here;

    public void Serve(PeerLink link, PeerHello hello, CancellationToken stop)
    {
        link.Welcome(hello);
        heard(link.Peer.Name);
    }

    /// <summary>Tells a peer, soon; at most one call of it at a time.</summary>
    internal void Tell(string peer)
    {
        using (_monitor.Hold())
        {
            if (_stop.IsCancellationRequested) return;
            if (_calls.TryGetValue(peer, out Call? known))
            {
                known.Again = true;
                _monitor.PulseAll();
                return;
            }
            var call = new Call();
            _calls[peer] = call;
            call.Thread = host.Runtime.Start("here-" + peer, () => Run(peer, call));
        }
    }

    void Run(string peer, Call call)
    {
        int attempts = 0;
        bool told;
        do
        {
            using (_monitor.Hold()) call.Again = false;
            told = TryTell(peer);
            attempts = told ? 0 : attempts + 1;
        }
        while (GoesOn(peer, call, told, attempts));
    }

    bool TryTell(string peer)
    {
        try
        {
            var hello = new PeerHello { Purpose = PeerPurpose.Here, Box = host.Box };
            using PeerLink link = PeerLink.Call(host.Dialer, peer, hello, host.Runtime.Time, _stop.Token, out _);
            return true;
        }
        catch (PeerRefusedException)
        {
            // An older program, which does not know this word.
            return true;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or OperationCanceledException)
        {
            return false;
        }
    }

    // Whether to try again, after a wait of one, two, four seconds; what has happened meanwhile begins anew.
    bool GoesOn(string peer, Call call, bool told, int attempts)
    {
        TimeProvider time = host.Runtime.Time;
        long began = time.GetTimestamp();
        TimeSpan pause = TimeSpan.FromSeconds(1L << Math.Max(0, attempts - 1));
        using (_monitor.Hold())
        {
            bool ends = told || attempts >= AttemptsMax;
            while (!_stop.IsCancellationRequested && !call.Again && !ends)
            {
                TimeSpan left = pause - time.GetElapsedTime(began);
                if (left <= TimeSpan.Zero) return true;
                _monitor.Wait(left);
            }
            if (call.Again && !_stop.IsCancellationRequested) return true;
            _calls.Remove(peer);
            _monitor.PulseAll();
            return false;
        }
    }

    /// <summary>Ends all calls and waits for that.</summary>
    internal void Stop()
    {
        _stop.Cancel();
        List<LoopThread?> threads;
        using (_monitor.Hold())
        {
            threads = [.. _calls.Values.Select(c => c.Thread)];
            _monitor.PulseAll();
        }
        foreach (LoopThread? thread in threads) thread?.Join();
    }

    /// <summary>After <see cref="Stop"/>.</summary>
    public void Dispose() => _stop.Dispose();
}
