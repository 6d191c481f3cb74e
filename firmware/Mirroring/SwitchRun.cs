using System;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

/// <summary>The change of roles cannot be made; nothing has changed.</summary>
sealed class SwitchFailedException(string message) : IOException(message);

/// <summary>One change of roles, on the master's box; on the slave's box it asks that one and tells what it does.
/// </summary>
sealed class SwitchRun(SwitchService service, SwitchJob job, MirrorEndOptions end)
{
    static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(200), s_grace = TimeSpan.FromSeconds(30);
    /// <summary>A master that is written to all the time is near enough when so little is missing.</summary>
    const double NearSeconds = 5;

    readonly TimeProvider _time = service.Host.Runtime.Time;

    CancellationToken _gone;

    string Box => service.Host.Box;
    string Peer => end.Options.Peer;
    TimeSpan Left => TimeSpan.FromSeconds(job.Request.LimitSeconds) - _time.GetElapsedTime(job.Began);

    internal void Run()
    {
        try
        {
            using SwitchService.Place place = service.Open(end, out string why) ?? throw new SwitchFailedException(why);
            _gone = place.Volume.Gone;
            bool leads = !place.Pfs.IsSlave || IsHandingOver(place);
            if (leads) Lead(place);
            else Follow(place);
        }
        catch (Exception e)
        {
            // One of the few places where every exception ends: a change of roles must not take the mounts with it.
            Finish(ok: false, e.Message);
        }
    }

    void Finish(bool ok, string? error)
    {
        if (error is not null) service.Host.Log($"mirror {end.Name}: the roles were not changed: {error}");
        if (!job.View.Committed) service.Show(end.Name, null);
        job.Change(v => v with { Done = true, Ok = ok, Error = error, Step = ok ? "done" : v.Step });
    }

    bool IsHandingOver(SwitchService.Place place)
    {
        PfsRole role = place.Volume.Fs.Role(place.PfsId);
        return place.Pfs.IsSlave && role.IsHandingOver && role.Parent == end.Name;
    }

    void Step(string words)
    {
        job.Step(words);
        service.Show(end.Name, "roles are being changed: " + words);
    }

    void Wait(string forWhat)
    {
        if (Left <= TimeSpan.Zero) throw new SwitchFailedException($"in {job.Request.LimitSeconds} seconds: {forWhat}");
        if (!service.Pause(s_poll)) throw new SwitchFailedException($"{Box} is stopping");
        if (_gone.IsCancellationRequested) throw new SwitchFailedException($"the file system of {Box} has gone");
    }

    // ------------------------------------------------------------------ on the master's box

    void Lead(SwitchService.Place place)
    {
        if (!IsHandingOver(place))
        {
            if (job.Request.To == Box)
            {
                Finish(ok: true, null);
                return;
            }
            job.Change(v => v with { To = Peer });
            if (service.Director.RoleOf(end.Name) != MirrorRole.Sends)
                throw new SwitchFailedException($"{end.Options.Place} of {Box} is a master, and takes this mirror");
            Near(place);
            if (job.Request.Full) CompareOnce("comparing all data", full: true, tid: 0);
            Quiet(place);
        }
        AwaitTaken(place);
    }

    /// <summary>Waits until little is missing, so that writers have to wait for a moment only.</summary>
    void Near(SwitchService.Place place)
    {
        Step("waiting until the mirror is in step");
        while (true)
        {
            string what = "the mirror is not in step";
            MirrorStatus? status = service.Host.Board.Snapshot(Box, "").Mirrors
                .FirstOrDefault(m => m.Name == end.Name && m.IsSource);
            bool near = status?.Phase == MirrorPhase.InStep
                || (status?.Phase == MirrorPhase.Streaming && status.LagSeconds <= NearSeconds);
            if (near && TryState(place, ref what) is { } state && state.FedBy == place.Pfs.UniqueUuid) return;
            Wait(status?.Problem ?? what);
        }
    }

    PeerSwitchReply? TryState(SwitchService.Place place, ref string what)
    {
        try
        {
            PeerSwitchReply reply = service.Ask(end, place.Pfs.SharedUuid,
                new PeerSwitch { Kind = PeerSwitchKind.State }, place.Volume.Gone);
            if (reply.Ok) return reply;
            what = reply.Error ?? what;
        }
        catch (PeerRefusedException e) when (!e.Later)
        {
            throw new SwitchFailedException(e.Message);
        }
        catch (IOException e)
        {
            what = e.Message;
        }
        return null;
    }

    void CompareOnce(string words, bool full, ulong tid)
    {
        Step(words);
        while (true)
        {
            VerifyView view = service.Compare(end.Name, full, service.Stopping);
            if (view.Outcome == VerifyJob.Differs)
                throw new SwitchFailedException($"the two sides differ: {view.Path}: {view.What}");
            if (view.Outcome == VerifyJob.Equal && (tid == 0 || SwitchMessages.Tid(view.Tid) == tid)) return;
            Wait($"the two sides could not be compared: {view.What ?? "the slave has moved on"}");
        }
    }

    /// <summary>Nobody changes anything, until the roles have changed or it is over.</summary>
    void Quiet(SwitchService.Place place)
    {
        IDisposable? frozen;
        Step("waiting until no file is open");
        while (true)
        {
            Errno result = place.Volume.Fs.FreezePfs(place.PfsId, out frozen);
            if (!result.IsError) break;
            if (result != Errno.NotEmpty) throw new SwitchFailedException($"{end.Options.Place} cannot rest: {result}");
            Wait($"files are open in {end.Options.Place} of {Box}");
        }
        using (frozen)
        {
            while (!TrySwap(place))
            {
            }
        }
        service.Director.Update();
    }

    bool TrySwap(SwitchService.Place place)
    {
        ulong tid = Drain(place);
        CompareOnce("comparing", full: false, tid);
        Step("handing the role over");
        Errno result = place.Volume.Fs.HandOverPfs(place.PfsId, tid, Guid.NewGuid(), end.Name);
        if (result == Errno.Again || result == Errno.NotEmpty || result == Errno.Busy)
        {
            Wait(result == Errno.NotEmpty ? $"files are open in {end.Options.Place} of {Box}"
                : $"{end.Options.Place} does not come to rest");
            return false;
        }
        if (result.IsError) throw new SwitchFailedException($"{end.Options.Place} cannot hand its role over: {result}");
        job.HandedAt(tid);
        return true;
    }

    /// <summary>The TID that both have, behind which nothing has changed here.</summary>
    ulong Drain(SwitchService.Place place)
    {
        Step("waiting until the other box has everything");
        while (true)
        {
            string what = $"{Peer} does not come to have everything";
            place.Volume.Fs.SyncAndWait();
            if (TryState(place, ref what) is { } state && state.FedBy == place.Pfs.UniqueUuid)
            {
                ulong tid = SwitchMessages.Tid(state.Tid);
                if (tid > 1 && tid <= place.Volume.Fs.DurableTid && !place.Volume.Fs.HasChanged(place.PfsId, tid))
                    return tid;
            }
            Wait(what);
        }
    }

    /// <summary>The loop of the service asks the other box; this only tells how it goes.</summary>
    void AwaitTaken(SwitchService.Place place)
    {
        job.Change(v => v with { Committed = true, To = Peer, Step = $"waiting for {Peer} to take the role" });
        service.Resume(end.Name);
        while (IsHandingOver(place))
        {
            if (Left + s_grace <= TimeSpan.Zero || !service.Pause(s_poll))
            {
                Finish(ok: false, $"{Peer} has not taken the role yet; it will when it answers, by itself");
                return;
            }
        }
        if (place.Pfs.IsSlave)
        {
            Finish(ok: true, null);
            return;
        }
        job.Change(static v => v with { Committed = false });
        Finish(ok: false, $"{Peer} could not become the master, {Box} is it again");
    }

    // ------------------------------------------------------------------ on the slave's box

    void Follow(SwitchService.Place place)
    {
        job.Step($"asking {Peer}");
        PeerSwitchReply begun = service.Ask(end, place.Pfs.SharedUuid, new PeerSwitch
        {
            Kind = PeerSwitchKind.Begin, Full = job.Request.Full, LimitSeconds = job.Request.LimitSeconds,
            To = job.Request.To,
        }, place.Volume.Gone);
        if (!begun.Ok || begun.View is not { } view)
            throw new SwitchFailedException(begun.Error ?? $"{Peer} gives no reason");
        int id = view.Id;
        while (!view.Done)
        {
            Took(view);
            if (!service.Pause(s_poll)) throw new SwitchFailedException($"{Box} is stopping");
            if (Left + (2 * s_grace) <= TimeSpan.Zero)
                throw new SwitchFailedException($"{Peer} has not said how it ended: ask again");
            view = Ask(place, id) ?? view;
        }
        Took(view);
        Finish(view.Ok, view.Error);
    }

    SwitchView? Ask(SwitchService.Place place, int id)
    {
        try
        {
            PeerSwitchReply reply = service.Ask(end, place.Pfs.SharedUuid,
                new PeerSwitch { Kind = PeerSwitchKind.View, Id = id }, place.Volume.Gone);
            if (reply.View is { } view) return view;
        }
        catch (IOException)
        {
            // It may be back soon; what has happened meanwhile shows here, too.
        }
        return place.Pfs.IsSlave ? null : job.View with { Done = true, Ok = true, Committed = true };
    }

    void Took(SwitchView view) => job.Change(v => v with
    {
        To = view.To ?? v.To, Step = view.Step, Committed = view.Committed, Tid = view.Tid ?? v.Tid,
    });
}
