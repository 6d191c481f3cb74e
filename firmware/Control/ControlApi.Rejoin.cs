using System;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using NasCore;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Cli;

namespace NasFirmware.Control;

/// <summary>The return of a former master; without Go only what it would lose is told.</summary>
/// <param name="Promotion">The new master's promotion, as pfs-status shows it.</param>
/// <param name="Go">Do it.</param>
sealed record RejoinRequest(string Promotion, bool Go);

/// <summary>What the PFS has behind the last common TID, or had; why it cannot return, or null.</summary>
sealed record RejoinReply(long Records, long Bytes, long Objects, string EndTid, string? Refusal);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(RejoinRequest))]
[JsonSerializable(typeof(RejoinReply))]
sealed partial class RejoinJson : JsonSerializerContext;

// The return of a former master.
static partial class ControlApi
{
    static void MapRejoin(WebApplication app, HammerFs fs) =>
        app.MapPost("/pfs/{id:int}/rejoin", Handle(async c => Reply(
            Rejoin(fs, Id(c), await Body(c, RejoinJson.Default.RejoinRequest)), RejoinJson.Default.RejoinReply)));

    static RejoinReply Rejoin(HammerFs fs, int id, RejoinRequest request)
    {
        if (!PromotionMark.TryParse(request.Promotion, out PromotionMark mark))
            throw new UsageException($"'{request.Promotion}' is no promotion: it is END:FIRST:UUID, shown by "
                + "pfs-status of the new master");
        string end = Tid.Format(mark.EndTid);
        if (fs.RejoinRefusal(id, mark) is { } refusal) return new RejoinReply(0, 0, 0, end, refusal);
        RejoinLoss loss = fs.LossBehind(id, mark.EndTid);
        var reply = new RejoinReply(loss.Records, loss.Bytes, loss.Objects, end, null);
        if (!request.Go) return reply;
        Errno result = fs.RejoinPfs(id, mark, Guid.NewGuid(), out string late);
        if (late.Length > 0) return reply with { Refusal = late };
        Require(result, "pfs-rejoin");
        return reply;
    }
}
