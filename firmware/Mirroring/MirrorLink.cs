using System;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using NasFirmware.Cli;
using NasFirmware.Control;

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
        if (source is LocalSide from && target is LocalSide { CanLink: true } to) return RunLinked(from, to, stop);
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

    /// <summary>Both sides are here: the stream goes from process to process, and only events come by.</summary>
    static bool RunLinked(LocalSide source, LocalSide target, CancellationToken stop)
    {
        bool sent = false;
        using CancellationTokenRegistration abort = stop.Register(() =>
        {
            source.Abort();
            target.Abort();
        });
        try
        {
            string link = DataLink.NewPath();
            if (!RunStep(() => Step(() => target.Begin(link)), "target", stop)
                || !RunStep(() => Step(() => source.Begin(link)), "source", stop)) return false;
            var thread = new Thread(() => sent = RunStep(source.Follow, "source", stop))
            {
                IsBackground = true, Name = "mirror-source",
            };
            thread.Start();
            bool taken = RunStep(target.Follow, "target", stop);
            if (!thread.Join(TimeSpan.FromSeconds(taken ? PatienceSeconds : PatienceAfterFailureSeconds)))
            {
                source.Abort();
                thread.Join();
            }
            return sent && taken;
        }
        finally
        {
            source.End();
            target.End();
        }
    }

    static bool Step(Action step)
    {
        step();
        return true;
    }

    static Pipe NewPipe() => new(new PipeOptions(pauseWriterThreshold: PipeBytes,
        resumeWriterThreshold: PipeBytes / 2, minimumSegmentSize: 1 << 16, useSynchronizationContext: false));

    static bool RunSide(MirrorSide side, string name, Stream input, Stream output, CancellationToken stop)
    {
        try
        {
            return RunStep(() => side.Run(input, output), name, stop);
        }
        finally
        {
            output.Dispose();
            input.Dispose();
        }
    }

    static bool RunStep(Func<bool> step, string name, CancellationToken stop)
    {
        try
        {
            return step();
        }
        catch (Exception e) when (CommandLine.IsExpected(e)
            || e is ObjectDisposedException or InvalidOperationException)
        {
            if (!stop.IsCancellationRequested) CommandLine.Complain($"{name}: {e.Message}");
            return false;
        }
    }
}
