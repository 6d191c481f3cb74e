using System;
using System.Collections.Generic;
using System.Threading;
using NasCore.Mirror;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>A limited stream keeps its rate, and keeps it smoothly.</summary>
public sealed class BandwidthTests
{
    /// <summary>A clock whose timers come late, as real ones do.</summary>
    sealed class LateTime(Random random, int microsecondsMax) : TimeProvider
    {
        internal long Micros { get; set; } = 1;
        public override long TimestampFrequency => 1_000_000;
        public override long GetTimestamp() => Micros;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Micros += (long)Math.Ceiling(dueTime.TotalMicroseconds) + random.Next(microsecondsMax + 1);
            callback(state);
            return new Fired();
        }

        sealed class Fired : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;
            public void Dispose() { }
            public System.Threading.Tasks.ValueTask DisposeAsync() => default;
        }
    }

    /// <summary>Notes when how many bytes went out; may be slow.</summary>
    sealed class Wire(LateTime time) : IByteChannel
    {
        internal readonly List<(long At, long Sum)> Sent = [(0, 0)];
        internal long StallAt { get; init; } = long.MaxValue;
        bool _stalled;

        public int Read(Span<byte> destination) => 0;

        public void Write(ReadOnlySpan<byte> source)
        {
            if (!_stalled && time.Micros >= StallAt)
            {
                _stalled = true;
                time.Micros += 3_000_000;
            }
            Sent.Add((time.Micros, Sent[^1].Sum + source.Length));
        }

        /// <summary>Most bytes in any window of this length, both ends included.</summary>
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
    }

    static Wire Run(long rate, int seed, double seconds, int lateMicros, long stallAt = long.MaxValue)
    {
        var random = new Random(seed);
        var time = new LateTime(random, lateMicros);
        var wire = new Wire(time) { StallAt = stallAt };
        var paced = new PacedChannel(wire, new BandwidthLimiter(rate, time), time, CancellationToken.None);
        byte[] bytes = new byte[1 << 20];
        int[] sizes = [1, 7, 24, 316, 1000, 4095, 16_384, 65_616, 131_071, 1 << 20];
        int largest = (int)Math.Clamp(rate / 2, 1, 1 << 20);
        while (time.Micros < seconds * 1e6)
            paced.Write(bytes.AsSpan(0, Math.Min(largest, sizes[random.Next(sizes.Length)])));
        return wire;
    }

    [Theory]
    [InlineData(10_000L)]
    [InlineData(123_457L)]
    [InlineData(1_000_000L)]
    [InlineData(12_500_000L)]
    [InlineData(100_000_000L)]
    [InlineData(1_000_000_000L)]
    public void Rate_is_kept_within_5_percent_over_10_s_and_never_doubled_in_100_ms(long rate)
    {
        foreach (int late in new[] { 0, 1000, 15_000 })
        {
            Wire wire = Run(rate, (int)(rate % 1000) + late, 21, late);
            for (long from = 0; from <= 10_000_000; from += 1_250_000)
                Assert.InRange(wire.Between(from, from + 10_000_000) / 10.0 / rate, 0.95, 1.05);
            Assert.True(wire.Most(100_000) <= rate / 5, $"late {late}: {wire.Most(100_000)} bytes in 100 ms at {rate}");
        }
    }

    [Fact]
    public void Link_that_stood_still_is_not_made_up_for_by_a_burst()
    {
        Wire wire = Run(5_000_000, 3, 30, 1000, stallAt: 8_000_000);
        Assert.True(wire.Most(100_000) <= 1_000_000, $"{wire.Most(100_000)} bytes in 100 ms");
        Assert.InRange(wire.Between(12_000_000, 22_000_000) / 10.0 / 5_000_000, 0.95, 1.05);
    }

    [Fact]
    public void Byte_a_second_is_a_rate_too()
    {
        Wire wire = Run(1, 4, 100, 0);
        Assert.InRange(wire.Sent[^1].Sum, 99, 102);
    }
}
