using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasFirmware.Mirroring;

namespace NasCampaign.Simulation;

/// <summary>How a link dies.</summary>
enum CutKindOfLink
{
    /// <summary>Both ends learn of it at once.</summary>
    Reset,
    /// <summary>Neither learns of it: nothing arrives any more.</summary>
    Silent,
}

/// <summary>
/// The links between the boxes: up or down, with a delay, and connections that may be cut at any byte.
/// </summary>
sealed class SimNetwork(SimScheduler scheduler)
{
    readonly List<SimConnection> _all = [];

    internal SimScheduler Scheduler => scheduler;
    internal TimeSpan Delay { get; set; } = TimeSpan.FromMilliseconds(2);
    /// <summary>Pairs of boxes that cannot reach each other now.</summary>
    internal HashSet<(string, string)> Down { get; } = [];
    /// <summary>Gives the number of bytes after which a new connection is cut; null: it is not.</summary>
    internal Func<long>? CutNext { get; set; }
    internal CutKindOfLink CutAs { get; set; }
    internal long Cuts { get; set; }
    internal long Connections { get; private set; }
    /// <summary>Bytes that each box has taken from its connections.</summary>
    internal Dictionary<string, long> Arrived { get; } = new(StringComparer.Ordinal);

    internal bool IsDown(string a, string b) => Down.Contains((a, b)) || Down.Contains((b, a));

    /// <summary>A connection from a box to a living one; <see cref="IOException"/> if there is no way.</summary>
    internal SimConnection Connect(SimBox from, SimBox to, CancellationToken stop)
    {
        if (IsDown(from.Name, to.Name) || !to.IsUp)
        {
            TimeSpan patience = TimeSpan.FromSeconds(1 + scheduler.Random.Next(15));
            scheduler.Block(() => stop.IsCancellationRequested, scheduler.Now + patience.Ticks, "dial");
            throw new IOException($"{to.Name} does not answer");
        }
        scheduler.Sleep(Delay * 3, "dial");
        if (!to.IsUp || IsDown(from.Name, to.Name)) throw new IOException($"{to.Name} does not answer");
        var connection = new SimConnection(this, from.Name, to.Name)
        {
            BytesLeft = CutNext?.Invoke() ?? long.MaxValue, CutAs = CutAs,
        };
        _all.RemoveAll(c => c.IsOver);
        _all.Add(connection);
        Connections++;
        return connection;
    }

    /// <summary>The cable is pulled: connections only fall silent.</summary>
    internal void Pull(string a, string b)
    {
        Down.Add((a, b));
        foreach (SimConnection connection in _all)
            if (connection.IsBetween(a, b)) connection.Cut(CutKindOfLink.Silent);
    }

    internal void Plug(string a, string b)
    {
        Down.Remove((a, b));
        Down.Remove((b, a));
    }

    internal void CutAll(CutKindOfLink kind)
    {
        foreach (SimConnection connection in _all) connection.Cut(kind);
    }

    /// <summary>A box is gone: with its power (silently) or only its program (the kernel hangs up).</summary>
    internal void BoxGone(string name, bool power)
    {
        foreach (SimConnection connection in _all)
            if (connection.IsOf(name)) connection.Cut(power ? CutKindOfLink.Silent : CutKindOfLink.Reset);
    }
}

/// <summary>A connection with two ends; bytes arrive after the network's delay, in order.</summary>
sealed class SimConnection
{
    const int WindowBytes = 96 << 10;

    readonly SimNetwork _network;
    readonly string _from, _to;
    bool _reset;

    internal SimConnection(SimNetwork network, string from, string to)
    {
        _network = network;
        _from = from;
        _to = to;
        var there = new Half();
        var back = new Half();
        Near = new End(this, from, there, back);
        Far = new End(this, to, back, there);
    }

    internal Stream Near { get; }
    internal Stream Far { get; }
    /// <summary>Bytes, in both directions together, after which it is cut.</summary>
    internal long BytesLeft { get; set; } = long.MaxValue;
    internal CutKindOfLink CutAs { get; set; }
    internal bool IsSilent { get; private set; }
    internal bool IsOver => _reset || (((End)Near).IsDisposed && ((End)Far).IsDisposed);
    internal bool IsOf(string name) => _from == name || _to == name;
    internal bool IsBetween(string a, string b) => IsOf(a) && IsOf(b);

    internal void Cut(CutKindOfLink kind)
    {
        if (_reset || IsSilent) return;
        if (kind == CutKindOfLink.Reset) _reset = true;
        else IsSilent = true;
    }

    sealed class Half
    {
        internal readonly Queue<(long At, byte[] Bytes)> Pieces = new();
        internal int Done;
        internal long Queued;
        internal bool Ended;
    }

    sealed class End(SimConnection connection, string box, Half output, Half input) : Stream
    {
        internal bool IsDisposed { get; private set; }
        SimScheduler Scheduler => connection._network.Scheduler;

        public override bool CanRead => true;
        public override bool CanWrite => true;
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        bool IsThere => input.Pieces.TryPeek(out (long At, byte[]) piece) && piece.At <= Scheduler.Now;
        long NextAt => input.Pieces.TryPeek(out (long At, byte[]) piece) ? piece.At : SimScheduler.Never;
        bool CanGoOn => IsDisposed || connection._reset || IsThere || (input.Ended && input.Pieces.Count == 0);

        public override int Read(Span<byte> destination)
        {
            while (!CanGoOn)
            {
                // Bytes that are sent only now are waited for in their turn: they arrive when they arrive.
                bool isEmpty = input.Pieces.Count == 0;
                Scheduler.Block(() => CanGoOn || (isEmpty && input.Pieces.Count > 0), NextAt, "bytes");
            }
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            if (!IsThere && connection._reset) throw new IOException("connection reset by peer");
            return IsThere ? Take(destination) : 0;
        }

        int Take(Span<byte> destination)
        {
            byte[] piece = input.Pieces.Peek().Bytes;
            int n = Math.Min(destination.Length, piece.Length - input.Done);
            // Now and then less comes than was asked for, as on any socket.
            if (n > 1 && Scheduler.Random.Next(8) == 0) n = 1 + Scheduler.Random.Next(n);
            piece.AsSpan(input.Done, n).CopyTo(destination);
            input.Done += n;
            input.Queued -= n;
            Dictionary<string, long> arrived = connection._network.Arrived;
            arrived[box] = arrived.GetValueOrDefault(box) + n;
            if (input.Done < piece.Length) return n;
            input.Pieces.Dequeue();
            input.Done = 0;
            return n;
        }

        public override void Write(ReadOnlySpan<byte> source)
        {
            byte[] bytes = source.ToArray();
            for (int done = 0; done < bytes.Length;)
            {
                int n = Math.Min(bytes.Length - done, 16 << 10);
                Scheduler.Block(() => IsDisposed || connection._reset || output.Queued + n <= WindowBytes,
                    SimScheduler.Never, "room on the line");
                ObjectDisposedException.ThrowIf(IsDisposed, this);
                if (connection._reset) throw new IOException("connection reset by peer");
                Put(bytes.AsSpan(done, n));
                done += n;
            }
        }

        void Put(ReadOnlySpan<byte> bytes)
        {
            int n = (int)Math.Min(bytes.Length, connection.BytesLeft);
            connection.BytesLeft -= n;
            output.Queued += bytes.Length;
            if (n > 0 && !connection.IsSilent)
                output.Pieces.Enqueue((Scheduler.Now + connection._network.Delay.Ticks, bytes[..n].ToArray()));
            if (n == bytes.Length || connection.IsSilent) return;
            connection._network.Cuts++;
            Scheduler.Note($"cut {connection.CutAs}");
            connection.Cut(connection.CutAs);
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            if (!connection.IsSilent) output.Ended = true;
            base.Dispose(disposing);
        }
    }
}

/// <summary>Dials through the simulated network.</summary>
sealed class SimDialer(SimNetwork network, SimBox box, IReadOnlyDictionary<string, SimBox> boxes) : IPeerDialer
{
    public PeerConnection Dial(string peer, CancellationToken stop)
    {
        SimBox to = boxes[peer];
        SimConnection connection = network.Connect(box, to, stop);
        to.Take(box.Name, connection.Far);
        return new PeerConnection(new PeerIdentity(peer, new string('0', 64)), connection.Near);
    }
}
