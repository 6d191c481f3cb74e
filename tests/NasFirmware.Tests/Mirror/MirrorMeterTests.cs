using System;
using NasCore.Mirror;
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
}
