using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Hosting;

namespace NasFirmware.Mirroring;

/// <summary>
/// The mirrors of this box: a loop for each that it sends, and who may send to it. Reloading touches only what has
/// changed.
/// </summary>
sealed class MirrorService : IHostedService, IDisposable
{
    readonly MirrorHost _host;
    readonly Lock _lock = new();
    readonly SortedDictionary<string, MirrorSender> _senders = new(StringComparer.Ordinal);
    readonly MirrorAnnouncer _announcer;
    IReadOnlyList<MirrorSendOptions> _sends;
    IReadOnlyList<MirrorReceiveOptions> _receives;
    bool _running;

    /// <param name="host">What the loops stand on.</param>
    /// <param name="sends">The [mirrors] sections whose "from" names this box.</param>
    /// <param name="receives">Those whose "to" names this box.</param>
    internal MirrorService(MirrorHost host, IReadOnlyList<MirrorSendOptions> sends,
        IReadOnlyList<MirrorReceiveOptions> receives)
    {
        _host = host;
        _sends = sends;
        _receives = receives;
        Receiver = new MirrorReceiver(host);
        _announcer = new MirrorAnnouncer(host, Nudge);
    }

    internal MirrorReceiver Receiver { get; }

    /// <summary>What peers may connect for; to be given to <see cref="PeerProtocol"/>.</summary>
    internal IReadOnlyList<IPeerPurpose> Purposes => [Receiver, _announcer];

    /// <summary>For the watchdog: no loop hangs.</summary>
    internal bool IsTurning
    {
        get
        {
            lock (_lock)
            {
                foreach (MirrorSender sender in _senders.Values)
                    if (!sender.IsTurning) return false;
            }
            return Receiver.IsTurning;
        }
    }

    internal void Start()
    {
        lock (_lock)
        {
            if (_running) return;
            _running = true;
            _host.Volumes.Changed += VolumeChanged;
        }
        Apply(_sends, _receives);
    }

    /// <summary>Makes the loops what the configuration now says; those that stay the same go on untouched.</summary>
    internal void Apply(IReadOnlyList<MirrorSendOptions> sends, IReadOnlyList<MirrorReceiveOptions> receives)
    {
        var ending = new List<MirrorSender>();
        var wanted = new SortedDictionary<string, MirrorSendOptions>(StringComparer.Ordinal);
        foreach (MirrorSendOptions options in sends) wanted[options.Name] = options;
        lock (_lock)
        {
            _sends = sends;
            _receives = receives;
            if (!_running) return;
            foreach ((string name, MirrorSender sender) in _senders)
            {
                if (wanted.GetValueOrDefault(name) == sender.Options) wanted.Remove(name);
                else ending.Add(sender);
            }
            foreach (MirrorSender sender in ending) _senders.Remove(sender.Options.Name);
        }
        Receiver.Apply(receives);
        End(ending);
        lock (_lock)
        {
            foreach (MirrorSendOptions options in wanted.Values)
            {
                var sender = new MirrorSender(_host, options);
                _senders.Add(options.Name, sender);
                sender.Start();
            }
        }
    }

    static void End(List<MirrorSender> senders)
    {
        foreach (MirrorSender sender in senders) sender.RequestStop();
        foreach (MirrorSender sender in senders) sender.Dispose();
    }

    void VolumeChanged(string name)
    {
        foreach (MirrorSender sender in Senders(options => options.Volume == name)) sender.Nudge();
        Announce(name);
    }

    /// <summary>A peer says that it is there, or (null) the network has changed: those who wait try now.</summary>
    internal void Nudge(string? peer)
    {
        foreach (MirrorSender sender in Senders(options => peer is null || options.Peer == peer)) sender.Nudge();
    }

    /// <summary>A peer has called, for whatever it was.</summary>
    internal void PeerCalled(string peer)
    {
        foreach (MirrorSender sender in Senders(options => options.Peer == peer)) sender.PeerCalled();
    }

    /// <summary>The network of this box has changed: both sides of each mirror learn of it now.</summary>
    internal void NetworkChanged()
    {
        Nudge(peer: null);
        Announce();
    }

    /// <summary>Tells those who mirror to this box that it takes them now; they need not wait for their next attempt.
    /// </summary>
    /// <param name="volume">Only mirrors into this one; null: all.</param>
    internal void Announce(string? volume = null)
    {
        IReadOnlyList<MirrorReceiveOptions> receives;
        lock (_lock) receives = _running ? _receives : [];
        var peers = new SortedSet<string>(StringComparer.Ordinal);
        foreach (MirrorReceiveOptions options in receives)
        {
            if ((volume is null || options.Volume == volume) && _host.Volumes.Find(options.Volume) is not null)
                peers.Add(options.Peer);
        }
        foreach (string peer in peers) _announcer.Tell(peer);
    }

    // Nudging wakes others, which may ask us in turn: not under the lock.
    List<MirrorSender> Senders(Func<MirrorSendOptions, bool> concerned)
    {
        lock (_lock) return [.. _senders.Values.Where(s => concerned(s.Options))];
    }

    /// <summary>Ends all loops and connections and waits for them.</summary>
    internal void Stop()
    {
        List<MirrorSender> ending;
        lock (_lock)
        {
            if (!_running) return;
            _running = false;
            _host.Volumes.Changed -= VolumeChanged;
            ending = [.. _senders.Values];
            _senders.Clear();
        }
        _announcer.Stop();
        End(ending);
        Receiver.Apply([]);
    }

    Task IHostedService.StartAsync(CancellationToken cancellationToken)
    {
        Start();
        return Task.CompletedTask;
    }

    async Task IHostedService.StopAsync(CancellationToken cancellationToken)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _host.Runtime.Start("mirrors-stop", () =>
        {
            try
            {
                Stop();
            }
            finally
            {
                stopped.SetResult();
            }
        });
        await stopped.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        Stop();
        _announcer.Dispose();
    }
}
