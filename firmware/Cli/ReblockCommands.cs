using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>
/// reblock, reblock-btree, -inodes, -dirs, -data (mirroring-and-operations 6.2). The work is asked for in pieces of
/// 40 ms, so a time limit and an interrupt take effect at once and the rest can be done later.
/// </summary>
static class ReblockCommands
{
    static readonly Argument<string> s_path = new("filesystem")
    {
        Description = "A PFS: its softlink, or a directory in it.",
    };
    static readonly Argument<string?> s_fill = new("fill%")
    {
        Description = "Big-blocks filled less than this are emptied, 0 to 100 (default 100: everything moves).",
        Arity = ArgumentArity.ZeroOrOne,
    };
    static readonly Option<bool> s_all = new("-A") { Description = "All PFSs of the file system." };
    static readonly Option<string?> s_cycle = new("-c")
    {
        Description = "Cycle file: go on from there; save the place when stopped.",
    };
    static readonly Option<int> s_limit = new("-t") { Description = "Stop after so many seconds." };
    static readonly Option<bool> s_verbose = CommonOptions.Verbose();

    internal static Command[] Create() =>
    [
        With("reblock", "Empty big-blocks with holes by moving what is left in them.", "btree", "inodes", "dirs",
            "data"),
        With("reblock-btree", "The same for nodes of the B-Tree only.", "btree"),
        With("reblock-inodes", "The same for inodes, snapshots and configuration only.", "inodes"),
        With("reblock-dirs", "The same for directory entries and attributes only.", "dirs"),
        With("reblock-data", "The same for file data only.", "data"),
    ];

    static Command With(string name, string description, params string[] classes)
    {
        var command = new Command(name, description) { s_path, s_fill, s_all, s_cycle, s_limit, s_verbose };
        command.SetAction(parsed =>
        {
            using var stop = new CancellationTokenSource();
            using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
            {
                context.Cancel = true;
                stop.Cancel();
            });
            string path = parsed.GetRequiredValue(s_path);
            var run = new ReblockRun(path, classes)
            {
                Fill = FillOf(parsed.GetValue(s_fill)), AllPfs = parsed.GetValue(s_all),
                CycleFile = parsed.GetValue(s_cycle), Limit = parsed.GetValue(s_limit), Output = Console.Out,
                Progress = CommonOptions.Count(parsed, s_verbose) > 0 ? Console.Error : TextWriter.Null,
            };
            return run.Run(stop.Token);
        });
        return command;
    }

    static int FillOf(string? text)
    {
        if (text is null) return 100;
        return int.TryParse(text.TrimEnd('%'), NumberStyles.None, CultureInfo.InvariantCulture, out int fill)
            && fill <= 100 ? fill : throw new UsageException($"{text}: a fill level is a number from 0 to 100");
    }
}

/// <summary>One reblock through the control socket.</summary>
sealed class ReblockRun(string path, string[] classes)
{
    internal int Fill { get; init; } = 100;
    internal bool AllPfs { get; init; }
    internal string? CycleFile { get; init; }
    /// <summary>Seconds; 0 is unlimited.</summary>
    internal long Limit { get; init; }
    internal TextWriter Output { get; init; } = TextWriter.Null;
    internal TextWriter Progress { get; init; } = TextWriter.Null;

    ReblockReply _sum = new();
    long _shown;

    /// <summary>0 also when it was interrupted or the request failed, as hammer(8) does; what happened is
    /// printed.</summary>
    internal int Run(CancellationToken stop)
    {
        using PfsPath pfs = PfsPath.Open(path);
        var piece = new ReblockPiece { Classes = classes, Fill = Fill, AllPfs = AllPfs, Resume = ReadCycle(pfs) };
        RunBegin(pfs, piece);
        using var timer = new CancellationTokenSource();
        if (Limit > 0) timer.CancelAfter(TimeSpan.FromSeconds(Limit));
        string? failure = null;
        try
        {
            do
            {
                ReblockReply reply = pfs.Client.Post($"/pfs/{pfs.PfsId}/reblock",
                    JsonContent.Create(piece, ReblockJson.Default.ReblockPiece), ReblockJson.Default.ReblockReply);
                Count(reply);
                piece = piece with { Resume = reply.Next };
                if (reply.Errno != 0) failure = new Errno(reply.Errno).ToString();
            }
            while (!_sum.Done && failure is null && !stop.IsCancellationRequested && !timer.IsCancellationRequested);
        }
        catch (ControlException e)
        {
            failure = e.Message;
        }
        RunEnd(piece.Resume, failure);
        return 0;
    }

    void RunBegin(PfsPath pfs, ReblockPiece piece)
    {
        var key = new BaseElm { Localization = (uint)(AllPfs ? 0 : pfs.PfsId) << 16, ObjId = long.MinValue };
        if (piece.Resume is { } resume && KeyText.TryParse(resume, out BaseElm at)) key = at;
        Output.WriteLine($"reblock start {KeyText.Short(in key)}");
        int level = new ReblockRequest { FillPercent = Fill }.FreeLevel;
        Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"free level {level}/{HammerConst.BigBlockBytes}"));
        Output.Flush();
    }

    void Count(ReblockReply reply)
    {
        _sum = new ReblockReply
        {
            Done = reply.Done, Nodes = _sum.Nodes + reply.Nodes, NodeMoves = _sum.NodeMoves + reply.NodeMoves,
            Records = _sum.Records + reply.Records, RecordMoves = _sum.RecordMoves + reply.RecordMoves,
            Bytes = _sum.Bytes + reply.Bytes, ByteMoves = _sum.ByteMoves + reply.ByteMoves,
        };
        foreach (string complaint in reply.Complaints) Console.Error.WriteLine($"Reblock {path}: {complaint}");
        long now = Environment.TickCount64;
        if (now - _shown < 1000 && !reply.Done) return;
        _shown = now;
        Progress.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"at {reply.Next[..25]}: {_sum.NodeMoves}/{_sum.Nodes} nodes, {_sum.RecordMoves}/{_sum.Records} records, ")
            + string.Create(CultureInfo.InvariantCulture, $"{_sum.ByteMoves}/{_sum.Bytes} bytes"));
    }

    void RunEnd(string? at, string? failure)
    {
        if (failure is not null)
        {
            Output.WriteLine($"Reblock {path} failed: {failure}");
        }
        else if (_sum.Done)
        {
            Output.WriteLine($"Reblock {path} succeeded");
            if (CycleFile is not null) File.Delete(CycleFile);
        }
        else
        {
            string place = KeyText.TryParse(at!, out BaseElm key) ? KeyText.Short(in key) : at!;
            Output.WriteLine($"Reblock {path} interrupted by timer at {place}");
        }
        if (!_sum.Done && at is not null && CycleFile is not null) File.WriteAllText(CycleFile, at + "\n");
        Output.Write(string.Create(CultureInfo.InvariantCulture, $"""
            Reblocked:
                {_sum.NodeMoves}/{_sum.Nodes} B-Tree nodes
                {_sum.NodeMoves * HammerConst.NodeBytes}/{_sum.Nodes * HammerConst.NodeBytes} B-Tree bytes
                {_sum.RecordMoves}/{_sum.Records} data elements
                {_sum.ByteMoves}/{_sum.Bytes} data bytes

            """));
    }

    string? ReadCycle(PfsPath pfs)
    {
        if (CycleFile is null || !File.Exists(CycleFile)) return null;
        string text = File.ReadAllText(CycleFile).Trim();
        if (KeyText.TryParse(text, out BaseElm key) && (AllPfs || key.Localization >> 16 == pfs.PfsId)) return text;
        CommandLine.Complain($"{CycleFile}: not a place in PFS#{pfs.PfsId}; beginning anew");
        return null;
    }
}
