using System;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using NasFirmware.Cli;

namespace NasFirmware.Mirroring;

/// <summary>
/// Runs a source and a target against each other. The first that ends closes what it wrote to; the other one notices,
/// or is ended after a while.
/// </summary>
static class MirrorLink
{
    const int PipeBytes = 4 << 20;
    /// <summary>
    /// A source that is done needs a moment to see its last UPDATE; one whose target failed gets less.
    /// </summary>
    const int PatienceSeconds = 30, PatienceAfterFailureSeconds = 2;

    /// <summary>True if both ended as they should; otherwise the reasons are printed.</summary>
    internal static bool Run(MirrorSide source, MirrorSide target, CancellationToken stop)
    {
        Pipe there = NewPipe(), back = NewPipe();
        using CancellationTokenRegistration abort = stop.Register(() =>
        {
            source.Abort();
            target.Abort();
        });
        bool sent = false;
        var thread = new Thread(() =>
            sent = RunSide(source, "source", back.Reader.AsStream(), there.Writer.AsStream(), stop))
        {
            IsBackground = true, Name = "mirror-source",
        };
        thread.Start();
        bool taken = RunSide(target, "target", there.Reader.AsStream(), back.Writer.AsStream(), stop);
        if (!thread.Join(TimeSpan.FromSeconds(taken ? PatienceSeconds : PatienceAfterFailureSeconds)))
        {
            source.Abort();
            thread.Join();
        }
        return sent && taken;
    }

    static Pipe NewPipe() => new(new PipeOptions(pauseWriterThreshold: PipeBytes,
        resumeWriterThreshold: PipeBytes / 2, minimumSegmentSize: 1 << 16, useSynchronizationContext: false));

    static bool RunSide(MirrorSide side, string name, Stream input, Stream output, CancellationToken stop)
    {
        try
        {
            return side.Run(input, output);
        }
        catch (Exception e) when (CommandLine.IsExpected(e)
            || e is ObjectDisposedException or InvalidOperationException)
        {
            if (!stop.IsCancellationRequested) CommandLine.Complain($"{name}: {e.Message}");
            return false;
        }
        finally
        {
            output.Dispose();
            input.Dispose();
        }
    }
}
