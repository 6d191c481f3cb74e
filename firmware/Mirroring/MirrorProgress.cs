using System;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using NasFirmware.Cli;
using NasFirmware.Control;

namespace NasFirmware.Mirroring;

/// <summary>What the mirror verbs print (mirroring-and-operations 4.7), and how their session ended.</summary>
sealed class MirrorProgress(string name, int verbose, bool oneWayTarget)
{
    readonly Lock _lock = new();
    bool _line;

    /// <summary>Why the session failed; null so far.</summary>
    internal string? Error { get; private set; }

    internal void Show(MirrorEvent e)
    {
        lock (_lock)
        {
            switch (e.Kind)
            {
                case "batch": ShowBatch(e); break;
                case "bad":
                    Line($"data of record {e.Obj} are damaged at the source; the target keeps what it has");
                    break;
                case "resumed" when verbose > 0:
                    Line($"{name}: {Hex(e.Begin)} to {Hex(e.End)} goes on at obj={e.Obj}");
                    break;
                case "restart":
                    Line($"{name}: cannot go on inside the batch that broke: {e.Obj}");
                    break;
                case "scan" when verbose > 0: Line($"{name}: Mirror {Hex(e.Begin)} to {Hex(e.End)}"); break;
                case "wait" when verbose > 0: Console.Error.Write(" W"); break;
                case "delay" when verbose > 0: Console.Error.Write("\bD"); break;
                case "split" when verbose > 0:
                    Line(string.Create(CultureInfo.InvariantCulture,
                        $"Prescan {e.Chunks} chunks, total {e.Bytes >> 20} MBytes"));
                    break;
                case "progress" when verbose > 0:
                    Console.Error.Write($"\rscan obj={e.Obj} tids={Hex(e.Begin)}:{Hex(e.End)} {e.Bytes,11}");
                    _line = true;
                    break;
            }
        }
    }

    void ShowBatch(MirrorEvent e)
    {
        if (oneWayTarget && e.Outcome == "synced")
        {
            Console.Out.WriteLine($"Source can update synctid to {e.End}");
            Console.Out.Flush();
        }
        if (verbose == 0) return;
        if (e.Outcome == "idle") Line($"{name}: No work to do");
        if (e.Outcome != "synced") return;
        string nodes = verbose > 1 && e.Nodes > 0
            ? string.Create(CultureInfo.InvariantCulture, $", {e.Nodes} nodes visited") : "";
        Line(string.Create(CultureInfo.InvariantCulture,
            $"{name}: completed {Hex(e.End)}: {e.Records} records, {e.Bytes} bytes") + nodes);
    }

    /// <summary>Takes the result; true if it is a success.</summary>
    internal bool Ended(MirrorResult result)
    {
        lock (_lock)
        {
            if (_line) Console.Error.WriteLine();
            _line = false;
            if (!result.Ok) Error = result.Error ?? "failed";
            return result.Ok;
        }
    }

    // Starts a new line if the progress line is shown.
    void Line(string text)
    {
        if (_line) Console.Error.WriteLine();
        _line = false;
        Console.Error.WriteLine(text);
    }

    /// <summary>Asks on the terminal; no terminal is a no.</summary>
    internal bool Ask(string question)
    {
        try
        {
            using var terminal = new FileStream("/dev/tty", FileMode.Open, FileAccess.ReadWrite);
            terminal.Write(Encoding.UTF8.GetBytes(question));
            terminal.Flush();
            return terminal.ReadByte() is 'y' or 'Y';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            lock (_lock) Line($"{question.TrimEnd()}: there is no terminal to ask on, use -y");
            return false;
        }
    }

    static string Hex(string? tid) => tid is null ? new string('0', 16)
        : CommonOptions.ParseTid(tid).ToString("x16", CultureInfo.InvariantCulture);
}
