using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using NasFirmware.Mirroring;

namespace NasFirmware.Cli;

/// <summary>The mirror verbs (mirroring-and-operations 4.7); mirror-dump is in a file of its own.</summary>
static class MirrorCommands
{
    const int ReconnectSeconds = 15;

    static readonly Argument<string> s_fs = new("filesystem")
    {
        Description = "A PFS: its softlink, or a directory in it.",
    };
    static readonly Argument<string?> s_begin = new("begin-tid")
    {
        Description = "Replaces the start of every batch.", Arity = ArgumentArity.ZeroOrOne,
    };
    static readonly Argument<string> s_source = new("source")
    {
        Description = "[[user@]host:]path of the PFS to read.",
    };
    static readonly Argument<string> s_target = new("target") { Description = "[[user@]host:]path of the slave PFS." };

    static readonly Option<bool> s_twoWay = new("-2") { Description = "Two-way protocol over stdin and stdout." };
    static readonly Option<bool> s_dialectA = new("--dialect-a") { Description = "Talk as release 2.0 did." };
    static readonly Option<bool> s_yes = new("-y") { Description = "Create a missing slave without asking." };
    static readonly Option<string?> s_bandwidth = new("-b") { Description = "Bytes a second, with k, m or g." };
    static readonly Option<int> s_delay = new("-i")
    {
        Description = "Least seconds between batches of a stream.", DefaultValueFactory = _ => 5,
    };
    static readonly Option<int> s_limit = new("-t") { Description = "End the batch at hand after so many seconds." };
    static readonly Option<string?> s_split = new("-S")
    {
        Description = "Split into batches of this size (default 4g).",
    };
    static readonly Option<bool> s_bulk = new("-B") { Description = "Do not split." };
    static readonly Option<string?> s_port = new("-p") { Description = "Port for ssh." };
    static readonly Option<bool> s_compress = new("-X") { Description = "ssh compresses (-C)." };
    static readonly Option<bool> s_verbose = CommonOptions.Verbose();

    static readonly Option[] s_readOptions =
        [s_twoWay, s_dialectA, s_bandwidth, s_delay, s_limit, s_split, s_bulk, s_yes];

    internal static Command[] Create() =>
    [
        With("mirror-read", "Write a mirror stream of a PFS to stdout.", p => Read(p, false), [s_fs, s_begin],
            s_readOptions),
        With("mirror-read-stream", "The same, going on as the PFS changes.", p => Read(p, true), [s_fs, s_begin],
            s_readOptions),
        With("mirror-write", "Read a mirror stream from stdin into a slave PFS.", Write, [s_fs],
            [s_twoWay, s_dialectA, s_yes]),
        With("mirror-copy", "Bring a slave PFS up to date.", p => Copy(p, false), [s_source, s_target], CopyOptions()),
        With("mirror-stream", "Keep a slave PFS up to date, for ever.", p => Copy(p, true), [s_source, s_target],
            CopyOptions()),
        MirrorDumpCommand.Create(),
    ];

    static Option[] CopyOptions() =>
        [s_dialectA, s_bandwidth, s_delay, s_limit, s_split, s_bulk, s_yes, s_port, s_compress];

    static Command With(string name, string description, Func<ParseResult, int> run, Argument[] arguments,
        Option[] options)
    {
        var command = new Command(name, description);
        foreach (Argument argument in arguments) command.Add(argument);
        foreach (Option option in options) command.Add(option);
        command.Add(s_verbose);
        command.SetAction(run);
        return command;
    }

    static MirrorSettings Settings(ParseResult parsed, bool stream, bool twoWay) => new()
    {
        TwoWay = twoWay, Stream = stream, DialectA = parsed.GetValue(s_dialectA), Yes = parsed.GetValue(s_yes),
        Verbose = CommonOptions.Count(parsed, s_verbose), Delay = Math.Max(0, parsed.GetValue(s_delay)),
        Bandwidth = parsed.GetValue(s_bandwidth) is { } rate ? Bytes("-b", rate) : 0,
        TimeLimit = Math.Max(0, parsed.GetValue(s_limit)), ChunkText = parsed.GetValue(s_split),
        ChunkBytes = parsed.GetValue(s_bulk) ? 0 : parsed.GetValue(s_split) is { } size ? Bytes("-S", size) : null,
        Begin = parsed.GetValue(s_begin) is { } begin ? TidText(begin) : null,
        Port = parsed.GetValue(s_port), Compress = parsed.GetValue(s_compress),
    };

    // Bytes without a suffix are allowed here, unlike in newfs.
    static long Bytes(string option, string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long plain) ? plain
            : CommonOptions.ParseSize(option, text);

    static string TidText(string begin) => NasCore.Primitives.Tid.Format(CommonOptions.ParseTid(begin));

    static int Read(ParseResult parsed, bool stream)
    {
        MirrorSettings settings = Settings(parsed, stream, parsed.GetValue(s_twoWay));
        string path = parsed.GetRequiredValue(s_fs);
        var progress = new MirrorProgress("Mirror-read", settings.Verbose, oneWayTarget: false);
        var side = new LocalSource(path, settings, progress);
        using Stream input = Console.OpenStandardInput();
        using Stream output = Console.OpenStandardOutput();
        if (!side.Run(input, output)) return Fail("Mirror-read", path, progress);
        Console.Error.WriteLine($"Mirror-read {path} succeeded");
        return 0;
    }

    static int Write(ParseResult parsed)
    {
        MirrorSettings settings = Settings(parsed, false, parsed.GetValue(s_twoWay));
        string path = parsed.GetRequiredValue(s_fs);
        var progress = new MirrorProgress("Mirror-write", settings.Verbose, oneWayTarget: !settings.TwoWay);
        var side = new LocalTarget(path, settings, progress);
        using Stream input = Console.OpenStandardInput();
        using Stream output = settings.TwoWay ? Console.OpenStandardOutput() : Stream.Null;
        if (!side.Run(input, output)) return Fail("Mirror-write", path, progress);
        if (settings.Verbose > 1) Console.Error.WriteLine($"Mirror-write {path} succeeded");
        return 0;
    }

    static int Fail(string what, string path, MirrorProgress progress)
    {
        CommandLine.Complain($"{what} {path}: {progress.Error}");
        return CommandLine.Failed;
    }

    // Differs: the original's mirror-copy exits 0 whatever happened.
    static int Copy(ParseResult parsed, bool stream)
    {
        MirrorSettings settings = Settings(parsed, stream, twoWay: true);
        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        while (true)
        {
            bool whole = CopyOnce(parsed, settings, stop.Token);
            if (stop.IsCancellationRequested) return CommandLine.Failed;
            if (!stream) return whole ? 0 : CommandLine.Failed;
            if (settings.Verbose > 0) Console.Error.WriteLine("\nLost Link");
            if (stop.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(ReconnectSeconds + settings.Delay)))
                return CommandLine.Failed;
        }
    }

    static bool CopyOnce(ParseResult parsed, MirrorSettings settings, CancellationToken stop)
    {
        var read = new MirrorProgress("Mirror-read", settings.Verbose, oneWayTarget: false);
        var write = new MirrorProgress("Mirror-write", Math.Max(0, settings.Verbose - 1), oneWayTarget: false);
        MirrorSide source = MirrorSide.Of(parsed.GetRequiredValue(s_source), true, settings, read);
        MirrorSide target = MirrorSide.Of(parsed.GetRequiredValue(s_target), false, settings, write);
        bool whole = MirrorLink.Run(source, target, stop);
        var errors = new List<string>();
        if (read.Error is { } readError) errors.Add("source: " + readError);
        if (write.Error is { } writeError) errors.Add("target: " + writeError);
        if (!stop.IsCancellationRequested) errors.ForEach(CommandLine.Complain);
        return whole;
    }
}
