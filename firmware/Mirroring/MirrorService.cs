using System;
using System.Collections.Generic;
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
    }

    /// <summary>To be given to <see cref="PeerProtocol"/>.</summary>
    internal MirrorReceiver Receiver { get; }

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

    void VolumeChanged(string name) => NudgeWhere(options => options.Volume == name);

    /// <summary>A peer was heard of, or (null) the network has changed: those who wait try now.</summary>
    internal void Nudge(string? peer) => NudgeWhere(options => peer is null || options.Peer == peer);

    void NudgeWhere(Func<MirrorSendOptions, bool> concerned)
    {
        lock (_lock)
        {
            foreach (MirrorSender sender in _senders.Values)
                if (concerned(sender.Options)) sender.Nudge();
        }
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

    public void Dispose() => Stop();
}
