using System;
using System.Collections.Generic;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using NasCore;
using NasCore.Maintenance;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Cli;

namespace NasFirmware.Control;

// Reblocking in pieces.
static partial class ControlApi
{
    /// <summary>Longest piece of a reblock that one request does.</summary>
    const int ReblockMillisecondsMax = 10_000;

    static void MapReblock(WebApplication app, HammerFs fs) =>
        app.MapPost("/pfs/{id:int}/reblock", Handle(async c => Reply(Reblock(fs, Id(c),
            await Body(c, ReblockJson.Default.ReblockPiece), c.RequestAborted), ReblockJson.Default.ReblockReply)));

    static ReblockReply Reblock(HammerFs fs, int id, ReblockPiece piece, CancellationToken stop)
    {
        var request = new ReblockRequest
        {
            PfsId = id, AllPfs = piece.AllPfs, FillPercent = piece.Fill, Classes = ReblockClassesOf(piece.Classes),
            From = piece.Resume is { } text ? ReblockKey(text) : null,
        };
        Require(fs.OpenReblock(request, out Reblock? reblock), "reblock");
        using (reblock)
        {
            var budget = new StepBudget
            {
                TimeMax = TimeSpan.FromMilliseconds(Math.Clamp(piece.Milliseconds, 1, ReblockMillisecondsMax)),
            };
            StepEnd end = fs.RunReblock(reblock!, in budget, stop, settle: true);
            return ReblockReplyOf(reblock!, end);
        }
    }

    static ReblockReply ReblockReplyOf(Reblock reblock, StepEnd end)
    {
        var complaints = new List<string>();
        while (reblock.TryTakeComplaint(out string complaint)) complaints.Add(complaint);
        BaseElm next = reblock.Position;
        Errno error = end switch
        {
            StepEnd.NoSpace => Errno.NoSpc, StepEnd.Failed => Errno.Io, _ => Errno.None,
        };
        return new ReblockReply
        {
            Done = end == StepEnd.Done, Errno = error.Value, Next = KeyText.Format(in next),
            Nodes = reblock.Stats.BTreeCount, NodeMoves = reblock.Stats.BTreeMoves,
            Records = reblock.Stats.DataCount, RecordMoves = reblock.Stats.DataMoves,
            Bytes = reblock.Stats.DataByteCount, ByteMoves = reblock.Stats.DataByteMoves,
            Complaints = [.. complaints],
        };
    }

    /// <summary>A key of the short form stands for the begin of its object.</summary>
    static BaseElm ReblockKey(string text)
    {
        if (!KeyText.TryParse(text, out BaseElm key)) throw new UsageException($"{text}: not a resume key");
        if (key.RecTypeRaw != 0xFFFF || key.CreateTid != Tid.Max) return key;
        key.RecTypeRaw = 0;
        key.Key = long.MinValue;
        key.CreateTid = 1;
        return key;
    }

    static ReblockClasses ReblockClassesOf(string[] names)
    {
        ReblockClasses classes = ReblockClasses.None;
        foreach (string name in names)
        {
            classes |= name switch
            {
                "btree" => ReblockClasses.BTree, "inodes" => ReblockClasses.Inodes, "dirs" => ReblockClasses.Dirs,
                "data" => ReblockClasses.Data, _ => throw new UsageException($"{name}: no class of reblock"),
            };
        }
        return classes;
    }
}
