using System;
using System.Globalization;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using NasCore;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Cli;
using NasFirmware.Identity;

namespace NasFirmware.Control;

/// <summary>
/// Mirror sessions over the control socket: the connection is upgraded and then carries frames. A session runs on a
/// thread of its own until the stream ends or the client goes. With a <see cref="DataLink"/> the frames carry events
/// and the result only.
/// </summary>
static class ControlMirror
{
    internal static Task Source(HttpContext context, HammerFs fs, TimeProvider time, MirrorSessions sessions) =>
        Upgrade(context, sessions, (channel, watcher, stop) =>
        {
            IQueryCollection query = context.Request.Query;
            var options = new MirrorSourceOptions
            {
                TwoWay = Flag(query, "twoWay"), Stream = Flag(query, "stream"),
                Dialect = Flag(query, "dialectA") ? MirrorDialect.A : MirrorDialect.B,
                Delay = TimeSpan.FromSeconds(Number(query, "delay") ?? 5),
                TimeLimit = TimeSpan.FromSeconds(Number(query, "limit") ?? 0),
                ForcedBegin = query["begin"].ToString() is { Length: > 0 } begin ? CommonOptions.ParseTid(begin) : null,
                ForcedEnd = query["end"].ToString() is { Length: > 0 } end ? CommonOptions.ParseTid(end) : null,
                ChunkBytes = Number(query, "chunk") ?? 4L << 30,
            };
            IByteChannel output = Number(query, "bandwidth") is { } rate and > 0
                ? new PacedChannel(channel, new BandwidthLimiter(rate, time), time, stop) : channel;
            // A stream has somebody at its other end who wants to be close behind.
            using IDisposable? listens = options.Stream && !fs.IsReadOnly ? fs.Listen() : null;
            IMirrorSource source = KeyGuard.Of(fs, Pfs(query), fs.Volumes.Label);
            new MirrorSourceSession(output, source, options, time, watcher).Run(stop);
            return true;
        });

    internal static Task Target(HttpContext context, HammerFs fs, MirrorSessions sessions) =>
        Upgrade(context, sessions, (channel, watcher, stop) =>
        {
            IQueryCollection query = context.Request.Query;
            var options = new MirrorOptions
            {
                TwoWay = Flag(query, "twoWay"), Dialect = Flag(query, "dialectA") ? MirrorDialect.A : MirrorDialect.B,
            };
            int pfs = Pfs(query);
            HammerFs.MirrorTargetLease? lease = null;
            try
            {
                return new MirrorTargetSession(channel, ident => (lease = OpenTarget(fs, pfs, in ident)).Target,
                    options, watcher).Run();
            }
            finally
            {
                lease?.Dispose();
            }
        });

    /// <param name="fs">The file system.</param>
    /// <param name="pfsId">The PFS to write to.</param>
    /// <param name="ident">What the source says of itself, if it has spoken: the way out may depend on it.</param>
    static HammerFs.MirrorTargetLease OpenTarget(HammerFs fs, int pfsId, in PseudofsData ident)
    {
        Errno result = fs.OpenMirrorTarget(pfsId, out HammerFs.MirrorTargetLease? lease);
        if (result == Errno.Busy)
            throw new MirrorRefusedException(null, "another mirror-write is at work on this PFS");
        if (result == Errno.RoFs && fs.TryGetPfs(pfsId, out PseudofsData own) && !own.IsSlave)
        {
            MirrorPlan plan = ident.SharedUuid == Guid.Empty ? new MirrorPlan.TargetIsMaster()
                : MirrorPlan.Of(PfsState.Of(ident), PfsState.Of(own));
            throw new MirrorRefusedException(plan, plan.Sentence);
        }
        if (result.IsError) throw new MirrorRefusedException(null, $"the PFS cannot be written to: {result}");
        return lease!;
    }

    static int Pfs(IQueryCollection query) => (int)(Number(query, "pfs") ?? throw new UsageException("pfs is missing"));

    static bool Flag(IQueryCollection query, string name) => query[name] == "1";

    static long? Number(IQueryCollection query, string name) =>
        long.TryParse(query[name].ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out long n) ? n : null;

    static async Task Upgrade(HttpContext context, MirrorSessions sessions,
        Func<IByteChannel, MirrorWatcher, CancellationToken, bool> session)
    {
        IHttpUpgradeFeature? upgrade = context.Features.Get<IHttpUpgradeFeature>();
        if (upgrade is not { IsUpgradableRequest: true } || context.Request.Headers.Upgrade != ControlApi.MirrorUpgrade)
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            return;
        }
        if (!sessions.TryEnter())
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }
        try
        {
            using DataLink? link = LinkOf(context.Request.Query);
            await UpgradeRun(context, upgrade, link, session, sessions.Stop);
        }
        catch (IOException e) when (!context.Response.HasStarted)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsJsonAsync(new ErrorReply(Errno.Io.Value, e.Message),
                ControlJson.Default.ErrorReply);
        }
        finally
        {
            sessions.Leave();
        }
    }

    static DataLink? LinkOf(IQueryCollection query)
    {
        if (query["listen"].ToString() is { Length: > 0 } listen) return DataLink.Listen(listen);
        return query["connect"].ToString() is { Length: > 0 } connect ? DataLink.Connect(connect) : null;
    }

    static async Task UpgradeRun(HttpContext context, IHttpUpgradeFeature upgrade, DataLink? link,
        Func<IByteChannel, MirrorWatcher, CancellationToken, bool> session, CancellationToken closing)
    {
        context.Response.Headers.Upgrade = ControlApi.MirrorUpgrade;
        using Stream stream = await upgrade.UpgradeAsync();
        CancellationToken gone = context.Features.Get<IConnectionLifetimeFeature>()?.ConnectionClosed ?? default;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(gone, context.RequestAborted, closing);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool events = context.Request.Query["events"] == "1";
        var thread = new Thread(() =>
        {
            try
            {
                using var frames = new MirrorFrames(stream);
                RunSession(new FrameChannel(frames), link, events, session, stop.Token);
                done.SetResult();
            }
            catch (Exception e)
            {
                // One of the four places where every exception ends: it goes on in the request that waits.
                done.SetException(e);
            }
        })
        {
            IsBackground = true, Name = "nashammer-mirror",
        };
        thread.Start();
        await done.Task;
    }

    static void RunSession(FrameChannel channel, DataLink? link, bool events,
        Func<IByteChannel, MirrorWatcher, CancellationToken, bool> session, CancellationToken stop)
    {
        MirrorResult result;
        try
        {
            link?.Open(stop);
            bool whole = session(link ?? (IByteChannel)channel, new EventWatcher(channel, events), stop);
            result = new MirrorResult(whole, whole ? null
                : "the source ended the stream inside a batch; it is not committed");
        }
        catch (Exception e) when (CommandLine.IsExpected(e))
        {
            result = new MirrorResult(false, e.Message);
        }
        // The other side learns from this that nothing more comes.
        link?.Dispose();
        try
        {
            channel.Send(FrameKind.Result, result, ControlJson.Default.MirrorResult);
        }
        catch (IOException)
        {
            // The client has gone; there is nobody to tell.
        }
    }

    /// <summary>Tells the client what happens; progress at most twice a second.</summary>
    sealed class EventWatcher(FrameChannel channel, bool progress) : MirrorWatcher
    {
        MirrorRange _range;
        long _last;

        public override void ScanBegins(MirrorRange range)
        {
            _range = range;
            if (progress) Send("scan", range);
        }

        public override void Progress(long objId, long bytes)
        {
            if (!progress) return;
            long now = Environment.TickCount64;
            if (now - _last < 500) return;
            _last = now;
            channel.Send(FrameKind.Event, new MirrorEvent
            {
                Kind = "progress", Begin = Tid.Format(_range.Begin), End = Tid.Format(_range.End), Bytes = bytes,
                Obj = objId.ToString("x16", CultureInfo.InvariantCulture),
            }, ControlJson.Default.MirrorEvent);
        }

        public override void BatchEnded(in MirrorBatch batch) => channel.Send(FrameKind.Event, new MirrorEvent
        {
            Kind = "batch", Begin = Tid.Format(batch.Range.Begin), End = Tid.Format(batch.Range.End),
            Bytes = batch.Bytes, Records = batch.Recs + batch.Passes + batch.Skips, Nodes = batch.NodesVisited,
            Outcome = batch.End switch
            {
                MirrorBatchEnd.Synced => "synced", MirrorBatchEnd.Idle => "idle", _ => "broken",
            },
        }, ControlJson.Default.MirrorEvent);

        public override void Resumed(MirrorRange range, BaseElm key) => channel.Send(FrameKind.Event, new MirrorEvent
        {
            Kind = "resumed", Begin = Tid.Format(range.Begin), End = Tid.Format(range.End),
            Obj = key.ObjId.ToString("x16", CultureInfo.InvariantCulture),
        }, ControlJson.Default.MirrorEvent);

        public override void ResumeRefused(string reason) => channel.Send(FrameKind.Event,
            new MirrorEvent { Kind = "restart", Obj = reason }, ControlJson.Default.MirrorEvent);

        public override void Waiting() => Send("wait", _range);
        public override void Delaying() => Send("delay", _range);

        public override void Split(int chunks, long bytes) => channel.Send(FrameKind.Event,
            new MirrorEvent { Kind = "split", Chunks = chunks, Bytes = bytes }, ControlJson.Default.MirrorEvent);

        public override void BadData(in LeafElm leaf) => channel.Send(FrameKind.Event, new MirrorEvent
        {
            Kind = "bad", Obj = leaf.Base.ToString(),
        }, ControlJson.Default.MirrorEvent);

        void Send(string kind, MirrorRange range) => channel.Send(FrameKind.Event, new MirrorEvent
        {
            Kind = kind, Begin = Tid.Format(range.Begin), End = Tid.Format(range.End),
        }, ControlJson.Default.MirrorEvent);
    }
}
