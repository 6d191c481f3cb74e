using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Daemon;

namespace NasFirmware.Mirroring;

// Changing roles (docs/MIRRORING.md 12)
//
// The master's box leads (SwitchRun), whichever box was asked. Until the master has become a slave nothing has changed,
// and every failure leaves it at that. From then on there is one way only, and no person in it: the note on the
// former master's disk says whom the role was given to, and its box asks that one to take it until it says yes, or that
// it never will; then the role is taken back. Asking twice does no harm.

/// <summary>Changes the roles of a mirror's two sides: jobs, the other box's questions, and what was cut off.</summary>
sealed class SwitchService : IPeerPurpose, IDisposable
{
    const int JobsKept = 16;
    static readonly TimeSpan s_answerMax = TimeSpan.FromSeconds(60), s_retryMax = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly LoopMonitor _waiting;
    readonly List<SwitchJob> _jobs = [];
    readonly Dictionary<string, LoopThread?> _handing = new(StringComparer.Ordinal);
    readonly List<LoopThread> _threads = [];
    readonly CancellationTokenSource _stop = new();
    int _lastId;

    /// <param name="host">What it stands on.</param>
    /// <param name="director">Knows the roles.</param>
    /// <param name="service">Its receiver lets go of a slave that becomes the master.</param>
    /// <param name="compare">Compares a mirror that this box sends, by name; full or not.</param>
    internal SwitchService(MirrorHost host, MirrorDirector director, MirrorService service,
        Func<string, bool, CancellationToken, VerifyView> compare)
    {
        Host = host;
        Director = director;
        Service = service;
        Compare = compare;
        _waiting = host.Runtime.NewMonitor();
        director.HandingOver += Resume;
    }

    internal MirrorHost Host { get; }
    internal MirrorDirector Director { get; }
    internal MirrorService Service { get; }
    internal Func<string, bool, CancellationToken, VerifyView> Compare { get; }
    internal CancellationToken Stopping => _stop.Token;

    string IPeerPurpose.Purpose => PeerPurpose.Switch;

    // ------------------------------------------------------------------ jobs

    /// <summary>Begins a change of roles; <see cref="IOException"/> with a sentence if there is no such mirror, or one
    /// is under way.</summary>
    internal SwitchJob Begin(SwitchRequest request)
    {
        MirrorEndOptions end = Director.End(request.Mirror)
            ?? throw new IOException($"no mirror is called {request.Mirror}");
        if (end.Options.Ssh is { } ssh)
        {
            throw new IOException($"{ssh.Name} is reached over ssh and speaks the original's dialect, which has no "
                + "word for this: pfs-downgrade here and pfs-upgrade there, when the mirror is in step");
        }
        if (request.To is { } to && to != Host.Box && to != end.Options.Peer)
            throw new IOException($"{to} is no end of {request.Mirror}: {Host.Box} and {end.Options.Peer} are");
        if (request.LimitSeconds is < 1 or > SwitchMessages.LimitSecondsMax)
            throw new IOException("the time limit is 1 second to 30 days");
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) throw new IOException($"{Host.Box} is stopping");
            if (_jobs.Exists(j => !j.View.Done && j.Request.Mirror == request.Mirror))
                throw new IOException($"the roles of {request.Mirror} are being changed already");
            if (_jobs.Count >= JobsKept) _jobs.RemoveAt(Math.Max(0, _jobs.FindIndex(j => j.View.Done)));
            var job = new SwitchJob(++_lastId, request, Host.Runtime.Time.GetTimestamp());
            _jobs.Add(job);
            _threads.Add(Host.Runtime.Start("switch-" + request.Mirror, () => new SwitchRun(this, job, end).Run()));
            return job;
        }
    }

    internal SwitchJob? Job(int id)
    {
        lock (_lock) return _jobs.Find(j => j.View.Id == id);
    }

    /// <summary>Waits; false if it was told to stop.</summary>
    internal bool Pause(TimeSpan span)
    {
        TimeProvider time = Host.Runtime.Time;
        long began = time.GetTimestamp();
        using (_waiting.Hold())
        {
            while (!_stop.IsCancellationRequested)
            {
                TimeSpan left = span - time.GetElapsedTime(began);
                if (left <= TimeSpan.Zero) return true;
                _waiting.Wait(left);
            }
        }
        return false;
    }

    /// <summary>What the status says of a change under way; null: nothing any more.</summary>
    internal void Show(string mirror, string? words)
    {
        foreach (bool isSource in new[] { true, false })
        {
            Host.Board.UpdateMirror(mirror, isSource, m => m.Switching == words ? m : m with { Switching = words });
        }
    }

    // ------------------------------------------------------------------ the PFS here

    /// <summary>The mounted PFS of a mirror.</summary>
    internal sealed record Place(VolumeHandle Volume, int PfsId, IDisposable Use) : IDisposable
    {
        internal PseudofsData Pfs
        {
            get
            {
                if (!Volume.Fs.TryGetPfs(PfsId, out PseudofsData pfs)) throw new IOException("the PFS has gone");
                return pfs;
            }
        }

        public void Dispose() => Use.Dispose();
    }

    /// <summary>Null if the volume is not mounted or has no such PFS; the reason then.</summary>
    internal Place? Open(MirrorEndOptions end, out string why)
    {
        VolumeHandle? volume = Host.Volumes.Find(end.Options.Volume);
        IDisposable? use = volume?.TryUse();
        if (volume is null || use is null)
        {
            why = $"the file system '{end.Options.Volume}' of {Host.Box} is not mounted";
            return null;
        }
        try
        {
            if (Host.Pfs.Find(volume, end.Options.Pfs) is { } id)
            {
                why = "";
                return new Place(volume, id, use);
            }
        }
        catch
        {
            use.Dispose();
            throw;
        }
        use.Dispose();
        why = $"{Host.Box} has no PFS '{end.Options.Place}'";
        return null;
    }

    // ------------------------------------------------------------------ questions to the other box

    /// <summary>Asks the other box; <see cref="IOException"/> if it does not answer.</summary>
    internal PeerSwitchReply Ask(MirrorEndOptions end, Guid shared, PeerSwitch question, CancellationToken stop)
    {
        var hello = new PeerHello
        {
            Purpose = PeerPurpose.Switch, Box = Host.Box, Mirror = end.Name, SharedUuid = shared,
        };
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop, _stop.Token);
        try
        {
            using PeerLink link = PeerLink.Call(Host.Dialer, end.Options.Peer, hello, Host.Runtime.Time, ending.Token,
                out _);
            using CancellationTokenRegistration closing = ending.Token.Register(link.Dispose);
            using ITimer limit = Host.Runtime.Time.CreateTimer(static l => ((PeerLink)l!).Dispose(), link, s_answerMax,
                Timeout.InfiniteTimeSpan);
            link.Send(Control.FrameKind.Event, question, SwitchJson.Default.PeerSwitch);
            return SwitchMessages.DecodeReply(link.ReadMessage(Control.FrameKind.Result));
        }
        catch (Exception e) when (e is ObjectDisposedException or OperationCanceledException or InvalidDataException)
        {
            throw new IOException($"{end.Options.Peer} does not answer: {e.Message}", e);
        }
    }

    // ------------------------------------------------------------------ questions of the other box

    public void Serve(PeerLink link, PeerHello hello, CancellationToken stop)
    {
        MirrorEndOptions? end = Director.End(hello.Mirror ?? "");
        if (end is null || end.Options.Peer != link.Peer.Name)
        {
            // The same words for both: who asks does not learn what else there is.
            link.Refuse($"{Host.Box} has no mirror '{hello.Mirror}' with {link.Peer.Name}", later: false);
            return;
        }
        link.Welcome(hello);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop, _stop.Token);
        using CancellationTokenRegistration closing = ending.Token.Register(link.Dispose);
        using ITimer limit = Host.Runtime.Time.CreateTimer(static l => ((PeerLink)l!).Dispose(), link, s_answerMax,
            Timeout.InfiniteTimeSpan);
        try
        {
            PeerSwitch question = SwitchMessages.DecodeQuestion(link.ReadMessage(Control.FrameKind.Event));
            link.Send(Control.FrameKind.Result, Answer(end, hello.SharedUuid, question),
                SwitchJson.Default.PeerSwitchReply);
        }
        catch (ObjectDisposedException e)
        {
            throw new IOException("the connection was closed", e);
        }
    }

    PeerSwitchReply Answer(MirrorEndOptions end, Guid? shared, PeerSwitch question)
    {
        try
        {
            return question.Kind switch
            {
                PeerSwitchKind.State => AnswerState(end, shared),
                PeerSwitchKind.Take => Take(end, shared, question),
                PeerSwitchKind.Begin => AnswerBegin(end, question),
                PeerSwitchKind.View when Job(question.Id) is { } job && job.Request.Mirror == end.Name =>
                    new PeerSwitchReply { Ok = true, View = job.View },
                PeerSwitchKind.View => No("that change of roles is not known any more"),
                _ => No($"{Host.Box} does not know the question '{PeerMessages.Sentence(question.Kind)}'"),
            };
        }
        catch (Exception e) when (e is IOException or HammerMediumException or MountCriticalException)
        {
            return No(e.Message);
        }
    }

    static PeerSwitchReply No(string why, bool never = false) =>
        new() { Error = PeerMessages.Sentence(why), Never = never };

    PeerSwitchReply AnswerState(MirrorEndOptions end, Guid? shared)
    {
        using Place? place = Open(end, out string why);
        if (place is null) return No(why);
        PseudofsData pfs = place.Pfs;
        if (pfs.SharedUuid != shared) return No($"{end.Options.Place} of {Host.Box} is no copy of that PFS");
        if (!pfs.IsSlave) return No($"{end.Options.Place} of {Host.Box} is a master");
        Errno read = place.Volume.Fs.VerifySide(place.PfsId).ReadFacts(0, out VerifyFacts facts);
        if (read.IsError) return No($"{end.Options.Place} of {Host.Box} cannot be read: {read}");
        return new PeerSwitchReply { Ok = true, Tid = Tid.Format(facts.End), FedBy = SlaveMark.FedBy(in pfs) };
    }

    PeerSwitchReply AnswerBegin(MirrorEndOptions end, PeerSwitch question)
    {
        using Place? place = Open(end, out string why);
        if (place is null) return No(why);
        bool leads = !place.Pfs.IsSlave || place.Volume.Fs.Role(place.PfsId).IsHandingOver;
        if (!leads) return No($"neither {Host.Box} nor {end.Options.Peer} has the master of {end.Name}: a slave that "
            + "feeds others changes roles with its own master");
        SwitchJob job = Begin(new SwitchRequest(end.Name, question.Full, question.LimitSeconds, question.To));
        return new PeerSwitchReply { Ok = true, View = job.View };
    }

    /// <summary>The master's role is given to this box.</summary>
    PeerSwitchReply Take(MirrorEndOptions end, Guid? shared, PeerSwitch question)
    {
        using Place? place = Open(end, out string why);
        if (place is null) return No(why, never: Host.Volumes.Find(end.Options.Volume) is not null);
        PseudofsData pfs = place.Pfs;
        ulong tid = SwitchMessages.Tid(question.Tid);
        if (pfs.SharedUuid != shared || question.Former is not { } former || former == Guid.Empty)
            return No($"{end.Options.Place} of {Host.Box} is no copy of that PFS", never: true);
        if (!pfs.IsSlave)
        {
            // Asked twice, or somebody was faster: either way this is the master that follows that one.
            bool follows = PromotionMark.TryGet(pfs, out PromotionMark mark) && mark.Former == former;
            return follows ? new PeerSwitchReply { Ok = true }
                : No($"{end.Options.Place} of {Host.Box} is a master of its own", never: true);
        }
        if (Director.RoleOf(end.Name) == MirrorRole.Sends)
            return No($"{end.Options.Place} of {Host.Box} is fed by another box", never: true);
        if (pfs.SyncEndTid != tid || SlaveMark.FedBy(in pfs) != former)
            return No($"{end.Options.Place} of {Host.Box} is at {Tid.Format(pfs.SyncEndTid)}, not at "
                + Tid.Format(tid), never: true);
        if (!Service.Receiver.Leave(end.Name)) return No($"{Host.Box} is still ending a connection of this mirror");
        Errno result = place.Volume.Fs.UpgradePfs(place.PfsId);
        if (result == Errno.NotEmpty) return No($"files are open in {end.Options.Place} of {Host.Box}");
        if (result.IsError) return No($"{end.Options.Place} of {Host.Box} cannot become the master yet: {result}");
        Host.Log($"mirror {end.Name}: {end.Options.Place} is the master now, in place of {end.Options.Peer}");
        return new PeerSwitchReply { Ok = true };
    }

    // ------------------------------------------------------------------ a role that was given and not taken yet

    /// <summary>Asks the other side until it has taken the role, or never will.</summary>
    internal void Resume(string mirror)
    {
        lock (_lock)
        {
            if (_stop.IsCancellationRequested || !_handing.TryAdd(mirror, null)) return;
            _handing[mirror] = Host.Runtime.Start("hand-over-" + mirror, () => HandOver(mirror));
        }
    }

    void HandOver(string mirror)
    {
        TimeSpan wait = TimeSpan.FromSeconds(0.5);
        while (Director.End(mirror) is { } end)
        {
            string? problem;
            try
            {
                problem = HandOverOnce(end);
            }
            catch (Exception e)
            {
                // One of the few places where every exception ends: nothing but this loop gives the pair its master.
                problem = e.Message;
            }
            if (problem is null) break;
            Show(mirror, $"{end.Options.Peer} is to become the master: {problem}");
            if (!Pause(wait)) return;
            wait = wait * 2 < s_retryMax ? wait * 2 : s_retryMax;
        }
        lock (_lock) _handing.Remove(mirror);
        Show(mirror, null);
        Director.Update();
    }

    /// <summary>Null if nothing is left to be handed over.</summary>
    string? HandOverOnce(MirrorEndOptions end)
    {
        using Place? place = Open(end, out string why);
        if (place is null) return why;
        PfsRole role = place.Volume.Fs.Role(place.PfsId);
        PseudofsData pfs = place.Pfs;
        if (!pfs.IsSlave || !role.IsHandingOver || role.Parent != end.Name) return null;
        Show(end.Name, $"{end.Options.Peer} is to become the master");
        PeerSwitchReply reply = Ask(end, pfs.SharedUuid, new PeerSwitch
        {
            Kind = PeerSwitchKind.Take, Tid = Tid.Format(role.HandedAt), Former = role.Former,
        }, place.Volume.Gone);
        if (reply.Ok)
        {
            Host.Log($"mirror {end.Name}: {end.Options.Peer} is the master now, {end.Options.Place} its slave");
            Errno noted = place.Volume.Fs.SetParent(place.PfsId, end.Name);
            return noted.IsError ? $"this cannot be noted: {noted}" : null;
        }
        if (!reply.Never) return reply.Error ?? "no reason given";
        Host.Log($"mirror {end.Name}: {end.Options.Peer} cannot become the master, {end.Options.Place} is it again: "
            + reply.Error);
        Errno back = place.Volume.Fs.UpgradePfs(place.PfsId);
        return back.IsError ? $"{reply.Error}; and the role cannot be taken back: {back}" : null;
    }

    public void Dispose()
    {
        Director.HandingOver -= Resume;
        List<LoopThread> threads;
        lock (_lock)
        {
            _stop.Cancel();
            threads = [.. _threads, .. _handing.Values.OfType<LoopThread>()];
        }
        using (_waiting.Hold()) _waiting.PulseAll();
        foreach (LoopThread thread in threads) thread.Join();
    }
}
