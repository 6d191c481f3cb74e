using System;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Mirror;

public sealed class MirrorMeterTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Lag_is_zero_only_when_nothing_is_missing(bool isSlave)
    {
        var time = new ManualClock();
        using var lag = new MirrorLag(1, isSlave, 10, time.GetTimestamp(), time, static _ => { });
        var meter = new MirrorMeter(new StatusBoard(time), time, new MirrorStatus
        {
            Name = "family", IsSource = true, Peer = "nas3", Pfs = "data/family", Phase = MirrorPhase.InStep,
        });
        meter.Follow(lag);
        lag.Acknowledge(10);
        Assert.Equal((0, MirrorPhase.InStep), (meter.Status.LagSeconds, meter.Status.Phase));
        // The middle box of a chain has just got a batch.
        lag.Changed(11);
        Assert.Equal((0.001, MirrorPhase.Streaming), (meter.Status.LagSeconds, meter.Status.Phase));
        time.Advance(TimeSpan.FromMicroseconds(400));
        Assert.Equal(0.001, meter.Status.LagSeconds);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(2, meter.Status.LagSeconds);
        lag.Acknowledge(11);
        Assert.Equal((0, MirrorPhase.InStep), (meter.Status.LagSeconds, meter.Status.Phase));
    }

    [Fact]
    public void Speed_is_told_also_where_seconds_pass_between_records()
    {
        var time = new ManualClock();
        var meter = new MirrorMeter(new StatusBoard(time), time, new MirrorStatus
        {
            Name = "family", IsSource = true, Peer = "nas3", Pfs = "data/family", Phase = MirrorPhase.Streaming,
        });
        using var lag = new MirrorLag(1, false, 10, time.GetTimestamp(), time, static _ => { });
        var session = new SenderSession(meter, new SentCounter(), lag, 0, static _ => { });
        for (int i = 1; i <= 16; i++)
        {
            session.Progress(1, i * 65_536L);
            time.Advance(TimeSpan.FromSeconds(1));
            session.Look();
        }
        Assert.Equal(65_536, meter.Status.BytesPerSecond);
    }

    /// <summary>A broken batch that begins anew with a later end brings what the owner wrote meanwhile, too.</summary>
    [Fact]
    public void What_has_come_into_being_since_the_broken_batch_is_not_sent_again()
    {
        var counter = new SentCounter();
        void Count(long key, ulong created) => counter.Count(new BaseElm { ObjId = 1, Key = key, CreateTid = created,
            RecTypeRaw = 1, Localization = 0x10002 }, 100);
        counter.Begin(2, 10);
        Count(10, 5);
        Count(30, 6);
        counter.Begin(2, 20);
        Count(10, 5);
        Count(20, 15);
        Assert.Equal((400, 100), (counter.Sent, counter.Resent));
        Count(30, 6);
        Count(40, 15);
        Assert.Equal((600, 200), (counter.Sent, counter.Resent));
        // It broke once more: by now all of it had been sent.
        counter.Begin(2, 30);
        Count(20, 15);
        Count(35, 25);
        Assert.Equal((800, 300), (counter.Sent, counter.Resent));
        counter.Acknowledged();
        counter.Begin(31, 40);
        Count(10, 35);
        Assert.Equal((900, 300), (counter.Sent, counter.Resent));
    }
}
