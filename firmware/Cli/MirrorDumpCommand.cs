using System;
using System.CommandLine;
using System.IO;
using NasCore.Mirror;
using NasCore.Ondisk;

namespace NasFirmware.Cli;

/// <summary>`mirror-dump [header]`: prints a mirror stream from stdin (mirroring-and-operations 4.7).</summary>
static class MirrorDumpCommand
{
    static readonly Argument<string?> s_header = new("header")
    {
        Description = "\"header\": only what the first header says of the PFS.", Arity = ArgumentArity.ZeroOrOne,
    };

    internal static Command Create()
    {
        var command = new Command("mirror-dump", "Print a mirror stream from stdin.") { s_header };
        command.SetAction(parsed =>
        {
            string? word = parsed.GetValue(s_header);
            if (word is not null && word != "header")
                throw new UsageException($"mirror-dump: {word} is not known, only header");
            using Stream input = Console.OpenStandardInput();
            return Dump(input, Console.Out, word is not null);
        });
        return command;
    }

    internal static int Dump(Stream input, TextWriter output, bool headerOnly)
    {
        var reader = new MrecordReader(new StreamChannel(input));
        bool any = false;
        while (reader.TryRead())
        {
            any = true;
            if (headerOnly && reader.Kind == MrecordType.Pfsd)
            {
                output.Write(PfsStatusText.Body(reader.Pfsd));
                return 0;
            }
            if (MirrorDump.Text(reader) is { } text) output.Write(text + "\n");
        }
        if (headerOnly) throw new IOException(any ? "the stream holds no header" : "the stream is empty");
        return 0;
    }

    sealed class StreamChannel(Stream stream) : IByteChannel
    {
        public int Read(Span<byte> destination) => stream.Read(destination);
        public void Write(ReadOnlySpan<byte> source) => throw new NotSupportedException();
    }
}
