using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasLinux;

namespace NasCore.Fuse.Session;

/*
 * A session: the threads that serve one mount.
 *
 * Each transport has one worker, a loop of receive, dispatch, reply. The first one is used for INIT before the
 * others start. Requests are received into native buffers and reads are put straight into the reply buffer, so that
 * a message is copied by nobody but the kernel. A worker ends when its transport does: after umount, or when the
 * connection was aborted. What a parked request or an fsync still has to say then is dropped by the transport.
 *
 * Buffers: one request and one reply buffer a worker, one reply buffer for the parked, and ParkedBuffersMax request
 * buffers for parked writes; the latter come into being when needed. With all in use a worker waits: the kernel's
 * queue is then the place where requests wait.
 */

/// <summary>Serves one mount until it ends.</summary>
public sealed class FuseSession : IDisposable
{
    const int ParkedBuffersMax = 16;
    static readonly TimeSpan s_trimInterval = TimeSpan.FromSeconds(5);

    readonly IReadOnlyList<IFuseTransport> _transports;
    readonly FuseDispatcher _dispatcher;
    readonly RequestBuffers _buffers;
    readonly ParkingLot _parking;
    readonly RequestWatch _watch = new();
    readonly List<Thread> _workers = [];
    readonly Action<string> _log;
    readonly FuseNotifier _notifier;
    readonly TimeProvider _time;
    readonly int _rowsMax;
    long _trimmed;
    int _trimming;

    /// <param name="transports">One for each worker, the first also for INIT; owned by the session.</param>
    public FuseSession(IFileSystem fs, IReadOnlyList<IFuseTransport> transports, FuseLimits limits, TimeProvider time,
        Action<string> log, uint epoch)
    {
        _transports = transports;
        _log = log;
        _dispatcher = new FuseDispatcher(fs, limits, time, log, epoch);
        _buffers = new RequestBuffers(limits.RequestBytes, transports.Count + ParkedBuffersMax);
        _parking = new ParkingLot(fs, _dispatcher, _buffers);
        _notifier = new FuseNotifier(transports[0], _dispatcher.Nodes);
        _dispatcher.Notifier = _notifier;
        _time = time;
        _rowsMax = limits.NodeRowsMax;
    }

    public IFuseNotifier Notifier => _notifier;
    public FuseDispatcher Dispatcher => _dispatcher;
    /// <summary>Requests that had to wait for a flush so far.</summary>
    public long ParkedTotal => _parking.Total;
    public int ParkedNow => _parking.Waiting;

    /// <summary>
    /// Agrees with the kernel on the protocol, on this thread, then starts the workers. False if the mount ended
    /// before that; <see cref="IOException"/> if the kernel's protocol is not ours.
    /// </summary>
    public bool Start()
    {
        NativeSlab request = _buffers.Rent();
        using var reply = new NativeSlab(_dispatcher.Limits.ReplyBytes);
        while (!_dispatcher.Initialized)
        {
            int bytes = _transports[0].Receive(request.Span(0, _buffers.Bytes));
            if (bytes == 0) break;
            _dispatcher.Handle(_transports[0], request.Span(0, bytes), reply.Span(0, (int)reply.Length));
            if (_dispatcher.Refusal is { } refusal) throw new IOException("cannot serve the mount: " + refusal);
        }
        _buffers.Return(request);
        if (!_dispatcher.Initialized) return false;
        for (int i = 0; i < _transports.Count; i++)
        {
            IFuseTransport transport = _transports[i];
            var worker = new Thread(() => Work(transport)) { Name = $"fuse-{i}", IsBackground = true };
            _workers.Add(worker);
            worker.Start();
        }
        return true;
    }

    /// <summary>Waits until the mount has ended (all workers saw the end); false after the timeout.</summary>
    public bool WaitForEnd(TimeSpan? timeout = null)
    {
        foreach (Thread worker in _workers)
        {
            if (timeout is null) worker.Join();
            else if (!worker.Join(timeout.Value)) return false;
        }
        return true;
    }

    void Work(IFuseTransport transport)
    {
        NativeSlab request = _buffers.Rent();
        using var reply = new NativeSlab(_dispatcher.Limits.ReplyBytes);
        try
        {
            while (true)
            {
                _watch.Await(transport);
                int bytes = transport.Receive(request.Span(0, _buffers.Bytes));
                if (bytes == 0) break;
                if (!_dispatcher.Handle(transport, request.Span(0, bytes), reply.Span(0, (int)reply.Length)))
                    _parking.Park(transport, ref request, bytes);
                if (_dispatcher.Nodes.Rows > _rowsMax) Trim();
            }
        }
        catch (IOException exception)
        {
            _log($"a FUSE worker ends: {exception.Message}");
        }
        _buffers.Return(request);
    }

    /// <summary>
    /// Has the kernel drop what it remembers of views of the past. A thread of its own does it: the kernel may want a
    /// directory's lock for it that is held for a request which only the callers' threads can serve.
    /// </summary>
    void Trim()
    {
        if (Interlocked.Exchange(ref _trimming, 1) != 0) return;
        if (_trimmed != 0 && _time.GetElapsedTime(_trimmed) < s_trimInterval)
        {
            Volatile.Write(ref _trimming, 0);
            return;
        }
        new Thread(() =>
        {
            _notifier.InvalEntryPoints();
            _trimmed = _time.GetTimestamp();
            Volatile.Write(ref _trimming, 0);
        }) { Name = "fuse-trim", IsBackground = true }.Start();
    }

    /// <summary>
    /// Ends the session. The mount must be gone or aborted: a worker that still waits for requests after ten seconds
    /// is left behind with its memory. The file system must have called back for everything parked (its closing
    /// does that) or never call again.
    /// </summary>
    public void Dispose()
    {
        foreach (IFuseTransport transport in _transports) transport.Dispose();
        if (!WaitForEnd(TimeSpan.FromSeconds(10)))
        {
            _log("a FUSE worker does not end: the mount still exists");
            return;
        }
        _parking.Dispose();
        _buffers.Dispose();
    }
}
