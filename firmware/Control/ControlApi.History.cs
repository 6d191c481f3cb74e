using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using NasCore;
using NasCore.Maintenance;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Cli;

namespace NasFirmware.Control;

// Snapshots, configuration records, prune.
static partial class ControlApi
{
    /// <summary>Longest piece of a prune that one request does.</summary>
    const int PruneMillisecondsMax = 10_000;
    const int PruneMilliseconds = 40;

    static void MapHistory(WebApplication app, HammerFs fs)
    {
        HistoryJson json = HistoryJson.Default;
        app.MapGet("/pfs", Handle(_ => Reply(new PfsIdsReply([.. fs.PfsIds()]), json.PfsIdsReply)));
        app.MapGet("/pfs/{id:int}/snapshots", Handle(c => Reply(Snapshots(fs, Id(c)), json.SnapshotsReply)));
        app.MapPost("/pfs/{id:int}/snapshots", Handle(async c => Reply(
            AddSnapshot(fs, Id(c), await Body(c, json.SnapshotRequest)), ControlJson.Default.TidReply)));
        app.MapPost("/pfs/{id:int}/snapshots/remove", Handle(async c => Reply(
            RemoveSnapshot(fs, Id(c), await Body(c, json.SnapshotRemoval)), ControlJson.Default.TidReply)));
        app.MapPost("/pfs/{id:int}/snapshot-tid", Handle(c =>
        {
            Require(fs.SnapshotTid(Id(c), out ulong tid), "synctid");
            return Reply(new TidReply(Tid.Format(tid)), ControlJson.Default.TidReply);
        }));
        app.MapGet("/pfs/{id:int}/config", Handle(c => Reply(ReadConfig(fs, Id(c)), json.ConfigReply)));
        app.MapPost("/pfs/{id:int}/config", Handle(async c =>
        {
            ConfigRequest request = await Body(c, json.ConfigRequest);
            Require(fs.WriteConfig(Id(c), request.Text), "storing the configuration");
            return Reply(new ConfigReply(request.Text), json.ConfigReply);
        }));
        app.MapPost("/pfs/{id:int}/prune", Handle(async c => Reply(
            Prune(fs, Id(c), await Body(c, json.PruneRequest), c.RequestAborted), json.PruneReply)));
    }

    static SnapshotsReply Snapshots(HammerFs fs, int id) =>
        new([.. fs.Snapshots(id).Select(s => new SnapshotItem(Tid.Format(s.Tid), (long)s.TimeMicros, s.Label))]);

    static TidReply AddSnapshot(HammerFs fs, int id, SnapshotRequest request)
    {
        ulong tid;
        if (request.Tid is { } given) tid = CommonOptions.ParseTid(given);
        else Require(fs.SnapshotTid(id, out tid), "making the state durable");
        Require(fs.AddSnapshot(id, tid, request.Label ?? ""), $"registering {Tid.Format(tid)}");
        return new TidReply(Tid.Format(tid));
    }

    static TidReply RemoveSnapshot(HammerFs fs, int id, SnapshotRemoval request)
    {
        ulong tid = CommonOptions.ParseTid(request.Tid);
        Require(fs.RemoveSnapshot(id, tid), $"removing {Tid.Format(tid)}");
        return new TidReply(Tid.Format(tid));
    }

    static ConfigReply ReadConfig(HammerFs fs, int id) =>
        new(fs.ReadConfig(id, out string text) == Errno.None ? text : null);

    static PruneReply Prune(HammerFs fs, int id, PruneRequest request, CancellationToken stop)
    {
        fs.TryGetPfs(id, out PseudofsData pfs);
        var moments = new List<KeptMoment>();
        foreach (PruneMoment? link in request.Softlinks ?? [])
        {
            if (link is null) throw new UsageException("a softlink without a TID");
            moments.Add(new KeptMoment(CommonOptions.ParseTid(link.Tid),
                DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(link.Seconds, 0, uint.MaxValue))));
        }
        foreach (SnapshotEntry s in fs.Snapshots(id))
            moments.Add(new KeptMoment(s.Tid, DateTimeOffset.FromUnixTimeSeconds(
                (long)Math.Min(s.TimeMicros / 1_000_000, uint.MaxValue))));
        PruneRule? rule = request.Everything ? PruneRule.Everything()
            : PruneRule.OfSnapshots(moments, TimeSpan.FromSeconds(pfs.PruneMin), fs.Now);
        string[] kept = [.. moments.Select(m => m.Tid).Where(t => t != 0).Distinct().Order().Select(Tid.Format)];
        if (rule is null) return new PruneReply { Possible = false, Kept = kept, PruneMin = pfs.PruneMin };
        if (request.Limit is { } limit) rule = rule.Capped(CommonOptions.ParseTid(limit));
        BaseElm? resume = request.Resume is not { } text ? null
            : KeyText.TryParse(text, out BaseElm key) ? key : throw new UsageException($"{text}: not a resume key");
        Require(fs.OpenPrune(id, rule, resume, out Prune? prune), "prune");
        var budget = new StepBudget
        {
            TimeMax = TimeSpan.FromMilliseconds(Math.Clamp(request.Milliseconds ?? PruneMilliseconds, 1,
                PruneMillisecondsMax)),
        };
        StepEnd end = prune!.Step(in budget, stop);
        if (end is StepEnd.NoSpace or StepEnd.Failed) Require(end == StepEnd.NoSpace ? Errno.NoSpc : Errno.Io, "prune");
        BaseElm next = prune.Next;
        return new PruneReply
        {
            Possible = true, Kept = kept, Limit = Tid.Format(prune.Rule.Limit), PruneMin = pfs.PruneMin,
            Done = end == StepEnd.Done, Next = KeyText.Format(in next), Scanned = prune.RecordsLooked,
            Records = prune.RecordsRemoved, Entries = prune.EntriesRemoved, Bytes = prune.BytesChanged,
            Held = prune.RecordsHeld, Damaged = prune.Damaged,
        };
    }
}
