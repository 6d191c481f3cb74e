using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Security;
using System.Threading;
using System.Threading.Tasks;
using NasCore.Mirror;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using NasFirmware.Tests.Peers;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>A mirror's bandwidth as the socket below TLS sees it.</summary>
public sealed class LinkPaceTests
{
    /// <summary>A clock that only waiting moves, and each wait is a little too long.</summary>
    sealed class WaitClock(int seed, int lateMicros) : TimeProvider, IWaitingTime
    {
        readonly Random _random = new(seed);

        internal long Micros { get; private set; }
        public override long TimestampFrequency => 1_000_000;
        public override long GetTimestamp() => Micros;

        public void Wait(TimeSpan span, CancellationToken stop) =>
            Micros += (long)Math.Ceiling(span.TotalMicroseconds) + _random.Next(lateMicros + 1);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new Never();

        sealed class Never : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;
            public void Dispose() { }
            public ValueTask DisposeAsync() => default;
        }
    }

    /// <summary>TLS as two boxes speak it, and what one of them puts on the wire, when.</summary>
    sealed class Line : IDisposable
    {
        readonly PeerBox _a = new("a"), _b = new("b");
        readonly MemoryDuplex _wire = new();
        readonly SslStream _here, _there;
        readonly Task _drain;
        readonly Socket _socket;

        internal Line(WaitClock clock)
        {
            _socket = new Socket(_wire.A, clock);
            _here = new SslStream(_socket);
            _there = new SslStream(_wire.B);
            Task.WaitAll([
                Task.Run(() => _here.AuthenticateAsClient(TlsPolicy.Client(_a.Key, TlsPolicy.Peer, _ => true))),
                Task.Run(() => _there.AuthenticateAsServer(TlsPolicy.Server(_b.Key, false, (_, _) => true)))],
                TestContext.Current.CancellationToken);
            _drain = Task.Run(() =>
            {
                byte[] buffer = new byte[1 << 18];
                try
                {
                    while (_there.Read(buffer) > 0) { }
                }
                catch (Exception e) when (e is IOException or ObjectDisposedException)
                {
                    // The test is over.
                }
            });
            Stream = new PeerStream(_here, _here.Dispose);
            Link = new PeerLink(new PeerConnection(new PeerIdentity("b", "00"), Stream), "a", clock);
            Sent.Clear();
            Sent.Add((clock.Micros, 0));
        }

        internal PeerStream Stream { get; }
        internal PeerLink Link { get; }
        internal List<(long At, long Sum)> Sent => _socket.Sent;

        internal long Between(long from, long to)
        {
            long before = 0, upTo = 0;
            foreach ((long at, long sum) in Sent)
            {
                if (at < from) before = sum;
                if (at < to) upTo = sum;
            }
            return upTo - before;
        }

        /// <summary>Most bytes in any window of this length.</summary>
        internal long Most(long micros)
        {
            long most = 0;
            for (int first = 1, last = 1; last < Sent.Count; last++)
            {
                while (Sent[last].At - Sent[first].At > micros) first++;
                most = Math.Max(most, Sent[last].Sum - Sent[first - 1].Sum);
            }
            return most;
        }

        public void Dispose()
        {
            Link.Dispose();
            _wire.A.Dispose();
            _wire.B.Dispose();
            _drain.Wait(TimeSpan.FromSeconds(20));
            _here.Dispose();
            _there.Dispose();
            _a.Dispose();
            _b.Dispose();
        }

        sealed class Socket(Stream inner, WaitClock clock) : Stream
        {
            internal readonly List<(long At, long Sum)> Sent = [(0, 0)];

            public override bool CanRead => true;
            public override bool CanWrite => true;
            public override bool CanSeek => false;
            public override long Length => throw new NotSupportedException();
            public override long Position
            {
                get => throw new NotSupportedException();
                set => throw new NotSupportedException();
            }

            public override void Write(ReadOnlySpan<byte> source)
            {
                Sent.Add((clock.Micros, (Sent.Count == 0 ? 0 : Sent[^1].Sum) + source.Length));
                inner.Write(source);
            }

            public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
            public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);
            public override int Read(Span<byte> buffer) => inner.Read(buffer);
            public override void Flush() { }
            public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
            public override void SetLength(long value) => throw new NotSupportedException();
        }
    }

    [Fact]
    public void What_TLS_adds_is_known_to_the_byte()
    {
        using var line = new Line(new WaitClock(1, 0));
        foreach (int bytes in new[] { 1, 100, 4096, 16_383, 16_384, 16_385, 32_768, 65_536, 100_000, 262_148 })
        {
            long before = line.Sent[^1].Sum;
            line.Stream.Write(new byte[bytes]);
            Assert.Equal(TlsRecord.OnWire(bytes), line.Sent[^1].Sum - before);
        }
    }

    // Stream, small messages and the large ones of a comparison, from two sides of one limit.
    [Theory]
    [InlineData(4096L, 0)]
    [InlineData(20_000L, 15_000)]
    [InlineData(300_000L, 1000)]
    [InlineData(4_000_000L, 15_000)]
    public void Rate_on_the_wire_is_kept_within_5_percent_over_10_s_and_never_doubled_in_100_ms(long rate, int late)
    {
        var clock = new WaitClock((int)rate, late);
        var random = new Random((int)rate);
        using var line = new Line(clock);
        var limiter = new BandwidthLimiter(rate, clock);
        line.Link.Limiter = limiter;
        byte[] bytes = new byte[1 << 17];
        long beat = 0;
        while (clock.Micros < 21_000_000)
        {
            int most = random.Next(4) == 0 ? (int)Math.Min(bytes.Length, rate) : line.Link.PayloadBytesMax;
            line.Link.Frames.Write(FrameKind.Data, bytes.AsSpan(0, random.Next(1, Math.Min(most, bytes.Length))));
            if (clock.Micros - beat < 2_500_000) continue;
            beat = clock.Micros;
            line.Link.Send(FrameKind.Event, new PeerEvent { Kind = PeerEventKind.Beat, Lag = 1 },
                PeerJson.Default.PeerEvent);
        }
        Assert.Equal(limiter.BytesTaken, line.Sent[^1].Sum);
        for (long from = 0; from <= 10_000_000; from += 1_250_000)
            Assert.InRange(line.Between(from, from + 10_000_000) / 10.0 / rate, 0.95, 1.05);
        Assert.True(line.Most(100_000) <= rate / 5, $"{line.Most(100_000)} bytes in 100 ms at {rate}");
    }

    [Fact]
    public void Connections_of_a_mirror_share_one_limit_and_a_new_rate_is_a_new_one()
    {
        var paces = new MirrorPaces();
        BandwidthLimiter? one = paces.Of("m", 1000, TimeProvider.System);
        Assert.NotNull(one);
        Assert.Same(one, paces.Of("m", 1000, TimeProvider.System));
        Assert.NotSame(one, paces.Of("n", 1000, TimeProvider.System));
        Assert.NotSame(one, paces.Of("m", 2000, TimeProvider.System));
        Assert.Null(paces.Of("m", 0, TimeProvider.System));
    }

    [Fact]
    public void Frame_of_a_stream_takes_the_line_for_no_longer_than_a_twentieth_of_a_second()
    {
        var clock = new WaitClock(1, 0);
        using var line = new Line(clock);
        Assert.True(line.Link.PayloadBytesMax > 1 << 20);
        line.Link.Limiter = new BandwidthLimiter(4096, clock);
        byte[] frame = new byte[line.Link.PayloadBytesMax];
        for (int i = 0; i < 100; i++)
        {
            long before = clock.Micros;
            line.Link.Frames.Write(FrameKind.Data, frame);
            Assert.InRange(clock.Micros - before, 0, 51_000);
        }
    }
}
